"""Interactive Brokers' local symbols: each exchange's own spelling, as TWS shows and sends it.

IB documents no grammar; these are the forms of its contract search: shares (`BF B`), currencies and coins (`EUR.USD`),
futures (`MESM6`, `SXAH24`, `YM   JUN 23`, `DVM3  JN24`, `ISP   24L20`, `SCOI 20251219 M`, `AH_20240221`), options
(`AAPL  230217P00155000`) and options on futures (`EX2G3 P4080`, `FCHZ24_C7000`, `C OEXD 20261218 50 M`).

A year of one digit is read within `AHEAD` years of today and `BEHIND` before. Outside of that (and for contracts that
ended earlier) IB itself can no longer tell the product, so such a contract keeps the first word of its local symbol as
`underlying`; `root` is the product in any case.
"""

import re
from datetime import date

from core.workers.symbols import india, occ
from core.workers.symbols.symbol import MONTH_CODES, MONTHS, Right, Symbol, UnknownSymbol, day, strike_of, words

VENUE = "IBKR"
#: years within which a contract is told by its product
AHEAD, BEHIND = 5, 2
STOCKS = words(
    "SMART NYSE NASDAQ ISLAND ARCA AMEX BATS BYX EDGEA DRCTEDGE IEX MEMX PEARL CHX PSX LTSE NYSENAT OVERNIGHT PINK VALUE "
    "ASX LSE LSEETF LSEIOB1 IBIS IBIS2 FWB FWB2 SWB GETTEX TGATE SEHK SEHKNTL SEHKSZSE TSE TSEJ VENTURE AEQLIT NEOE MEXI "
    "SBF AEB EBS BVME BVME.ETF BM SFB CPH HEX OSE ENEXT.BE BVL VSE WSE PRA BUX TASE KRX"
)
FUTURES = words(
    "CME GLOBEX CBOT ECBOT NYMEX COMEX CFE NYBOT IPE ICEEU ICEEUSOFT ICEUS SNFE CDE SGX ENDEX EUREX LMEOTC OMS MEXDER IDEM "
    "MEFFRV OSE.JPN HKFE KCBT MGE KSE DTB MONEP MATIF FTA BELFOX SMFE NYSELIFFE CBOE2"
)
INDEXES = occ.INDEXES | words("XJO XAO XKO XTO XFL INDU COMP NYA SX5E AS51 SMI CAC40 IBEX35 K200")
COINS = words("BTC ETH LTC BCH SOL ADA XRP DOGE AVAX LINK SUI")
CURRENCIES = words(
    "USD EUR GBP JPY CHF AUD CAD NZD CNH HKD SGD SEK NOK DKK MXN ZAR PLN CZK HUF TRY ILS KRW INR BRL RUB AED SAR TWD"
)
#: ENDEX lists the options on TTF gas under the future's code alone
OPTION_CODES = frozenset(("TFM",))
_SPANISH = {name: n for n, name in enumerate(["EN", "FB", "MR", "AB", "MY", "JN", "JL", "AG", "SP", "OC", "NV", "DC"], 1)}

_CODE = re.compile(r"([A-Z0-9]{1,5}?)([FGHJKMNQUVXZ])(\d{1,2})")
_ON_FUTURE = re.compile(r"([A-Z0-9]{1,5}?)([FGHJKMNQUVXZ])(\d{1,2})[ _]([CP])(\d+(?:\.\d+)?)")
_DATED = re.compile(r"(?:([CP]) )?([A-Z0-9]{1,6}) (\d{8})(?: (\d+(?:\.\d+)?))? [A-Z]")
_PROMPT = re.compile(r"([A-Z0-9]{1,6})_(\d{8})")
_NAMED = re.compile(r"([A-Z0-9]{1,6}) +(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC) (\d\d)")
_MILAN = re.compile(r"([A-Z0-9]{1,6}) +(\d\d)([A-L])(\d\d)")
_MEXICO = re.compile(r"([A-Z][A-Z0-9]{1,5}?) *(EN|FB|MR|AB|MY|JN|JL|AG|SP|OC|NV|DC)(\d\d)")
#: MexDer's options: the letter is the month of a call, A…L, or a put, M…X
_MEXICAN_OPTION = re.compile(r"([A-Z]{2,4})(\d+)([A-X])")
_PAIR = re.compile(r"([A-Z0-9]{2,6})\.([A-Z]{3})")
_SHARE = re.compile(r"[A-Z0-9]{1,6}(?:[ .][A-Z]{1,3})?")
_US_SHARE = re.compile(r"[A-Z]{1,5}(?: [A-Z])?")
_INDEX = re.compile(r"[A-Z][A-Z0-9]{1,7}")
#: a code with a digit in it, of an exchange whose spelling is not told apart above (OMS: `4TLSN4L`)
_FUTURE = re.compile(r"(?=[A-Z]*\d)[A-Z0-9]{2,12}")
_FIRST_WORD = re.compile(r"[ ._]")


