"""How often something may be tried."""

from collections import deque

from core.base.clock import Clock


class AttemptLimit:
    """At most `limit` attempts per key in any `period_s`. Keys are bounded: the longest unused is forgotten first."""

    def __init__(self, limit: int, period_s: float, clock: Clock, max_keys: int = 10_000) -> None:
        self._limit = limit
        self._period_ns = round(period_s * 1e9)
        self._clock = clock
        self._max_keys = max_keys
        #: key -> times (monotonic ns) of its attempts within the period, oldest first; least recently used key first
        self._attempts: dict[str, deque[int]] = {}

    def retry_after_s(self, key: str) -> int:
        """0 when an attempt is free now, else whole seconds until one is."""
        times = self._attempts.get(key)
        now = self._clock.monotonic_ns()
        while times and now - times[0] >= self._period_ns:
            times.popleft()
        if not times or len(times) < self._limit:
            return 0
        return max(1, -(-(times[0] + self._period_ns - now) // 1_000_000_000))

    def count(self, key: str) -> None:
        """Note an attempt."""
        times = self._attempts.pop(key, None) or deque(maxlen=self._limit)
        times.append(self._clock.monotonic_ns())
        self._attempts[key] = times
        while len(self._attempts) > self._max_keys:
            del self._attempts[next(iter(self._attempts))]


class TokenBucket:
    """`rate_per_s` events on average, `burst` at once."""

    def __init__(self, rate_per_s: float, burst: float, clock: Clock) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._clock = clock
        self._level = burst
        self._at_ns = clock.monotonic_ns()

    def take(self) -> bool:
        now = self._clock.monotonic_ns()
        self._level = min(self._burst, self._level + (now - self._at_ns) / 1e9 * self._rate_per_s)
        self._at_ns = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
