"""Prices and Greeks of European options, vectorised: a chain, or any arrays that broadcast, at once.

Formulas and signs after E. G. Haug, The Complete Guide to Option Pricing Formulas, 2nd edition, 2007, chapters 1 and 2:
the generalised Black-Scholes-Merton formula with cost of carry b, b = rate − dividend for a spot underlying (Merton
1973) and b = 0 for a future (Black 1976). Implied volatilities are in `core.workers.options.implied_volatility`.

Units: prices in the currency of spot and strike; `years` to expiry in years; `rate` and `dividend` continuously
compounded per year (0.05 = 5 %); `volatility` per √year (0.2 = 20 %). Vendors tell vega per volatility point (ours /
100), theta per day (ours / 365) and rho per percent (ours / 100).

Limits are exact where they exist: at expiry or without volatility the price is the discounted intrinsic value and the
Greeks are those of the forward or 0. Right at the kink (forward = strike) delta is half of its jump, gamma is inf, and
theta is −inf at expiry. A row with a value that means nothing (NaN or inf, spot or strike not above 0, years or
volatility below 0) is NaN throughout: it never costs the other rows.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.base.errors import BadInput
from core.workers.options.normal import ROOT_2PI, Array, bell, cumulative

#: rows worked on at once: some thirty temporary arrays of this size stay in the second-level cache
BLOCK = 4096
#: stands for 0 where we divide by it: 0 over it is 0, anything else inf
_LEAST = 5e-324
#: beyond this many standard deviations every tail is 0 in doubles; keeps inf out of the formulas
_FAR = 1e10


class Greeks(NamedTuple):
    """float64 arrays of the inputs' common shape."""

    price: Array
    delta: Array  # ∂price/∂spot (∂/∂future for black_76)
    gamma: Array  # ∂²price/∂spot², per unit of currency
    vega: Array  # ∂price/∂volatility, per 1.00 of volatility
    theta: Array  # −∂price/∂years, per year
    rho: Array  # ∂price/∂rate, per 1.00 of rate; the dividend yield, or the future's price, held
    vanna: Array  # ∂²price/∂spot∂volatility, per 1.00 of volatility
    vomma: Array  # ∂²price/∂volatility², per 1.00 squared


def black_scholes_merton(
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    rate: npt.ArrayLike,
    dividend: npt.ArrayLike,
    volatility: npt.ArrayLike,
    is_call: npt.ArrayLike,
) -> Greeks:
    """European options on an asset with a continuous dividend yield (0: Black-Scholes; a foreign rate: Garman-Kohlhagen).

    Inputs broadcast; `is_call` is true for calls. Raises BadInput when the shapes do not fit.
    """
    return _valued(broadcast(spot, strike, years, rate, dividend, volatility, is_call), on_future=False)


def black_76(
    future: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    rate: npt.ArrayLike,
    volatility: npt.ArrayLike,
    is_call: npt.ArrayLike,
) -> Greeks:
    """European options on a future or forward, premium paid at once. Rho holds the future's price: −years · price."""
    return _valued(broadcast(future, strike, years, rate, rate, volatility, is_call), on_future=True)


def broadcast(*inputs: npt.ArrayLike) -> tuple[list[Array], tuple[int, ...]]:
    """One-dimensional float64 views of the inputs in their common shape, and that shape."""
    try:
        arrays = [np.asarray(each, dtype=np.float64) for each in inputs]
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
    except (ValueError, TypeError) as error:
        raise BadInput(f"options' inputs do not fit each other: {error}") from error
    size = int(np.prod(shape))
    # a scalar stays a view of one value, of stride 0
    return [np.broadcast_to(a, size) if a.ndim == 0 else np.broadcast_to(a, shape).reshape(size) for a in arrays], shape


def _valued(inputs: tuple[list[Array], tuple[int, ...]], on_future: bool) -> Greeks:
    columns, shape = inputs
    out = np.empty((len(Greeks._fields), columns[0].size))
    with np.errstate(all="ignore"):
        for start in range(0, columns[0].size, BLOCK):
            _value_block(out[:, start : start + BLOCK], [c[start : start + BLOCK] for c in columns], on_future)
    return Greeks(*(row.reshape(shape) for row in out))


def _value_block(out: Array, columns: list[Array], on_future: bool) -> None:
    spot, strike, years, rate, dividend, volatility, is_call = columns
    price, delta, gamma, vega, theta, rho, vanna, vomma = out
    sign = np.where(is_call != 0, 1.0, -1.0)
    root = np.sqrt(years)
    deviation = volatility * root
    least_deviation = np.maximum(deviation, _LEAST)
    least_volatility = np.maximum(volatility, _LEAST)
    now = spot * np.exp(-dividend * years)  # S·e^((b−r)T)
    then = strike * np.exp(-rate * years)  # K·e^(−rT)
    distance = np.log(spot / strike)
    distance += (rate - dividend) * years
    distance /= least_deviation
    np.clip(distance, -_FAR, _FAR, out=distance)
    half = 0.5 * deviation
    # d1 and d2 as one array: half the calls, which is what a short chain costs
    d = np.empty((2, price.size))
    d1, d2 = d
    np.add(distance, half, out=d1)
    np.subtract(distance, half, out=d2)
    bells = bell(d)
    kept, paid = cumulative(sign * d, bells)
    density = bells[0]
    density /= ROOT_2PI
    density *= now  # S·e^((b−r)T)·n(d1)
    kept *= sign * now
    paid *= sign * then
    np.subtract(kept, paid, out=price)
    np.divide(kept, spot, out=delta)
    np.divide(density, least_deviation, out=gamma)
    gamma /= spot
    gamma /= spot
    np.multiply(density, root, out=vega)
    decay = density * volatility
    decay /= 2.0 * np.maximum(root, _LEAST)
    np.subtract(dividend * kept - rate * paid, decay, out=theta)
    np.multiply(price if on_future else paid, -years if on_future else years, out=rho)
    # −d2/σ = √T/2 − distance/σ, the second part 0 where the density is
    density /= spot
    np.multiply(density, root, out=vanna)
    vanna *= 0.5
    vanna -= density * distance / least_volatility
    np.multiply(vega * d1, d2, out=vomma)
    vomma /= least_volatility
    meant = (spot > 0) & (strike > 0) & (years >= 0) & (volatility >= 0)
    meant &= np.isfinite(spot + strike + years + volatility + rate + dividend)
    if not meant.all():
        out[:, ~meant] = np.nan
