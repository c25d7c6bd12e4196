"""Incidents of a connection: lost (opened with what is known at its end, sharpened by what the next attempts meet), or
bringing frames that are none."""

import logging
from collections.abc import Callable

import msgspec

from core.base.clock import Clock
from core.domain.health import Cause
from core.venues.causes import Signals, decide_cause
from core.venues.incident_log import IncidentLog
from core.venues.link import Link

logger = logging.getLogger(__name__)

_KEY = "link"
_BAD_KEY = "bad frames"
#: bad frames are over when none came for this long
_GOOD_NS = 5_000_000_000
#: what the next attempt tells says more than that the connection was lost
_TELLING = (Cause.VENUE_DOWN, Cause.NO_PERMISSION, Cause.RATE_LIMIT)


class LinkIncidents:
    """`lag_s()`: how long our loop was held up lately; `others_alive()`: whether other venues still send, None: no other."""

    def __init__(
        self,
        link: Link,
        incidents: IncidentLog,
        clock: Clock,
        lag_s: Callable[[], float],
        others_alive: Callable[[], bool | None] = lambda: None,
    ) -> None:
        self._clock = clock
        #: bad frames when it was looked last, and when there were more
        self._bad = 0
        self._bad_ns = 0
        self._link = link
        self._incidents = incidents
        self._lag_s = lag_s
        self._others_alive = others_alive
        #: the venue said that this connection will end
        self.shutdown_announced = False

    def lost(self, cause: str) -> None:
        """The connection is gone, or could not be had."""
        kind = self.kind()
        if not self._incidents.is_open(_KEY):
            self._incidents.open(_KEY, cause, kind=kind)
            logger.warning("%s: %s (%s)", self._link.name, cause, kind)
        elif kind in _TELLING and cause:
            self._incidents.open(_KEY, "", f"then: {cause}", kind)

    def live(self) -> None:
        """Data flows again."""
        self._incidents.close(_KEY)

    def look(self) -> None:
        """Tell of frames that could not be used; to be called a few times a second."""
        now_ns, bad = self._clock.monotonic_ns(), self._link.bad
        if bad.total > self._bad:
            self._bad, self._bad_ns = bad.total, now_ns
            kinds = ", ".join(f"{kind} {count}" for kind, count in bad.kinds.copy().items())
            kind = decide_cause(Signals(bad_frames=True))
            self._incidents.open(_BAD_KEY, "frames that cannot be used", f"since the start: {kinds}", kind)
        elif now_ns - self._bad_ns > _GOOD_NS:
            self._incidents.close(_BAD_KEY)

    def kind(self) -> Cause:
        """The cause that the signals of the last end decide for."""
        facts = msgspec.structs.replace(
            self._link.signals,
            loop_lag_s=self._lag_s(),
            other_venues_alive=self._others_alive(),
            shutdown_announced=self.shutdown_announced,
        )
        return decide_cause(facts)
