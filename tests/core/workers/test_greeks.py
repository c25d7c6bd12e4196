"""Prices and Greeks: published figures, identities, limits and what a bad row may do."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import BadInput
from core.workers.greeks import BLOCK, Greeks, black_76, black_scholes_merton
from core.workers.options.normal import bell, cumulative, scaled_tail

SPOTS = st.floats(0.01, 1e6)
MONEYNESS = st.floats(-3.0, 3.0)
YEARS = st.floats(1e-6, 30.0)
RATES = st.floats(-0.1, 0.3)
VOLATILITIES = st.floats(0.001, 3.0)


def one(greeks: Greeks) -> dict[str, float]:
    return {name: float(value) for name, value in zip(Greeks._fields, greeks, strict=True)}


def test_the_normal_distribution_has_full_precision_in_both_tails() -> None:
    d = np.concatenate([np.linspace(-37.5, 37.5, 3001), [0.0, 1e-300, -1e-9]])
    exact = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in d])
    assert np.max(np.abs(cumulative(d, bell(d)) / exact - 1)) < 3e-13
    assert scaled_tail(np.array([0.0]))[0] == pytest.approx(0.5, rel=1e-15)
    assert scaled_tail(np.array([1e10]))[0] == pytest.approx(1 / (1e10 * math.sqrt(2 * math.pi)), rel=1e-14)


def test_haugs_values_of_european_options(shared_data: Path, tell: Callable[[str, object], None]) -> None:
    with (shared_data / "reference" / "haug_european_values.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) > 30
    largest = 0.0
    for row in rows:
        s, k, t, r, q, v = (float(row[name]) for name in ("spot", "strike", "t", "r", "q", "vol"))
        price = one(black_scholes_merton(s, k, t, r, q, v, row["type"] == "call"))["price"]
        assert price == pytest.approx(float(row["value"]), abs=float(row["tol"]))
        largest = max(largest, abs(price - float(row["value"])) / float(row["tol"]))
    tell(f"largest error against Haug's {len(rows)} values, in units of their last told digits", f"{largest:.2f}")


def test_haugs_values_of_greeks(shared_data: Path, tell: Callable[[str, object], None]) -> None:
    with (shared_data / "reference" / "haug_european_greeks.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    errors = []
    for row in rows:
        s, k, t, r, q, v = (float(row[name]) for name in ("spot", "strike", "t", "r", "q", "vol"))
        greeks = one(black_scholes_merton(s, k, t, r, q, v, row["type"] == "call"))
        greeks["theta per day"] = greeks["theta"] / 365
        greeks["elasticity"] = greeks["delta"] * s / greeks["price"]
        greeks["dividendRho"] = -greeks["delta"] * s * t
        assert greeks[row["greek"]] == pytest.approx(float(row["value"]), abs=5.1e-5), row
        errors.append(abs(greeks[row["greek"]] - float(row["value"])))
    assert len(errors) == 11
    tell("largest error against Haug's 11 Greeks, told to four decimals", f"{max(errors):.1e}")


def test_the_table_of_py_vollib(shared_data: Path) -> None:
    table = json.loads((shared_data / "reference" / "py_vollib_test_data.json").read_text())
    column = {name: np.array([row[n] for row in table["data"]]) for n, name in enumerate(table["columns"])}
    for call, names in (
        (True, ("bs_call", "CD", "CG", "CT", "CV", "CR")),
        (False, ("bs_put", "PD", "PG", "PT", "PV", "PR")),
    ):
        ours = black_scholes_merton(column["S"], column["K"], column["t"], column["R"], 0.0, column["v"], call)
        for name, values in zip(names, (ours.price, ours.delta, ours.gamma, ours.theta, ours.vega, ours.rho), strict=True):
            np.testing.assert_allclose(values, column[name], rtol=1e-6, atol=1e-6, err_msg=name)


@given(SPOTS, MONEYNESS, YEARS, RATES, RATES, VOLATILITIES)
def test_put_call_parity_of_the_price_and_every_greek(
    spot: float, moneyness: float, years: float, rate: float, dividend: float, volatility: float
) -> None:
    strike = spot * math.exp(moneyness)
    call = one(black_scholes_merton(spot, strike, years, rate, dividend, volatility, True))
    put = one(black_scholes_merton(spot, strike, years, rate, dividend, volatility, False))
    now, then = spot * math.exp(-dividend * years), strike * math.exp(-rate * years)
    expected = {"price": now - then, "delta": now / spot, "rho": years * then, "theta": dividend * now - rate * then}
    scale = max(now, then, years * then)
    for name in Greeks._fields:
        difference = call[name] - put[name]
        # theta's two sides share a decay that can be far larger than their difference
        slack = 1e-13 * (scale + abs(call[name])) if name != "delta" else 1e-13 * max(1.0, now / spot)
        assert difference == pytest.approx(expected.get(name, 0.0), rel=1e-12, abs=slack), name


@given(SPOTS, MONEYNESS, YEARS, RATES, VOLATILITIES, st.booleans())
def test_black_76_is_merton_with_the_rate_as_dividend_but_for_rho(
    future: float, moneyness: float, years: float, rate: float, volatility: float, is_call: bool
) -> None:
    strike = future * math.exp(moneyness)
    ours = black_76(future, strike, years, rate, volatility, is_call)
    merton = black_scholes_merton(future, strike, years, rate, rate, volatility, is_call)
    for name in set(Greeks._fields) - {"rho"}:
        assert getattr(ours, name) == getattr(merton, name), name
    assert ours.rho == -years * ours.price


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("on_future", [True, False])
def test_each_greek_is_the_derivative_it_says(is_call: bool, on_future: bool) -> None:
    def value(spot: float, years: float, rate: float, volatility: float) -> Greeks:
        if on_future:
            return black_76(spot, 110.0, years, rate, volatility, is_call)
        return black_scholes_merton(spot, 110.0, years, rate, 0.02, volatility, is_call)

    at = (100.0, 0.7, 0.04, 0.3)
    greeks = one(value(*at))

    def slope(name: str, which: int) -> float:
        step = 1e-5 * at[which]
        up, down = list(at), list(at)
        up[which] += step
        down[which] -= step
        return (one(value(*up))[name] - one(value(*down))[name]) / (2 * step)

    expected = {
        "delta": slope("price", 0),
        "gamma": slope("delta", 0),
        "vega": slope("price", 3),
        "theta": -slope("price", 1),
        "rho": slope("price", 2),
        "vanna": slope("delta", 3),
        "vomma": slope("vega", 3),
    }
    for name, derivative in expected.items():
        assert greeks[name] == pytest.approx(derivative, rel=1e-7, abs=1e-9), name


@pytest.mark.parametrize(("years", "volatility"), [(0.0, 0.2), (0.5, 0.0), (0.0, 0.0), (1e-12, 1e-12)])
@pytest.mark.parametrize(("strike", "is_call"), [(80.0, True), (120.0, True), (80.0, False), (120.0, False)])
def test_without_time_or_volatility_the_option_is_its_discounted_intrinsic_value(
    years: float, volatility: float, strike: float, is_call: bool
) -> None:
    greeks = one(black_scholes_merton(100.0, strike, years, 0.05, 0.01, volatility, is_call))
    sign = 1 if is_call else -1
    now, then = 100 * math.exp(-0.01 * years), strike * math.exp(-0.05 * years)
    held = 1.0 if sign * (now - then) > 0 else 0.0
    assert greeks["price"] == pytest.approx(held * sign * (now - then), rel=1e-14)
    assert greeks["delta"] == pytest.approx(held * sign * now / 100, rel=1e-14)
    assert greeks["theta"] == pytest.approx(held * sign * (0.01 * now - 0.05 * then), rel=1e-14)
    assert greeks["rho"] == pytest.approx(held * sign * years * then, rel=1e-14)
    assert [greeks[name] for name in ("gamma", "vega", "vanna", "vomma")] == [0, 0, 0, 0]


def test_at_the_kink_the_limits_from_above_are_told() -> None:
    still = one(black_76(100.0, 100.0, 1.0, 0.0, 0.0, True))
    assert (still["price"], still["delta"], still["gamma"], still["theta"]) == (0.0, 0.5, math.inf, 0.0)
    assert still["vega"] == pytest.approx(100 / math.sqrt(2 * math.pi))
    over = one(black_76(100.0, 100.0, 0.0, 0.0, 0.2, False))
    assert (over["price"], over["delta"], over["gamma"], over["theta"]) == (0.0, -0.5, math.inf, -math.inf)
    assert not any(map(math.isnan, [*still.values(), *over.values()]))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("column", range(6))
def test_a_row_that_means_nothing_is_nan_and_costs_no_other(bad: float, column: int) -> None:
    good = [100.0, 110.0, 0.5, 0.03, 0.01, 0.25]
    rows = np.array([good, good, good])
    rows[1, column] = bad
    greeks = black_scholes_merton(*rows.T, True)
    alone = black_scholes_merton(*good, True)
    for values, expected in zip(greeks, alone, strict=True):
        assert np.isnan(values[1])
        assert values[0] == values[2] == expected


@pytest.mark.parametrize(("column", "bad"), [(0, 0.0), (0, -1.0), (1, 0.0), (1, -5.0), (2, -1e-9), (5, -0.1)])
def test_prices_below_nothing_and_time_that_is_over_are_nan(column: int, bad: float) -> None:
    row = [100.0, 110.0, 0.5, 0.03, 0.01, 0.25]
    row[column] = bad
    assert all(np.isnan(value) for value in black_scholes_merton(*row, True))


def test_a_chain_keeps_its_shape_and_blocks_do_not_show() -> None:
    strikes = np.linspace(50, 150, BLOCK + 3)
    chain = black_scholes_merton(100.0, strikes[:, None], 0.5, 0.03, 0.0, 0.2, np.array([True, False]))
    assert chain.delta.shape == (BLOCK + 3, 2)
    last = black_scholes_merton(100.0, strikes[-1], 0.5, 0.03, 0.0, 0.2, False)
    assert [value[-1, 1] for value in chain] == [float(value) for value in last]
    assert black_scholes_merton(100.0, [], 0.5, 0.03, 0.0, 0.2, True).price.shape == (0,)


def test_inputs_are_left_alone() -> None:
    inputs: list[npt.NDArray[np.float64]] = [np.full(7, x) for x in (100.0, 110.0, 0.5, 0.03, 0.01, 0.25)]
    for each in inputs:
        each.flags.writeable = False
    black_scholes_merton(*inputs, np.ones(7, bool))


@pytest.mark.parametrize("spot", [[1.0, 2.0, 3.0], "abc", ["100", "x"]])
def test_inputs_that_do_not_fit_each_other_are_bad_input(spot: object) -> None:
    with pytest.raises(BadInput):
        black_76(spot, [100.0, 110.0], 0.5, 0.0, 0.2, True)  # type: ignore[arg-type]
