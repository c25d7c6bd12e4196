"""Breakouts, spikes, reversals, gaps: by hand, and against slow and simple definitions."""

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.errors import ConfigError
from core.workers.patterns.detection import Bar, Detection, frame_of
from core.workers.patterns.price_patterns import PatternConfig, breakouts, gaps, reversals, volume_spikes

CONFIG = PatternConfig(period=3, breakout_volume=1.5, spike=3.0, run=3, gap=0.01)
Find = Callable[[str, pl.DataFrame, PatternConfig], Iterator[Detection]]


def bars(*rows: tuple[float, float, float, float, float]) -> list[Bar]:
    return [Bar(60_000 * i, *row) for i, row in enumerate(rows)]


def found(find: Find, rows: Sequence[Bar]) -> list[Detection]:
    return list(find("ETHUSDT", frame_of(rows), CONFIG))


FLAT = (100.0, 101.0, 99.0, 100.0, 10.0)


def test_a_close_above_the_range_on_volume_is_a_breakout_told_with_its_figures() -> None:
    detections = found(breakouts, bars(FLAT, FLAT, FLAT, (100.0, 104.0, 100.0, 103.0, 20.0)))
    assert [(d.name, d.direction, d.ts_ms, d.price) for d in detections] == [("Breakout up", 1, 180_000, 103.0)]
    assert detections[0].reason == (
        "closed at 103, above the highest high of the last 3 bars (101), on 2.0 times their mean volume (10)"
    )
    assert detections[0].strength == pytest.approx(0.5), "one mean range (2) beyond the edge"


def test_a_breakout_needs_its_volume() -> None:
    assert found(breakouts, bars(FLAT, FLAT, FLAT, (100.0, 104.0, 100.0, 103.0, 14.0))) == []


def test_a_close_below_the_range_breaks_down() -> None:
    (detection,) = found(breakouts, bars(FLAT, FLAT, FLAT, (100.0, 100.0, 96.0, 97.0, 20.0)))
    assert (detection.name, detection.direction) == ("Breakout down", -1)
    assert "below the lowest low of the last 3 bars (99)" in detection.reason


def test_a_volume_of_three_times_the_mean_is_a_spike() -> None:
    (detection,) = found(volume_spikes, bars(FLAT, FLAT, FLAT, (100.0, 101.0, 99.0, 99.5, 30.0)))
    assert (detection.kind, detection.direction, detection.strength) == ("volume spike", -1, pytest.approx(2 / 3, abs=1e-3))
    assert detection.reason.startswith("volume 30 is 3.0 times the mean of the last 3 bars (10)")


def test_the_mean_is_the_same_to_its_last_digit_each_time() -> None:
    """Volumes whose sum depends on the order of the additions: a 1 is lost that comes after 2^53."""
    config = PatternConfig(breakout_volume=0)
    frame = frame_of([Bar(i, i, i, i, i + 1.0, 2.0**53 if i % 7 == 3 else 1.0) for i in range(240)])  # each a breakout
    told = {tuple(d.reason for d in breakouts("ETHUSDT", frame, config)) for _ in range(500)}
    assert [len(reasons) for reasons in told] == [240 - config.period]


def test_a_run_that_turns_is_a_reversal() -> None:
    falling = [(c + 1, c + 1.5, c - 0.5, c, 10.0) for c in (105.0, 104.0, 103.0, 102.0)]
    (detection,) = found(reversals, bars(*falling, (102.0, 105.0, 101.0, 104.0, 10.0)))
    assert (detection.name, detection.direction) == ("Reversal up", 1)
    assert detection.strength == pytest.approx(2 / 3, abs=1e-3), "two of the three points that were lost"
    assert detection.reason == (
        "after 3 falling closes (-2.86 %, from 105 to 102) it closed at 104, above the last bar's high (103.5)"
    )


