"""Deribit: `BTC-23JUL21-55000-C`, `XRP_USDC-30JUN23-0d625-C`, `BTC-30JUL21`, `ETH_USDC-PERPETUAL`, `BTC_USDC`.

Names after Deribit's API documentation, "Instrument naming": the day has no leading zero, `d` stands for the decimal point,
`_USDC` marks what is quoted and settled in USDC. Without it a future is quoted in USD and an option in its own coin.
Expiry is at 08:00 UTC of the day. An option is valued on the future of its expiry, listed or made ("underlying_index" of the
ticker), hence its kind of underlying.
"""

import re

from core.workers.symbols.symbol import MONTHS, Right, Symbol, UnknownSymbol, day, strike_of

VENUE = "DERIBIT"
_NAME = re.compile(
    r"([A-Z0-9]{2,12})(?:_(USDC|USDT|EURR|USDE|BTC|ETH))?"
    r"(?:-(?:(PERPETUAL)|([1-9]|[12]\d|3[01])(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)(\d\d)(?:-(\d+(?:d\d+)?)-([CP]))?))?"
)


def parse(text: str) -> Symbol | None:
    found = _NAME.fullmatch(text)
    if found is None:
        return None
    coin, quote, perpetual, dd, month, yy, strike, right = found.groups()
    if perpetual:
        return Symbol(text, VENUE, "perpetual", coin, coin, quote or "USD", underlying_kind="spot")
    if dd is None:
        return Symbol(text, VENUE, "spot", coin, coin, quote) if quote else None
    expiry = day(2000 + int(yy), MONTHS[month], int(dd))
    if expiry is None:
        raise UnknownSymbol(text, VENUE, f"there is no day {dd}{month}{yy}")
    if strike is None:
        return Symbol(text, VENUE, "future", coin, coin, quote or "USD", expiry, underlying_kind="spot")
    price = strike_of(float(strike.replace("d", ".")), text, VENUE)
    side: Right = "C" if right == "C" else "P"
    return Symbol(text, VENUE, "option", coin, coin, quote or coin, expiry, price, side, underlying_kind="future")
