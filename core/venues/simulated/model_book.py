"""The made order book: what rests at a price is a pure function of seed, price and time, so no state outlives a step.

Time runs in steps of 100 ms. Each step owns a fixed range of update ids derived from its number, so ids keep rising and
stay contiguous over a restart. The book of step k stands at the end of the step, k·100 ms after the epoch.
"""

from dataclasses import dataclass

import numpy as np

from core.venues.simulated.noise import Ints, Mask, derive_key, uniform, words

STEP_MS = 100
#: update ids of one step: the last is the book's at the step's end, those before it are for top-of-book changes inside
IDS_PER_STEP = 256
#: prices on each side that may hold resting orders
_PRICES = 4_000
_NEAR_TICKS = 6
_EMPTY_SHARE = 0.42


def last_id_of(step: int) -> int:
    return step * IDS_PER_STEP


def first_id_of(step: int) -> int:
    return (step - 1) * IDS_PER_STEP + 1


@dataclass(frozen=True, slots=True)
class Side:
    """Resting lots per tick from `lowest` upwards; 0 where nothing rests."""

    lowest: int
    lots: Ints

    @property
    def end(self) -> int:
        return self.lowest + len(self.lots)


@dataclass(frozen=True, slots=True)
class Book:
    step: int
    bids: Side
    asks: Side


class BookMaker:
    """Books of one symbol around a given best bid and ask (ticks)."""

    def __init__(self, seed: int, symbol: str, typical_lots: float, spacing: int = 1) -> None:
        """`spacing`: away from the best price orders rest only at every so many ticks."""
        self._spacing = spacing
        self._static = derive_key(seed, symbol, "book-static")
        self._sizes = derive_key(seed, symbol, "book-size")
        self._present = derive_key(seed, symbol, "book-present")
        self._spread = derive_key(seed, symbol, "spread")
        self._typical_lots = typical_lots

    def tops(self, price: Ints, is_sell: Mask, order: Ints) -> tuple[Ints, Ints]:
        """Best bids and asks after orders that traded at `price`: a seller hit the bid, a buyer lifted the ask."""
        draw = uniform(self._spread, order)
        spread = 1 + (draw < 0.08).astype(np.int64) + (draw < 0.03) + 2 * (draw < 0.008)
        bid = np.where(is_sell, price, price - spread)
        return bid, bid + spread

    def lots_at(self, ticks: Ints, step: Ints, near: Mask, best: Mask) -> Ints:
        """Resting lots: near the top they change every few steps, elsewhere seldom; the best price is never empty."""
        static = words(self._static, ticks)
        kind = (static & np.uint64(127)).astype(np.int64)
        period = np.where(near, 3, np.where(kind < 2, 10, np.where(kind < 14, 100, 1_500)))
        epoch = (step + (static >> np.uint64(40)).astype(np.int64)) // period
        draw = ticks * 0x1_0000_0001 + epoch
        size = -np.log(uniform(self._sizes, draw)) * self._typical_lots
        size = size * np.where(ticks % 1_000 == 0, 12.0, np.where(ticks % 100 == 0, 5.0, 1.0))
        there = best | (uniform(self._present, draw) >= _EMPTY_SHARE)
        return np.where(there, np.rint(size).astype(np.int64) + 1, 0)

    def best_lots(self, ticks: Ints, step: Ints) -> Ints:
        """Lots at prices while they are the best."""
        always = np.ones(len(ticks), bool)
        return self.lots_at(ticks, step, always, always)

    def book(self, step: int, bid: int, ask: int) -> Book:
        reach = _PRICES * self._spacing
        lowest = max(bid - reach + 1, 1)
        bids = np.append(self._far(lowest, bid - _NEAR_TICKS + 1), np.arange(max(bid - _NEAR_TICKS + 1, lowest), bid + 1))
        asks = np.append(np.arange(ask, ask + _NEAR_TICKS), self._far(ask + _NEAR_TICKS, ask + reach))
        return Book(
            step,
            self._side(step, lowest, bid + 1, bids, bids > bid - _NEAR_TICKS, bids == bid),
            self._side(step, ask, ask + reach, asks, asks < ask + _NEAR_TICKS, asks == ask),
        )

    def _far(self, lowest: int, end: int) -> Ints:
        """The prices of a span, away from the best one, at which orders rest."""
        return np.arange(-(-lowest // self._spacing) * self._spacing, end, self._spacing)

    def _side(self, step: int, lowest: int, end: int, ticks: Ints, near: Mask, best: Mask) -> Side:
        lots = np.zeros(end - lowest, np.int64)
        lots[ticks - lowest] = self.lots_at(ticks, np.array(step), near, best)
        return Side(lowest, lots)


def changed(old: Side, new: Side) -> tuple[Ints, Ints]:
    """Ticks whose resting lots differ, and the new lots (0: level gone)."""
    lowest, end = min(old.lowest, new.lowest), max(old.end, new.end)
    before, after = np.zeros(end - lowest, np.int64), np.zeros(end - lowest, np.int64)
    before[old.lowest - lowest : old.end - lowest] = old.lots
    after[new.lowest - lowest : new.end - lowest] = new.lots
    rows = np.nonzero(before != after)[0]
    return rows + lowest, after[rows]
