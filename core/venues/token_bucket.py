"""Spends a rate evenly, ahead of a venue's limit. Pure: time comes from the clock, waiting is the caller's."""

from collections import deque

from core.base.clock import Clock


class TokenBucket:
    """`burst` at once, then `rate_per_s`. `spent(seconds)` serves gauges."""

    def __init__(self, clock: Clock, rate_per_s: float, burst: int, kept: int = 1_000) -> None:
        """`kept`: how many of the newest spendings are remembered for `spent`."""
        self._clock = clock
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = float(burst)
        self._at_ns = clock.monotonic_ns()
        #: when tokens were spent, oldest first (monotonic ns)
        self._spent: deque[int] = deque(maxlen=kept)
        #: tokens spent since the start
        self.total = 0

    def wait_s(self) -> float:
        """Seconds until the next token, 0 when there is one."""
        self._refill()
        # a hair below one is one: refilling adds up rounded shares
        return 0.0 if self._tokens >= 1 - 1e-9 else (1 - self._tokens) / self._rate_per_s

    def spend(self) -> None:
        """Take a token; the bucket may go below zero, which the next ones wait for."""
        self._refill()
        self._tokens -= 1
        self.total += 1
        self._spent.append(self._at_ns)

    def spent(self, seconds: float) -> int:
        """Tokens spent in the last `seconds`. Any thread."""
        since_ns = self._clock.monotonic_ns() - round(seconds * 1e9)
        return sum(1 for at_ns in self._spent.copy() if at_ns > since_ns)

    def _refill(self) -> None:
        now_ns = self._clock.monotonic_ns()
        self._tokens = min(float(self._burst), self._tokens + (now_ns - self._at_ns) / 1e9 * self._rate_per_s)
        self._at_ns = now_ns
