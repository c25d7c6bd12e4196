"""One symbol's live frames: turns the model's orders, books and candles into events as their moments come."""

from dataclasses import dataclass

import numpy as np

from core.venues.simulated import intervals, wire
from core.venues.simulated.model_book import STEP_MS, Book, changed, first_id_of, last_id_of
from core.venues.simulated.source import AggTradeRow, Depth, Level, Outlet, TradeRow
from core.venues.simulated.symbol_market import SymbolMarket

#: a feed that fell further behind than this (a suspended machine) goes on at the present
_TOO_LATE_MS = 30_000
#: orders and steps published in one go, so that the loop has its turn even at rates it cannot keep up with
_EVENTS_PER_CALL = 5_000
_STEPS_PER_SECOND = 1_000 // STEP_MS
_PARTIAL_DEPTHS = (5, 10, 20)

Top = tuple[int, int, int, int]  # bid, ask in ticks; lots at each


@dataclass(slots=True)
class _Block:
    """Everything that happens in a block of seconds, as plain lists; `step_tops` are the tops at each step's end."""

    times: list[int]
    prices: list[int]
    sells: list[bool]
    order_ids: list[int]
    first_fill: list[int]
    trade_ids: list[int]
    quantities: list[int]
    tops: list[Top]
    step_tops: list[Top]
    first_step: int
    end_ms: int


