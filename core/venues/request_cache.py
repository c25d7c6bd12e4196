"""History that was asked of a venue, kept while it cannot have changed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from core.base.clock import Clock
from core.domain.market import Kline

#: requests kept; the least recently used goes first
_KEPT = 200
_STEP_MS = {"1s": 1_000, "5s": 5_000, "1m": 60_000, "5m": 300_000, "1h": 3_600_000, "1d": 86_400_000}

Key = tuple[str, str, int]


class RequestCache:
    """Bars by (symbol, interval, rows). An answer is good until the next bar begins; who asks while the venue is being asked
    waits for the same answer; an error is told to all who wait, and not kept.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: key -> (Unix ms until which it is good, bars)
        self._kept: dict[Key, tuple[int, list[Kline]]] = {}
        self._flights: dict[Key, asyncio.Task[list[Kline]]] = {}
        self.hits = self.misses = 0

    async def get(self, key: Key, fetch: Callable[[], Awaitable[Sequence[Kline]]]) -> list[Kline]:
        """The bars of `key`, by `fetch` when they are not known. Raises what `fetch` does."""
        kept = self._kept.pop(key, None)
        if kept is not None and kept[0] > self._clock.now_ms():
            self._kept[key] = kept
            self.hits += 1
            return kept[1]
        flight = self._flights.get(key)
        if flight is not None:
            self.hits += 1
        else:
            self.misses += 1
            flight = self._flights[key] = asyncio.create_task(self._fetch(key, fetch))
        return await asyncio.shield(flight)

    async def _fetch(self, key: Key, fetch: Callable[[], Awaitable[Sequence[Kline]]]) -> list[Kline]:
        try:
            bars = list(await fetch())
        finally:
            del self._flights[key]
        step_ms = _STEP_MS.get(key[1], 1_000)
        self._kept[key] = ((self._clock.now_ms() // step_ms + 1) * step_ms, bars)
        while len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return bars

    def stats(self) -> dict[str, Any]:
        """hits, misses, hit_rate (None before the first request), entries. Any thread."""
        asked = self.hits + self.misses
        return {
            "hits": self.hits,
            "misses": self.misses,
            "hit_rate": round(self.hits / asked, 4) if asked else None,
            "entries": len(self._kept),
            "bytes": sum(len(bars) for _, bars in self._kept.copy().values()) * 200,
        }
