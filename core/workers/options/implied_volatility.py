"""Implied volatility of Black-Scholes-Merton and Black-76 prices, vectorised, with a state for prices that have none.

The option is turned into its out-of-the-money side and normalised as in P. Jäckel, "Let's be rational", 2015: with x =
−|ln(F/K)| and s = σ√T the value is b(s) = e^(x/2)·Φ(x/s + s/2) − e^(−x/2)·Φ(x/s − s/2), rising from 0 to e^(x/2). Its
derivative exp(−x²/2s² − s²/8)/√(2π) is log-concave in s, hence so are b and what is missing to its bound, c = e^(x/2) −
b (Prékopa). So with ln b below half of the bound and ln c above it, Newton's method converges from any start on the
proper side, and such starts are known: b ≤ s/√(2π) · exp(−x²/2s²) bounds s from below, c ≤ exp(−s²/8) from above. We take
Halley's third-order steps from there; both logarithms come from scaled tails, so that no price is too small.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.workers.greeks import BLOCK, broadcast
from core.workers.options.normal import ROOT_2PI, Array, scaled_tail

#: rounding that a price may carry, relative to the larger of forward and strike
_ROUNDING = 4 * float(np.finfo(np.float64).eps)
#: after a third-order step this small, relative, the error is below rounding
_SMALL_STEP = 1e-5
_MOST_STEPS = 64


class VolatilityState(IntEnum):
    """Where a volatility comes from, or why there is none. The numbers are stored: they keep their meaning."""

    FOUND = 0  # implied by the price
    ZERO = 1  # the price is the intrinsic value: any volatility near 0 gives it; 0 is told
    BELOW_INTRINSIC = 2  # less than the discounted intrinsic value: an arbitrage or a stale price
    ABOVE_BOUND = 3  # a call not below the discounted forward, a put not below the discounted strike
    EXPIRED = 4  # no time left
    INVALID = 5  # NaN or inf, spot or strike not above 0, years or a given volatility below 0
    GIVEN = 6  # not implied: the tick brought it
    NO_UNDERLYING_PRICE = 7  # the tick brought none
    NO_TERMS = 8  # the symbol tells no day of expiry, strike or right


class ImpliedVolatility(NamedTuple):
    """`volatility` per √year, NaN but for FOUND and ZERO; `state` holds VolatilityState as uint8."""

    volatility: Array
    state: npt.NDArray[np.uint8]


def implied_volatility(
    price: npt.ArrayLike,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    rate: npt.ArrayLike,
    dividend: npt.ArrayLike,
    is_call: npt.ArrayLike,
) -> ImpliedVolatility:
    """The volatility at which black_scholes_merton gives `price`; same units. Raises BadInput when the shapes do not fit."""
    columns, shape = broadcast(price, spot, strike, years, rate, dividend, is_call)
    volatility = np.empty(columns[0].size)
    state = np.empty(columns[0].size, np.uint8)
    with np.errstate(all="ignore"):
        for start in range(0, volatility.size, BLOCK):
            part = slice(start, start + BLOCK)
            volatility[part], state[part] = _solve_block([c[part] for c in columns])
    return ImpliedVolatility(volatility.reshape(shape), state.reshape(shape))


def implied_volatility_76(
    price: npt.ArrayLike,
    future: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    rate: npt.ArrayLike,
    is_call: npt.ArrayLike,
) -> ImpliedVolatility:
    """The volatility at which black_76 gives `price`."""
    return implied_volatility(price, future, strike, years, rate, rate, is_call)


def _solve_block(columns: list[Array]) -> tuple[Array, npt.NDArray[np.uint8]]:
    price, spot, strike, years, rate, dividend, is_call = columns
    carry = (rate - dividend) * years
    forward = spot * np.exp(carry)
    undiscounted = price * np.exp(rate * years)
    intrinsic = np.maximum(np.where(is_call != 0, forward - strike, strike - forward), 0.0)
    time_value = undiscounted - intrinsic
    scale = np.sqrt(forward * strike)
    x = -np.abs(np.log(spot / strike) + carry)
    missing = np.minimum(forward, strike) - time_value
    # out of the money any positive price counts; in the money the time value is a difference of rounded numbers
    rounding = np.where(intrinsic > 0, _ROUNDING * np.maximum(forward, strike), 0.0)

    state = np.full(price.shape, VolatilityState.FOUND, np.uint8)
    state[time_value <= rounding] = VolatilityState.ZERO
    state[(time_value < -rounding) | (price < 0)] = VolatilityState.BELOW_INTRINSIC
    state[missing <= rounding] = VolatilityState.ABOVE_BOUND
    state[years <= 0] = VolatilityState.EXPIRED
    meant = np.isfinite(price + undiscounted + forward + strike + years) & (spot > 0) & (strike > 0) & (years >= 0)
    state[~meant | ~np.isfinite(x + 1 / scale)] = VolatilityState.INVALID

    volatility = np.full(price.shape, np.nan)
    volatility[state == VolatilityState.ZERO] = 0.0
    (found,) = np.nonzero(state == VolatilityState.FOUND)
    if found.size:
        deviation = _deviation(x[found], time_value[found] / scale[found], missing[found] / scale[found])
        volatility[found] = deviation / np.sqrt(years[found])
        # an answer beyond the range of doubles is none
        state[found[~np.isfinite(volatility[found])]] = VolatilityState.INVALID
        volatility[state == VolatilityState.INVALID] = np.nan
    return volatility, state


def _deviation(x: Array, value: Array, missing: Array) -> Array:
    """σ√T of normalised values: ln b = ln value where that is the smaller, else ln c = ln missing."""
    low = value <= missing
    target = np.log(np.where(low, value, missing))
    s = np.where(low, _least_deviation(x, value, target), np.sqrt(-8.0 * target))
    answer = np.empty_like(s)
    where = np.arange(s.size)
    for _ in range(_MOST_STEPS):
        step = _halley(x, s, low, target)
        s = np.clip(s + step, 0.5 * s, 2.0 * s)
        going = np.abs(step) > _SMALL_STEP * s
        left = int(np.count_nonzero(going))
        if left == 0:
            break
        if left < 0.7 * going.size:
            answer[where] = s
            x, s, low, target, where = x[going], s[going], low[going], target[going], where[going]
    answer[where] = s
    return answer


def _least_deviation(x: Array, value: Array, target: Array) -> Array:
    """A lower bound of s, from ln b ≤ ln s − ln √(2π) − x²/2s².

    That is concave in s, so Newton's steps, cheap ones beside Halley's, stay below from the larger of its parts' bounds.
    """
    s: Array = np.maximum(value * ROOT_2PI, -x / np.sqrt(-2.0 * target))
    goal = target + np.log(ROOT_2PI)
    squared = x * x
    for _ in range(2):
        q = squared / (s * s)
        s *= 1.0 + (goal - np.log(s) + 0.5 * q) / (1.0 + q)
    return s


def _halley(x: Array, s: Array, low: npt.NDArray[np.bool_], target: Array) -> Array:
    """The step of Halley's method for f = ln b − target (or ln c − target)."""
    h = x / s
    t = 0.5 * s
    d1 = h + t
    exponent = -0.5 * (h * h + t * t)
    inner, outer = scaled_tail(np.stack((d1, h - t)))
    # e^(x/2)·Φ(±d1), scaled like the tail: the large side is 1 minus the small one
    inner = np.where((d1 > 0) == low, np.exp(0.5 * d1 * d1) - inner, inner)
    scaled = inner + np.where(low, -outer, outer)
    slope = np.where(low, 1.0, -1.0) / (ROOT_2PI * scaled)
    newton = (target - exponent - np.log(scaled)) / slope
    bend = (h * h / s - 0.25 * s) - slope  # f''/f'
    step: Array = newton / np.clip(1.0 + 0.5 * newton * bend, 0.5, 2.0)
    return step
