"""One symbol of the made market in the units of the wire (whole multiples of 1e-8)."""

import numpy as np

from core.venues.simulated import intervals
from core.venues.simulated.bars import Bars, aggregate, fills_before, order_of
from core.venues.simulated.instruments import SymbolSpec
from core.venues.simulated.market_model import SymbolModel
from core.venues.simulated.model_book import STEP_MS, Book, BookMaker, last_id_of
from core.venues.simulated.noise import Ints, derive_key, uniform
from core.venues.simulated.source import Candle, Depth, Level, TradeRow


class SymbolMarket:
    """One symbol's model and book, in the units of the wire (1e-8)."""

    def __init__(self, spec: SymbolSpec, seed: int, rate: float) -> None:
        self.spec = spec
        self.model = SymbolModel(spec, seed, rate)
        typical_lots = spec.volume_per_day / spec.orders_per_day / spec.instrument.lot_size * 3
        self.books = BookMaker(seed, spec.symbol, typical_lots, spec.spacing)
        self._taker_key = derive_key(seed, spec.symbol, "taker-share")

    def candles(self, interval: str, start_ms: int | None, end_ms: int | None, limit: int, now_ms: int) -> list[Candle]:
        opens = intervals.page_of_opens(interval, self.model.first_ms, now_ms, start_ms, end_ms, limit)
        if not len(opens):
            return []
        base = intervals.base_ms(interval)
        first = max(int(opens[0]), self.model.first_ms) // base
        last_ms = intervals.shifted_open(interval, int(opens[-1]), 1) - 1
        bars = (
            self.model.bars_until(base, first, now_ms)
            if last_ms >= now_ms
            else self.model.bars(base, first, last_ms // base)
        )
        starts = np.searchsorted(bars.index, opens // base)
        closes = np.append(opens[1:], last_ms + 1) - 1
        return self._to_candles(aggregate(bars, starts, opens), closes)

    def candle_at(self, interval: str, open_ms: int, until_ms: int) -> Candle:
        """The bar opened at `open_ms` as it stood at `until_ms`."""
        close_ms = intervals.shifted_open(interval, open_ms, 1) - 1
        base = intervals.base_ms(interval)
        if until_ms >= close_ms:
            bars = self.model.bars(base, open_ms // base, close_ms // base)
        else:
            bars = self.model.bars_until(base, open_ms // base, until_ms)
        one = aggregate(bars, np.zeros(1, np.int64), np.array([open_ms]))
        return self._to_candles(one, np.array([close_ms]))[0]

    def day(self, now_ms: int) -> Candle:
        """The last 24 hours, by whole minutes at its beginning."""
        first = now_ms // intervals.MINUTE - 1_439
        bars = self.model.bars_until(intervals.MINUTE, first, now_ms)
        one = aggregate(bars, np.zeros(1, np.int64), np.array([first * intervals.MINUTE]))
        return self._to_candles(one, np.array([now_ms]))[0]

    def _to_candles(self, bars: Bars, closes: Ints) -> list[Candle]:
        """Quote and taker volumes are estimates from the bar (typical price, a seeded share): only trades know them."""
        spec = self.spec
        price = [column * spec.tick for column in (bars.open, bars.high, bars.low, bars.close)]
        typical = ((bars.open + bars.high + bars.low + bars.close) / 4 * spec.instrument.tick_size).tolist()
        share = 0.35 + 0.3 * uniform(self._taker_key, bars.index)
        taker = np.rint(bars.lots * share).astype(np.int64) * spec.lot
        trades = bars.trades
        first = np.where(trades > 0, bars.first_trade, -1)
        last = np.where(trades > 0, first + trades - 1, -1)
        columns = (bars.index, *price, bars.lots * spec.lot, closes, trades, taker, first, last)
        rows = zip(*(c.tolist() for c in columns), typical, strict=True)
        # quote volumes can pass 64 bits
        return [
            Candle(opened, o, h, lo, c, volume, end, round(volume * mean), n, bought, round(bought * mean), f, la)
            for opened, o, h, lo, c, volume, end, n, bought, f, la, mean in rows
        ]

    def trades_from(self, first_id: int, limit: int, now_ms: int) -> list[TradeRow]:
        """Up to `limit` trades from an id on that happened by `now_ms`."""
        rows: list[TradeRow] = []
        second = self.model.second_of_order(order_of(max(first_id, 0)))
        while second is not None and len(rows) < limit and second * 1_000 <= now_ms:
            block = second // self.model.block_seconds
            rows += self._block_trades(second, max(first_id, 0), limit - len(rows), now_ms)
            second = (block + 1) * self.model.block_seconds
        return rows

    def _block_trades(self, second: int, first_id: int, limit: int, now_ms: int) -> list[TradeRow]:
        orders, trades = self.model.block(second)
        if not len(trades):
            return []
        start = max(first_id - int(trades.trade_id[0]), 0)
        visible = int(np.searchsorted(trades.order, np.searchsorted(orders.ts_ms, now_ms + 1)))
        chosen = slice(start, min(start + limit, visible))
        of = trades.order[chosen]
        columns = (
            trades.trade_id[chosen],
            orders.price[of] * self.spec.tick,
            trades.lots[chosen] * self.spec.lot,
            orders.ts_ms[of],
            orders.is_sell[of],
        )
        return [TradeRow(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]

    def last_trade_id(self, now_ms: int) -> int:
        """Id of the last trade by `now_ms`."""
        second = self.model.bars_until(intervals.SECOND, now_ms // intervals.SECOND, now_ms)
        return int(fills_before(second.first_order + second.orders)[0]) - 1

    def first_id_at(self, at_ms: int) -> int:
        """Id of the first trade at or after a moment."""
        return self.last_trade_id(at_ms - 1) + 1 if at_ms > self.model.first_ms else 0

    def top_at(self, before_ms: int) -> tuple[int, int]:
        """Best bid and ask (ticks) by the orders before a moment."""
        order = order_of(max(self.last_trade_id(before_ms - 1), 0))
        second = self.model.second_of_order(order)
        orders, _ = self.model.block(second or 0)
        row = slice(int(np.searchsorted(orders.order_id, order)), None)
        bid, ask = self.books.tops(orders.price[row][:1], orders.is_sell[row][:1], orders.order_id[row][:1])
        return int(bid[0]), int(ask[0])

    def book(self, step: int) -> Book:
        return self.books.book(step, *self.top_at(step * STEP_MS))

    def depth(self, step: int, limit: int) -> Depth:
        book = self.book(step)
        bids = self.levels(np.arange(book.bids.lowest, book.bids.end)[::-1], book.bids.lots[::-1], limit)
        asks = self.levels(np.arange(book.asks.lowest, book.asks.end), book.asks.lots, limit)
        return Depth(last_id_of(step), bids, asks)

    def levels(self, ticks: Ints, lots: Ints, limit: int | None = None) -> list[Level]:
        """Levels in the units of the wire; with a limit only those where something rests."""
        if limit is not None:
            there = np.nonzero(lots)[0][:limit]
            ticks, lots = ticks[there], lots[there]
        return list(zip((ticks * self.spec.tick).tolist(), (lots * self.spec.lot).tolist(), strict=True))
