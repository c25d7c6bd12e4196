"""The venue's limits on clients, as state machines on a monotonic time (seconds) that comes in as an argument."""

from collections import deque

#: requests a second that the venue names as its limit; what it tolerates is more, since reads may bunch up
NAMED_RATE, TOLERATED_RATE = 50, 95
#: how often the limit may be broken before the venue disconnects
TOLERATED_BREACHES = 3
#: historical requests in a window of seconds, and how long an identical one must wait
HISTORY_REQUESTS, HISTORY_WINDOW_S, IDENTICAL_S = 60, 600.0, 15.0


class MessageRate:
    """Messages of one client within the last second."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self.breaches = 0

    def count(self, now_s: float) -> bool:
        """Count a message; False when it breaks the limit (and a new count begins)."""
        while self._times and now_s - self._times[0] > 1.0:
            self._times.popleft()
        self._times.append(now_s)
        if len(self._times) <= TOLERATED_RATE:
            return True
        self._times.clear()
        self.breaches += 1
        return False

    @property
    def is_over(self) -> bool:
        """Whether the venue disconnects the client."""
        return self.breaches >= TOLERATED_BREACHES


class HistoryPacing:
    """Historical requests of all clients: 60 in 10 minutes, and no identical one within 15 s."""

    def __init__(self, limit: int = HISTORY_REQUESTS) -> None:
        self._limit = limit
        self._times: deque[float] = deque()
        self._last: dict[tuple[object, ...], float] = {}

    def admit(self, key: tuple[object, ...], now_s: float) -> bool:
        """Whether a request may go; one that may not is not counted."""
        while self._times and now_s - self._times[0] >= HISTORY_WINDOW_S:
            self._times.popleft()
        self._last = {k: at for k, at in self._last.items() if now_s - at < IDENTICAL_S}
        if key in self._last or len(self._times) >= self._limit:
            return False
        self._times.append(now_s)
        self._last[key] = now_s
        return True

    def used(self, now_s: float) -> int:
        return sum(1 for at in self._times if now_s - at < HISTORY_WINDOW_S)
