"""Minutes from ticks: whole, once, and the venue's own."""

import random
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from core.workers.patterns.detection import Bar
from core.workers.patterns.minute_bars import GRACE_MS, HOLD_MS, MINUTE_MS, MOST_OPEN, SILENT_MS, MinuteBars

NOON_MS = 1_723_118_400_000
LATER = NOON_MS + 86_400_000
#: when nobody has touched the minutes for long enough
DONE = LATER + HOLD_MS


def test_a_minute_closes_when_market_time_has_passed_it_and_the_first_is_left_out() -> None:
    bars = MinuteBars()
    for i, (second, price) in enumerate([(30, 99.0), (60, 100.0), (80, 103.0), (100, 98.0), (119, 101.0), (121, 150.0)]):
        bars.add("X", NOON_MS + second * 1_000, price, 2.0, i, LATER)
    assert bars.closed(DONE) == []
    bars.add("X", NOON_MS + 120_000 + GRACE_MS, 151.0, 1.0, 9, LATER)
    assert bars.closed(DONE) == [("X", Bar(NOON_MS + MINUTE_MS, 100.0, 103.0, 98.0, 101.0, 8.0))]
    assert bars.closed(DONE) == [], "once"


def test_a_late_tick_within_the_grace_counts_and_a_later_one_does_not() -> None:
    bars = MinuteBars()
    bars.add("X", NOON_MS, 1.0, 1.0, 0, LATER)
    bars.add("X", NOON_MS + MINUTE_MS, 10.0, 1.0, 2, LATER)
    bars.add("X", NOON_MS + 2 * MINUTE_MS, 20.0, 1.0, 5, LATER)
    bars.add("X", NOON_MS + MINUTE_MS + 5, 12.0, 1.0, 4, LATER)
    bars.add("X", NOON_MS + MINUTE_MS + 5, 9.0, 1.0, 1, LATER)
    bars.add("X", NOON_MS + 2 * MINUTE_MS + GRACE_MS, 21.0, 1.0, 6, LATER)
    assert bars.closed(DONE) == [("X", Bar(NOON_MS + MINUTE_MS, 9.0, 12.0, 9.0, 12.0, 3.0))]
    bars.add("X", NOON_MS + MINUTE_MS + 6, 99.0, 1.0, 3, LATER)
    assert (bars.closed(DONE), bars.late) == ([], 2)


def test_under_a_backlog_a_minute_waits_for_batches_that_overtook_each_other() -> None:
    bars = MinuteBars()
    bars.add("X", NOON_MS - 1, 1.0, 1.0, 0, LATER)
    for minute, now_ms in ((1, LATER), (4, LATER), (2, LATER + 900), (1, LATER + 1_000)):
        bars.add("X", NOON_MS + minute * MINUTE_MS, float(minute), 1.0, minute, now_ms)
        assert bars.closed(now_ms) == []
    assert bars.closed(LATER + 999 + HOLD_MS) == [], "the oldest was touched last, and goes first"
    assert [(bar.close, bar.volume) for _, bar in bars.closed(LATER + 1_000 + HOLD_MS)] == [(1.0, 2.0), (2.0, 1.0)]


def test_no_more_minutes_are_open_than_the_bound() -> None:
    bars = MinuteBars()
    for minute in range(MOST_OPEN + 10):
        bars.add("X", NOON_MS + minute * MINUTE_MS, 1.0, 1.0, minute, NOON_MS + 10**10)
    closed = bars.closed(NOON_MS + 10**10)
    assert [bar.ts_ms for _, bar in closed] == [NOON_MS + n * MINUTE_MS for n in range(1, 10)]


def test_a_silent_symbol_is_closed_by_the_clock() -> None:
    bars, now = MinuteBars(), NOON_MS + MINUTE_MS + 59_000
    bars.add("X", NOON_MS, 1.0, 1.0, 0, now)
    bars.add("X", NOON_MS + MINUTE_MS, 2.0, 1.0, 1, now)
    assert bars.closed(now + SILENT_MS - 1) == []
    assert [bar.close for _, bar in bars.closed(now + SILENT_MS)] == [2.0]


def test_a_tick_from_the_future_closes_nothing() -> None:
    bars = MinuteBars()
    bars.add("X", NOON_MS, 1.0, 1.0, 0, NOON_MS)
    bars.add("X", NOON_MS + MINUTE_MS, 2.0, 1.0, 1, NOON_MS + MINUTE_MS)
    bars.add("X", LATER + 10 * MINUTE_MS, 3.0, 1.0, 2, NOON_MS + MINUTE_MS)
    assert (bars.closed(NOON_MS + MINUTE_MS + 5_000), bars.refused) == ([], 1)


@given(st.lists(st.tuples(st.integers(0, 5 * 60 - 1), st.integers(90, 110), st.integers(1, 9)), max_size=80), st.randoms())
def test_any_order_within_the_grace_gives_the_same_minutes(ticks: list[tuple[int, int, int]], rng: random.Random) -> None:
    ordered = [(NOON_MS + s * 1_000, float(p), float(v), i) for i, (s, p, v) in enumerate(sorted(ticks))]
    # disorder of up to the grace: sort by time plus a jitter below it
    mixed = sorted(ordered, key=lambda tick: tick[0] + rng.random() * GRACE_MS)
    results = []
    for feed in (ordered, mixed):
        bars, out = MinuteBars(), []
        bars.add("X", NOON_MS - 1, 1.0, 1.0, -1, LATER)
        for ts_ms, price, volume, order in feed:
            bars.add("X", ts_ms, price, volume, order, LATER)
            out += bars.closed(DONE)
        bars.add("X", NOON_MS + 10 * MINUTE_MS, 1.0, 1.0, 10_000, LATER)
        out += bars.closed(DONE)
        results.append(out)
        assert bars.late == 1, "the tick before the first whole minute alone"
    assert results[0] == results[1]
    assert sum(bar.volume for _, bar in results[0]) == sum(v for _, _, v in ticks)


def test_minutes_merged_from_a_frame_are_those_of_single_ticks(shared_data: Path) -> None:
    frame = pl.read_parquet(shared_data / "ohlcv" / "BTCUSDT_1m_20240726_20240825.parquet").head(50)
    single, merged = MinuteBars(), MinuteBars()
    for i, row in enumerate(frame.iter_rows(named=True)):
        ts_ms = NOON_MS + i * MINUTE_MS
        path = [row["open"], row["high"], row["low"], row["close"]]
        for n, price in enumerate(path):
            single.add("X", ts_ms + n, price, row["volume"] / 4, 4 * i + n, LATER)
        merged.merge("X", ts_ms + 3, tuple(path), row["volume"], (4 * i, 4 * i + 3), LATER)  # type: ignore[arg-type]
    left, right = single.closed(DONE), merged.closed(DONE)
    assert len(left) == len(right) == 47, "neither the first nor the last two, which the market has not passed"
    for (_, one), (_, other) in zip(left, right, strict=True):
        assert (one.ts_ms, one.open, one.high, one.low, one.close) == (
            other.ts_ms,
            other.open,
            other.high,
            other.low,
            other.close,
        )
        assert abs(one.volume - other.volume) < 1e-9 * max(1.0, one.volume)
