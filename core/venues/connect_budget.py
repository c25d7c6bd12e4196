"""How often a venue may be connected to."""

from collections import deque

from core.base.clock import Clock
from core.venues.token_bucket import TokenBucket

_SHARE = 0.95


class ConnectBudget:
    """At most `limit` connects in any `period_s` seconds. Binance: 300 per 5 minutes and address (web-socket-streams.md).

    We stay a twentieth below it: the venue counts arrivals, and the way there is not always equally long. A third of ours
    may be spent at once, the rest comes back evenly: a storm at the start of an outage must not leave nothing for its end.
    All links to one address share one budget.
    """

    def __init__(self, clock: Clock, limit: int = 300, period_s: float = 300.0) -> None:
        self._clock = clock
        #: the venue's, and ours
        self.limit = limit
        self.allowed = max(1, int(limit * _SHARE))
        self.period_s = period_s
        self._period_ns = round(period_s * 1e9)
        burst = max(1, self.allowed // 3)
        self._bucket = TokenBucket(clock, max(1, self.allowed - burst) / period_s, burst, kept=1)
        #: when connects were made, oldest first (monotonic ns)
        self._spent: deque[int] = deque(maxlen=self.allowed)

    @property
    def used(self) -> int:
        """Connects in the last period. Any thread."""
        since_ns = self._clock.monotonic_ns() - self._period_ns
        return sum(1 for at_ns in self._spent.copy() if at_ns > since_ns)

    def wait_s(self) -> float:
        """Seconds until the next connect is allowed, 0 when it is allowed now."""
        evenly_s = self._bucket.wait_s()
        if len(self._spent) < self.allowed:
            return evenly_s
        return max(evenly_s, (self._spent[0] + self._period_ns - self._clock.monotonic_ns()) / 1e9)

    def spend(self) -> None:
        self._bucket.spend()
        self._spent.append(self._clock.monotonic_ns())
