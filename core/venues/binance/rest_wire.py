"""Binance REST answers to domain values: pure functions. Source: binance-spot-api-docs, rest-api.md."""

from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from core.domain.market import DepthSnapshot, Kline, Level, Origin, Trade
from core.venues.bad_frames import BadFrame
from core.venues.binance.wire import INTERVALS_MS, check_bar, check_levels

_T = TypeVar("_T")

#: open time, open, high, low, close, volume, close time, quote volume, trades, taker base, taker quote, unused
_KlineRow = tuple[int, float, float, float, float, float, int, float, int, float, float, Any]


class _Trade(msgspec.Struct):
    id: int
    price: float
    qty: float
    time: int
    isBuyerMaker: bool


class _Depth(msgspec.Struct):
    lastUpdateId: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class _Ticker(msgspec.Struct):
    symbol: str
    openPrice: float
    highPrice: float
    lowPrice: float
    volume: float
    quoteVolume: float
    closeTime: int
    lastId: int = -1


class _Time(msgspec.Struct):
    serverTime: int


def parse_klines(answer: object, symbol: str, interval: str, latest_ms: int) -> list[Kline]:
    """`GET /api/v3/klines`: `[[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",
    1499644799999,"2434.19055334",308,"1756.87402397","28.46694368","0"]]`, oldest first.

    Whether the last one is still running is not said: all but it are closed, and it is given as running.
    """
    rows = _convert(answer, list[_KlineRow], "klines")
    step_ms = INTERVALS_MS[interval]
    klines = []
    for number, row in enumerate(rows, 1):
        check_bar("klines", row[0], step_ms, latest_ms, row[1:6])
        closed = number < len(rows)
        klines.append(Kline(symbol, interval, row[0], *row[1:6], -1, -1, closed, row[6], origin=Origin.REST))
    if any(b.open_ms <= a.open_ms for a, b in pairwise(klines)):
        raise BadFrame("time", f"klines of {symbol} {interval} are not in order")
    return klines


def parse_trades(answer: object, symbol: str, earliest_ms: int, latest_ms: int) -> list[Trade]:
    """`GET /api/v3/trades` and `/historicalTrades`: `[{"id":28457,"price":"4.00000100","qty":"12.00000000",
    "quoteQty":"48.000012","time":1499865549590,"isBuyerMaker":true,"isBestMatch":true}]`, oldest first.
    """
    inf = float("inf")
    trades = []
    for t in _convert(answer, list[_Trade], "trades"):
        if not (t.id > 0 and 0 < t.price < inf and 0 < t.qty < inf and earliest_ms <= t.time <= latest_ms):
            raise BadFrame("trade", f"trades of {symbol}: trade {t.id} is impossible")
        trades.append(Trade(symbol, t.id, t.price, t.qty, t.time, t.isBuyerMaker, origin=Origin.REST))
    return trades


def parse_depth(answer: object, symbol: str) -> DepthSnapshot:
    """`GET /api/v3/depth`: `{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[…]}`."""
    depth = _convert(answer, _Depth, "depth")
    if depth.lastUpdateId <= 0:
        raise BadFrame("id", f"depth of {symbol}: lastUpdateId is {depth.lastUpdateId}")
    check_levels("depth", depth.bids)
    check_levels("depth", depth.asks)
    return DepthSnapshot(symbol, depth.lastUpdateId, depth.bids, depth.asks)


def parse_ticker(answer: object) -> dict[str, float]:
    """`GET /api/v3/ticker/24hr`: `{"symbol":"BNBBTC","openPrice":"99.0","highPrice":"100.0","lowPrice":"0.1",
    "volume":"8913.3","quoteVolume":"15.3","closeTime":1499869899040,…}`. Prices and `quote_volume` in quote currency.
    """
    ticker = _convert(answer, _Ticker, "ticker")
    return {
        "open": ticker.openPrice,
        "high": ticker.highPrice,
        "low": ticker.lowPrice,
        "volume": ticker.volume,
        "quote_volume": ticker.quoteVolume,
        "at_ms": ticker.closeTime,
    }


def parse_last_id(answer: object) -> int:
    """The newest trade's id by `GET /api/v3/ticker/24hr`, -1 when there was no trade in 24 hours."""
    return _convert(answer, _Ticker, "ticker").lastId


def parse_time(answer: object) -> int:
    """`GET /api/v3/time`: `{"serverTime":1499827319559}`; Unix ms."""
    return _convert(answer, _Time, "time").serverTime


def _convert(answer: object, kind: type[_T], what: str) -> _T:
    try:
        return msgspec.convert(answer, kind, strict=False)
    except (ValueError, RecursionError) as error:
        raise BadFrame("rest", f"{what}: {error}") from None
