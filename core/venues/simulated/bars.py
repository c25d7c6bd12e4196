"""Candles as columns, and how one is divided into smaller ones that add up to it exactly.

A market is made from the top: a day's candle first, then its hours, minutes, seconds and taker orders. Prices are whole
ticks, volumes whole lots, activity whole taker orders, so every sum is exact. What an order's number of fills is depends
only on its id (`fills_before`), which keeps trade ids contiguous without expanding the past.

Whatever a candle promises must be deliverable by its orders: with 1 order all four prices are equal, with 2 high and low
are open and close, with 3 only one of them may lie outside, with 4 or more anything goes. `divide` keeps that rule.
"""

from dataclasses import dataclass

import numpy as np

from core.venues.simulated.noise import Floats, Ints, Mask

#: fills of the taker orders, a pattern repeated for ever; mean 1.625
FILLS = (
    1, 1, 2, 1, 1, 1, 3, 1, 1, 2, 1, 1, 1, 1, 5, 1, 1, 1, 2, 1, 1, 4, 1, 1, 1, 1, 2, 1, 1, 1, 1, 9,
    1, 2, 1, 1, 1, 1, 3, 1, 1, 1, 1, 2, 1, 1, 1, 6, 1, 1, 1, 1, 2, 1, 1, 3, 1, 1, 1, 1, 1, 1, 7, 1,
)  # fmt: skip
_PREFIX: Ints = np.concatenate(([0], np.cumsum(FILLS))).astype(np.int64)
_PERIOD = len(FILLS)
_PERIOD_FILLS = int(_PREFIX[-1])
MEAN_FILLS = _PERIOD_FILLS / _PERIOD

#: a candle whose order count is at least this may have both its high and its low outside open and close
FREE = 4


def fills_before(order: Ints) -> Ints:
    """Id of an order's first trade: how many fills all orders before it had."""
    return order // _PERIOD * _PERIOD_FILLS + _PREFIX[order % _PERIOD]


def order_of(trade: int) -> int:
    """Id of the order that a trade is a fill of."""
    return trade // _PERIOD_FILLS * _PERIOD + int(np.searchsorted(_PREFIX, trade % _PERIOD_FILLS, side="right")) - 1


@dataclass(frozen=True, slots=True)
class Bars:
    """Consecutive candles. An empty one (`orders` 0) is flat at `previous`, the last price before it.

    `index` counts candles of this length since the Unix epoch; prices in ticks, `lots` in lots; `first_order` is the id
    of the first taker order at or after the candle's start.
    """

    index: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    previous: Ints
    lots: Ints
    orders: Ints
    first_order: Ints

    def __len__(self) -> int:
        return len(self.index)

    def take(self, start: int, stop: int) -> "Bars":
        return Bars(*(getattr(self, name)[start:stop] for name in self.__slots__))

    def copy(self) -> "Bars":
        return Bars(*(getattr(self, name).copy() for name in self.__slots__))

    @property
    def first_trade(self) -> Ints:
        return fills_before(self.first_order)

    @property
    def trades(self) -> Ints:
        return fills_before(self.first_order + self.orders) - fills_before(self.first_order)


def concatenate(parts: list[Bars]) -> Bars:
    if len(parts) == 1:
        return parts[0]
    return Bars(*(np.concatenate([getattr(part, name) for part in parts]) for name in Bars.__slots__))


