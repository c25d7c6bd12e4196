"""The standard normal distribution's tails, vectorised and to double precision out to the last representable one.

numpy has no erf. With y = |d|/√2 the scaled tail is erfc(y)·exp(y²) = P((y − 3)/(y + 3)) / (1 + 2y), the form of M. M.
Shepherd and J. G. Laframboise, "Chebyshev Approximation of (1 + 2x) exp(x²) erfc(x) in 0 ≤ x < ∞", Mathematics of
Computation 36 (1981). P, of degree 24, is our own fit in 50 digits; its largest relative error in doubles is 4.4e-16.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

ROOT_2PI = 2.5066282746310002
_ROOT_HALF = 0.7071067811865476
_CENTRE = 3.0
_TAIL = (
    1.2530080582697296,
    -0.13562110612458117,
    -0.0475622943534492,
    0.1296451587027594,
    -0.11927366341538638,
    0.0683080273440099,
    -0.02377051491717134,
    0.0025293918156939696,
    0.0018886903449991718,
    -0.0007798322696543306,
    -0.00010515971958448065,
    0.0001250993424583729,
    4.949196649968345e-06,
    -2.0100542268525612e-05,
    -7.308281468783614e-07,
    3.472370944977168e-06,
    3.5576086684080595e-07,
    -6.166011460398726e-07,
    -1.4047654315428462e-07,
    1.0183620603842736e-07,
    4.1064013667940355e-08,
    -1.3312919661038687e-08,
    -8.217595058711455e-09,
    9.862533510345587e-10,
    8.393734858690877e-10,
)
_FIRST, _SECOND, *_INNER, _LAST = reversed(_TAIL)


def scaled_tail(d: npt.NDArray[Any]) -> Array:
    """Φ(−|d|) · exp(d²/2): between 0 and ½, never underflowing."""
    y = np.abs(d)
    y *= _ROOT_HALF
    t = y + _CENTRE
    np.divide(y - _CENTRE, t, out=t)
    tail: Array = t * _FIRST
    tail += _SECOND
    for coefficient in _INNER:
        tail *= t
        tail += coefficient
    tail *= t
    tail += _LAST
    y += y
    y += 1.0
    tail /= y
    tail *= 0.5
    return tail


def bell(d: npt.NDArray[Any]) -> Array:
    """exp(−d²/2): the density without its 1/√(2π)."""
    squared = d * d
    squared *= -0.5
    bells: Array = np.exp(squared, out=squared)
    return bells


def cumulative(d: npt.NDArray[Any], bell_of_d: Array) -> Array:
    """Φ(d), given bell(d); small values keep their relative precision."""
    tail = scaled_tail(d)
    tail *= bell_of_d
    return np.where(d > 0, 1.0 - tail, tail)
