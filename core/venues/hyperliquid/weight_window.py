"""Hyperliquid's request weights: 1,200 in any minute and address (docs, "Rate limits and user limits")."""

import asyncio
from collections import deque

from core.base.clock import Clock

LIMIT_PER_MINUTE = 1_200
#: how much of it we allow ourselves; other programs may share the address
SHARE = 0.8
_MINUTE_NS = 60_000_000_000


class WeightWindow:
    """Counts the weight spent in the last 60 s. What an answer costs beyond its request is only known afterwards."""

    def __init__(self, clock: Clock, limit: int = LIMIT_PER_MINUTE, share: float = SHARE) -> None:
        self._clock = clock
        self._allowed = int(limit * share)
        #: (when, weight), oldest first; as long as the limit, for each weighs at least 1
        self._spent: deque[tuple[int, int]] = deque(maxlen=limit)
        #: how often a request had to wait
        self.waits = 0

    @property
    def used(self) -> int:
        """Weight of the last 60 s. Any thread."""
        since_ns = self._clock.monotonic_ns() - _MINUTE_NS
        return sum(weight for at_ns, weight in self._spent.copy() if at_ns > since_ns)

    def spend(self, weight: int) -> None:
        if weight > 0:
            self._spent.append((self._clock.monotonic_ns(), weight))

    def wait_s(self, weight: int) -> float:
        """Seconds until `weight` may be spent, 0 when it may be now."""
        now_ns = self._clock.monotonic_ns()
        left = self.used + weight - self._allowed
        for at_ns, spent in self._spent:
            if left <= 0:
                break
            if at_ns > now_ns - _MINUTE_NS:
                left -= spent
                if left <= 0:
                    return max(0.01, (at_ns + _MINUTE_NS - now_ns) / 1e9)
        return 0.0

    async def wait(self, weight: int) -> None:
        """Until `weight` is allowed."""
        while (wait_s := self.wait_s(weight)) > 0:
            self.waits += 1
            await asyncio.sleep(wait_s)