def parse(text: str, venue: str, today: date) -> Symbol | None:
    """`venue` is IB's exchange, or IBKR for any."""
    option = occ.parse(text, venue)
    if option is not None:
        return option if venue == "CBOE" else _as_known(option, today)
    if venue == "NSE":
        contract = india.parse(text, venue, today)
        # the exchange's own bhavcopies, too, come under this name; IB has but futures there
        return _as_known(contract, today) if contract is not None and contract.kind == "future" else contract
    contract = _derivative(text, venue, today)
    if contract is not None:
        return contract
    if found := _PAIR.fullmatch(text):
        return _pair(text, venue, found)
    return _plain(text, venue)


def parse_unplaced(text: str, today: date) -> Symbol | None:
    """Without a venue: futures and options on them, a currency pair, an index, a share of up to five letters."""
    contract = _derivative(text, VENUE, today)
    if contract is not None:
        return contract
    if found := _PAIR.fullmatch(text):
        return _pair(text, VENUE, found)
    if text in INDEXES or _US_SHARE.fullmatch(text):
        return _plain(text, VENUE)
    return None


def _derivative(text: str, venue: str, today: date) -> Symbol | None:
    if venue in STOCKS or text in INDEXES:
        return None
    if found := _ON_FUTURE.fullmatch(text):
        return _on_future(text, venue, today, found)
    if found := _CODE.fullmatch(text):
        return _code(text, venue, today, found)
    if " " in text or "_" in text:
        return _spaced(text, venue, today)
    return _mexican(text, today) if venue == "MEXDER" else None


def _mexican(text: str, today: date) -> Symbol | None:
    if found := _MEXICO.fullmatch(text):
        return _month(text, "MEXDER", today, found[1], 2000 + int(found[3]), _SPANISH[found[2]])
    if found := _MEXICAN_OPTION.fullmatch(text):
        root, strike, letter = found.groups()
        right: Right = "C" if letter <= "L" else "P"
        price = strike_of(float(strike), text, "MEXDER")
        return Symbol(text, "MEXDER", "option", text, root, strike=price, right=right, underlying_kind="future")
    return None


def _spaced(text: str, venue: str, today: date) -> Symbol | None:
    if found := _DATED.fullmatch(text):
        side, root, when, strike = found.groups()
        if (side is None) != (strike is None):
            return None
        return _dated(
            text, venue, today, root, (when[:4], when[4:6], when[6:]), None if strike is None else float(strike), side
        )
    if found := _PROMPT.fullmatch(text):
        return _dated(text, venue, today, found[1], (found[2][:4], found[2][4:6], found[2][6:]))
    if found := _MILAN.fullmatch(text):
        return _dated(text, venue, today, found[1], ("20" + found[2], str(ord(found[3]) - ord("A") + 1), found[4]))
    if found := _NAMED.fullmatch(text):
        return _month(text, venue, today, found[1], 2000 + int(found[3]), MONTHS[found[2]])
    if found := _MEXICO.fullmatch(text):
        return _month(text, venue, today, found[1], 2000 + int(found[3]), _SPANISH[found[2]])
    return None


def _code(text: str, venue: str, today: date, found: re.Match[str]) -> Symbol:
    root, code, digits = found.groups()
    year = _year(digits, today)
    if root in OPTION_CODES and venue in ("ENDEX", VENUE):
        month = f"{year}-{MONTH_CODES.index(code) + 1:02}" if year else ""
        return Symbol(text, venue, "option", text, root, month=month, underlying_kind="future")
    return _month(text, venue, today, root, year, MONTH_CODES.index(code) + 1)


