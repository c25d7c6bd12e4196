"""Indicators from batches are TA-Lib's of the whole history, whatever the batches' boundaries and the symbols between."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from core.workers.hybrid_calculations import HybridCalculations
from core.workers.indicators.batch import OUTPUTS, IndicatorBatch
from core.workers.indicators.config import IndicatorConfig

TOLERANCE = 1e-9
DAY_MS = 86_400_000
Array = npt.NDArray[np.float64]


class History(msgspec.Struct, frozen=True):
    """All ticks (or bars, with `high` and `low`) of a symbol; `ts_ms` Unix ms."""

    price: Array
    volume: Array
    ts_ms: Array
    high: Array | None = None
    low: Array | None = None

    def of(self, places: npt.NDArray[np.int64] | slice) -> "History":
        columns = (self.price, self.volume, self.ts_ms, self.high, self.low)
        return History(*(None if column is None else column[places] for column in columns))  # type: ignore[arg-type]


def rolling(values: Array, width: int) -> Array:
    """The sum of each value and those before it, `width` in all, each window summed anew; NaN before the first whole one."""
    sums = np.full(values.size, np.nan)
    if values.size >= width:
        sums[width - 1 :] = np.lib.stride_tricks.sliding_window_view(values, width).sum(axis=1)
    return sums


def expected(history: History, config: IndicatorConfig) -> dict[str, Array]:
    """TA-Lib on the whole history; for what it does not have, plain windows and sums over all of it."""
    price, volume = history.price, history.volume
    high, low = (price if column is None else column for column in (history.high, history.low))
    macd, signal, histogram = talib.MACD(price, config.macd_fast, config.macd_slow, config.macd_signal)
    upper, middle, lower = talib.BBANDS(price, config.bollinger, config.bollinger_deviations, config.bollinger_deviations)
    returns = np.log(price[1:] / price[:-1])
    before = rolling(volume, config.volume_ratio)[:-1] / config.volume_ratio
    day = history.ts_ms // DAY_MS
    turnover, traded = np.empty_like(price), np.empty_like(price)
    for number in np.unique(day):
        today = day == number
        traded[today] = np.cumsum(volume[today])
        turnover[today] = np.cumsum(((high + low + price) / 3 * volume)[today])
    with np.errstate(all="ignore"):
        ratio = np.where(before > 0, volume[1:] / before, np.nan)
        vwap = np.where(traded > 0, turnover / traded, np.nan)
    deviation = np.sqrt(rolling(returns**2, config.realised_volatility) * config.annualisation)
    return {
        "ema": talib.EMA(price, config.ema),
        "rsi": talib.RSI(price, config.rsi),
        "macd": macd,
        "macd_signal": signal,
        "macd_histogram": histogram,
        "atr": talib.ATR(high, low, price, config.atr),
        "bollinger_upper": upper,
        "bollinger_middle": middle,
        "bollinger_lower": lower,
        "vwap": vwap,
        "obv": talib.OBV(price, volume),
        "realised_volatility": np.concatenate([[np.nan], deviation]),
        "volume_ratio": np.concatenate([[np.nan], ratio]),
    }


def errors(ours: dict[str, Array], history: History, config: IndicatorConfig) -> dict[str, float]:
    """The largest error of each output, relative to its own size and to no less than its scale's."""
    found = {}
    scales = {
        "rsi": 100.0,
        "obv": max(1.0, history.volume.max()),
        "realised_volatility": 1e-3 * config.annualisation**0.5,
        "volume_ratio": 1.0,
    }
    for name, reference in expected(history, config).items():
        np.testing.assert_array_equal(np.isnan(ours[name]), np.isnan(reference), err_msg=f"where {name} has values")
        warm = ~np.isnan(reference)
        scale = scales.get(name, history.price.max() * (1e-3 if name.startswith(("macd", "atr")) else 1.0))
        error = np.abs(ours[name] - reference)[warm] / np.maximum(np.abs(reference[warm]), scale)
        found[name] = float(error.max(initial=0.0))
    return found


