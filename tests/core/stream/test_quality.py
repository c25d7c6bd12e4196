"""Fresh, and since when and why not."""

import pytest

from core.base.clock import ManualClock
from core.base.settings import FreshnessConfig
from core.domain.health import Freshness
from core.stream.quality import FreshnessMonitor, completeness


@pytest.fixture
def monitor(clock: ManualClock) -> FreshnessMonitor:
    return FreshnessMonitor(FreshnessConfig(late_s=2, stale_s=4, dead_s=60), clock)


def test_nothing_is_live_before_the_first_message(monitor: FreshnessMonitor, clock: ManualClock) -> None:
    assert monitor.state()[:2] == (Freshness.STALE, "not connected yet")
    assert monitor.age_ns() is None
    monitor.set_link(True, "")
    assert monitor.state()[:2] == (Freshness.STALE, "connected, waiting for the first message")
    clock.advance(61)
    assert monitor.state()[0] is Freshness.DEAD
    monitor.touch(clock.monotonic_ns())
    assert monitor.state() == (Freshness.LIVE, "", clock.now_ms())


@pytest.mark.parametrize(
    ("age_s", "state", "began_s"),
    [
        (0.0, Freshness.LIVE, 0),
        (2.0, Freshness.LIVE, 0),
        (2.5, Freshness.LATE, 2),
        (4.2, Freshness.STALE, 4),
        (61.0, Freshness.DEAD, 60),
    ],
)
def test_the_state_is_the_age_of_the_last_message(
    monitor: FreshnessMonitor, clock: ManualClock, age_s: float, state: Freshness, began_s: int
) -> None:
    monitor.touch(clock.monotonic_ns())
    start_ms = clock.now_ms()
    clock.advance(age_s)
    cause = "" if state is Freshness.LIVE else f"no message for {age_s:.1f} s"
    assert monitor.state() == (state, cause, start_ms + began_s * 1_000)
    assert monitor.age_ns() == age_s * 1e9


def test_a_live_spell_begins_anew_after_a_silence_but_not_with_each_message(
    monitor: FreshnessMonitor, clock: ManualClock
) -> None:
    began_ms = clock.now_ms()
    for _ in range(5):
        monitor.touch(clock.monotonic_ns())
        clock.advance(1)
    assert monitor.state() == (Freshness.LIVE, "", began_ms)
    clock.advance(3)
    monitor.touch(clock.monotonic_ns())
    assert monitor.state() == (Freshness.LIVE, "", clock.now_ms())


def test_a_link_that_is_down_is_stale_at_once_with_its_cause_and_dead_later(
    monitor: FreshnessMonitor, clock: ManualClock
) -> None:
    monitor.touch(clock.monotonic_ns())
    clock.advance(1)
    down_ms = clock.now_ms()
    monitor.set_link(False, "connection lost: reset by peer")
    assert monitor.state() == (Freshness.STALE, "connection lost: reset by peer", down_ms)
    clock.advance(10)
    monitor.set_link(False, "the venue refuses us")
    assert monitor.state() == (Freshness.STALE, "the venue refuses us", down_ms)
    assert monitor.age_ns() == 11e9
    clock.advance(50)
    assert monitor.state() == (Freshness.DEAD, "the venue refuses us", down_ms + 60_000)


def test_only_a_message_after_the_link_is_back_makes_it_live(monitor: FreshnessMonitor, clock: ManualClock) -> None:
    monitor.touch(clock.monotonic_ns())
    monitor.set_link(False, "connection lost")
    monitor.touch(clock.monotonic_ns())
    assert monitor.state()[0] is Freshness.STALE
    monitor.set_link(True, "")
    assert monitor.state()[0] is Freshness.STALE
    clock.advance(1)
    monitor.touch(clock.monotonic_ns())
    assert monitor.state() == (Freshness.LIVE, "", clock.now_ms())


def test_staleness_that_began_before_the_link_was_given_up_keeps_its_beginning(
    monitor: FreshnessMonitor, clock: ManualClock
) -> None:
    monitor.touch(clock.monotonic_ns())
    start_ms = clock.now_ms()
    clock.advance(5)
    monitor.set_link(False, "silent")
    assert monitor.state() == (Freshness.STALE, "silent", start_ms + 4_000)


@pytest.mark.parametrize(
    ("rows", "partial", "last", "share"), [(0, 0, 0, 0.0), (10, 0, 9_000, 1.0), (10, 1, 9_000, 0.9), (5, 0, 9_000, 0.5)]
)
def test_completeness_is_whole_rows_of_those_expected(rows: int, partial: int, last: int, share: float) -> None:
    assert completeness(rows, partial, 0, last, 1_000) == pytest.approx(share)
