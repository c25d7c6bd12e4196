"""Waiting times."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.backoff import Backoff


@given(st.integers(0, 2**32), st.integers(1, 200))
def test_every_wait_lies_between_the_floor_and_the_growing_ceiling(seed: int, attempts: int) -> None:
    backoff = Backoff(base_s=0.25, cap_s=60, floor_s=0.05, rng=random.Random(seed))
    for attempt in range(attempts):
        assert 0.05 <= backoff.next() <= max(0.05, min(60, 0.25 * 2**attempt))
    assert backoff.attempts == attempts


def test_waits_are_jittered_over_the_whole_range() -> None:
    waits = []
    for seed in range(2_000):
        backoff = Backoff(base_s=1, cap_s=8, floor_s=0, rng=random.Random(seed))
        waits.append([backoff.next() for _ in range(5)][-1])
    assert min(waits) < 0.5
    assert max(waits) > 7.5
    assert sum(waits) / len(waits) == pytest.approx(4, abs=0.2)


def test_it_never_gives_up_and_starts_small_again_after_a_success() -> None:
    backoff = Backoff(base_s=1, cap_s=60, floor_s=0.05, rng=random.Random(1))
    assert max(backoff.next() for _ in range(5_000)) <= 60
    backoff.reset()
    assert backoff.attempts == 0
    assert backoff.next() <= 1
