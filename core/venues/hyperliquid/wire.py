"""Hyperliquid's frames and answers to domain values: pure functions.

Source: Hyperliquid docs, "WebSocket / Subscriptions" and "Info endpoint". Frames are `{"channel": …, "data": …}`; numbers
come as strings and are decoded straight to float (msgspec's lax mode). Everything raises `BadFrame` naming what is wrong.
"""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import TypeVar

import msgspec

from core.domain.market import BookView, Kline, Level, Origin, Quote, Trade
from core.venues.bad_frames import BadFrame

#: no market time can be older (Unix ms): Hyperliquid's first trades are of 2023
EARLIEST_MS = 1_640_995_200_000
#: how far ahead of this machine's clock a venue time may be
FUTURE_MS = 24 * 3_600_000

_INF = float("inf")
_MAX_ID = 2**63 - 1
#: what the venue greets with; the only message that is not JSON
GREETING = b"Websocket connection established."

_T = TypeVar("_T")


class VenueCandle(msgspec.Struct, frozen=True, gc=False):
    """The venue's bar, and how many trades it counts in it: what proves that we have them all."""

    symbol: str
    kline: Kline
    trades: int


class Acknowledged(msgspec.Struct, frozen=True):
    """The venue has (un)subscribed a channel of a coin."""

    method: str
    channel: str
    coin: str


class Refused(msgspec.Struct, frozen=True):
    """The venue's words on a request it will not have."""

    text: str


class Pong(msgspec.Struct, frozen=True):
    """The answer to our ping."""


Control = Acknowledged | Refused | Pong


class _Envelope(msgspec.Struct, gc=False):
    channel: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Trade(msgspec.Struct, gc=False):
    coin: str
    side: str
    px: float
    sz: float
    time: int
    tid: int


class _Level(msgspec.Struct, gc=False):
    px: float
    sz: float


class _Book(msgspec.Struct, gc=False):
    coin: str
    time: int
    levels: tuple[list[_Level], list[_Level]]


class _Best(msgspec.Struct, gc=False):
    coin: str
    time: int
    bbo: tuple[_Level | None, _Level | None]


class _Candle(msgspec.Struct, gc=False):
    t: int
    T: int
    s: str
    i: str
    o: float
    c: float
    h: float
    l: float  # noqa: E741 - the venue's letter
    v: float
    n: int


class _Subscription(msgspec.Struct):
    type: str
    coin: str = ""


class _Ack(msgspec.Struct):
    method: str
    subscription: _Subscription


class _Asset(msgspec.Struct):
    name: str
    szDecimals: int


class _Meta(msgspec.Struct):
    universe: list[_Asset]


def parse_frame(
    frame: bytes, symbols: Mapping[str, str], recv_ns: int, latest_ms: int
) -> tuple[Trade | Quote | BookView | VenueCandle, ...] | Control:
    """The facts of a frame, oldest first, or what it says of the connection.

    `symbols`: coin -> our symbol, others are refused; `latest_ms`: the latest believable venue time (Unix ms).
    """
    if frame == GREETING:
        return ()
    envelope = _decoded(frame, _Envelope)
    data = bytes(envelope.data)
    match envelope.channel:
        case "trades":
            trades = [_trade(t, symbols, recv_ns, latest_ms, Origin.STREAM) for t in _decoded(data, list[_Trade])]
            return tuple(trades)
        case "l2Book":
            return (_book(_decoded(data, _Book), symbols, recv_ns, latest_ms),)
        case "bbo":
            return _quote(_decoded(data, _Best), symbols, recv_ns, latest_ms)
        case "candle":
            return (_candle(_decoded(data, _Candle), symbols, recv_ns, latest_ms, Origin.STREAM),)
        case "subscriptionResponse":
            ack = _decoded(data, _Ack)
            return Acknowledged(ack.method, ack.subscription.type, ack.subscription.coin)
        case "error":
            return Refused(str(_decoded(data, object))[:300])
        case "pong":
            return Pong()
    raise BadFrame("channel", f"unknown channel {envelope.channel[:40]!r}")


def parse_trades(answer: object, symbols: Mapping[str, str], latest_ms: int) -> list[Trade]:
    """`recentTrades`, oldest first."""
    trades = [_trade(t, symbols, 0, latest_ms, Origin.REST) for t in _converted(answer, list[_Trade])]
    return sorted(trades, key=lambda trade: trade.ts_ms)


def parse_candles(answer: object, symbols: Mapping[str, str], latest_ms: int, now_ms: int) -> list[VenueCandle]:
    """`candleSnapshot`, oldest first; a bar that is over by `now_ms` (the venue's time) is closed."""
    candles = []
    for one in _converted(answer, list[_Candle]):
        candle = _candle(one, symbols, 0, latest_ms, Origin.REST)
        if now_ms > one.T:
            candle = msgspec.structs.replace(
                candle, kline=msgspec.structs.replace(candle.kline, closed=True, event_ms=one.T)
            )
        candles.append(candle)
    return sorted(candles, key=lambda candle: candle.kline.open_ms)


