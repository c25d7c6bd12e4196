"""Figures are pure functions of their data."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.figures.latency import PERCENTILES, consumer_histogram, duration, latency_waterfall
from web.figures.tokens import scheme_tokens

TOKENS = scheme_tokens("dark")
STAGES = [
    {"stage": "receive → consumer", "p50": 60.0, "p95": 180.0, "p99": 420.0, "max": 2_000.0},
    {"stage": "receive → pixel", "p50": 18_000.0, "p95": 31_000.0, "p99": 38_000.0, "max": 80_000.0},
]


def test_the_waterfall_has_a_trace_per_percentile_with_the_stages_in_order() -> None:
    figure = latency_waterfall(STAGES, TOKENS)
    assert [trace.name for trace in figure.data] == ["p50", "p95", "p99"]
    for trace, (percentile, token) in zip(figure.data, PERCENTILES, strict=True):
        assert list(trace.x) == [stage[percentile] for stage in STAGES]
        assert list(trace.y) == ["receive → consumer", "receive → pixel"]
        assert trace.marker.color == TOKENS[token]
    assert figure.data[0].customdata == ("60 µs", "18 ms")
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.yaxis.autorange == "reversed", "the first stage stands on top"


def test_percentiles_differ_by_shape_too() -> None:
    assert len({trace.marker.symbol for trace in latency_waterfall(STAGES, TOKENS).data}) == 3


def test_a_waterfall_without_stages_still_has_its_traces_for_the_browser_to_fill() -> None:
    figure = latency_waterfall([], TOKENS)
    assert [len(trace.x) for trace in figure.data] == [0, 0, 0]


def test_the_histogram_labels_each_interval_and_the_open_end() -> None:
    figure = consumer_histogram([10, 1_000, 100_000], [1, 2, 3, 4], TOKENS)
    assert list(figure.data[0].x) == ["≤ 10 µs", "≤ 1 ms", "≤ 100 ms", "> 100 ms"]
    assert list(figure.data[0].y) == [1, 2, 3, 4]
    assert list(consumer_histogram([], [], TOKENS).data[0].x) == []


def test_counts_that_do_not_fit_the_edges_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one more than edges \(2\), was 2"):
        consumer_histogram([1, 2], [1, 2], TOKENS)


def test_figures_are_transparent_and_do_not_move_by_themselves() -> None:
    for figure in (latency_waterfall(STAGES, TOKENS), consumer_histogram([1], [1, 1], TOKENS)):
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
        assert figure.layout.transition.duration == 0
        assert figure.layout.xaxis.fixedrange


@pytest.mark.parametrize(
    ("us", "text"), [(0, "0 µs"), (85, "85 µs"), (1.5, "1.5 µs"), (340_000, "340 ms"), (1_200_000, "1.2 s")]
)
def test_durations_are_written_with_their_unit(us: float, text: str) -> None:
    assert duration(us) == text


@given(st.floats(min_value=0, max_value=1e12))
def test_any_duration_reads_back_to_within_its_rounding(us: float) -> None:
    number, unit = duration(us).split()
    back = float(number) * {"µs": 1, "ms": 1e3, "s": 1e6}[unit]
    assert math.isclose(back, us, rel_tol=0.06, abs_tol=0.6)


def test_a_duration_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a number"):
        duration(math.nan)