def test_an_open_beyond_the_last_range_is_a_gap() -> None:
    up, down = (103.0, 104.0, 102.0, 103.0, 10.0), (97.0, 98.0, 96.0, 97.0, 10.0)
    (detection,) = found(gaps, bars(FLAT, up))
    assert (detection.name, detection.direction) == ("Gap up", 1)
    assert detection.reason == "opened at 103, 2.00 % above the last bar's high (101)"
    assert [d.name for d in found(gaps, bars(FLAT, down))] == ["Gap down"]
    assert found(gaps, bars(FLAT, (101.5, 103.0, 101.0, 102.0, 10.0))) == [], "half a per cent is none here"


prices = st.integers(90, 110).map(float)


@st.composite
def walks(draw: st.DrawFn) -> list[Bar]:
    rows = draw(st.lists(st.tuples(prices, prices, prices, prices, st.integers(1, 60)), min_size=0, max_size=30))
    return [
        Bar(60_000 * i, o, max(o, h, low, c), min(o, h, low, c), c, float(v)) for i, (o, h, low, c, v) in enumerate(rows)
    ]


def slow_breakouts(rows: list[Bar]) -> set[tuple[int, str]]:
    out = set()
    for i in range(CONFIG.period, len(rows)):
        past, bar = rows[i - CONFIG.period : i], rows[i]
        if bar.volume * CONFIG.period >= CONFIG.breakout_volume * sum(b.volume for b in past):
            if bar.close > max(b.high for b in past):
                out.add((bar.ts_ms, "Breakout up"))
            if bar.close < min(b.low for b in past):
                out.add((bar.ts_ms, "Breakout down"))
    return out


def slow_spikes(rows: list[Bar]) -> set[tuple[int, str]]:
    n = CONFIG.period
    return {
        (rows[i].ts_ms, "Volume spike")
        for i in range(n, len(rows))
        if rows[i].volume * n >= CONFIG.spike * sum(b.volume for b in rows[i - n : i])
    }


def slow_reversals(rows: list[Bar]) -> set[tuple[int, str]]:
    out = set()
    for i in range(CONFIG.run + 1, len(rows)):
        run, bar = [b.close for b in rows[i - CONFIG.run - 1 : i]], rows[i]
        steps = [b - a for a, b in itertools.pairwise(run)]
        if all(s < 0 for s in steps) and bar.close > rows[i - 1].high:
            out.add((bar.ts_ms, "Reversal up"))
        if all(s > 0 for s in steps) and bar.close < rows[i - 1].low:
            out.add((bar.ts_ms, "Reversal down"))
    return out


def slow_gaps(rows: list[Bar]) -> set[tuple[int, str]]:
    out = set()
    for last, bar in itertools.pairwise(rows):
        if bar.open - last.high > 0 and bar.open - last.high >= CONFIG.gap * last.close:
            out.add((bar.ts_ms, "Gap up"))
        if last.low - bar.open > 0 and last.low - bar.open >= CONFIG.gap * last.close:
            out.add((bar.ts_ms, "Gap down"))
    return out


@settings(max_examples=150)
@given(walks())
def test_vectorised_patterns_are_those_of_the_definitions(rows: list[Bar]) -> None:
    for find, slow in (
        (breakouts, slow_breakouts),
        (volume_spikes, slow_spikes),
        (reversals, slow_reversals),
        (gaps, slow_gaps),
    ):
        detections = found(find, rows)
        assert {(d.ts_ms, d.name) for d in detections} == slow(rows), find.__name__
        for d in detections:
            assert 0 <= d.strength <= 1
            assert math.isfinite(d.price)
            assert re.search(r"\d", d.reason)
            assert not re.search("nan|None", d.reason)


@pytest.mark.parametrize("wrong", [{"period": 1}, {"run": 1}, {"spike": 0.5}, {"gap": -1.0}])
def test_a_configuration_that_means_nothing_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PatternConfig(**wrong)
