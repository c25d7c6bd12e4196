"""Binance stream frames to domain values: pure functions.

Source: github.com/binance/binance-spot-api-docs, web-socket-streams.md. A combined stream wraps each payload as
`{"stream":"<name>","data":<payload>}`; the wire structs keep the venue's letters and never leave this module.

Every parser takes `(frame, recv_ns, latest_ms)`, where `latest_ms` is the latest believable venue time (Unix ms), and
raises `BadFrame` naming what is wrong. Numbers in strings are decoded straight to float (msgspec's lax mode).
"""

from collections.abc import Callable
from typing import NoReturn

import msgspec

from core.domain.market import DepthDiff, Kline, Level, Quote, Trade
from core.venues.bad_frames import BadFrame

#: Binance opened in July 2017: no market time can be older (Unix ms)
EARLIEST_MS = 1_498_867_200_000
#: how far ahead of this machine's clock a venue time may be
FUTURE_MS = 24 * 3_600_000

INTERVALS_MS = {"1s": 1_000, "1m": 60_000, "1h": 3_600_000, "1d": 86_400_000}

_INF = float("inf")
#: ids are stored as Postgres bigint
_MAX_ID = 2**63 - 1

StreamValue = Trade | Quote | DepthDiff | Kline
Parser = Callable[[bytes, int, int], StreamValue]


class _Struct(msgspec.Struct, gc=False):
    pass


class _Trade(_Struct):
    E: int
    s: str
    t: int
    p: float
    q: float
    T: int
    m: bool


class _TradeFrame(_Struct):
    data: _Trade


class _BookTicker(_Struct):
    u: int
    s: str
    b: float
    B: float
    a: float
    A: float


class _BookTickerFrame(_Struct):
    data: _BookTicker


class _Depth(_Struct):
    E: int
    s: str
    U: int
    u: int
    b: tuple[Level, ...]
    a: tuple[Level, ...]


class _DepthFrame(_Struct):
    data: _Depth


class _KlineBody(_Struct):
    t: int
    T: int
    s: str
    i: str
    f: int
    L: int
    o: float
    c: float
    h: float
    l: float  # noqa: E741 - the venue's letter
    v: float
    x: bool


class _Kline(_Struct):
    E: int
    s: str
    k: _KlineBody


class _KlineFrame(_Struct):
    data: _Kline


class _NamedFrame(_Struct):
    stream: str


class _ControlBody(_Struct):
    e: str = ""
    code: int = 0
    msg: str = ""


class Control(msgspec.Struct, frozen=True):
    """What a frame without a market fact says: an answer to request `id`, an `error` text, or a coming `shutdown`."""

    id: int | None
    error: str
    shutdown: bool


class _ControlFrame(_Struct):
    id: int | None = None
    e: str = ""
    code: int | None = None
    msg: str = ""
    error: _ControlBody | None = None
    data: _ControlBody | None = None
    event: _ControlBody | None = None


def stream_name(frame: bytes) -> bytes | None:
    """The stream a combined frame belongs to, None for a control frame. Raises BadFrame on what is not JSON.

    The name stands first in every frame the venue has been seen to send, so that it is read without decoding; another
    order of the keys costs one more decoding.
    """
    if frame.startswith(b'{"stream":"'):
        end = frame.find(b'"', 11)
        if end > 0:
            return frame[11:end]
    try:
        return _decode_name(frame).stream.encode()
    except msgspec.ValidationError:
        return None
    except (ValueError, RecursionError) as error:
        raise BadFrame("json", f"frame of {len(frame)} bytes is not JSON: {error}") from None


def parse_control(frame: bytes) -> Control:
    """A frame that belongs to no stream.

    `{"result":null,"id":1}`, `{"error":{"code":2,"msg":"Invalid request"},"id":1}`,
    `{"code":2,"msg":"Invalid request"}`, `{"e":"serverShutdown","E":1770123456789}`
    """
    try:
        body = _decode_control(frame)
    except (ValueError, RecursionError) as error:
        raise BadFrame("unknown", f"frame is of no known form: {error}") from None
    error_text = f"{body.error.code} {body.error.msg}" if body.error is not None else ""
    if body.code is not None:
        error_text = f"{body.code} {body.msg}"
    shutdown = "serverShutdown" in (body.e, *(b.e for b in (body.data, body.event) if b is not None))
    if body.id is None and not error_text and not shutdown:
        raise BadFrame("unknown", "frame names neither a stream, nor a request, nor an event known here")
    return Control(body.id, error_text, shutdown)


