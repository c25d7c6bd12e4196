"""Streamed messages of a TWS as the client hands them over, and what they mean to us.

Layouts: EWrapper of the TWS API (interactivebrokers.github.io/tws-api). Prices in dollars, sizes in shares.
"""

import math

import msgspec

from core.venues.bad_frames import BadFrame

#: more than any price or size can be
_ABSURD = 1e12
#: a time further from the present than this is none
_ASTRAY_S = 3_600


class LastTick(msgspec.Struct, frozen=True, gc=False):
    """A trade, `tickByTickAllLast`; `second` is the venue's, epoch; `place`: its exchange and special conditions."""

    request_id: int
    second: int
    price: float
    size: float
    place: str = ""


class QuoteTick(msgspec.Struct, frozen=True, gc=False):
    """`tickByTickBidAsk`."""

    request_id: int
    second: int
    bid: float
    bid_size: float
    ask: float
    ask_size: float


class DepthRow(msgspec.Struct, frozen=True, gc=False):
    """`updateMktDepth` and `updateMktDepthL2`: operation 0 insert, 1 update, 2 delete; side 0 ask, 1 bid."""

    request_id: int
    position: int
    operation: int
    side: int
    price: float
    size: float


class BarTick(msgspec.Struct, frozen=True, gc=False):
    """`realtimeBar` and `historicalDataUpdate`; a count below 1: not told."""

    request_id: int
    second: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    count: int


class TopTick(msgspec.Struct, frozen=True, gc=False):
    """`tickPrice`, `tickSize` of a market data line; no price: only a size."""

    request_id: int
    tick_type: int
    price: float | None
    size: float


class Delay(msgspec.Struct, frozen=True, gc=False):
    """`marketDataType`: whether what comes for this request is delayed."""

    request_id: int
    is_delayed: bool


Frame = LastTick | QuoteTick | DepthRow | BarTick | TopTick | Delay

#: tick type -> (field of the quote, whether it is delayed); sizes come with prices and alone
PRICES = {1: "bid", 2: "ask", 66: "bid", 67: "ask"}
SIZES = {0: "bid_size", 3: "ask_size", 69: "bid_size", 70: "ask_size"}


def check(frame: Frame, venue_s: float) -> None:
    """Raises BadFrame for numbers that no market has. `venue_s`: the venue's epoch seconds."""
    if isinstance(frame, LastTick):
        _check_time(frame, venue_s)
        if not (_is_price(frame.price) and _is_size(frame.size)):
            raise BadFrame("trade", f"absurd trade {frame}")
    elif isinstance(frame, QuoteTick):
        _check_time(frame, venue_s)
        # an empty side is told as -1 or 0
        if not all(-1 <= v < _ABSURD for v in (frame.bid, frame.ask, frame.bid_size, frame.ask_size)):
            raise BadFrame("quote", f"absurd quote {frame}")
    elif isinstance(frame, DepthRow):
        if not (0 <= frame.price < _ABSURD and _is_size(frame.size)):
            raise BadFrame("depth", f"absurd row {frame}")
    elif isinstance(frame, BarTick):
        prices = (frame.open, frame.high, frame.low, frame.close)
        if not all(map(_is_price, prices)) or not frame.low <= frame.high or frame.second <= 0 or math.isnan(frame.volume):
            raise BadFrame("bar", f"absurd bar {frame}")
    elif isinstance(frame, TopTick) and not (math.isfinite(frame.size) and math.isfinite(frame.price or 0.0)):
        raise BadFrame("tick", f"absurd tick {frame}")


def _check_time(frame: LastTick | QuoteTick, venue_s: float) -> None:
    if abs(frame.second - venue_s) > _ASTRAY_S:
        raise BadFrame("time", f"absurd time {frame}")


def _is_price(value: float) -> bool:
    return 0 < value < _ABSURD


def _is_size(value: float) -> bool:
    return 0 <= value < _ABSURD
