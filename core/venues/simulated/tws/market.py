"""One stock of the made market as the TWS tells it: trades, quotes, bars and book rows, each a pure function of the time.

Prices in ticks (cents), sizes in shares, times Unix ms.
"""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from operator import itemgetter
from typing import NamedTuple, TypeVar

import numpy as np

from core.venues.simulated import intervals
from core.venues.simulated.bars import Bars, aggregate
from core.venues.simulated.model_book import STEP_MS, Side
from core.venues.simulated.noise import Ints, derive_key, words
from core.venues.simulated.symbol_market import SymbolMarket
from core.venues.simulated.tws.stocks import EXCHANGES, Stock

#: bars up to this long have their average price from the trades; longer ones the mean of open, high, low and close
EXACT_AVERAGE_MS = 30_000
_KEPT_BLOCKS = 16


class Trade(NamedTuple):
    """One print."""

    ts_ms: int
    price: int
    size: int
    exchange: str


class Quote(NamedTuple):
    """The best bid and ask from a moment on."""

    ts_ms: int
    bid: int
    ask: int
    bid_size: int
    ask_size: int


class Bar(NamedTuple):
    """`average` is in currency; `trades` is how many it has."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    average: float
    trades: int


class Row(NamedTuple):
    """One row of Level II."""

    price: int
    size: int
    maker: str


Rows = tuple[Row, ...]


class Block(NamedTuple):
    """What happened in [start_ms, end_ms), each in order of time."""

    start_ms: int
    end_ms: int
    trades: list[Trade]
    quotes: list[Quote]


_Tick = TypeVar("_Tick", Trade, Quote)


def _within(ticks: list[_Tick], from_ms: int, until_ms: int) -> list[_Tick]:
    first = bisect_left(ticks, from_ms, key=itemgetter(0))
    return ticks[first : bisect_right(ticks, until_ms, first, key=itemgetter(0))]


def price_text(ticks: int) -> str:
    """E.g. 25545 → `255.45`."""
    return f"{ticks // 100}.{ticks % 100:02d}"


class StockMarket:
    """One stock; the same seed is the same market for ever."""

    def __init__(self, stock: Stock, seed: int, rate: float) -> None:
        self.stock = stock
        self._market = SymbolMarket(stock.spec, seed, rate)
        self._model = self._market.model
        self._trade_venue = derive_key(seed, stock.symbol, "trade-venue")
        self._row_maker = derive_key(seed, stock.symbol, "row-maker")
        self._blocks: OrderedDict[int, Block] = OrderedDict()

    @property
    def first_ms(self) -> int:
        return self._model.first_ms

    def block(self, at_ms: int) -> Block:
        """The block of whole seconds that contains a moment."""
        seconds = self._model.block_seconds
        number = at_ms // 1_000 // seconds
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = self._load(number * seconds * 1_000, (number + 1) * seconds * 1_000)
            if len(self._blocks) > _KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(number)
        return block

    def trades(self, from_ms: int, until_ms: int) -> list[Trade]:
        """Trades with `from_ms` ≤ time ≤ `until_ms`, in order."""
        found: list[Trade] = []
        at_ms = max(from_ms, self.first_ms)
        while at_ms <= until_ms:
            block = self.block(at_ms)
            found += _within(block.trades, from_ms, until_ms)
            at_ms = block.end_ms
        return found

    def quotes(self, from_ms: int, until_ms: int) -> list[Quote]:
        """Changes of the best bid and ask in the span, in order; a block of seconds begins with the quote it inherits."""
        found: list[Quote] = []
        at_ms = max(from_ms, self.first_ms)
        while at_ms <= until_ms:
            block = self.block(at_ms)
            found += _within(block.quotes, from_ms, until_ms)
            at_ms = block.end_ms
        return found

    def quote_at(self, at_ms: int) -> Quote:
        """The quote that stands at a moment."""
        block = self.block(at_ms)
        return next((quote for quote in reversed(block.quotes) if quote.ts_ms <= at_ms), block.quotes[0])

    def last_trade(self, at_ms: int) -> Trade:
        """The last trade by a moment."""
        for block in (self.block(at_ms), self.block(self.block(at_ms).start_ms - 1)):
            for trade in reversed(block.trades):
                if trade.ts_ms <= at_ms:
                    return trade
        second = self._model.bars_until(intervals.SECOND, at_ms // intervals.SECOND, at_ms)
        return Trade(at_ms, int(second.close[0]), 0, EXCHANGES[0])

    def day(self, at_ms: int) -> tuple[Bar, int]:
        """The running day (UTC) as it stands, and the close of the day before."""
        bars = self._model.bars_until(intervals.DAY, at_ms // intervals.DAY, at_ms)
        bar = self._to_bars(bars, intervals.DAY)[0]
        return bar._replace(open_ms=bar.open_ms * intervals.DAY), int(bars.previous[0])

    def rows(self, at_ms: int, count: int) -> tuple[int, Rows, Rows]:
        """The book at the end of the last step: its number and the best `count` bids and asks."""
        step = at_ms // STEP_MS
        book = self._market.book(step)
        bids = Side(-book.bids.end + 1, book.bids.lots[::-1])
        return step, self._rows(bids, count, -1), self._rows(book.asks, count, 1)

    def _rows(self, side: Side, count: int, sign: int) -> Rows:
        """The first `count` rows of a side whose ticks rise from the best price on (bids are mirrored: `sign` -1)."""
        there = np.nonzero(side.lots)[0][:count]
        ticks = (there + side.lowest) * sign
        makers = (words(self._row_maker, ticks) % np.uint64(len(EXCHANGES))).tolist()
        columns = zip(ticks.tolist(), side.lots[there].tolist(), makers, strict=True)
        return tuple(Row(price, size, EXCHANGES[maker]) for price, size, maker in columns)

    def bars(self, opens: Ints, size_ms: int, until_ms: int) -> list[Bar]:
        """Bars opened at each of the opens (in order, without holes), the last as it stands at `until_ms`.

        Opens may be of unequal length (months) with a `size_ms` of a day or more.
        """
        if not len(opens):
            return []
        base = next(b for b in (intervals.DAY, intervals.HOUR, intervals.MINUTE, intervals.SECOND) if size_ms % b == 0)
        small = self._model.bars_until(base, int(opens[0]) // base, until_ms)
        starts = np.searchsorted(small.index, opens // base)
        return self._to_bars(aggregate(small, starts, opens), size_ms)

    def bar(self, open_ms: int, size_ms: int, until_ms: int) -> Bar:
        """One bar as it stands at `until_ms`."""
        return self.bars(np.array([open_ms], np.int64), size_ms, until_ms)[0]

    def _to_bars(self, bars: Bars, size_ms: int) -> list[Bar]:
        average = (bars.open + bars.high + bars.low + bars.close) / 400
        if size_ms <= EXACT_AVERAGE_MS:
            average = self._averages(bars, size_ms, average.tolist())
        columns = (bars.index, bars.open, bars.high, bars.low, bars.close, bars.lots, average, bars.trades)
        return [Bar(*row) for row in zip(*(np.asarray(column).tolist() for column in columns), strict=True)]

    def _averages(self, bars: Bars, size_ms: int, otherwise: list[float]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """Volume-weighted mean price of each bar's trades; the trades of a running bar are cut where its count ends."""
        averages = np.array(otherwise)
        for i, (open_ms, count) in enumerate(zip(bars.index.tolist(), bars.trades.tolist(), strict=True)):
            trades = self.trades(open_ms, open_ms + size_ms - 1)[:count]
            volume = sum(trade.size for trade in trades)
            if volume:
                averages[i] = sum(trade.price * trade.size for trade in trades) / volume / 100
        return averages

    def _load(self, start_ms: int, end_ms: int) -> Block:
        market = self._market
        orders, fills = self._model.block(start_ms // 1_000)
        bid, ask = market.books.tops(orders.price, orders.is_sell, orders.order_id)
        steps = np.arange(start_ms // STEP_MS, end_ms // STEP_MS)
        row = np.searchsorted(orders.ts_ms, steps * STEP_MS) - 1
        carried = market.top_at(start_ms)
        tops = (np.append(column, first)[np.where(row >= 0, row, len(column))]
                for column, first in ((bid, carried[0]), (ask, carried[1])))  # fmt: skip
        step_bid, step_ask = tops
        times = np.concatenate((steps * STEP_MS, orders.ts_ms))
        bids, asks = np.concatenate((step_bid, bid)), np.concatenate((step_ask, ask))
        order = np.lexsort((np.concatenate((np.zeros(len(steps)), np.arange(1, len(orders) + 1))), times))
        times, bids, asks = times[order], bids[order], asks[order]
        step_of = times // STEP_MS
        sizes = market.books.best_lots(bids, step_of), market.books.best_lots(asks, step_of)
        values = np.stack((bids, asks, *sizes))
        changed = np.concatenate(([True], (values[:, 1:] != values[:, :-1]).any(axis=0)))
        quotes = zip(*(c[changed].tolist() for c in (times, *values)), strict=True)
        venues = (words(self._trade_venue, fills.trade_id) % np.uint64(len(EXCHANGES))).tolist()
        columns = (orders.ts_ms[fills.order].tolist(), orders.price[fills.order].tolist(), fills.lots.tolist(), venues)
        trades = [Trade(ts, price, size, EXCHANGES[venue]) for ts, price, size, venue in zip(*columns, strict=True)]
        return Block(start_ms, end_ms, trades, [Quote(*row) for row in quotes])