def trade_parser(symbol: str) -> Parser:
    """`<symbol>@trade`: `{"stream":"ethusdt@trade","data":{"e":"trade","E":1723161255612,"s":"ETHUSDT","t":1520538925,
    "p":"2683.80000000","q":"0.00200000","T":1723161255611,"m":true,"M":true}}`
    """
    decode = msgspec.json.Decoder(_TradeFrame, strict=False).decode

    def parse(frame: bytes, recv_ns: int, latest_ms: int) -> Trade:
        try:
            data = decode(frame).data
        except (ValueError, RecursionError) as error:
            _not_decodable("trade", frame, error)
        price, quantity, ts_ms, trade_id = data.p, data.q, data.T, data.t
        if (
            data.s == symbol
            and 0.0 < price < _INF
            and 0.0 < quantity < _INF
            and EARLIEST_MS <= ts_ms <= latest_ms
            and EARLIEST_MS <= data.E <= latest_ms
            and 0 < trade_id <= _MAX_ID
        ):
            return Trade(symbol, trade_id, price, quantity, ts_ms, data.m, recv_ns)
        _check_symbol("trade", data.s, symbol)
        _check_positive("trade", "price", price)
        _check_positive("trade", "quantity", quantity)
        _check_id("trade", "id", trade_id)
        _check_time("trade", "time", ts_ms, latest_ms)
        _check_time("trade", "event time", data.E, latest_ms)
        raise BadFrame("trade", "trade is unusable")

    return parse


def quote_parser(symbol: str) -> Parser:
    """`<symbol>@bookTicker`: `{"stream":"ethusdt@bookTicker","data":{"u":35346513501,"s":"ETHUSDT","b":"2683.80000000",
    "B":"3.02920000","a":"2683.81000000","A":"31.43950000"}}`. It carries no time.
    """
    decode = msgspec.json.Decoder(_BookTickerFrame, strict=False).decode

    def parse(frame: bytes, recv_ns: int, latest_ms: int) -> Quote:
        try:
            data = decode(frame).data
        except (ValueError, RecursionError) as error:
            _not_decodable("bookTicker", frame, error)
        if (
            data.s == symbol
            and 0.0 < data.b <= data.a < _INF
            and 0.0 < data.B < _INF
            and 0.0 < data.A < _INF
            and 0 < data.u <= _MAX_ID
        ):
            return Quote(symbol, data.b, data.B, data.a, data.A, data.u, recv_ns)
        _check_symbol("bookTicker", data.s, symbol)
        for name, value in (("bid", data.b), ("ask", data.a)):
            _check_positive("bookTicker", name, value, "price")
        for name, value in (("bid size", data.B), ("ask size", data.A)):
            _check_positive("bookTicker", name, value, "quantity")
        _check_id("bookTicker", "update id", data.u)
        raise BadFrame("crossed", f"bookTicker of {symbol}: bid {data.b:g} is above ask {data.a:g}")

    return parse


def depth_parser(symbol: str) -> Parser:
    """`<symbol>@depth@100ms`: `{"stream":"ethusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255408,"s":"ETHUSDT",
    "U":35346513506,"u":35346513512,"b":[["2683.80000000","3.02920000"]],"a":[["2687.31000000","0.00000000"]]}}`.
    Size 0 removes the level.
    """
    decode = msgspec.json.Decoder(_DepthFrame, strict=False).decode

    def parse(frame: bytes, recv_ns: int, latest_ms: int) -> DepthDiff:
        try:
            data = decode(frame).data
        except (ValueError, RecursionError) as error:
            _not_decodable("depth", frame, error)
        _check_symbol("depth", data.s, symbol)
        _check_id("depth", "first update id", data.U)
        _check_id("depth", "final update id", data.u)
        if data.u < data.U:
            raise BadFrame("id", f"depth of {symbol}: first update id {data.U} is after the final one {data.u}")
        _check_time("depth", "event time", data.E, latest_ms)
        check_levels("depth", data.b)
        check_levels("depth", data.a)
        return DepthDiff(symbol, data.U, data.u, data.b, data.a, data.E, recv_ns)

    return parse