def aggregate(bars: Bars, starts: Ints, index: Ints) -> Bars:
    """Candles made of runs of smaller ones; run i begins at row `starts[i]`."""
    traded = bars.orders > 0
    rows = np.arange(len(bars))
    first = np.minimum.reduceat(np.where(traded, rows, len(bars)), starts)
    filled = np.add.reduceat(bars.orders, starts)
    any_trade = filled > 0
    previous = bars.previous[starts]
    ends = np.concatenate((starts[1:], [len(bars)])) - 1
    high = np.maximum.reduceat(np.where(traded, bars.high, np.iinfo(np.int64).min), starts)
    low = np.minimum.reduceat(np.where(traded, bars.low, np.iinfo(np.int64).max), starts)
    return Bars(
        index=index,
        open=np.where(any_trade, bars.open[np.minimum(first, len(bars) - 1)], previous),
        high=np.where(any_trade, high, previous),
        low=np.where(any_trade, low, previous),
        close=bars.close[ends],
        previous=previous,
        lots=np.add.reduceat(bars.lots, starts),
        orders=filled,
        first_order=bars.first_order[starts],
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """The random ingredients of a division, one value a child, all of shape (parents, children).

    `activity` and `volume` are positive weights, `steps` standard normals, `up`/`down` positive overshoots, `anchor` the
    column per parent that gets the orders which make the parent's prices possible.
    """

    activity: Floats
    volume: Floats
    steps: Floats
    up: Floats
    down: Floats
    anchor: Ints


def divide(parents: Bars, shape: Shape) -> Bars:
    """The children of every parent, oldest first: they meet its open, high, low, close and sum to its lots and orders."""
    count, per = shape.activity.shape
    rows = np.arange(count)
    orders = _share_orders(parents.orders, shape)
    first_order = parents.first_order[:, None] + np.cumsum(orders, axis=1) - orders
    trades = fills_before(first_order + orders) - fills_before(first_order)
    spare = parents.lots - trades.sum(axis=1)
    lots = trades + split(spare, shape.volume * trades)
    traded = orders > 0

    close = _closes(parents, shape.steps)
    first, last = traded.argmax(axis=1), per - 1 - traded[:, ::-1].argmax(axis=1)
    single = orders[rows, first] == 1
    close[rows, first] = np.where(single, parents.open, close[rows, first])
    close[rows, last] = np.where(parents.orders > 0, parents.close, close[rows, last])
    close = _carried(close, traded, parents.previous)
    previous = np.concatenate((parents.previous[:, None], close[:, :-1]), axis=1)
    open_ = np.where(orders == 1, close, previous)
    open_[rows, first] = np.where(parents.orders > 0, parents.open, open_[rows, first])

    high, low = _extremes(parents, shape, orders, open_, close)
    index = parents.index[:, None] * per + np.arange(per)
    columns = (index, open_, high, low, close, previous, lots, orders, first_order)
    return Bars(*(np.ascontiguousarray(column.reshape(-1)) for column in columns))


def split(total: Ints, weights: Floats) -> Ints:
    """Whole shares of `total` (one per row) in proportion to the row's weights, summing exactly to it."""
    running = np.cumsum(weights, axis=1)
    whole = running[:, -1:]
    fraction = np.where(whole > 0, running / np.where(whole > 0, whole, 1.0), 0.0)
    fraction[:, -1] = 1.0
    edges = np.floor(fraction * total[:, None]).astype(np.int64)
    edges[:, 1:] -= edges[:, :-1].copy()
    return edges


def _share_orders(orders: Ints, shape: Shape) -> Ints:
    reserved = np.minimum(orders, FREE)
    shares = split(orders - reserved, shape.activity)
    shares[np.arange(len(orders)), shape.anchor] += reserved
    return shares


def _closes(parents: Bars, steps: Floats) -> Ints:
    """A bridge from open to close, folded into [low, high]."""
    per = steps.shape[1]
    walk = np.cumsum(steps, axis=1) / np.sqrt(per)
    done = np.arange(1, per + 1) / per
    bridge = walk - done * walk[:, -1:]
    reach = (parents.high - parents.low).astype(np.float64)[:, None]
    line = parents.open[:, None] + (parents.close - parents.open)[:, None] * done
    return fold(line + bridge * reach * 0.35, parents.low[:, None], parents.high[:, None])


def fold(value: Floats, low: Ints, high: Ints) -> Ints:
    """Whole ticks inside [low, high]; what lies outside is reflected at the border."""
    reach = np.maximum(high - low, 1).astype(np.float64)
    inside = np.mod(value - low, 2.0 * reach)
    inside = np.minimum(inside, 2.0 * reach - inside)
    folded: Ints = np.minimum(low + np.rint(inside).astype(np.int64), high)
    return folded


def _carried(close: Ints, traded: Mask, previous: Ints) -> Ints:
    """Closes with those of empty candles replaced by the last one before."""
    rows = np.arange(len(close))[:, None]
    source = np.maximum.accumulate(np.where(traded, np.arange(close.shape[1]), -1), axis=1)
    return np.where(source >= 0, close[rows, np.maximum(source, 0)], previous[:, None])


def _extremes(parents: Bars, shape: Shape, orders: Ints, open_: Ints, close: Ints) -> tuple[Ints, Ints]:
    rows = np.arange(len(parents))
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    scale = (parents.high - parents.low)[:, None] / np.sqrt(orders.shape[1]) * 0.4
    may_rise = (orders >= FREE) | ((orders == 3) & (shape.up > shape.down))
    may_fall = (orders >= FREE) | ((orders == 3) & (shape.up <= shape.down))
    high = np.where(may_rise, top + np.rint(shape.up * scale).astype(np.int64), top)
    low = np.where(may_fall, bottom - np.rint(shape.down * scale).astype(np.int64), bottom)
    traded = orders > 0
    high = np.where(traded, np.minimum(high, parents.high[:, None]), top)
    low = np.where(traded, np.maximum(low, parents.low[:, None]), bottom)
    # the anchor can take any prices: a parent with fewer than four orders has them all there
    free = (orders >= FREE) | (np.arange(orders.shape[1]) == shape.anchor[:, None])
    highest = np.where(free, top, np.iinfo(np.int64).min).argmax(axis=1)
    lowest = np.where(free, bottom, np.iinfo(np.int64).max).argmin(axis=1)
    high[rows, highest] = np.where(parents.orders > 0, parents.high, high[rows, highest])
    low[rows, lowest] = np.where(parents.orders > 0, parents.low, low[rows, lowest])
    return high, low
