"""The taker orders and trades of whole seconds: the last division, from a second's candle to its fills."""

from dataclasses import dataclass

import numpy as np

from core.venues.simulated.bars import FREE, Bars, fills_before, fold
from core.venues.simulated.noise import Floats, Ints, Mask, derive_key, exponential, normal, uniform


@dataclass(frozen=True, slots=True)
class Orders:
    """Taker orders in order of time: price in ticks, whole fills, all in one millisecond and on one side."""

    order_id: Ints
    price: Ints
    ts_ms: Ints
    is_sell: Mask

    def __len__(self) -> int:
        return len(self.order_id)


@dataclass(frozen=True, slots=True)
class Trades:
    """Fills: `order` is the row of the taker order in the `Orders` made with them."""

    trade_id: Ints
    order: Ints
    lots: Ints

    def __len__(self) -> int:
        return len(self.trade_id)


class TradeMaker:
    """Divides seconds of one symbol into orders and fills, always the same way for the same seed."""

    def __init__(self, seed: int, symbol: str) -> None:
        names = ("walk", "place", "time", "side", "size")
        self._walk, self._place, self._time, self._side, self._size = (derive_key(seed, symbol, "trades", n) for n in names)

    def make(self, seconds: Bars) -> tuple[Orders, Trades]:
        """All orders and trades of the seconds given; their prices and lots meet the seconds' candles exactly."""
        seconds = _traded_only(seconds)
        count = seconds.orders
        row = np.repeat(np.arange(len(seconds)), count)
        start = np.cumsum(count) - count
        slot = np.arange(len(row)) - start[row]
        order_id = seconds.first_order[row] + slot
        price = self._prices(seconds, row, start, slot, order_id)
        orders = Orders(order_id, price, self._times(seconds, row, order_id), self._sides(price, order_id))
        return orders, self._fills(seconds, row, order_id)

    def _prices(self, seconds: Bars, row: Ints, start: Ints, slot: Ints, order_id: Ints) -> Ints:
        count = seconds.orders
        end = start + count - 1
        steps = normal(self._walk, order_id)
        walk = np.cumsum(steps)
        walk = walk - (walk - steps)[start][row]
        done = slot / np.maximum(count - 1, 1)[row]
        bridge = (walk - done * walk[end][row]) / np.sqrt(count)[row]
        line = seconds.open[row] + (seconds.close - seconds.open)[row] * done
        price = fold(line + bridge * (seconds.high - seconds.low)[row] * 0.6, seconds.low[row], seconds.high[row])
        price[start] = seconds.open
        price[end] = seconds.close
        three = count == FREE - 1
        above = seconds.high > np.maximum(seconds.open, seconds.close)
        price[start[three] + 1] = np.where(above, seconds.high, seconds.low)[three]
        free = count >= FREE
        inside = count[free] - 2
        at_high = np.floor(uniform(self._place, seconds.index[free]) * inside).astype(np.int64)
        apart = 1 + np.floor(uniform(self._place ^ 1, seconds.index[free]) * (inside - 1)).astype(np.int64)
        price[start[free] + 1 + at_high] = seconds.high[free]
        price[start[free] + 1 + (at_high + apart) % inside] = seconds.low[free]
        return price

    def _times(self, seconds: Bars, row: Ints, order_id: Ints) -> Ints:
        """Unix ms, rising inside each second."""
        moments = np.sort(row + uniform(self._time, order_id))
        inside = np.clip(((moments - row) * 1000).astype(np.int64), 0, 999)
        return seconds.index[row] * 1000 + inside

    def _sides(self, price: Ints, order_id: Ints) -> Mask:
        """A taker who trades lower than the one before him sold, one who trades higher bought."""
        move = np.diff(price, prepend=price[:1])
        sells: Mask = (move < 0) | ((move == 0) & (uniform(self._side, order_id) < 0.5))
        return sells

    def _fills(self, seconds: Bars, row: Ints, order_id: Ints) -> Trades:
        fills = fills_before(order_id + 1) - fills_before(order_id)
        order = np.repeat(np.arange(len(order_id)), fills)
        first = seconds.first_trade
        per_second = seconds.trades
        start = np.cumsum(per_second) - per_second
        trade_row = row[order]
        trade_id = first[trade_row] + np.arange(len(order)) - start[trade_row]
        sizes = exponential(self._size, trade_id) ** 2
        return Trades(trade_id, order, 1 + _split_runs(seconds.lots - per_second, sizes, trade_row, start))


def _split_runs(total: Ints, weights: Floats, run: Ints, start: Ints) -> Ints:
    """Whole shares of each run's total in proportion to the weights, summing exactly to it."""
    if not len(run):
        return np.zeros(0, np.int64)
    end = np.concatenate((start[1:], [len(run)])) - 1
    running = np.cumsum(weights)
    running = running - (running - weights)[start][run]
    edges = np.floor(np.clip(running / running[end][run], 0.0, 1.0) * total[run]).astype(np.int64)
    edges[end] = total
    before = np.concatenate(([0], edges[:-1]))
    before[start] = 0
    shares: Ints = edges - before
    return shares


def _traded_only(seconds: Bars) -> Bars:
    keep = seconds.orders > 0
    if keep.all():
        return seconds
    return Bars(*(getattr(seconds, name)[keep] for name in Bars.__slots__))