def kline_parser(symbol: str, interval: str) -> Parser:
    """`<symbol>@kline_<interval>`: `{"stream":"ethusdt@kline_1m","data":{"e":"kline","E":1723161255612,"s":"ETHUSDT",
    "k":{"t":1723161240000,"T":1723161299999,"s":"ETHUSDT","i":"1m","f":1520538900,"L":1520538925,"o":"2683.80000000",
    "c":"2683.81000000","h":"2683.90000000","l":"2683.80000000","v":"12.50000000","n":26,"x":false,"q":"33547.5",
    "V":"1.5","Q":"4025.7","B":"0"}}}`. `f` and `L` are -1 in a bar without a trade.
    """
    decode = msgspec.json.Decoder(_KlineFrame, strict=False).decode
    step_ms = INTERVALS_MS[interval]

    def parse(frame: bytes, recv_ns: int, latest_ms: int) -> Kline:
        try:
            data = decode(frame).data
        except (ValueError, RecursionError) as error:
            _not_decodable("kline", frame, error)
        bar = data.k
        _check_symbol("kline", data.s, symbol)
        _check_symbol("kline", bar.s, symbol)
        if bar.i != interval:
            raise BadFrame("interval", f"kline of {symbol}: interval is {bar.i!r} on the stream of {interval}")
        _check_time("kline", "event time", data.E, latest_ms)
        if not (bar.f == bar.L == -1 or 0 < bar.f <= bar.L <= _MAX_ID):
            raise BadFrame("id", f"kline of {symbol}: trade ids {bar.f}…{bar.L} are impossible")
        check_bar("kline", bar.t, step_ms, latest_ms, (bar.o, bar.h, bar.l, bar.c, bar.v))
        return Kline(
            symbol, interval, bar.t, bar.o, bar.h, bar.l, bar.c, bar.v, bar.f, bar.L, bar.x, data.E, recv_ns
        )  # fmt: skip

    return parse


def parser_for(stream: str) -> Parser:
    """The parser of one stream name, as `ethusdt@depth@100ms`. Raises BadFrame when the stream is not one of ours."""
    symbol, _, channel = stream.partition("@")
    match channel:
        case "trade":
            return trade_parser(symbol.upper())
        case "bookTicker":
            return quote_parser(symbol.upper())
        case "depth@100ms":
            return depth_parser(symbol.upper())
        case _ if channel.startswith("kline_") and channel[6:] in INTERVALS_MS:
            return kline_parser(symbol.upper(), channel[6:])
    raise BadFrame("stream", f"unknown stream {stream[:60]!r}")


def check_levels(what: str, levels: tuple[Level, ...]) -> None:
    """Raises BadFrame unless every price is positive and every size is finite and not negative."""
    for price, size in levels:
        if not (0.0 < price < _INF and 0.0 <= size < _INF):
            raise BadFrame("level", f"{what}: level {price:g} × {size:g} is impossible")


def check_bar(what: str, open_ms: int, step_ms: int, latest_ms: int, row: tuple[float, float, float, float, float]) -> None:
    """Raises BadFrame unless `row` (open, high, low, close, volume) is a possible bar on the grid of `step_ms`."""
    _check_time(what, "open time", open_ms, latest_ms)
    if open_ms % step_ms:
        raise BadFrame("time", f"{what}: open time {open_ms} is not a multiple of {step_ms} ms")
    open_, high, low, close, volume = row
    if not (0.0 < low <= open_ <= high < _INF and low <= close <= high):
        raise BadFrame("price", f"{what}: open {open_:g}, high {high:g}, low {low:g}, close {close:g} are impossible")
    if not 0.0 <= volume < _INF:
        raise BadFrame("quantity", f"{what}: volume {volume:g} is impossible")


def _not_decodable(what: str, frame: bytes, error: Exception) -> NoReturn:
    kind = "fields" if isinstance(error, msgspec.ValidationError) else "json"
    raise BadFrame(kind, f"{what} frame of {len(frame)} bytes: {error}") from None


def _check_symbol(what: str, symbol: str, expected: str) -> None:
    if symbol != expected:
        raise BadFrame("symbol", f"{what}: symbol is {symbol[:20]!r} on the stream of {expected}")


def _check_positive(what: str, name: str, value: float, kind: str = "") -> None:
    if not 0.0 < value < _INF:
        raise BadFrame(kind or name, f"{what}: {name} must be a positive number, was {value:g}")


def _check_id(what: str, name: str, value: int) -> None:
    if not 0 < value <= _MAX_ID:
        raise BadFrame("id", f"{what}: {name} must be positive and below 2^63, was {str(value)[:30]}")


def _check_time(what: str, name: str, value_ms: int, latest_ms: int) -> None:
    if not EARLIEST_MS <= value_ms <= latest_ms:
        raise BadFrame("time", f"{what}: {name} {str(value_ms)[:30]} is before July 2017 or in the future")


_decode_name = msgspec.json.Decoder(_NamedFrame).decode
_decode_control = msgspec.json.Decoder(_ControlFrame).decode
