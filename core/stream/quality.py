"""How fresh a symbol's series are, and since when and why not."""

from core.base.clock import Clock
from core.base.settings import FreshnessConfig
from core.domain.health import Freshness

_S_NS = 1_000_000_000


class FreshnessMonitor:
    """The freshness of one symbol's series, judged by the monotonic clock when it is asked for.

    LIVE while messages come, then LATE, STALE and DEAD by the age of the last one. A link that is down makes it STALE at
    once, DEAD later, and LIVE again only with the first message after the link is back. One thread writes, any reads.
    """

    def __init__(self, config: FreshnessConfig, clock: Clock) -> None:
        self._clock = clock
        self._late_ns = round(config.late_s * _S_NS)
        now_ns = clock.monotonic_ns()
        self._stale_ns = round(config.stale_s * _S_NS)
        self._dead_ns = round(config.dead_s * _S_NS)
        #: when the last message came
        self._last_ns: int | None = None
        #: whether the link is up as far as we were told, and whether a message came since
        self._is_up = True
        self._is_flowing = False
        #: when the present LIVE spell began, and when messages ceased to flow
        self._live_ns = self._down_ns = now_ns
        self._cause = "not connected yet"

    def touch(self, now_ns: int) -> None:
        """A message came."""
        last_ns, self._last_ns = self._last_ns, now_ns
        if not self._is_flowing:
            if not self._is_up:
                return
            self._live_ns = now_ns
            self._is_flowing = True
        elif last_ns is not None and now_ns - last_ns > self._late_ns:
            self._live_ns = now_ns

    def set_link(self, live: bool, cause: str) -> None:
        """The symbol's link came up or went down. `cause` is a sentence for people; without one a plain one is shown."""
        self._is_up = live
        if live:
            if not self._is_flowing:
                self._cause = cause or "connected, waiting for the first message"
            return
        if self._is_flowing:
            now_ns, last_ns = self._clock.monotonic_ns(), self._last_ns
            # it may have been silent for long before anybody said so
            self._down_ns = now_ns if last_ns is None else min(now_ns, last_ns + self._stale_ns)
        self._cause = cause or "connection lost"
        self._is_flowing = False

    def age_ns(self) -> int | None:
        """Nanoseconds since the last message; None when there never was one."""
        last_ns = self._last_ns
        return None if last_ns is None else max(0, self._clock.monotonic_ns() - last_ns)

    def state(self) -> tuple[Freshness, str, int]:
        """State, cause (empty when LIVE), and Unix ms at which the state began."""
        last_ns, now_ns = self._last_ns, self._clock.monotonic_ns()
        if not self._is_flowing or last_ns is None:
            dead_ns = self._down_ns + self._dead_ns
            if now_ns < dead_ns:
                return Freshness.STALE, self._cause, self._wall_ms(self._down_ns, now_ns)
            return Freshness.DEAD, self._cause, self._wall_ms(dead_ns, now_ns)
        age_ns = now_ns - last_ns
        cause = f"no message for {age_ns / _S_NS:.1f} s"
        for state, limit_ns in (
            (Freshness.DEAD, self._dead_ns),
            (Freshness.STALE, self._stale_ns),
            (Freshness.LATE, self._late_ns),
        ):
            if age_ns > limit_ns:
                return state, cause, self._wall_ms(last_ns + limit_ns, now_ns)
        return Freshness.LIVE, "", self._wall_ms(self._live_ns, now_ns)

    def _wall_ms(self, then_ns: int, now_ns: int) -> int:
        return self._clock.now_ms() - (now_ns - then_ns) // 1_000_000


def completeness(rows: int, partial: int, first_timestamp: int, last_timestamp: int, step_ms: int) -> float:
    """Whole rows as a share of those there should be from the first to the last timestamp; 1.0 = no hole, 0.0 = no row."""
    if not rows:
        return 0.0
    expected = (last_timestamp - first_timestamp) // step_ms + 1
    return max(0.0, (rows - partial) / expected)
