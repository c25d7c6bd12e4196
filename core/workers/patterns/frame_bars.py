"""Stored batches of ticks → Polars frames → minutes, for the symbols that the app's own stream does not bring."""

import threading
from collections.abc import Callable, Sequence

import polars as pl

from core.base.clock import Clock
from core.workers.patterns.detection import Bar
from core.workers.patterns.minute_bars import MINUTE_MS, MinuteBars, place_of
from core.workers.tick import Tick


def frame_of_ticks(ticks: Sequence[Tick], leave_out: Sequence[int] = ()) -> pl.DataFrame:
    """Ticks in the order of arrival, without those at `leave_out`: symbol, ts_ms, price, volume."""
    left_out = frozenset(leave_out)
    kept = [tick for place, tick in enumerate(ticks) if place not in left_out]
    return pl.DataFrame(
        {
            "symbol": [tick.symbol for tick in kept],
            "ts_ms": [tick.ts_ms for tick in kept],
            "price": [tick.price for tick in kept],
            "volume": [tick.volume for tick in kept],
        },
        schema={"symbol": pl.String, "ts_ms": pl.Int64, "price": pl.Float64, "volume": pl.Float64},
    )


def minutes_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Per symbol and minute: newest time, open, high, low, close, volume; time and row of its first tick, row of its last.

    First and last are by time, by row among ticks of one time.
    """
    minute = pl.col("ts_ms") - pl.col("ts_ms") % MINUTE_MS
    return (
        frame.with_row_index("row")
        .with_columns(minute.alias("minute"))
        .sort("ts_ms", "row")
        .group_by("symbol", "minute", maintain_order=True)
        .agg(
            pl.col("ts_ms").last(),
            pl.col("price").first().alias("open"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("price").last().alias("close"),
            pl.col("volume").sum(),
            pl.col("ts_ms").first().alias("first_ms"),
            pl.col("row").first().alias("first"),
            pl.col("row").last().alias("last"),
        )
    )


class FrameBars:
    """Minutes out of batches, from any thread; closed ones are offered on."""

    def __init__(self, offer: Callable[[Sequence[tuple[str, Bar]]], None], clock: Clock) -> None:
        self._offer = offer
        self._clock = clock
        self._bars = MinuteBars()
        self._lock = threading.Lock()
        #: rows so far: what orders ticks of different batches
        self._rows = 0

    def take(self, ticks: Sequence[Tick], leave_out: Sequence[int] = ()) -> None:
        """A batch that is stored, but for the ticks at `leave_out`, which were known before."""
        frame = frame_of_ticks(ticks, leave_out)
        minutes = minutes_of(frame)
        now_ms = self._clock.now_ms()
        with self._lock:
            first_row, self._rows = self._rows, self._rows + frame.height
            for symbol, _, ts_ms, opened, high, low, close, volume, first_ms, first, last in minutes.iter_rows():
                orders = (place_of(first_ms, first_row + first), place_of(ts_ms, first_row + last))
                self._bars.merge(symbol, ts_ms, (opened, high, low, close), volume, orders, now_ms)
        self.look()

    def look(self) -> None:
        """Offer the minutes that are over; called now and then, since a market may fall silent."""
        with self._lock:
            closed = self._bars.closed(self._clock.now_ms())
        if closed:
            self._offer(closed)
