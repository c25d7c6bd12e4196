"""What a venue's symbol says, and the two ways in which one can say nothing."""

from collections.abc import Sequence
from datetime import date
from typing import Literal

import msgspec

from core.base.errors import BadInput

Kind = Literal["spot", "perpetual", "future", "option", "stock", "index", "forex"]
Right = Literal["C", "P"]
UnderlyingKind = Literal["", "spot", "stock", "index", "future"]

#: exchanges' letters of the delivery months, January first (CME Group, Month codes)
MONTH_CODES = "FGHJKMNQUVXZ"
MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
#: "JAN" → 1
MONTHS = {name: number for number, name in enumerate(MONTH_NAMES, 1)}


class Symbol(msgspec.Struct, frozen=True, gc=False):
    """One contract.

    `venue` is the exchange or market: BINANCE_SPOT, BINANCE_USDM, BINANCE_COINM, BINANCE_OPTIONS, DERIBIT, HYPERLIQUID,
    NSE, NFO, BSE, BFO, OPRA, IBKR, or the exchange the caller named. `underlying` is what the venue's list of
    instruments names as such; `root` is the product or option class without month and year (MES of MESM6, SPXW of an
    SPXW option). `quote` is the currency of its price, "" where the text does not say. `expiry` is the last trading day
    where the text or the venue's rule tells it; `month` ("2026-06") is set where only the contract month is told.
    `strike` is in the currency of the underlying's price. `underlying_kind` is "" for what is no derivative.
    """

    text: str
    venue: str
    kind: Kind
    underlying: str
    root: str
    quote: str = ""
    expiry: date | None = None
    strike: float | None = None
    right: Right | None = None
    month: str = ""
    underlying_kind: UnderlyingKind = ""


class UnknownSymbol(BadInput):
    """No venue's grammar fits the text, or it names what cannot be (31 February)."""

    def __init__(self, text: str, venue: str | None, reason: str = "no grammar fits") -> None:
        super().__init__(f"unknown symbol {text!r}{f' at {venue}' if venue else ''}: {reason}")
        self.text = text
        self.venue = venue
        self.reason = reason


class AmbiguousSymbol(BadInput):
    """The text has several readings and nothing tells which is meant; `candidates` are all of them."""

    def __init__(self, text: str, venue: str | None, candidates: Sequence[Symbol]) -> None:
        readings = "; ".join(map(describe, candidates))
        super().__init__(f"ambiguous symbol {text!r}{f' at {venue}' if venue else ''}: {readings}")
        self.text = text
        self.venue = venue
        self.candidates = tuple(candidates)


def describe(symbol: Symbol) -> str:
    """A reading in words, for messages."""
    parts = [symbol.venue, symbol.kind, symbol.underlying + (f"/{symbol.quote}" if symbol.quote else "")]
    if symbol.expiry is not None or symbol.month:
        parts.append(str(symbol.expiry or symbol.month))
    if symbol.strike is not None:
        parts.append(f"{symbol.strike:g} {symbol.right}")
    return " ".join(parts)


def day(year: int, month: int, number: int) -> date | None:
    """The date, None where there is no such day."""
    try:
        return date(year, month, number)
    except ValueError:
        return None


def strike_of(number: float, text: str, venue: str | None) -> float:
    """The strike that `text` tells. Raises UnknownSymbol for 0: nobody lists it."""
    if number == 0:
        raise UnknownSymbol(text, venue, "the strike is 0")
    return number


def words(text: str) -> frozenset[str]:
    """The blank-separated words of a list."""
    return frozenset(text.split())
