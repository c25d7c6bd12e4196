"""Batches of ticks as frames, and the minutes they add up to."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.clock import ManualClock
from core.workers.patterns.detection import Bar
from core.workers.patterns.frame_bars import FrameBars, frame_of_ticks, minutes_of
from core.workers.patterns.minute_bars import HOLD_MS
from core.workers.tick import Tick

NOON_MS = 1_723_118_400_000


def tick(symbol: str, ts_ms: int, price: float, volume: float = 1.0) -> Tick:
    return Tick(symbol, NOON_MS + ts_ms, price, f"x:{symbol}:{ts_ms}", "x", volume)


def test_a_frame_leaves_out_what_was_known_before() -> None:
    frame = frame_of_ticks([tick("A", 1, 1.0), tick("B", 2, 2.0), tick("A", 3, 3.0)], leave_out=[1])
    assert frame.rows() == [("A", NOON_MS + 1, 1.0, 1.0), ("A", NOON_MS + 3, 3.0, 1.0)]
    assert minutes_of(frame_of_ticks([])).height == 0


def test_minutes_open_and_close_by_time_then_by_arrival() -> None:
    ticks = [tick("A", 9, 9.0), tick("A", 5, 5.0), tick("A", 5, 6.0), tick("A", 70_000, 1.0), tick("A", 9, 7.0)]
    rows = minutes_of(frame_of_ticks(ticks)).select("open", "high", "low", "close", "volume").rows()
    assert rows == [(5.0, 9.0, 5.0, 7.0, 4.0), (1.0, 1.0, 1.0, 1.0, 1.0)]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 4 * 60_000 - 1), st.integers(90, 110)), max_size=120),
    st.integers(1, 50),
    st.randoms(),
)
def test_batches_of_any_size_in_any_order_give_the_minutes_of_all_ticks(
    raw: list[tuple[str, int, int]], size: int, rng: random.Random
) -> None:
    unique = {(symbol, ts): price for symbol, ts, price in raw}
    ticks = [tick(symbol, ts, float(price)) for (symbol, ts), price in sorted(unique.items(), key=lambda item: item[0][1])]
    offered: list[tuple[str, Bar]] = []
    clock = ManualClock(NOON_MS + 86_400_000)
    bars = FrameBars(offered.extend, clock)
    bars.take([tick("A", -1, 1.0), tick("B", -1, 1.0)])
    batches = [ticks[start : start + size] for start in range(0, len(ticks), size)]
    rng.shuffle(batches)
    for batch in batches:
        bars.take(batch)
    bars.take([tick("A", 10 * 60_000, 1.0), tick("B", 10 * 60_000, 1.0)])
    clock.advance(HOLD_MS / 1_000)
    bars.look()
    expected = {}
    for each in ticks:
        expected.setdefault((each.symbol, each.ts_ms // 60_000 * 60_000), []).append(each.price)
    assert {(symbol, bar.ts_ms): (bar.open, bar.high, bar.low, bar.close, bar.volume) for symbol, bar in offered} == {
        key: (p[0], max(p), min(p), p[-1], float(len(p))) for key, p in expected.items()
    }
