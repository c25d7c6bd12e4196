"""The histogram against exact percentiles."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.base.latency import LatencyHistogram

DURATIONS = st.lists(st.one_of(st.integers(0, 200), st.integers(0, 10**12)), min_size=1, max_size=300)


@given(DURATIONS, st.sampled_from([0.1, 1, 25, 50, 90, 95, 99, 99.9, 100]))
def test_percentiles_are_right_to_one_in_thirty_two(durations: list[int], q: float) -> None:
    histogram = LatencyHistogram()
    for ns in durations:
        histogram.record(ns)
    exact = float(np.percentile(durations, q, method="inverted_cdf"))
    assert exact <= histogram.percentile(q) <= exact * (1 + 1 / 32) + 1


@given(DURATIONS)
def test_count_sum_and_maximum_are_exact(durations: list[int]) -> None:
    histogram = LatencyHistogram()
    for ns in durations:
        histogram.record(ns)
    assert (histogram.count, histogram.total_ns, histogram.max_ns) == (len(durations), sum(durations), max(durations))


@given(DURATIONS, st.integers(1, 5))
def test_recording_many_times_at_once_is_recording_as_often(durations: list[int], times: int) -> None:
    at_once, one_by_one = LatencyHistogram(), LatencyHistogram()
    for ns in durations:
        at_once.record(ns, times)
        for _ in range(times):
            one_by_one.record(ns)
    assert at_once.summary_us() == one_by_one.summary_us()
    assert (at_once.count, at_once.total_ns) == (one_by_one.count, one_by_one.total_ns)


@given(DURATIONS)
def test_the_buckets_for_drawing_hold_every_record_once(durations: list[int]) -> None:
    histogram = LatencyHistogram()
    for ns in durations:
        histogram.record(ns)
    edges = (10.0, 1_000.0, 1e6)
    counts = histogram.buckets_us(edges)
    assert sum(counts) == len(durations)
    assert len(counts) == len(edges) + 1
    within = sum(ns <= 10_000 * 31 / 32 for ns in durations)
    assert counts[0] >= within
    assert counts[0] <= sum(ns <= 10_000 for ns in durations)


def test_a_negative_duration_counts_as_none() -> None:
    histogram = LatencyHistogram()
    histogram.record(-5_000)
    assert (histogram.count, histogram.max_ns, histogram.percentile(99)) == (1, 0, 0)


def test_nothing_recorded_is_zero() -> None:
    histogram = LatencyHistogram()
    assert histogram.summary_us() == {"p50": 0, "p95": 0, "p99": 0, "max": 0}
    histogram.record(1_234_567)
    assert math.isclose(histogram.summary_us()["max"], 1_234.6)


def test_two_together_count_everything_once() -> None:
    one, other = LatencyHistogram(), LatencyHistogram()
    one.record(1_000, times=3)
    other.record(9_000)
    both = one.plus(other)
    assert (both.count, both.max_ns, both.total_ns) == (4, 9_000, 12_000)
    assert both.percentile(50) < 1_100 < both.percentile(99)
    assert (one.count, other.count) == (3, 1)