def _month(text: str, venue: str, today: date, root: str, year: int | None, month: int) -> Symbol:
    """A future of which only the month is told; the day is the product's own rule."""
    if year is None:
        return _by_word(Symbol(text, venue, "future", root, root))
    contract = Symbol(text, venue, "future", root, root, month=f"{year}-{month:02}")
    return _by_word(contract) if _is_over(year, month, today) else contract


def _dated(
    text: str,
    venue: str,
    today: date,
    root: str,
    when: tuple[str, str, str],
    strike: float | None = None,
    side: str | None = None,
) -> Symbol:
    expiry = day(*map(int, when))
    if expiry is None:
        raise UnknownSymbol(text, venue, f"there is no day {'-'.join(when)}")
    if strike is None:
        return _as_known(Symbol(text, venue, "future", root, root, expiry=expiry), today)
    right: Right = "C" if side == "C" else "P"
    price = strike_of(strike, text, venue)
    return Symbol(text, venue, "option", root, root, expiry=expiry, strike=price, right=right, underlying_kind="index")


def _on_future(text: str, venue: str, today: date, found: re.Match[str]) -> Symbol:
    """The underlying is named by the contract's own code: `EX2G3`.

    A strike that begins with 0 has its point after it: 0655 is 0.655.
    """
    root, code, digits, side, strike = found.groups()
    year = _year(digits, today)
    month = f"{year}-{MONTH_CODES.index(code) + 1:02}" if year else ""
    decimal = f"0.{strike[1:]}" if len(strike) > 1 and strike[0] == "0" and "." not in strike else strike
    price = strike_of(float(decimal), text, venue)
    right: Right = "C" if side == "C" else "P"
    future = root + code + digits
    return Symbol(text, venue, "option", future, root, strike=price, right=right, month=month, underlying_kind="future")


def _pair(text: str, venue: str, found: re.Match[str]) -> Symbol | None:
    base, quote = found.groups()
    if base in CURRENCIES and quote in CURRENCIES:
        return Symbol(text, venue, "forex", base, base, quote)
    if base in COINS or venue in ("PAXOS", "ZEROHASH"):
        return Symbol(text, venue, "spot", base, base, quote)
    return None


def _plain(text: str, venue: str) -> Symbol | None:
    if text in INDEXES and venue not in ("NYSE", "NASDAQ", "ISLAND", "ARCA"):
        return Symbol(text, venue, "index", text, text)
    if venue in ("CBOE", "EUREX", "CME") and _INDEX.fullmatch(text):
        return Symbol(text, venue, "index", text, text)
    if venue in FUTURES:
        return Symbol(text, venue, "future", text, text) if _FUTURE.fullmatch(text) else None
    if not _SHARE.fullmatch(text):
        return None
    return Symbol(
        text, venue, "stock", _FIRST_WORD.split(text)[0], text, "USD" if _US_SHARE.fullmatch(text) and venue != "ASX" else ""
    )


def _year(digits: str, today: date) -> int | None:
    """Two digits are of this century; one digit is the year within reach that ends so, None where there is none."""
    if len(digits) == 2:
        return 2000 + int(digits)
    return next((y for y in range(today.year - BEHIND, today.year + AHEAD + 1) if y % 10 == int(digits)), None)


def _as_known(contract: Symbol, today: date) -> Symbol:
    expiry = contract.expiry
    return _by_word(contract) if expiry is not None and _is_over(expiry.year, expiry.month, today) else contract


def _is_over(year: int, month: int, today: date) -> bool:
    return (today.year - year) * 12 + today.month - month > BEHIND * 12


def _by_word(contract: Symbol) -> Symbol:
    word = _FIRST_WORD.split(contract.text)[0]
    return Symbol(
        contract.text, contract.venue, contract.kind, word, contract.root, contract.quote, contract.expiry,
        contract.strike, contract.right, contract.month, contract.underlying_kind,
    )  # fmt: skip
