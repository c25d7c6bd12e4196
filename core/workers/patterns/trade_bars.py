"""The app's own trades → minutes, and where a symbol's minutes before the first of those come from."""

from collections.abc import Callable, Sequence

import polars as pl

from core.base.clock import Clock
from core.domain.market import Trade
from core.domain.series import SECOND_MS, series_of
from core.stream.unified_data_stream import UnifiedDataStream
from core.workers.patterns.detection import Bar
from core.workers.patterns.detector import KEEP
from core.workers.patterns.minute_bars import MINUTE_MS, MinuteBars, place_of

_LOOK_NS = 250_000_000


class TradeBars:
    """Called by the producer's thread with the trades that it publishes; closed minutes are offered on."""

    def __init__(self, offer: Callable[[Sequence[tuple[str, Bar]]], None], clock: Clock) -> None:
        self._offer = offer
        self._clock = clock
        self._bars = MinuteBars()
        self._arrivals = 0
        self._looked_ns = 0

    def take(self, trades: Sequence[Trade]) -> None:
        now_ms, add = self._clock.now_ms(), self._bars.add
        for trade in trades:
            self._arrivals += 1
            place = place_of(trade.ts_ms, self._arrivals)
            add(trade.symbol, trade.ts_ms, trade.price, trade.quantity, place, now_ms)
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._looked_ns >= _LOOK_NS:
            self._looked_ns = now_ns
            self._offer(self._bars.closed(now_ms))


def known_minutes(stream: UnifiedDataStream, symbol: str) -> list[Bar]:
    """The newest minutes that the stream knows of a symbol, oldest first; the last may still be running."""
    for spec in series_of(symbol):
        if spec.step_ms == MINUTE_MS:
            return [_bar(row) for row in stream.rows(spec.name, KEEP)]
    for spec in series_of(symbol):
        if spec.step_ms == SECOND_MS:
            return _from_seconds(stream.rows(spec.name, KEEP * MINUTE_MS // SECOND_MS))
    if symbol in stream.instruments:
        return [_bar(row) for row in stream.bars(symbol, "1m", KEEP)]
    return []


def _bar(row: Sequence[float]) -> Bar:
    return Bar(int(row[0]), row[1], row[2], row[3], row[4], row[5])


def _from_seconds(rows: Sequence[Sequence[float]]) -> list[Bar]:
    """Whole minutes out of second bars without holes; the first may have begun before them."""
    columns = ("ts_ms", "open", "high", "low", "close", "volume")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.Float64), orient="row")
    minute = (pl.col("ts_ms") // MINUTE_MS * MINUTE_MS).cast(pl.Int64).alias("minute")
    minutes = frame.group_by(minute, maintain_order=True).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
        pl.len(),
    )
    return [Bar(*row[:6]) for row in minutes.iter_rows() if row[6] == MINUTE_MS // SECOND_MS]
