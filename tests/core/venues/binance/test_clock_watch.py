"""Clock, venue, way or loop: late frames told apart."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.base.clock import SystemClock
from core.domain.health import Cause
from core.venues.binance.clock_watch import ClockWatch
from core.venues.binance.rest import BinanceRest
from core.venues.incident_log import IncidentLog


class Bench:
    def __init__(self, rest: str) -> None:
        self.clock = SystemClock()
        self.rest = BinanceRest(rest, self.clock)
        self.incidents = IncidentLog("binance", self.clock)
        self.watch = ClockWatch(self.rest, self.clock, self.incidents)
        self.rest.on_time_refused = self.watch.refused
        self.late_ms = 0
        self.lag_s = 0.0
        self.tasks = [asyncio.create_task(self.watch.run()), asyncio.create_task(self._frames())]

    async def _frames(self) -> None:
        while True:
            for _ in range(3):
                self.watch.seen(self.clock.now_ms() - self.late_ms)
            self.watch.look(self.lag_s, False)
            await asyncio.sleep(0.05)

    def open_kinds(self) -> list[Cause]:
        return [i.kind for i in self.incidents.snapshot() if not i.end_ms]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.rest.close()


@pytest.fixture
async def bench(shared_venue: Any, wait_until: Any) -> AsyncIterator[Bench]:
    bench = Bench(shared_venue.rest)
    await wait_until(lambda: bench.rest.clock_offset_ms is not None, within_s=8)
    yield bench
    await bench.stop()
    await shared_venue.fault(kind="clear")


async def test_a_clock_that_is_right_is_no_incident(bench: Bench) -> None:
    assert abs(bench.rest.clock_offset_ms or 0) < 100
    assert bench.incidents.snapshot() == []


async def test_a_venue_that_is_late_while_requests_are_quick_is_the_cause(bench: Bench, wait_until: Any) -> None:
    bench.late_ms = 3_000
    await wait_until(lambda: bench.open_kinds() == [Cause.EXCHANGE_LATE], within_s=6)
    assert bench.incidents.snapshot()[0].cause.startswith("frames come 3.0 s after their time")
    bench.late_ms = 0
    await wait_until(lambda: bench.open_kinds() == [])


async def test_lateness_while_our_loop_stood_still_is_ours(bench: Bench, wait_until: Any) -> None:
    bench.late_ms, bench.lag_s = 3_000, 2.0
    await wait_until(lambda: bench.open_kinds() == [Cause.LOOP_BLOCKED], within_s=6)


async def test_a_clock_that_moved_is_seen_at_once_and_explains_the_lateness(
    bench: Bench, shared_venue: Any, wait_until: Any
) -> None:
    await shared_venue.fault(kind="clock_skew", ms=-2_000)
    bench.late_ms = 2_000
    await wait_until(lambda: bench.open_kinds() == [Cause.CLOCK], within_s=6)
    assert bench.incidents.snapshot()[0].cause.startswith("our clock is 2.0 s ahead of the venue's")
    await asyncio.sleep(0.3)
    assert bench.open_kinds() == [Cause.CLOCK]


async def test_a_refused_time_stamp_is_told_and_measured_at_once(bench: Bench, shared_venue: Any, wait_until: Any) -> None:
    from core.base.errors import VenueUnavailable

    await asyncio.sleep(2.1)  # measurements keep a distance
    before = bench.rest.requests
    await shared_venue.fault(kind="http_status", status=400, api_code=-1021)
    with pytest.raises(VenueUnavailable, match="-1021"):
        await bench.rest.depth("ETHUSDT")
    await shared_venue.fault(kind="clear")
    assert bench.incidents.snapshot()[0].kind is Cause.CLOCK
    await wait_until(lambda: bench.rest.requests >= before + 3)
