"""How often a venue may be connected to."""

from collections import deque

from core.base.clock import Clock


class ConnectBudget:
    """At most `limit` connects in any `period_s` seconds. Binance: 300 per 5 minutes and address (web-socket-streams.md)."""

    def __init__(self, clock: Clock, limit: int = 300, period_s: float = 300.0) -> None:
        self._clock = clock
        self._limit = limit
        self._period_ns = round(period_s * 1e9)
        #: when connects were made, oldest first (monotonic ns)
        self._spent: deque[int] = deque(maxlen=limit)

    def wait_s(self) -> float:
        """Seconds until the next connect is allowed, 0 when it is allowed now."""
        if len(self._spent) < self._limit:
            return 0.0
        return max(0.0, (self._spent[0] + self._period_ns - self._clock.monotonic_ns()) / 1e9)

    def spend(self) -> None:
        self._spent.append(self._clock.monotonic_ns())
