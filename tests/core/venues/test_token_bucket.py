"""The token bucket on a set clock."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.clock import ManualClock
from core.venues.token_bucket import TokenBucket


def test_a_burst_at_once_then_the_rate() -> None:
    clock = ManualClock()
    bucket = TokenBucket(clock, rate_per_s=2, burst=3)
    for _ in range(3):
        assert bucket.wait_s() == 0
        bucket.spend()
    assert bucket.wait_s() == pytest.approx(0.5)
    clock.advance(0.5)
    assert bucket.wait_s() == 0
    assert (bucket.total, bucket.spent(1.0)) == (3, 3)
    clock.advance(2)
    assert bucket.spent(1.0) == 0


@given(st.lists(st.floats(0, 0.3), min_size=50, max_size=300))
def test_whoever_waits_as_told_never_exceeds_the_rate_in_any_second(pauses: list[float]) -> None:
    clock = ManualClock()
    bucket = TokenBucket(clock, rate_per_s=1 / 0.35, burst=1)
    sent: list[int] = []
    for pause in pauses:
        clock.advance(pause)
        if bucket.wait_s() == 0:
            bucket.spend()
            sent.append(clock.monotonic_ns())
    assert all(later - earlier >= 349_999_000 for earlier, later in itertools.pairwise(sent))
