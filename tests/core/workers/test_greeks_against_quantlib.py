"""100,000 random options against QuantLib: every figure within 1e-8, absolute below 1 and relative above."""

import math
from collections.abc import Callable

import numpy as np
import QuantLib as ql

from core.workers.greeks import Greeks, black_76, black_scholes_merton
from core.workers.options.implied_volatility import VolatilityState, implied_volatility

COUNT = 100_000
TOLERANCE = 1e-8
KINDS = ("usual", "deep", "near expiry", "hardly any volatility", "no volatility", "no time")


def options(seed: int) -> tuple[np.ndarray, ...]:  # type: ignore[type-arg]
    """kind, spot, strike, years, rate, dividend, volatility, is_call; near expiry goes down to a minute."""
    rng = np.random.default_rng(seed)

    def between(low: float, high: float) -> np.ndarray:  # type: ignore[type-arg]
        return rng.uniform(low, high, COUNT)

    kind = rng.integers(0, len(KINDS), COUNT)
    spot = np.exp(between(math.log(0.5), math.log(50_000)))
    rate, dividend, volatility, years = between(-0.03, 0.15), between(-0.02, 0.1), between(0.01, 2), between(1 / 365, 5)
    years = np.where(kind == 2, 10 ** between(math.log10(2e-6), -2), years)
    years = np.where(kind == 5, 0.0, years)
    volatility = np.where(kind == 3, 10 ** between(-6, -2), volatility)
    volatility = np.where(kind == 4, 0.0, volatility)
    moneyness = rng.normal(0, 1.5, COUNT) * volatility * np.sqrt(years)
    # no further than a usual strike lies: with strikes a million times the spot QuantLib's tails cost it its eighth digit
    moneyness = np.clip(moneyness, -3, 3)
    moneyness = np.where((kind == 1) | (kind >= 4), between(-3, 3), moneyness)
    moneyness = np.where(kind == 3, between(-0.3, 0.3), moneyness)
    strike = spot * np.exp(moneyness + (rate - dividend) * years)
    return kind, spot, strike, years, rate, dividend, volatility, rng.random(COUNT) < 0.5


def quantlib(
    spot: float, strike: float, years: float, rate: float, dividend: float, volatility: float, is_call: bool
) -> list[float]:
    """Greeks' fields by QuantLib; NaN for what it does not tell.

    At a deviation of exactly 0 BlackCalculator (1.44) tells a put the delta, theta and rho of a call: it is given one of
    1e-9 there, at which all tails are 0. Its theta divides by the time. Its volga leaves out the √T that its own vega's
    derivative has.
    """
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if is_call else ql.Option.Put, strike)
    deviation = volatility * math.sqrt(years)
    forward = spot * math.exp((rate - dividend) * years)
    black = ql.BlackCalculator(payoff, forward, max(deviation, 1e-9), math.exp(-rate * years))
    told = [black.value(), black.delta(spot), black.gamma(spot), black.vega(years)]
    told += [black.theta(spot, years) if years else math.nan, black.rho(years)]
    return told + ([black.vanna(spot, years), black.volga(years) * math.sqrt(years)] if deviation else [0.0, 0.0])


def quantlib_price(
    spot: float, strike: float, years: float, rate: float, dividend: float, volatility: float, is_call: bool
) -> float:
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if is_call else ql.Option.Put, strike)
    forward = spot * math.exp((rate - dividend) * years)
    return float(ql.BlackCalculator(payoff, forward, volatility * math.sqrt(years), math.exp(-rate * years)).value())


def test_every_figure_of_100_000_options(tell: Callable[[str, object], None]) -> None:
    kind, *columns = options(seed=20261121)
    ours = black_scholes_merton(*columns)
    theirs = np.array([quantlib(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]).T
    lines = []
    for name, mine, reference in zip(Greeks._fields, ours, theirs, strict=True):
        error = np.abs(mine - reference) / np.maximum(1.0, np.abs(reference))
        told = ~np.isnan(reference)
        assert np.isfinite(mine).all()
        assert set(kind[told]) == (set(range(6)) if name != "theta" else set(range(5)))
        lines.append(f"{name} {error[told].max():.1e}")
        assert error[told].max() <= TOLERANCE, f"{name} of a {KINDS[kind[np.nanargmax(error)]]} option"
    tell("largest errors against QuantLib, 100,000 options", ", ".join(lines))


def test_the_volatility_that_quantlibs_prices_imply(tell: Callable[[str, object], None]) -> None:
    """A price knows its volatility to its rounding over vega; where that is well below 1e-8, 1e-8 is asked for."""
    kind, *columns = options(seed=3)
    spot, strike, years, rate, dividend, volatility, is_call = columns
    prices = np.array([quantlib_price(*row) for row in zip(*(c.tolist() for c in columns), strict=True)])
    vega = black_scholes_merton(*columns).vega
    implied = implied_volatility(prices, spot, strike, years, rate, dividend, is_call)
    now, then = spot * np.exp(-dividend * years), strike * np.exp(-rate * years)
    with np.errstate(all="ignore"):
        blur = 64 * np.finfo(float).eps * np.maximum(now, then) / vega
    sharp = blur < 1e-9
    assert sharp.sum() > 35_000
    assert set(kind[sharp]) == {0, 1, 2, 3}
    assert (implied.state[sharp] == VolatilityState.FOUND).all()
    error = np.abs(implied.volatility - volatility)[sharp]
    tell(f"largest error of {sharp.sum():,} volatilities implied by QuantLib's prices", f"{error.max():.1e}")
    assert error.max() <= TOLERANCE
    assert (implied.state[kind == 5] == VolatilityState.EXPIRED).all()
    # without volatility a price is the intrinsic value but for its rounding, which may look like a tiny volatility
    still = kind == 4
    assert np.isin(
        implied.state[still], [VolatilityState.ZERO, VolatilityState.FOUND, VolatilityState.BELOW_INTRINSIC]
    ).all()
    again = black_scholes_merton(spot, strike, years, rate, dividend, np.nan_to_num(implied.volatility), is_call).price
    assert (np.abs(again - prices) <= 1e-13 * np.maximum(now, then))[still].all()


def test_options_on_futures() -> None:
    _, future, strike, years, rate, _, volatility, is_call = options(seed=7)
    ours = black_76(future, strike, years, rate, volatility, is_call)
    for row in np.flatnonzero((volatility > 0) & (years > 0))[:5_000]:
        payoff = ql.PlainVanillaPayoff(ql.Option.Call if is_call[row] else ql.Option.Put, float(strike[row]))
        discount = math.exp(-rate[row] * years[row])
        black = ql.BlackCalculator(payoff, float(future[row]), float(volatility[row] * math.sqrt(years[row])), discount)
        # at a spot that is the forward: no carry
        told = [black.value(), black.deltaForward(), black.gammaForward(), black.vega(float(years[row]))]
        mine = [ours.price[row], ours.delta[row], ours.gamma[row], ours.vega[row]]
        np.testing.assert_allclose(mine, told, rtol=TOLERANCE, atol=TOLERANCE)
