"""The one clock."""

import time

from core.base.clock import ManualClock, SystemClock


def test_the_machines_clock_tells_milliseconds_of_today_and_never_goes_back() -> None:
    clock = SystemClock()
    assert abs(clock.now_ms() - time.time() * 1_000) < 1_000
    ticks = [clock.monotonic_ns() for _ in range(1_000)]
    assert ticks == sorted(ticks)


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(1_000)
    assert (clock.now_ms(), clock.monotonic_ns()) == (1_000, 0)
    clock.advance(1.5)
    assert (clock.now_ms(), clock.monotonic_ns()) == (2_500, 1_500_000_000)
