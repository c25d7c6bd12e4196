"""Incidents of a connection: its loss, frames that cannot be used, and a venue's clock that is wrong."""

import logging

from core.base.clock import Clock
from core.venues.bad_frames import BadFrames
from core.venues.causes import CLOCK_MS, Signals, decide_cause
from core.venues.incident_log import IncidentLog

logger = logging.getLogger(__name__)

#: bad frames are an incident for as long as they come, and this much longer
_CALM_NS = 5_000_000_000


class StreamFaults:
    """Looks at counters and offsets, again and again, and keeps the incidents that follow from them."""

    def __init__(self, incidents: IncidentLog, clock: Clock) -> None:
        self._incidents = incidents
        self._clock = clock
        self._bad_seen, self._bad_ns = 0, 0
        self._signals: Signals | None = None

    def link_lost(self, venue: str, cause: str, signals: Signals) -> None:
        """The connection is gone, or another attempt failed: what that one met tells more. A reset is the network's doing,
        unless then nobody listens there any more."""
        is_open = self._incidents.is_open("link")
        if is_open and signals is self._signals:
            return
        self._signals = signals
        self._incidents.open("link", cause, kind=decide_cause(signals))
        if not is_open:
            logger.warning("%s: %s", venue, cause)

    def watch_frames(self, bad: BadFrames) -> None:
        """Open while bad frames come."""
        now_ns, total = self._clock.monotonic_ns(), bad.total
        if total > self._bad_seen:
            self._bad_seen, self._bad_ns = total, now_ns
            kinds = ", ".join(f"{count} {kind}" for kind, count in bad.kinds.items())
            kind = decide_cause(Signals(bad_frames=True))
            self._incidents.open("frames", "frames that cannot be used", kinds, kind)
        elif now_ns - self._bad_ns > _CALM_NS:
            self._incidents.close("frames")

    def watch_clock(self, offset_ms: float | None) -> None:
        """Open while the venue's clock and ours differ by more than a second; None: not known."""
        if offset_ms is None:
            return
        if abs(offset_ms) < CLOCK_MS:
            self._incidents.close("clock")
            return
        kind = decide_cause(Signals(clock_offset_ms=offset_ms))
        side = "ahead of" if offset_ms > 0 else "behind"
        self._incidents.open("clock", f"the venue's clock is {abs(offset_ms) / 1000:.1f} s {side} ours", kind=kind)
