"""States: saved and restored exactly, bounded in number, untouched by ticks that are refused."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.errors import BadInput, ConfigError
from core.workers.hybrid_calculations import HybridCalculations
from core.workers.indicators.batch import OUTPUTS, IndicatorBatch
from core.workers.indicators.config import IndicatorConfig
from core.workers.indicators.symbol_state import SymbolState
from core.workers.indicators.ticks import BadTicks


def ticks(seed: int, size: int, symbols: int) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    price = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, size)))
    names = [f"S{number}" for number in rng.integers(0, symbols, size)]
    return names, price, rng.exponential(1, size), 1.7e12 + np.cumsum(rng.exponential(1e6, size))


def same(one: IndicatorBatch, other: IndicatorBatch) -> None:
    for name in OUTPUTS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def cut(batch: tuple[list[str], np.ndarray, np.ndarray, np.ndarray], start: int, stop: int) -> tuple[object, ...]:  # type: ignore[type-arg]
    return tuple(column[start:stop] for column in batch)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(1, 30), st.sampled_from([1, 12, 999]), st.data())
def test_another_worker_goes_on_exactly_where_a_state_was_taken(
    seed: int, size: int, symbols: int, width: int, data: st.DataObject
) -> None:
    batch = ticks(seed, size + 120, symbols)
    first, other = HybridCalculations(round_width=width), HybridCalculations(round_width=width)
    place = data.draw(st.integers(1, size))
    first.update(*cut(batch, 0, place))  # type: ignore[arg-type]
    # what the other one knew of the symbols is replaced
    other.update(*ticks(seed + 1, data.draw(st.integers(0, 60)), symbols))
    packed = [msgspec.msgpack.encode(first.state(symbol)) for symbol in first.symbols]
    missing = set(other.symbols) - set(first.symbols)
    for each in packed:
        other.restore(msgspec.msgpack.decode(each, type=SymbolState))
    for start in range(place, size + 120, 50):
        rest = cut(batch, start, start + 50)
        known = [name not in missing for name in rest[0]]  # type: ignore[attr-defined]
        wanted, told = first.update(*rest), other.update(*rest)  # type: ignore[arg-type]
        for name in OUTPUTS:
            np.testing.assert_array_equal(getattr(told, name)[known], getattr(wanted, name)[known], err_msg=name)
    assert [other.state(s) for s in first.symbols if s not in missing] == [
        first.state(s) for s in first.symbols if s not in missing
    ]


def test_a_full_table_gives_the_place_of_the_least_recently_used_symbol() -> None:
    calculations = HybridCalculations(IndicatorConfig(max_symbols=3))
    for symbols in (["A", "B"], ["C"], ["A"], ["D"]):
        calculations.update(symbols, [5.0] * len(symbols), [1.0] * len(symbols), [0.0] * len(symbols))
    assert calculations.symbols == ("C", "A", "D")
    gauges = calculations.gauges
    assert (gauges.symbols, gauges.max_symbols, gauges.evicted, gauges.ticks) == (3, 3, 1, 5)
    with pytest.raises(KeyError):
        calculations.state("B")
    # the newcomer begins anew in the place of the old one
    again = calculations.update(["B"], [7.0], [2.0], [0.0])
    assert (again.obv[0], again.vwap[0]) == (2.0, 7.0)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 200), st.integers(1, 20), st.integers(1, 6))
def test_a_batch_of_more_symbols_than_there_are_places_is_taken_in_parts(
    seed: int, size: int, symbols: int, places: int
) -> None:
    batch = ticks(seed, size, symbols)
    calculations = HybridCalculations(IndicatorConfig(max_symbols=places))
    answer = calculations.update(*batch)
    gauges = calculations.gauges
    assert (gauges.ticks, gauges.symbols) == (size, min(places, len(set(batch[0]))))
    assert not np.isnan(answer.obv).any()
    if places >= symbols:
        same(answer, HybridCalculations().update(*batch))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", math.nan),
        ("price", math.inf),
        ("price", 0.0),
        ("price", -1.0),
        ("volume", -1.0),
        ("volume", math.nan),
        ("ts_ms", -1.0),
        ("ts_ms", math.nan),
        ("high", 4.9),
        ("low", 5.1),
        ("low", math.nan),
    ],
)
def test_a_bad_value_is_named_and_nothing_of_its_batch_is_taken(field: str, value: float) -> None:
    calculations, alone = HybridCalculations(), HybridCalculations()
    columns = {name: [5.0, 5.0, 5.0] for name in ("price", "volume", "ts_ms", "high", "low")}

    def give(to: HybridCalculations, symbols: list[str]) -> IndicatorBatch:
        price, volume, ts_ms, high, low = columns.values()
        return to.update(symbols, price, volume, ts_ms, highs=high, lows=low)

    give(calculations, ["A", "B", "A"])
    before = [calculations.state(symbol) for symbol in calculations.symbols]
    columns[field] = [5.0, value, 5.0]
    with pytest.raises(BadTicks) as raised:
        give(calculations, ["A", "B", "C"])
    assert [(bad.index, bad.symbol, bad.field) for bad in raised.value.bad] == [(1, "B", field)]
    assert [calculations.state(symbol) for symbol in calculations.symbols] == before
    columns[field] = [5.0, 5.0, 5.0]
    give(alone, ["A", "B", "A"])
    same(give(calculations, ["A", "B", "C"]), give(alone, ["A", "B", "C"]))


def test_columns_of_unequal_length_and_highs_without_lows_are_bad_input() -> None:
    calculations = HybridCalculations()
    with pytest.raises(BadInput, match="volumes"):
        calculations.update(["A", "B"], [1.0, 2.0], [1.0], [0.0, 0.0])
    with pytest.raises(BadInput, match="together"):
        calculations.update(["A"], [1.0], [1.0], [0.0], highs=[1.0])
    assert calculations.symbols == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"config": IndicatorConfig(ema=21)}, "periods"),
        ({"count": 0}, "lengths"),
        ({"count": 2}, "lengths"),
        ({"fields": (1.0,)}, "lengths"),
        ({"prices": (math.nan,)}, "finite"),
        ({"fields": (math.inf,) * 12}, "finite"),
        ({"fields": (0.0,) * 12}, "last price"),
    ],
)
def test_a_state_of_other_periods_or_a_damaged_one_is_refused(change: dict[str, object], says: str) -> None:
    calculations = HybridCalculations()
    calculations.update(["A"], [5.0], [1.0], [0.0])
    state = calculations.state("A")
    with pytest.raises(BadInput, match=says):
        HybridCalculations().restore(msgspec.structs.replace(state, **change))
    fresh = HybridCalculations(IndicatorConfig(max_symbols=7))
    fresh.restore(state)
    assert msgspec.structs.replace(fresh.state("A"), config=state.config) == state


@pytest.mark.parametrize(
    "periods",
    [{"ema": 1}, {"rsi": 0}, {"macd_fast": 26}, {"volume_ratio": 0}, {"max_symbols": 0}, {"atr": 1001},
     {"annualisation": 0.0}, {"bollinger_deviations": math.inf}],
)  # fmt: skip
def test_periods_that_cannot_be_are_refused_by_name(periods: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(periods))):
        IndicatorConfig(**periods)  # type: ignore[arg-type]