def parse_size_decimals(answer: object) -> dict[str, int]:
    """`meta`: coin -> decimals of its sizes. Prices have at most 6 − szDecimals decimals (docs, "Tick and lot size")."""
    return {asset.name: asset.szDecimals for asset in _converted(answer, _Meta).universe}


def tell_apart(refusal: str) -> tuple[str, str]:
    """Channel and coin that an `error` message quotes, ("", "") when it quotes none."""
    start = refusal.find("{")
    try:
        quoted, _ = json.JSONDecoder().raw_decode(refusal[max(start, 0) :])
    except ValueError:
        return "", ""
    body = quoted.get("subscription", quoted) if isinstance(quoted, dict) else None
    return (str(body.get("type", "")), str(body.get("coin", ""))) if isinstance(body, dict) else ("", "")


def _trade(t: _Trade, symbols: Mapping[str, str], recv_ns: int, latest_ms: int, origin: Origin) -> Trade:
    if t.side not in ("A", "B"):
        raise BadFrame("side", f"side {t.side[:10]!r} is neither A nor B")
    if not 0 <= t.tid <= _MAX_ID:
        raise BadFrame("id", f"trade id {t.tid}")
    price, size = _positive(t.px, "price"), _positive(t.sz, "size")
    # "A" is the side of the taker: he sold, so that the buyer was the maker
    return Trade(
        _symbol(t.coin, symbols), t.tid, price, size, _time(t.time, latest_ms), t.side == "A", recv_ns, origin
    )  # fmt: skip


def _book(b: _Book, symbols: Mapping[str, str], recv_ns: int, latest_ms: int) -> BookView:
    bids, asks = (tuple(_level(level) for level in side) for side in b.levels)
    for side, sign in ((bids, -1), (asks, 1)):
        if any(sign * (later[0] - earlier[0]) <= 0 for earlier, later in pairwise(side)):
            raise BadFrame("order", f"levels of {b.coin[:20]} are not best first")
    time_ms = _time(b.time, latest_ms)
    known = (bids[-1][0], asks[-1][0]) if bids and asks else None
    return BookView(_symbol(b.coin, symbols), time_ms, bids, asks, time_ms, recv_ns, "hyperliquid", known)


def _quote(b: _Best, symbols: Mapping[str, str], recv_ns: int, latest_ms: int) -> tuple[Quote, ...]:
    bid, ask = b.bbo
    if bid is None or ask is None:
        return ()
    symbol, update_id = _symbol(b.coin, symbols), _time(b.time, latest_ms)
    return (Quote(symbol, *_level(bid), *_level(ask), update_id, recv_ns),)


def _candle(c: _Candle, symbols: Mapping[str, str], recv_ns: int, latest_ms: int, origin: Origin) -> VenueCandle:
    o, h, lo, close = (_positive(value, "price") for value in (c.o, c.h, c.l, c.c))
    if not 0 <= c.v < _INF or c.n < 0:
        raise BadFrame("volume", f"candle volume {c.v}, {c.n} trades")
    if not c.h >= max(c.o, c.c) >= min(c.o, c.c) >= c.l:
        raise BadFrame("candle", f"open {c.o}, high {c.h}, low {c.l}, close {c.c}")
    open_ms, symbol = _time(c.t, latest_ms), _symbol(c.s, symbols)
    # a running candle tells no event time: its open is the least that it proves
    return VenueCandle(
        symbol, Kline(symbol, c.i, open_ms, o, h, lo, close, c.v, -1, -1, False, open_ms, recv_ns, origin), c.n
    )


def _level(level: _Level) -> Level:
    return _positive(level.px, "price"), _positive(level.sz, "size")


def _positive(value: float, what: str) -> float:
    if not 0 < value < _INF:
        raise BadFrame(what, f"{what} {value}")
    return value


def _time(value: int, latest_ms: int) -> int:
    if not EARLIEST_MS <= value <= latest_ms:
        raise BadFrame("time", f"time {value}")
    return value


def _symbol(coin: str, symbols: Mapping[str, str]) -> str:
    symbol = symbols.get(coin)
    if symbol is None:
        raise BadFrame("coin", f"unknown coin {coin[:20]!r}")
    return symbol


def _decoded(data: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(data, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadFrame("layout", str(error)[:120]) from error
    except msgspec.DecodeError as error:
        raise BadFrame("json", str(error)[:120]) from error


def _converted(answer: object, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(answer, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadFrame("layout", str(error)[:120]) from error
