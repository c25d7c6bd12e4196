"""The venue's clock against ours, and how late its frames come: measured, told apart, and told."""

import asyncio
import logging

from core.base.clock import Clock
from core.base.errors import BadInput, RetryableError
from core.venues.binance.rest import BinanceRest
from core.venues.causes import CLOCK_MS, LATE_MS, Signals, decide_cause
from core.venues.connector import VenueRefused
from core.venues.incident_log import IncidentLog
from core.venues.lateness import Lateness

logger = logging.getLogger(__name__)

#: a drift of the clock must be seen within this time, so this is how often it is measured at least
_PERIOD_S = 60.0
#: a frame that is early or late by half of what is a fault asks for a measurement at once, but not more often than this
_SUSPECT_MS = LATE_MS / 2
_AT_MOST_S = 2.0
_RETRY_S = 5.0


class ClockWatch:
    """Frames later than they should be: is it a clock, the venue, the way, or our own loop?

    Frames tell at once that something moved, but not what; a measured clock and its round trip do. So a suspicious look
    asks for a measurement, and nothing is called late before there is one that is newer.
    """

    def __init__(self, rest: BinanceRest, clock: Clock, incidents: IncidentLog) -> None:
        self._rest = rest
        self._clock = clock
        self._incidents = incidents
        self._lateness = Lateness()
        self._due = asyncio.Event()
        self._measured_ns = -1
        #: since when frames are suspicious (monotonic ns), 0 when they are not
        self._suspect_ns = 0

    def seen(self, event_ms: int) -> None:
        """A frame with an event time came just now."""
        self._lateness.add(self._clock.now_ms() - event_ms)

    def refused(self) -> None:
        """The venue refused a request for its time stamp."""
        kind = decide_cause(Signals(timestamp_refused=True))
        self._incidents.note("the venue refused a request for its time stamp (-1021)", "the clock is measured", kind)
        self._due.set()

    def look(self, lag_s: float, is_paused: bool) -> None:
        """Judge the frames since the last look; `lag_s`: how long our loop was held up lately."""
        raw_ms = self._lateness.take()
        if raw_ms is None:
            return
        late_ms = raw_ms + (self._rest.clock_offset_ms or 0.0)
        now_ns = self._clock.monotonic_ns()
        if abs(late_ms) < _SUSPECT_MS:
            self._suspect_ns = 0
            self._incidents.close("late")
            return
        if not self._suspect_ns:
            self._suspect_ns = now_ns
        if self._measured_ns < self._suspect_ns:
            self._due.set()
        elif late_ms >= LATE_MS:
            self._tell_late(late_ms, lag_s, is_paused)

    def _tell_late(self, late_ms: float, lag_s: float, is_paused: bool) -> None:
        trip_ms = self._rest.round_trip_ms
        kind = decide_cause(
            Signals(late_ms=late_ms, round_trip_ms=trip_ms, loop_lag_s=lag_s, link_paused=is_paused)
        )  # fmt: skip
        trip = "" if trip_ms is None else f"a request takes {trip_ms:.0f} ms"
        self._incidents.open("late", f"frames come {late_ms / 1000:.1f} s after their time", trip, kind)

    async def run(self) -> None:
        """Measure for ever: every minute, and when frames are suspicious."""
        while True:
            try:
                self._due.clear()
                offset_ms = await self._rest.measure_clock()
                self._measured_ns = self._clock.monotonic_ns()
                self._tell_offset(offset_ms)
                await asyncio.sleep(_AT_MOST_S)
                async with asyncio.timeout(_PERIOD_S - 2 * _AT_MOST_S):
                    await self._due.wait()
            except TimeoutError:
                continue
            except (RetryableError, BadInput, VenueRefused) as error:
                logger.info("binance: clock not measured: %s", error)
                await asyncio.sleep(_RETRY_S)

    def _tell_offset(self, offset_ms: float) -> None:
        if abs(offset_ms) < CLOCK_MS:
            self._incidents.close("clock")
            return
        way = "behind" if offset_ms > 0 else "ahead of"
        kind = decide_cause(Signals(clock_offset_ms=offset_ms))
        self._incidents.open("clock", f"our clock is {abs(offset_ms) / 1000:.1f} s {way} the venue's", kind=kind)
