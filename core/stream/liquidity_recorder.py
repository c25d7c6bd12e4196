"""Records the heat map of every symbol of the stream: a column of book and trades every half second."""

import asyncio
from collections.abc import Sequence
from typing import Any

from core.base.clock import Clock
from core.domain.market import Trade
from core.market.liquidity import PERIOD_MS, LiquidityHistory
from core.stream.messages import DataType, Message, Policy
from core.stream.unified_data_stream import UnifiedDataStream


class LiquidityRecorder:
    """A consumer of the stream that owns one `LiquidityHistory` per symbol; it lives on the engine loop.

    Trades come as messages, all of them; books are looked at when a column is due, so that fifty updates a second cost no
    more than one. A symbol whose book is withheld at that moment gets a hole with the symbol's cause.
    """

    def __init__(self, stream: UnifiedDataStream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._histories: dict[str, LiquidityHistory] = {}
        self.subscription = stream.register_consumer("liquidity", [DataType.TICKS], self._take, policy=Policy.BOUNDED)

    async def run(self) -> None:
        """Make columns at each half second of our clock, for ever; those that were slept through stay missing."""
        while True:
            await asyncio.sleep((PERIOD_MS - self._clock.now_ms() % PERIOD_MS) / 1000)
            self.record()

    def record(self) -> None:
        """Make the column that is due, of every symbol. Engine thread."""
        now_ms = self._clock.now_ms()
        causes: dict[str, str] | None = None
        for symbol in self._stream.instruments:
            history = self._history(symbol)
            view = self._stream.book(symbol)
            if view is not None:
                history.on_book(view)
            else:
                causes = causes if causes is not None else {row["symbol"]: row["cause"] for row in self._stream.symbols()}
                history.lose(causes.get(symbol) or "no order book in step")
            history.tick(now_ms)

    def full(self, symbol: str) -> dict[str, Any]:
        """The last ten minutes of a symbol, as core/market/liquidity.py describes. KeyError: unknown symbol. Any thread."""
        return self._known(symbol).full()

    def since(self, symbol: str, last: int) -> dict[str, Any]:
        """What came after column `last` of an earlier answer. KeyError: unknown symbol. Any thread."""
        return self._known(symbol).since(last)

    async def _take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if type(message) is Trade:
                self._history(message.symbol).on_trade(message)

    def _known(self, symbol: str) -> LiquidityHistory:
        history = self._histories.get(symbol)
        return history if history is not None else self._history(symbol)

    def _history(self, symbol: str) -> LiquidityHistory:
        history = self._histories.get(symbol)
        if history is None:
            instrument = self._stream.instruments[symbol]
            # atomic: a reader on another thread may come first
            history = self._histories.setdefault(symbol, LiquidityHistory(instrument.tick_size, instrument.lot_size))
        return history
