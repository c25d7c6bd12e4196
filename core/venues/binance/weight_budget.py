"""Binance's request weights: shared by all who ask, so that the venue never has to refuse."""

import asyncio

from core.base.clock import Clock

#: weight an address may use per minute (rest-api.md, `exchangeInfo.rateLimits`)
LIMIT_PER_MINUTE = 6_000
#: how much of it we allow ourselves; other programs may share the address
SHARE = 0.8
_MINUTE_MS = 60_000


class WeightBudget:
    """Counts the weight used in the venue's current minute. The venue's own count (a response header) wins when higher."""

    def __init__(self, clock: Clock, limit: int = LIMIT_PER_MINUTE, share: float = SHARE) -> None:
        self._clock = clock
        self.limit = limit
        self.allowed = int(limit * share)
        self._minute = 0
        self._used = 0
        #: how often a request had to wait for the next minute
        self.waits = 0

    @property
    def used(self) -> int:
        """Weight used in this minute."""
        return self._used if self._minute == self._clock.now_ms() // _MINUTE_MS else 0

    def observe(self, used: int) -> None:
        """Take the venue's own count, from `X-MBX-USED-WEIGHT-1M`."""
        self._turn()
        self._used = max(self._used, used)

    def wait_s(self, weight: int) -> float:
        """Seconds until `weight` may be spent, 0 when it may be now."""
        self._turn()
        if self._used == 0 or self._used + weight <= self.allowed:
            return 0.0
        return (_MINUTE_MS - self._clock.now_ms() % _MINUTE_MS) / 1000 + 0.05

    async def spend(self, weight: int) -> None:
        """Wait until `weight` is allowed, and count it."""
        while (wait_s := self.wait_s(weight)) > 0:
            self.waits += 1
            await asyncio.sleep(wait_s)
        self._used += weight

    def _turn(self) -> None:
        minute = self._clock.now_ms() // _MINUTE_MS
        if minute != self._minute:
            self._minute, self._used = minute, 0
