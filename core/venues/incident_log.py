"""What went wrong with a venue, by cause, with start and end."""

from core.base.clock import Clock
from core.domain.health import Incident

#: incidents kept; the oldest goes first
_KEPT = 200


class IncidentLog:
    """Incidents of one component. Those with a key stay open until `close(key)`; opening a key again changes its words."""

    def __init__(self, component: str, clock: Clock) -> None:
        self._component = component
        self._clock = clock
        #: number -> incident, oldest first; ended ones are replaced in place
        self._incidents: dict[int, Incident] = {}
        #: key -> number of its open incident
        self._open: dict[str, int] = {}
        self._count = 0

    def open(self, key: str, cause: str, detail: str = "") -> None:
        """Something is wrong from now on."""
        number = self._open.get(key)
        known = self._incidents.get(number) if number is not None else None
        if known is not None and number is not None:
            self._incidents[number] = Incident(self._component, cause, known.start_ms, 0, detail or known.detail)
            return
        self._open[key] = self._add(Incident(self._component, cause, self._clock.now_ms(), 0, detail))

    def close(self, key: str, cause: str = "", detail: str = "") -> None:
        """What `key` stands for is well again; nothing happens when it was. A new `cause` tells how it ended."""
        number = self._open.pop(key, None)
        known = self._incidents.get(number) if number is not None else None
        if known is not None and number is not None:
            self._incidents[number] = Incident(
                self._component, cause or known.cause, known.start_ms, self._clock.now_ms(), detail or known.detail
            )

    def note(self, cause: str, detail: str = "") -> None:
        """Something happened that has no duration."""
        now_ms = self._clock.now_ms()
        self._add(Incident(self._component, cause, now_ms, now_ms, detail))

    def is_open(self, key: str) -> bool:
        return key in self._open

    def snapshot(self) -> list[Incident]:
        """All, newest first. Safe from any thread: the copy is one step of the interpreter."""
        return list(self._incidents.copy().values())[::-1]

    def _add(self, incident: Incident) -> int:
        self._count += 1
        self._incidents[self._count] = incident
        if len(self._incidents) > _KEPT:
            del self._incidents[next(iter(self._incidents))]
        return self._count
