"""Implied volatility: there and back, and a named state for every price that has none."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from core.base.errors import BadInput
from core.workers.greeks import BLOCK, black_76, black_scholes_merton
from core.workers.options.implied_volatility import VolatilityState, implied_volatility, implied_volatility_76


def state(price: float, strike: float, is_call: bool, years: float = 0.5, rate: float = 0.0) -> VolatilityState:
    return VolatilityState(int(implied_volatility_76(price, 100.0, strike, years, rate, is_call).state))


@given(
    st.floats(0.01, 1e6),
    st.floats(-2.0, 2.0),
    st.floats(1e-5, 10.0),
    st.floats(-0.05, 0.2),
    st.floats(-0.05, 0.2),
    st.floats(0.005, 4.0),
    st.booleans(),
)
@example(100.0, 0.0, 1.0, 0.0, 0.0, 0.2, True)
@example(100.0, 2.0, 0.02, 0.0, 0.0, 0.4, True)
@example(100.0, -2.0, 10.0, 0.0, 0.0, 4.0, True)
def test_the_volatility_of_a_price_is_the_one_it_was_made_with(
    spot: float, moneyness: float, years: float, rate: float, dividend: float, volatility: float, is_call: bool
) -> None:
    strike = spot * math.exp(moneyness + (rate - dividend) * years)
    made = black_scholes_merton(spot, strike, years, rate, dividend, volatility, is_call)
    now, then = spot * math.exp(-dividend * years), strike * math.exp(-rate * years)
    # what rounding the price and its bounds alone may move the volatility by
    blur = 32 * np.finfo(float).eps * max(now, then) / float(made.vega) if made.vega > 0 else math.inf
    out_of_the_money = (now < then) == is_call
    if out_of_the_money and made.vega > 0:
        blur = min(blur, 1e-10 + 32 * np.finfo(float).eps * float(made.price) / float(made.vega) * 1e3)
    assume(blur < 1e-3 * volatility)
    implied = implied_volatility(made.price, spot, strike, years, rate, dividend, is_call)
    assert implied.state == VolatilityState.FOUND
    assert implied.volatility == pytest.approx(volatility, rel=1e-11, abs=blur)


def test_100_000_options_from_a_minute_to_ten_years_and_twenty_five_deviations_away(
    tell: Callable[[str, object], None],
) -> None:
    rng = np.random.default_rng(11)
    n = 100_000
    years, volatility = 10 ** rng.uniform(math.log10(2e-6), 1, n), 10 ** rng.uniform(-2, 0.7, n)
    strike = 100 * np.exp(np.clip(rng.uniform(-25, 25, n) * volatility * np.sqrt(years), -20, 20))
    is_call = strike > 100
    price = black_76(100.0, strike, years, 0.03, volatility, is_call).price
    assert price.min() < 1e-130
    implied = implied_volatility_76(price, 100.0, strike, years, 0.03, is_call)
    assert (implied.state == VolatilityState.FOUND).all()
    bound = np.minimum(100, strike) * np.exp(-0.03 * years)
    again = black_76(100.0, strike, years, 0.03, implied.volatility, is_call).price
    off = np.abs(again - price) / bound
    # nearer to the bound than that, the price's last digits hold less and less of the volatility
    error = np.abs(implied.volatility / volatility - 1)[price < 0.5 * bound]
    tell("largest relative error of 100,000 implied volatilities", f"{error.max():.1e}, of the price again {off.max():.1e}")
    assert off.max() < 1e-14
    assert error.max() < 1e-9


@pytest.mark.parametrize(
    ("price", "strike", "is_call", "expected"),
    [
        (8.0, 100.0, True, VolatilityState.FOUND),
        (0.0, 120.0, True, VolatilityState.ZERO),
        (0.0, 80.0, False, VolatilityState.ZERO),
        (20.0, 80.0, True, VolatilityState.ZERO),
        (20.0 + 1e-14, 80.0, True, VolatilityState.ZERO),
        (20.0 + 1e-9, 80.0, True, VolatilityState.FOUND),
        (1e-200, 120.0, True, VolatilityState.FOUND),
        (19.9, 80.0, True, VolatilityState.BELOW_INTRINSIC),
        (19.9, 120.0, False, VolatilityState.BELOW_INTRINSIC),
        (-1e-9, 120.0, True, VolatilityState.BELOW_INTRINSIC),
        (100.0, 120.0, True, VolatilityState.ABOVE_BOUND),
        (130.0, 80.0, True, VolatilityState.ABOVE_BOUND),
        (120.0, 120.0, False, VolatilityState.ABOVE_BOUND),
        (119.9, 120.0, False, VolatilityState.FOUND),
        (99.9999, 120.0, True, VolatilityState.FOUND),
        (math.nan, 100.0, True, VolatilityState.INVALID),
        (math.inf, 100.0, True, VolatilityState.INVALID),
        (8.0, 0.0, True, VolatilityState.INVALID),
        (8.0, -1.0, True, VolatilityState.INVALID),
    ],
)
def test_a_price_that_has_no_volatility_says_why(
    price: float, strike: float, is_call: bool, expected: VolatilityState
) -> None:
    assert state(price, strike, is_call) == expected
    volatility = float(implied_volatility_76(price, 100.0, strike, 0.5, 0.0, is_call).volatility)
    assert math.isnan(volatility) == (expected not in (VolatilityState.FOUND, VolatilityState.ZERO))
    assert (volatility == 0) == (expected == VolatilityState.ZERO)


def test_no_time_has_no_volatility_and_time_that_is_over_means_nothing() -> None:
    assert state(8.0, 100.0, True, years=0.0) == VolatilityState.EXPIRED
    assert state(8.0, 100.0, True, years=-0.1) == VolatilityState.INVALID
    assert state(8.0, 100.0, True, years=math.nan) == VolatilityState.INVALID


def test_intrinsic_value_and_bound_are_discounted() -> None:
    discounted = 20 * math.exp(-0.1 * 0.5)
    assert state(discounted - 0.01, 80.0, True, rate=0.1) == VolatilityState.BELOW_INTRINSIC
    assert state(discounted + 0.01, 80.0, True, rate=0.1) == VolatilityState.FOUND
    assert state(100 * math.exp(-0.05) + 0.01, 80.0, True, rate=0.1) == VolatilityState.ABOVE_BOUND


def test_one_bad_price_costs_no_other_of_the_chain() -> None:
    strikes = np.linspace(60, 140, BLOCK + 5)
    prices = black_76(100.0, strikes, 0.5, 0.02, 0.3, True).price
    prices[[0, 7, BLOCK + 1]] = [math.nan, -1.0, 1e9]
    implied = implied_volatility_76(prices, 100.0, strikes, 0.5, 0.02, True)
    good = np.ones(strikes.size, bool)
    good[[0, 7, BLOCK + 1]] = False
    np.testing.assert_allclose(implied.volatility[good], 0.3, rtol=1e-11)
    assert list(implied.state[~good]) == [
        VolatilityState.INVALID,
        VolatilityState.BELOW_INTRINSIC,
        VolatilityState.ABOVE_BOUND,
    ]


@settings(max_examples=300)
@given(st.lists(st.tuples(*[st.floats()] * 6, st.booleans()), min_size=1, max_size=8))
@example([(0.0, 91_000.0, 90_000.0, 0.09, 7_546.0, 0.0, True)])
@example([(5e-324, 5e-324, 5e-324, 5e-324, 0.0, 0.0, True)])
@example([(1e-300, 1e300, 1e300, 1e-300, 0.0, 0.0, False)])
def test_any_numbers_give_a_volatility_or_a_state_that_says_why_not(
    rows: list[tuple[float, float, float, float, float, float, bool]],
) -> None:
    implied = implied_volatility(*np.array(rows, dtype=float).T)
    has_one = np.isin(implied.state, [VolatilityState.FOUND, VolatilityState.ZERO])
    np.testing.assert_array_equal(has_one, np.isfinite(implied.volatility))
    np.testing.assert_array_equal(has_one, ~np.isnan(implied.volatility))
    assert (implied.volatility[has_one] >= 0).all()


def test_shapes_are_kept_and_must_fit() -> None:
    assert implied_volatility_76(np.full((3, 2), 8.0), 100.0, 100.0, 0.5, 0.0, True).volatility.shape == (3, 2)
    assert implied_volatility_76([], 100.0, 100.0, 0.5, 0.0, True).state.shape == (0,)
    with pytest.raises(BadInput):
        implied_volatility_76([1.0, 2.0], [100.0, 100.0, 100.0], 100.0, 0.5, 0.0, True)
