"""What went wrong, when, and why: one bounded log for the parts that are not venues."""

import threading
from collections import deque

import msgspec

from core.base.clock import Clock
from core.domain.health import Incident


class IncidentLog:
    """Open and closed incidents, newest last. One is open per component at most; a new cause closes the old one."""

    def __init__(self, clock: Clock, limit: int = 200) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        #: component -> the incident that is open
        self._open: dict[str, Incident] = {}
        self._closed: deque[Incident] = deque(maxlen=limit)

    def open(self, component: str, cause: str, detail: str = "") -> None:
        """Say that `component` suffers from `cause`; saying it again changes nothing."""
        with self._lock:
            current = self._open.get(component)
            if current is not None and current.cause == cause:
                return
            self._close(component)
            self._open[component] = Incident(component, cause, self._clock.now_ms(), 0, detail)

    def close(self, component: str) -> None:
        """Say that `component` is well."""
        with self._lock:
            self._close(component)

    def note(self, component: str, cause: str, detail: str = "") -> None:
        """Record something that is over already."""
        now = self._clock.now_ms()
        with self._lock:
            self._closed.append(Incident(component, cause, now, now, detail))

    def _close(self, component: str) -> None:
        current = self._open.pop(component, None)
        if current is not None:
            self._closed.append(msgspec.structs.replace(current, end_ms=self._clock.now_ms()))

    def all(self) -> list[Incident]:
        """Newest first, the open ones before the closed."""
        with self._lock:
            return sorted(self._open.values(), key=lambda i: -i.start_ms) + list(reversed(self._closed))
