"""Keeping a book in step."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from core.base.backoff import Backoff
from core.base.clock import SystemClock
from core.base.errors import VenueUnavailable
from core.base.settings import StreamConfig
from core.domain.market import DepthDiff, DepthSnapshot
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.book_keeper import BookKeeper
from core.venues.incident_log import IncidentLog


class Bench:
    def __init__(self) -> None:
        clock = SystemClock()
        self.stream = UnifiedDataStream(StreamConfig(), clock)
        self.stream.register_consumer("t", ["cob"])
        self.incidents = IncidentLog("binance", clock)
        self.answers: list[int | Exception] = []
        self.asked = 0
        self.is_on = True
        self.keeper = BookKeeper(
            "ETHUSDT", self.stream, self.snapshot, 5, clock, self.incidents, lambda toggle: self.is_on,
            Backoff(base_s=0.01, cap_s=0.02, floor_s=0.01),
        )  # fmt: skip

    async def snapshot(self, symbol: str) -> DepthSnapshot:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return DepthSnapshot(symbol, answer, ((100.0, 1.0), (99.0, 2.0)), ((101.0, 1.0), (102.0, 2.0)))

    def diff(self, first: int, final: int) -> bool:
        return self.keeper.on_diff(DepthDiff("ETHUSDT", first, final, ((100.0, float(final)),), (), 1_000 + final, 7))


@pytest.fixture
async def start() -> AsyncIterator[Callable[[], Bench]]:
    tasks: list[asyncio.Task[None]] = []

    def make() -> Bench:
        bench = Bench()
        tasks.append(asyncio.create_task(bench.keeper.run()))
        return bench

    yield make
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_book_is_published_once_snapshot_and_diffs_meet(start: Any, wait_until: Any) -> None:
    bench = start()
    bench.answers = [12]
    assert bench.diff(8, 10) is False
    bench.diff(11, 13)
    await wait_until(lambda: bench.stream.book("ETHUSDT"))
    view = bench.stream.book("ETHUSDT")
    assert view is not None
    assert (view.last_update_id, view.bids[0]) == (13, (100.0, 13.0))
    assert bench.diff(14, 14) is True
    assert bench.stream.book("ETHUSDT").last_update_id == 14
    assert bench.asked == 1
    assert bench.incidents.snapshot() == []


async def test_a_snapshot_older_than_the_diffs_is_asked_for_again(start: Any, wait_until: Any) -> None:
    bench = start()
    bench.answers = [5, 6, 12]
    bench.diff(11, 13)
    await wait_until(lambda: bench.stream.book("ETHUSDT"))
    assert bench.asked == 3


async def test_a_gap_withholds_the_book_and_is_an_incident_until_it_is_in_step(start: Any, wait_until: Any) -> None:
    bench = start()
    bench.answers = [10, VenueUnavailable("HTTP 503"), 20]
    bench.diff(11, 13)
    await wait_until(lambda: bench.stream.book("ETHUSDT"))
    assert bench.diff(15, 16) is False
    assert bench.stream.book("ETHUSDT") is None
    assert bench.incidents.snapshot()[0].end_ms == 0
    bench.diff(17, 21)
    await wait_until(lambda: bench.stream.book("ETHUSDT"))
    assert bench.stream.book("ETHUSDT").last_update_id == 21
    (incident,) = bench.incidents.snapshot()
    assert incident.cause == "depth gap: ETHUSDT"
    assert incident.end_ms > 0


async def test_a_lost_connection_withholds_the_book(start: Any, wait_until: Any) -> None:
    bench = start()
    bench.answers = [10, 30]
    bench.diff(11, 13)
    await wait_until(lambda: bench.stream.book("ETHUSDT"))
    bench.keeper.lost()
    assert bench.stream.book("ETHUSDT") is None
    bench.diff(31, 33)
    await wait_until(lambda: bench.stream.book("ETHUSDT"))
    assert bench.keeper.book.gaps == 0


async def test_a_book_switched_off_is_withheld_asks_nothing_and_comes_back(start: Any, wait_until: Any) -> None:
    bench = start()
    bench.answers = [10, 30]
    bench.diff(11, 13)
    await wait_until(lambda: bench.stream.book("ETHUSDT"))
    bench.is_on = False
    assert bench.diff(14, 15)
    assert bench.diff(17, 19), "what is not kept has no gaps"
    assert bench.stream.book("ETHUSDT") is None
    assert bench.asked == 1
    assert bench.keeper.book.gaps == 0
    bench.is_on = True
    bench.diff(31, 33)
    await wait_until(lambda: bench.stream.book("ETHUSDT"))
    assert bench.asked == 2
