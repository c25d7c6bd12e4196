"""What went wrong with a venue, by cause, with start and end."""

from core.base.clock import Clock
from core.domain.health import Cause, Incident

#: incidents kept; the oldest goes first
_KEPT = 200


class IncidentLog:
    """Incidents of one component. Those with a key stay open until `close(key)`; opening a key again changes its words.

    `cause` is the line for people, `kind` what it is about; UNKNOWN keeps the kind that an open incident has.
    """

    def __init__(self, component: str, clock: Clock) -> None:
        self._component = component
        self._clock = clock
        #: number -> incident, oldest first; ended ones are replaced in place
        self._incidents: dict[int, Incident] = {}
        #: key -> number of its open incident
        self._open: dict[str, int] = {}
        self._count = 0

    def open(self, key: str, cause: str, detail: str = "", kind: Cause = Cause.UNKNOWN) -> None:
        """Something is wrong from now on."""
        number = self._open.get(key)
        known = self._incidents.get(number) if number is not None else None
        if known is not None and number is not None:
            self._incidents[number] = self._changed(known, cause, 0, detail, kind)
            return
        self._open[key] = self._add(Incident(self._component, cause, self._clock.now_ms(), 0, detail, kind))

    def close(self, key: str, cause: str = "", detail: str = "", kind: Cause = Cause.UNKNOWN) -> None:
        """What `key` stands for is well again; nothing happens when it was. A new `cause` tells how it ended."""
        number = self._open.pop(key, None)
        known = self._incidents.get(number) if number is not None else None
        if known is not None and number is not None:
            self._incidents[number] = self._changed(known, cause, self._clock.now_ms(), detail, kind)

    def note(self, cause: str, detail: str = "", kind: Cause = Cause.UNKNOWN) -> None:
        """Something happened that has no duration."""
        now_ms = self._clock.now_ms()
        self._add(Incident(self._component, cause, now_ms, now_ms, detail, kind))

    def is_open(self, key: str) -> bool:
        return key in self._open

    def snapshot(self) -> list[Incident]:
        """All, newest first. Safe from any thread: the copy is one step of the interpreter."""
        return list(self._incidents.copy().values())[::-1]

    def _changed(self, known: Incident, cause: str, end_ms: int, detail: str, kind: Cause) -> Incident:
        kind = known.kind if kind is Cause.UNKNOWN else kind
        return Incident(self._component, cause or known.cause, known.start_ms, end_ms, detail or known.detail, kind)

    def _add(self, incident: Incident) -> int:
        self._count += 1
        self._incidents[self._count] = incident
        if len(self._incidents) > _KEPT:
            del self._incidents[next(iter(self._incidents))]
        return self._count
