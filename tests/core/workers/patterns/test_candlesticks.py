"""Candlesticks and all patterns together on recorded minutes, against TA-Lib on the whole history."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from talib import abstract

from core.workers.patterns.candlesticks import LOOKBACK, NAMES, UNDECIDED, candlesticks
from core.workers.patterns.detection import BAR_SCHEMA, Bar
from core.workers.patterns.detector import Detector, detect
from core.workers.patterns.price_patterns import PatternConfig

DAY = 1_440


@pytest.fixture(scope="module")
def minutes(shared_data: Path) -> pl.DataFrame:
    """Three days of recorded ETHUSDT minutes around a fall of 20 % (5 August 2024)."""
    frame = pl.read_parquet(shared_data / "ohlcv" / "ETHUSDT_1m_20240726_20240825.parquet")
    time = pl.col("timestamp").dt.epoch("ms") if frame["timestamp"].dtype != pl.Int64 else pl.col("timestamp")
    frame = frame.select(time.alias("ts_ms"), "open", "high", "low", "close", "volume").cast(BAR_SCHEMA)  # type: ignore[arg-type]
    return frame.slice(9 * DAY, 3 * DAY).filter(pl.col("volume") > 0)


def test_every_candlestick_function_of_talib_has_a_name_of_its_own() -> None:
    assert set(NAMES) == set(talib.get_function_groups()["Pattern Recognition"])
    assert len(NAMES) == len(set(NAMES.values())) == 61
    assert set(NAMES) >= UNDECIDED
    assert all(abstract.Function(name).lookback < LOOKBACK for name in NAMES)


def test_whole_history_and_talib_agree_on_every_bar(minutes: pl.DataFrame) -> None:
    o, h, low, c = (minutes[name].to_numpy() for name in ("open", "high", "low", "close"))
    expected = {
        (int(minutes["ts_ms"][int(row)]), name)
        for function, name in NAMES.items()
        for row in np.flatnonzero(getattr(talib, function)(o, h, low, c))
    }
    detections = list(candlesticks("ETHUSDT", minutes))
    assert {(d.ts_ms, d.name) for d in detections} == expected
    assert len(detections) == len(expected) > 5_000
    assert {d.name for d in detections} >= {"Doji", "Hammer", "Engulfing", "Morning star", "Three outside"}


def test_bar_by_bar_detection_is_that_of_the_whole_history(minutes: pl.DataFrame) -> None:
    config = PatternConfig()
    rows = [Bar(*row) for row in minutes.head(600).iter_rows()]
    detector = Detector("ETHUSDT", config)
    streamed = [d for bar in rows for d in detector.take([bar])]
    whole = detect("ETHUSDT", minutes.head(600), 0, config)
    key = lambda d: (d.ts_ms, d.kind, d.name, d.direction, d.price)  # noqa: E731
    assert sorted(map(key, streamed)) == sorted(map(key, whole))
    assert {d.kind for d in whole} == {"breakout", "volume spike", "reversal", "candlestick"}


@settings(max_examples=10)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.data())
def test_portions_do_not_matter(minutes: pl.DataFrame, portions: list[int], data: st.DataObject) -> None:
    rows = [Bar(*row) for row in minutes.slice(data.draw(st.integers(0, 3_000)), sum(portions)).iter_rows()]
    config, at = PatternConfig(), 0
    portioned, whole = Detector("ETHUSDT", config), Detector("ETHUSDT", config)
    found = []
    for size in portions:
        found += portioned.take(rows[at : at + size])
        found += portioned.take(rows[at : at + size])  # again changes nothing
        at += size
    assert sorted(d.reason for d in found) == sorted(d.reason for d in whole.take(rows))


def test_a_fall_of_twenty_per_cent_shows_in_breakouts_and_spikes(minutes: pl.DataFrame) -> None:
    found = detect("ETHUSDT", minutes, 0, PatternConfig())
    down = [d for d in found if d.name == "Breakout down"]
    assert len(down) > 40
    spike = max((d for d in found if d.kind == "volume spike"), key=lambda d: d.strength)
    assert spike.strength > 0.85
    assert "times the mean of the last 20 bars" in spike.reason


def test_bars_without_a_trade_are_no_candles() -> None:
    detector = Detector("ETHUSDT", PatternConfig())
    assert detector.take([Bar(60_000 * i, 100.0, 100.0, 100.0, 100.0, 0.0) for i in range(50)]) == []
    assert detector.last_ms == -1
