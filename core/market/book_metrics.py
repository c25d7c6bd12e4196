"""Measures of an order book: pure functions of its levels, best first.

`bids` fall and `asks` rise in price; sizes are above 0. What cannot be told because a side is empty is None. All of them
also hold for books of several venues as one, where the best bid may lie above the best ask.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import itemgetter

from core.domain.market import Level

#: distances from the mid at which depth is told, basis points, rising
DEPTH_BPS = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0)
#: levels of each side that the imbalance looks at
IMBALANCE_LEVELS = 10

_price = itemgetter(0)
_size = itemgetter(1)


def mid(bids: Sequence[Level], asks: Sequence[Level]) -> float | None:
    """(bid + ask) / 2, in quote currency (Harris, Trading and Exchanges, 2003)."""
    return (bids[0][0] + asks[0][0]) / 2 if bids and asks else None


def spread(bids: Sequence[Level], asks: Sequence[Level]) -> float | None:
    """ask − bid, in quote currency (Harris, 2003); negative where venues cross each other."""
    return asks[0][0] - bids[0][0] if bids and asks else None


def microprice(bids: Sequence[Level], asks: Sequence[Level]) -> float | None:
    """(bid · ask size + ask · bid size) / (bid size + ask size): the mid weighted towards the thinner side.

    Gatheral and Oomen, Zero-intelligence realized variance estimation, 2010; Stoikov (The micro-price, 2018) calls it the
    weighted mid-price. It lies between bid and ask.
    """
    if not bids or not asks:
        return None
    bid, bid_size = bids[0]
    ask, ask_size = asks[0]
    # the same, written so that rounding cannot take it beyond either price
    return bid + (ask - bid) * (bid_size / (bid_size + ask_size))


def imbalance(bids: Sequence[Level], asks: Sequence[Level], levels: int = IMBALANCE_LEVELS) -> float | None:
    """(B − A) / (B + A) of the sizes in the top `levels` of each side: −1 all asks … 1 all bids.

    Queue imbalance, Gould and Bonart, 2016, taken over several levels as in Cartea, Jaimungal and Penalva, Algorithmic and
    High-Frequency Trading, 2015.
    """
    if not bids or not asks:
        return None
    bid_size: float = sum(map(_size, bids[:levels]))
    ask_size: float = sum(map(_size, asks[:levels]))
    return (bid_size - ask_size) / (bid_size + ask_size)


def depth(
    bids: Sequence[Level], asks: Sequence[Level], distances_bps: Sequence[float] = DEPTH_BPS
) -> tuple[tuple[float, float, float], ...]:
    """(k, bid size, ask size) resting within k basis points of the mid: bids ≥ mid · (1 − k/10⁴), asks ≤ mid · (1 + k/10⁴).

    Base currency, bounds included; empty when a side is. `distances_bps` rise. Where k reaches beyond the last level given,
    the size is what is known: a lower bound.
    """
    centre = mid(bids, asks)
    if centre is None:
        return ()
    # prices are compared at a relative 1e-12, so that a level that lies on the bound is within it whatever the rounding
    reaches = [(k / 10_000 + 1e-12) * centre for k in distances_bps]
    bid_ends = _ends(bids, [-(centre - reach) for reach in reaches], _falling)
    ask_ends = _ends(asks, [centre + reach for reach in reaches], _price)
    return tuple(zip(distances_bps, _sums(bids, bid_ends), _sums(asks, ask_ends), strict=True))


def _falling(level: Level) -> float:
    return -level[0]


def _ends(levels: Sequence[Level], limits: Sequence[float], key: Callable[[Level], float]) -> list[int]:
    """How many levels have a key up to each limit."""
    ends, end = [], 0
    for limit in limits:
        end = bisect_right(levels, limit, end, key=key)
        ends.append(end)
    return ends


def _sums(levels: Sequence[Level], ends: Sequence[int]) -> list[float]:
    """Sum of the sizes up to each end."""
    sums = list(accumulate(map(_size, levels[: ends[-1]]), initial=0.0))
    return [sums[end] for end in ends]
