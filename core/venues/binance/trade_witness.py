"""Asks the venue whether a quiet symbol without bars really had no trade."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from core.base.clock import Clock
from core.base.errors import BadInput, RetryableError
from core.venues.connector import VenueRefused

logger = logging.getLogger(__name__)

#: pause between two questions, so that many quiet symbols cost little
_PACE_S = 0.25


class TradeWitness:
    """Knows the newest trade's id of the symbols that it was asked about lately."""

    def __init__(self, fetch: Callable[[str], Awaitable[int]], clock: Clock, patience_s: float) -> None:
        """`patience_s`: how long an answer counts, and how long a question may stay open before it speaks for a fault."""
        self._fetch = fetch
        self._clock = clock
        self._patience_ns = round(patience_s * 1e9)
        #: symbol -> newest id and when it was told (monotonic ns)
        self._told: dict[str, tuple[int, int]] = {}
        #: symbol -> since when it is to be asked about (monotonic ns)
        self._asked: dict[str, int] = {}
        self._wake = asyncio.Event()

    def had_nothing_after(self, symbol: str, trade_id: int) -> bool:
        """Whether there was no trade after `trade_id`; true as well while the question is young."""
        now_ns = self._clock.monotonic_ns()
        last_id, at_ns = self._told.get(symbol, (-1, -self._patience_ns))
        if now_ns - at_ns < self._patience_ns:
            return last_id <= trade_id
        since_ns = self._asked.setdefault(symbol, now_ns)
        self._wake.set()
        return now_ns - since_ns < self._patience_ns

    def forget(self, symbol: str) -> None:
        self._told.pop(symbol, None)
        self._asked.pop(symbol, None)

    async def run(self) -> None:
        """Answer questions, for ever."""
        while True:
            if not self._asked:
                self._wake.clear()
                await self._wake.wait()
            for symbol in list(self._asked):
                try:
                    last_id = await self._fetch(symbol)
                    self._told[symbol] = (last_id, self._clock.monotonic_ns())
                    self._asked.pop(symbol, None)
                except (RetryableError, BadInput, VenueRefused) as error:
                    logger.info("%s: newest trade not known: %s", symbol, error)
                await asyncio.sleep(_PACE_S)
