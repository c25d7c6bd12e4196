from core.base.clock import ManualClock
from core.base.latency import RollingLatency


def test_what_is_older_than_a_minute_is_forgotten_and_the_last_half_minute_never() -> None:
    clock = ManualClock()
    rolling = RollingLatency(clock)
    rolling.record(500_000_000)
    clock.advance(31)
    rolling.record(1_000, times=10)
    assert (rolling.seen().count, rolling.seen().max_ns) == (11, 500_000_000)
    clock.advance(31)
    assert (rolling.seen().count, rolling.seen().max_ns) == (10, 1_000)
    clock.advance(61)
    assert rolling.seen().count == 0


def test_a_silence_of_a_minute_leaves_nothing_behind() -> None:
    clock = ManualClock()
    rolling = RollingLatency(clock)
    rolling.record(7)
    clock.advance(60)
    rolling.record(9)
    assert rolling.seen().count == 1
    assert rolling.seen().max_ns == 9
