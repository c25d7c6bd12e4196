"""Binance: spot pairs, USD-M and COIN-M perpetual and delivery contracts, European options.

Names after Binance's API documentation (exchangeInfo of spot, USDⓈ-M, COIN-M and options): a pair is base and quote without
a separator; a delivery contract adds `_YYMMDD`, a COIN-M perpetual `_PERP`; an option is `BTC-240628-60000-C`.
"""

import re

from core.workers.symbols.symbol import Kind, Right, Symbol, UnknownSymbol, day, strike_of, words

SPOT, USDM, COINM, OPTIONS = "BINANCE_SPOT", "BINANCE_USDM", "BINANCE_COINM", "BINANCE_OPTIONS"

#: currencies that spot pairs are quoted in
SPOT_QUOTES = words(
    "USDT USDC FDUSD BUSD TUSD USDP PAX USDS USD1 UST DAI VAI BTC ETH BNB XRP TRX DOGE DOT SOL EUR EURI GBP AUD TRY BRL ARS "
    "MXN COP ZAR UAH RUB NGN PLN RON CZK JPY KZT IDR IDRT BIDR BKRW BVND"
)
USDM_QUOTES = frozenset(("USDT", "USDC", "BUSD", "USD1", "BTC", "ETH"))
#: USD-M contracts that exchangeInfo lists without a contract type: taken off and settled, no perpetuals any more
SETTLING = frozenset(("BTCSTUSDT",))
#: what dated USD-M contracts are quoted in
DELIVERY_QUOTES = frozenset(("USDT", "USDC"))
#: the pairs quoted in AEUR: every other name that ends so is a coin on A in EUR (ADAEUR)
_IN_AEUR = frozenset(("BTCAEUR", "ETHAEUR", "EURAEUR"))
#: coins on B that are quoted in IDR: every other name that ends with BIDR is quoted in that
_IN_IDR = frozenset(("BNBIDR", "ARBIDR", "SHIBIDR"))
#: lengths of the quotes; but for the two above no quote ends with another, so at most one fits
_LENGTHS = (4, 3, 5)

_CONTRACT = re.compile(r"([^\W_a-z]{1,20})_(PERP|\d{6})", re.ASCII)
_OPTION = re.compile(r"([A-Z0-9]{2,10})-(\d\d)(\d\d)(\d\d)-(\d+(?:\.\d+)?)-([CP])")


def split_pair(text: str, quotes: frozenset[str]) -> tuple[str, str] | None:
    """Base and quote; None where no quote fits or no base is left."""
    if not text.isalnum() or text != text.upper():
        return None
    if text in _IN_AEUR and "EUR" in quotes:
        return text[:-4], "AEUR"
    if text in _IN_IDR and "IDR" in quotes:
        return text[:-3], "IDR"
    for length in _LENGTHS:
        if len(text) > length and text[-length:] in quotes:
            return text[:-length], text[-length:]
    return None


def parse_spot(text: str) -> Symbol | None:
    return _pair(text, SPOT, "spot", SPOT_QUOTES)


def parse_usdm(text: str) -> Symbol | None:
    if "_" in text:
        contract = parse_contract(text)
        return contract if contract is not None and contract.venue == USDM else None
    return _pair(text, USDM, "future" if text in SETTLING else "perpetual", USDM_QUOTES)


def parse_coinm(text: str) -> Symbol | None:
    contract = parse_contract(text)
    return contract if contract is not None and contract.venue == COINM else None


def parse_contract(text: str) -> Symbol | None:
    """`BTCUSDT_210924` (USD-M), `BTCUSD_210924`, `BTCUSD_PERP` (COIN-M)."""
    found = _CONTRACT.fullmatch(text)
    if found is None:
        return None
    pair, term = found.groups()
    if pair.endswith("USD") and len(pair) > 3:
        venue, base, quote = COINM, pair[:-3], "USD"
    else:
        split = split_pair(pair, DELIVERY_QUOTES)
        if split is None or term == "PERP":
            return None
        venue, (base, quote) = USDM, split
    if term == "PERP":
        return Symbol(text, venue, "perpetual", base, base, quote, underlying_kind="spot")
    expiry = day(2000 + int(term[:2]), int(term[2:4]), int(term[4:]))
    if expiry is None:
        raise UnknownSymbol(text, venue, f"there is no day {term}")
    return Symbol(text, venue, "future", base, base, quote, expiry, underlying_kind="spot")


def parse_option(text: str) -> Symbol | None:
    """`BTC-240628-60000-C`; premium and strike in USDT."""
    found = _OPTION.fullmatch(text)
    if found is None:
        return None
    base, yy, mm, dd, strike, right = found.groups()
    expiry = day(2000 + int(yy), int(mm), int(dd))
    if expiry is None:
        raise UnknownSymbol(text, OPTIONS, f"there is no day {yy}{mm}{dd}")
    side: Right = "C" if right == "C" else "P"
    price = strike_of(float(strike), text, OPTIONS)
    return Symbol(text, OPTIONS, "option", base, base, "USDT", expiry, price, side, underlying_kind="spot")


def parse_any(text: str) -> Symbol | None:
    """What Binance as one venue means by the text: a bare pair is the spot pair."""
    return parse_contract(text) if "_" in text else parse_option(text) if "-" in text else parse_spot(text)


def _pair(text: str, venue: str, kind: Kind, quotes: frozenset[str]) -> Symbol | None:
    split = split_pair(text, quotes)
    if split is None:
        return None
    return Symbol(text, venue, kind, split[0], split[0], split[1], underlying_kind="" if kind == "spot" else "spot")