class SymbolFeed:
    """Publishes what happened since the last call. Without a listener nothing is encoded and no book is made."""

    def __init__(self, market: SymbolMarket, outlet: Outlet, now_ms: int) -> None:
        self._market = market
        self._outlet = outlet
        self._name = market.spec.symbol.lower()
        self._start_at(now_ms)

    def _start_at(self, now_ms: int) -> None:
        self._step = now_ms // STEP_MS
        self._sent_top: Top | None = None
        self._ticker_count = 0
        self._book: Book | None = None
        self._book_1s: Book | None = None
        self._block = self._load(now_ms // 1_000)
        self._next = int(np.searchsorted(self._block.times, now_ms, side="right"))

    def emit(self, now_ms: int) -> int:
        """Publish what happened by `now_ms`, up to a bound; returns when the next event is due."""
        if now_ms - self._step * STEP_MS > _TOO_LATE_MS:
            self._start_at(now_ms)
        for _ in range(_EVENTS_PER_CALL):
            block = self._block
            boundary = (self._step + 1) * STEP_MS
            order_ms = block.times[self._next] if self._next < len(block.times) else block.end_ms
            if order_ms < boundary:
                if order_ms > now_ms:
                    return order_ms
                self._emit_order(block, self._next, now_ms)
                self._next += 1
            else:
                if boundary > now_ms:
                    return boundary
                self._end_step(block, now_ms)
        return now_ms

    def _emit_order(self, block: _Block, row: int, now_ms: int) -> None:
        outlet, spec = self._outlet, self._market.spec
        event_ms = outlet.event_ms(now_ms)
        fills = range(block.first_fill[row], block.first_fill[row + 1])
        price, time, sell = block.prices[row], block.times[row], block.sells[row]
        stream = f"{self._name}@trade"
        if outlet.wanted(stream):
            for i in fills:
                trade = TradeRow(block.trade_ids[i], price, block.quantities[i], time, sell)
                outlet.publish(stream, wire.trade_event(spec.symbol, event_ms, trade))
        stream = f"{self._name}@aggTrade"
        if outlet.wanted(stream):
            first, last = block.trade_ids[fills[0]], block.trade_ids[fills[-1]]
            quantity = sum(block.quantities[i] for i in fills)
            agg = AggTradeRow(block.order_ids[row], price, quantity, first, last, time, sell)
            outlet.publish(stream, wire.agg_trade_event(spec.symbol, event_ms, agg))
        update_id = first_id_of(self._step + 1) + self._ticker_count
        if block.tops[row] != self._sent_top and update_id < last_id_of(self._step + 1):
            self._ticker_count += 1
            self._emit_top(block.tops[row], update_id)

    def _emit_top(self, top: Top, update_id: int) -> None:
        self._sent_top = top
        stream = f"{self._name}@bookTicker"
        if self._outlet.wanted(stream):
            spec = self._market.spec
            bid, ask = (top[0] * spec.tick, top[2] * spec.lot), (top[1] * spec.tick, top[3] * spec.lot)
            self._outlet.publish(stream, wire.book_ticker_event(spec.symbol, update_id, bid, ask))

    def _end_step(self, block: _Block, now_ms: int) -> None:
        self._step += 1
        self._ticker_count = 0
        top = block.step_tops[self._step - block.first_step]
        if top != self._sent_top:
            self._emit_top(top, last_id_of(self._step))
        self._emit_depth(top, now_ms)
        if self._step % _STEPS_PER_SECOND == 0:
            self._emit_second(self._step * STEP_MS, now_ms)
        if self._step * STEP_MS == block.end_ms:
            self._block = self._load(block.end_ms // 1_000)
            self._next = 0

    def _emit_depth(self, top: Top, now_ms: int) -> None:
        fast, slow = f"{self._name}@depth@100ms", f"{self._name}@depth"
        whole_second = self._step % _STEPS_PER_SECOND == 0
        partial = self._wanted_partial(whole_second)
        if not partial and not self._outlet.wanted(fast) and not self._outlet.wanted(slow):
            self._book = self._book_1s = None
            return
        book = self._market.books.book(self._step, top[0], top[1])
        before = self._book or self._market.book(self._step - 1)
        if self._outlet.wanted(fast):
            self._outlet.publish(fast, self._diff(before, book, now_ms))
        if whole_second:
            if self._outlet.wanted(slow):
                earlier = self._book_1s or self._market.book(self._step - _STEPS_PER_SECOND)
                self._outlet.publish(slow, self._diff(earlier, book, now_ms))
            self._book_1s = book
        self._book = book
        for stream, count in partial:
            bids, asks = book.bids, book.asks
            ticks = np.arange(bids.lowest, bids.end)[::-1], np.arange(asks.lowest, asks.end)
            levels = (self._market.levels(t, s, count) for t, s in zip(ticks, (bids.lots[::-1], asks.lots), strict=True))
            self._outlet.publish(stream, wire.depth_body(Depth(last_id_of(self._step), *levels)))

    def _wanted_partial(self, whole_second: bool) -> list[tuple[str, int]]:
        names = [(f"{self._name}@depth{n}@100ms", n) for n in _PARTIAL_DEPTHS]
        if whole_second:
            names += [(f"{self._name}@depth{n}", n) for n in _PARTIAL_DEPTHS]
        return [(stream, n) for stream, n in names if self._outlet.wanted(stream)]

    def _diff(self, before: Book, after: Book, now_ms: int) -> str:
        sides: list[list[Level]] = []
        for old, new in ((before.bids, after.bids), (before.asks, after.asks)):
            sides.append(self._market.levels(*changed(old, new)))
        event_ms = self._outlet.event_ms(now_ms)
        first, last = first_id_of(before.step + 1), last_id_of(after.step)
        return wire.depth_event(self._market.spec.symbol, event_ms, first, last, sides[0][::-1], sides[1])

    def _emit_second(self, at_ms: int, now_ms: int) -> None:
        """Klines as of the second that ends at `at_ms`: the 1s bar always, others every two seconds and when they close."""
        symbol, event_ms = self._market.spec.symbol, self._outlet.event_ms(now_ms)
        for interval in intervals.INTERVALS:
            stream = f"{self._name}@kline_{interval}"
            if not self._outlet.wanted(stream):
                continue
            open_ms = intervals.floor_open(interval, at_ms - 1)
            closed = intervals.shifted_open(interval, open_ms, 1) == at_ms
            if closed or at_ms % 2_000 == 0:
                bar = self._market.candle_at(interval, open_ms, at_ms - 1)
                self._outlet.publish(stream, wire.kline_event(symbol, interval, event_ms, bar, closed))
        stream = f"{self._name}@ticker"
        if self._outlet.wanted(stream):
            top = self._market.depth(self._step, 1)
            body = wire.statistics(symbol, self._market.day(at_ms - 1), top)
            self._outlet.publish(stream, wire.ticker_event(event_ms, body))

    def _load(self, second: int) -> _Block:
        """The block of seconds that contains `second`."""
        market, spec = self._market, self._market.spec
        length = market.model.block_seconds
        start_ms = second // length * length * 1_000
        end_ms = start_ms + length * 1_000
        orders, trades = market.model.block(second)
        bid, ask = market.books.tops(orders.price, orders.is_sell, orders.order_id)
        step = orders.ts_ms // STEP_MS + 1
        lots = market.books.best_lots(bid, step), market.books.best_lots(ask, step)
        steps = np.arange(start_ms // STEP_MS, end_ms // STEP_MS + 1)
        before = np.searchsorted(orders.ts_ms, steps * STEP_MS) - 1
        carried = market.top_at(start_ms)
        step_bid, step_ask = (
            np.append(column, first)[np.where(before >= 0, before, len(column))]
            for column, first in ((bid, carried[0]), (ask, carried[1]))
        )
        step_lots = market.books.best_lots(step_bid, steps), market.books.best_lots(step_ask, steps)
        return _Block(
            times=orders.ts_ms.tolist(),
            prices=(orders.price * spec.tick).tolist(),
            sells=orders.is_sell.tolist(),
            order_ids=orders.order_id.tolist(),
            first_fill=np.searchsorted(trades.order, np.arange(len(orders) + 1)).tolist(),
            trade_ids=trades.trade_id.tolist(),
            quantities=(trades.lots * spec.lot).tolist(),
            tops=list(zip(*(c.tolist() for c in (bid, ask, *lots)), strict=True)),
            step_tops=list(zip(*(c.tolist() for c in (step_bid, step_ask, *step_lots)), strict=True)),
            first_step=int(steps[0]),
            end_ms=end_ms,
        )