def feed(
    calculations: HybridCalculations, symbols: Sequence[str], history: History, cuts: Sequence[int]
) -> dict[str, Array]:
    """The outputs of all ticks, given in batches that end at `cuts`."""
    batches: list[IndicatorBatch] = []
    for start, stop in zip([0, *cuts], [*cuts, len(symbols)], strict=True):
        part = history.of(slice(start, stop))
        batches.append(
            calculations.update(symbols[start:stop], part.price, part.volume, part.ts_ms, highs=part.high, lows=part.low)
        )
    return {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in OUTPUTS}


def walk(seed: int, size: int, bars: bool) -> History:
    """Prices that jump, rest and drift over several days; some ticks have no volume."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 10 ** rng.uniform(-4, -1.5), size) * (rng.random(size) < rng.uniform(0.3, 1))
    price = 10 ** rng.uniform(0, 5) * np.exp(np.cumsum(steps))
    volume = rng.exponential(3, size) * (rng.random(size) < rng.uniform(0.5, 1))
    ts_ms = 1_723_075_200_000 + np.cumsum(rng.integers(0, 10 ** rng.integers(3, 8), size)).astype(float)
    if not bars:
        return History(price, volume, ts_ms)
    return History(price, volume, ts_ms, price * (1 + rng.exponential(1e-3, size)), price * (1 - rng.uniform(0, 1e-3, size)))


PERIODS = st.integers(2, 30)
CONFIGS = st.one_of(
    st.just(IndicatorConfig()),
    st.builds(
        IndicatorConfig,
        ema=PERIODS,
        rsi=PERIODS,
        macd_fast=st.integers(2, 12),
        macd_slow=st.integers(13, 30),
        macd_signal=st.integers(1, 12),
        atr=PERIODS,
        bollinger=PERIODS,
        bollinger_deviations=st.floats(0.5, 4),
        realised_volatility=st.integers(1, 30),
        annualisation=st.floats(0.5, 1e6),
        volume_ratio=st.integers(1, 30),
    ),
)
WIDTHS = st.sampled_from([1, 2, 12, 1_000])
SIZES = st.integers(1, 260)


@settings(max_examples=80)
@given(st.integers(0, 2**32), SIZES, st.booleans(), CONFIGS, WIDTHS, st.data())
def test_a_symbol_cut_anywhere_into_batches_is_talib_on_the_whole(
    seed: int, size: int, bars: bool, config: IndicatorConfig, width: int, data: st.DataObject
) -> None:
    history = walk(seed, size, bars)
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=8)))
    ours = feed(HybridCalculations(config, round_width=width), ["ETHUSDT"] * size, history, cuts)
    # TA-Lib's running sums keep some rounding of the windows that were, ours do not
    assert max(errors(ours, history, config).values()) < TOLERANCE


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 600), st.booleans(), WIDTHS, st.data())
def test_each_of_many_mixed_symbols_is_talib_on_its_own_history(
    seed: int, count: int, size: int, bars: bool, width: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    popularity = rng.dirichlet(np.full(count, 0.3))
    which = rng.choice(count, size, p=popularity)
    history = walk(seed, size, bars)
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=12)))
    config = IndicatorConfig()
    ours = feed(HybridCalculations(config, round_width=width), [f"S{number}" for number in which], history, cuts)
    for number in np.unique(which):
        (places,) = np.nonzero(which == number)
        found = errors({name: column[places] for name, column in ours.items()}, history.of(places), config)
        assert max(found.values()) < TOLERANCE, found


@pytest.mark.parametrize("width", [1, 12])
def test_recorded_bars_of_two_symbols_in_batches_of_fifty(
    shared_data: Path, width: int, tell: Callable[[str, object], None]
) -> None:
    largest: dict[str, float] = dict.fromkeys(OUTPUTS, 0.0)
    config = IndicatorConfig(max_symbols=2)
    frames = {
        symbol: pl.read_parquet(shared_data / "ohlcv" / f"{symbol}_1m_20240726_20240825.parquet").head(12_000)
        for symbol in ("BTCUSDT", "ETHUSDT")
    }
    both = pl.concat([frame.with_columns(symbol=pl.lit(symbol)) for symbol, frame in frames.items()]).sort(
        "timestamp", maintain_order=True
    )
    columns = [both[name].cast(pl.Float64).to_numpy() for name in ("close", "volume")]
    columns += [both["timestamp"].dt.epoch("ms").cast(pl.Float64).to_numpy()]
    columns += [both[name].cast(pl.Float64).to_numpy() for name in ("high", "low")]
    history, symbols = History(*columns), both["symbol"].to_list()
    ours = feed(HybridCalculations(config, round_width=width), symbols, history, range(50, len(symbols), 50))
    for symbol in frames:
        (places,) = np.nonzero(np.array(symbols) == symbol)
        found = errors({name: column[places] for name, column in ours.items()}, history.of(places), config)
        largest = {name: max(largest[name], found[name]) for name in largest}
    told = ", ".join(f"{name} {error:.0e}" for name, error in largest.items())
    tell(f"largest errors against TA-Lib, 24,000 recorded bars, {'arrays' if width == 1 else 'floats'}", told)
    assert max(largest.values()) < TOLERANCE


def test_recorded_trades_in_batches_of_fifty(shared_data: Path, tell: Callable[[str, object], None]) -> None:
    rows = []
    with gzip.open(shared_data / "binance" / "spot_btcusdt_20240808.jsonl.gz", "rt") as lines:
        for line in lines:
            frame = msgspec.json.decode(line.partition(" ")[2])
            if frame.get("stream", "").endswith("@trade"):
                rows.append([float(frame["data"][name]) for name in "pqT"])
    history = History(*np.array(rows).T)
    assert len(rows) > 9_000
    config = IndicatorConfig()
    ours = feed(HybridCalculations(config), ["BTCUSDT"] * len(rows), history, range(50, len(rows), 50))
    found = errors(ours, history, config)
    tell(f"largest error against TA-Lib, {len(rows):,} recorded trades", f"{max(found.values()):.1e}")
    assert max(found.values()) < TOLERANCE


def test_a_jump_leaves_nothing_behind_in_the_windows() -> None:
    quiet = np.full(60, 100.0) + np.arange(60) % 3
    price = np.concatenate([quiet, [1e12], quiet])
    volume, ts_ms = np.concatenate([np.ones(60), [1e15], np.ones(60)]), np.arange(121.0)
    ours = HybridCalculations().update(["X"] * 121, price, volume, ts_ms)
    for name in ("bollinger_upper", "bollinger_middle", "bollinger_lower", "volume_ratio"):
        column = getattr(ours, name)
        assert column[-1] == pytest.approx(column[58 - (58 - 119 + 60) % 3], rel=1e-13), name


def test_no_volume_no_move_and_no_day_give_what_the_formulas_say() -> None:
    ours = HybridCalculations().update(["X"] * 40, np.full(40, 5.0), np.zeros(40), np.arange(40.0))
    assert (ours.rsi[14:] == 0).all()
    assert (ours.realised_volatility[20:] == 0).all()
    assert (ours.obv == 0).all()
    assert np.isnan(ours.vwap).all()
    assert np.isnan(ours.volume_ratio).all()
    assert ours.bollinger_upper[19] == ours.bollinger_lower[19] == 5.0


@pytest.mark.parametrize("width", [1, 12])
def test_a_tick_of_the_day_before_does_not_count_in_the_vwap(width: int) -> None:
    calculations = HybridCalculations(round_width=width)
    days = np.array([1.0, 1.0, 2.0, 1.0, 2.0]) * DAY_MS
    ours = calculations.update(["X"] * 5, [10.0, 20.0, 30.0, 99.0, 50.0], [1.0, 3.0, 1.0, 5.0, 1.0], days)
    assert ours.vwap.tolist() == [10.0, 17.5, 30.0, 30.0, 40.0]


def test_an_empty_batch_changes_nothing() -> None:
    calculations = HybridCalculations()
    assert calculations.update([], [], [], []).ema.shape == (0,)
    assert calculations.gauges.ticks == 0
