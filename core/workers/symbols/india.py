"""NSE and BSE as Zerodha's Kite and the exchanges' bhavcopies name contracts.

`NIFTY2690123950CE`, `M&M26AUG3000PE`, `SENSEX26AUGFUT`: read from the right: CE, PE or FUT; a strike with an optional
decimal part; the expiry; what is left is the underlying (letters, digits, `&`, `-`). The expiry is `YYMMM` for a
contract that expires on the month's day, else `YYMDD` with the month as one character, 1…9, O, N, D (Zerodha,
"Instruments", weekly options). The month's day follows from the exchange's rule.
"""

import re
from datetime import date

from core.workers.symbols.indian_expiries import monthly_expiry
from core.workers.symbols.symbol import MONTHS, AmbiguousSymbol, Right, Symbol, UnderlyingKind, UnknownSymbol, day, strike_of

#: segment → exchange
EXCHANGES = {"NFO": "NSE", "NSE": "NSE", "BFO": "BSE", "BSE": "BSE"}
BSE_INDEXES = frozenset(("SENSEX", "SENSEX50", "BANKEX", "FOCIT"))
INDEXES = BSE_INDEXES | {"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "NIFTYIT", "NIFTYFPI"}
#: one character a month in weekly contracts
WEEKLY_MONTHS = {code: number for number, code in enumerate("123456789OND", 1)}
#: weekly options began in 2016; contracts are listed at most this many years ahead of today
FIRST_WEEKLY, WEEKLY_AHEAD, MONTHLY_AHEAD = 2016, 1, 7

_MONTHLY = re.compile(
    r"([A-Z0-9&-]+?)(\d\d)(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)(?:FUT|((?:0|[1-9]\d*)(?:\.\d+)?)(CE|PE))",
    re.ASCII,
)
_WEEKLY = re.compile(r"(?=(\d\d)([1-9OND])(\d\d)((?:0|[1-9]\d*)(?:\.\d+)?)$)", re.ASCII)
_UNDERLYING = re.compile(r"[A-Z0-9&-]+", re.ASCII)


def parse(text: str, venue: str | None, today: date) -> Symbol | None:
    """`venue` is NFO, BFO, NSE, BSE, or None: then BSE's own indices are BSE's and all else is taken as NSE's."""
    ending = text[-2:]
    if ending not in ("CE", "PE", "UT"):
        return None
    found = _MONTHLY.fullmatch(text)
    if found is not None:
        return _monthly(text, venue, today, found)
    return None if ending == "UT" else _weekly(text, venue, today)


def parse_cash(text: str, venue: str) -> Symbol | None:
    """A share or an index on NSE or BSE: `M&M`, `NIFTY 50`."""
    if text in INDEXES or text.startswith(("NIFTY ", "INDIA VIX")):
        return Symbol(text, venue, "index", text, text, "INR")
    return Symbol(text, venue, "stock", text, text, "INR") if _UNDERLYING.fullmatch(text) else None


def _monthly(text: str, venue: str | None, today: date, found: re.Match[str]) -> Symbol:
    underlying, yy, name, strike, ending = found.groups()
    year, month = 2000 + int(yy), MONTHS[name]
    venue = venue or _home(underlying)
    if year > today.year + MONTHLY_AHEAD:
        raise UnknownSymbol(text, venue, f"{year} lies beyond what is listed")
    expiry = monthly_expiry(EXCHANGES[venue], underlying, year, month)
    if expiry is None:
        raise UnknownSymbol(text, venue, f"the day on which {underlying} contracts of {year}-{month:02} expire is not known")
    kind: UnderlyingKind = "index" if underlying in INDEXES else "stock"
    if strike is None:
        return Symbol(text, venue, "future", underlying, underlying, "INR", expiry, underlying_kind=kind)
    right: Right = "C" if ending == "CE" else "P"
    price = strike_of(float(strike), text, venue)
    return Symbol(text, venue, "option", underlying, underlying, "INR", expiry, price, right, underlying_kind=kind)


def _weekly(text: str, venue: str | None, today: date) -> Symbol | None:
    """Each place where a weekly expiry can be read gives a candidate: an underlying may end with digits."""
    right: Right = "C" if text[-2] == "C" else "P"
    candidates = []
    for found in _WEEKLY.finditer(text[:-2]):
        yy, code, dd, strike = found.groups()
        year, underlying = 2000 + int(yy), text[: found.start()]
        expiry = day(year, WEEKLY_MONTHS[code], int(dd))
        listed = FIRST_WEEKLY <= year <= today.year + WEEKLY_AHEAD
        if expiry is None or not listed or float(strike) == 0 or not _UNDERLYING.fullmatch(underlying):
            continue
        market = venue or _home(underlying)
        kind: UnderlyingKind = "index" if underlying in INDEXES else "stock"
        price = float(strike)
        candidates.append(
            Symbol(text, market, "option", underlying, underlying, "INR", expiry, price, right, underlying_kind=kind)
        )
    known = [c for c in candidates if c.underlying in INDEXES]
    readings = known if len(known) == 1 else candidates
    if len(readings) > 1:
        raise AmbiguousSymbol(text, venue, readings)
    return readings[0] if readings else None


def _home(underlying: str) -> str:
    return "BSE" if underlying in BSE_INDEXES else "NSE"
