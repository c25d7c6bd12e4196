"""The made market as the server's source: answers questions about its past and publishes its present."""

import asyncio

import numpy as np

from core.base.clock import Clock
from core.venues.simulated.bars import fills_before, order_of
from core.venues.simulated.instruments import SPECS, SymbolSpec
from core.venues.simulated.model_book import IDS_PER_STEP, STEP_MS
from core.venues.simulated.model_feed import SymbolFeed
from core.venues.simulated.source import AggTradeRow, Candle, Depth, Outlet, TradeRow
from core.venues.simulated.symbol_market import SymbolMarket

#: how long the loop sleeps at most and at least; the least bounds the wake-ups at a high rate
_LONGEST_NAP_S, _SHORTEST_NAP_S = 0.05, 0.002


class ModelSource:
    """All symbols of the made market, run by the clock."""

    streams: tuple[str, ...] | None = None

    def __init__(self, clock: Clock, seed: int = 1, rate: float = 1.0, specs: tuple[SymbolSpec, ...] = SPECS) -> None:
        self._clock = clock
        self._seed = seed
        self._rate = rate
        self._markets = {spec.symbol: SymbolMarket(spec, seed, rate) for spec in specs}
        self.symbols = tuple(self._markets)

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def market(self, symbol: str) -> SymbolMarket:
        return self._markets[symbol]

    def candles(self, symbol: str, interval: str, start_ms: int | None, end_ms: int | None, limit: int) -> list[Candle]:
        return self._markets[symbol].candles(interval, start_ms, end_ms, limit, self.now_ms())

    def trades(self, symbol: str, from_id: int | None, limit: int) -> list[TradeRow]:
        market, now = self._markets[symbol], self.now_ms()
        return market.trades_from(market.last_trade_id(now) - limit + 1 if from_id is None else from_id, limit, now)

    def agg_trades(
        self, symbol: str, from_id: int | None, start_ms: int | None, end_ms: int | None, limit: int
    ) -> list[AggTradeRow]:
        market = self._markets[symbol]
        until = min(self.now_ms(), end_ms) if end_ms is not None else self.now_ms()
        if until < market.model.first_ms or (start_ms is not None and start_ms > until):
            return []
        last = order_of(market.last_trade_id(until))
        if from_id is not None:
            first = max(from_id, 0)
        elif start_ms is not None:
            first = order_of(market.first_id_at(start_ms))
        else:
            first = max(last - limit + 1, 0)
        stop = min(first + limit, last + 1)
        if stop <= first:
            return []
        first_id, end_id = (int(i) for i in fills_before(np.array([first, stop])))
        fills = market.trades_from(first_id, end_id - first_id, until)
        return merge_fills(fills)

    def depth(self, symbol: str, limit: int) -> Depth:
        return self._markets[symbol].depth(self.now_ms() // STEP_MS, limit)

    def depth_at(self, symbol: str, update_id: int | None, limit: int) -> Depth | None:
        """Books are known as of the end of every step that is over."""
        step = self.now_ms() // STEP_MS
        if update_id is not None:
            if update_id % IDS_PER_STEP or update_id // IDS_PER_STEP > step:
                return None
            step = update_id // IDS_PER_STEP
        return self._markets[symbol].depth(step, limit)

    def trades_between(self, symbol: str, from_ms: int, to_ms: int, limit: int) -> list[TradeRow]:
        market = self._markets[symbol]
        from_ms, to_ms = max(from_ms, market.model.first_ms), min(to_ms, self.now_ms())
        if to_ms < from_ms:
            return []
        return market.trades_from(market.first_id_at(from_ms), limit, to_ms)

    def day(self, symbol: str) -> Candle:
        return self._markets[symbol].day(self.now_ms())

    def stats(self) -> dict[str, object]:
        return {"kind": "model", "seed": self._seed, "rate": self._rate}

    async def run(self, outlet: Outlet) -> None:
        feeds = [SymbolFeed(market, outlet, self.now_ms()) for market in self._markets.values()]
        while True:
            due_ms = min(feed.emit(self.now_ms()) for feed in feeds)
            nap_s = (due_ms - self.now_ms()) / 1000
            await asyncio.sleep(min(max(nap_s, _SHORTEST_NAP_S), _LONGEST_NAP_S))


def merge_fills(fills: list[TradeRow]) -> list[AggTradeRow]:
    """Fills of whole taker orders, one row an order."""
    merged: list[AggTradeRow] = []
    for fill in fills:
        order = order_of(fill.trade_id)
        if merged and merged[-1].agg_id == order:
            last = merged[-1]
            merged[-1] = last._replace(quantity=last.quantity + fill.quantity, last_id=fill.trade_id)
        else:
            merged.append(
                AggTradeRow(order, fill.price, fill.quantity, fill.trade_id, fill.trade_id, fill.ts_ms, fill.is_buyer_maker)
            )
    return merged
