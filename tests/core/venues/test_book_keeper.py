"""Keeping a book in step."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from core.base.backoff import Backoff
from core.base.clock import Clock, ManualClock, SystemClock
from core.base.errors import VenueUnavailable
from core.base.settings import StreamConfig
from core.domain.health import Cause
from core.domain.market import DepthDiff, DepthSnapshot
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.binance.weight_budget import WeightBudget
from core.venues.book_keeper import BookKeeper
from core.venues.connector import VenueRefused
from core.venues.incident_log import IncidentLog


class Bench:
    def __init__(self) -> None:
        clock = self.clock = SystemClock()
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
    assert (incident.cause, incident.kind) == ("depth gap: ETHUSDT", Cause.SEQUENCE_GAP)
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


async def test_the_published_book_names_its_venue_and_how_far_it_is_known(start: Any, wait_until: Any) -> None:
    bench = start()
    bench.answers = [12]
    bench.diff(11, 13)
    await wait_until(lambda: bench.stream.book("ETHUSDT"))
    view = bench.stream.book("ETHUSDT")
    assert (view.venue, view.known_range) == ("binance", (99.0, 102.0))


async def test_a_crossed_book_is_hidden_and_fetched_anew_when_it_stays_crossed(start: Any, wait_until: Any) -> None:
    bench = start()
    bench.answers = [12, 25]
    bench.diff(11, 13)
    await wait_until(lambda: bench.stream.book("ETHUSDT"))

    def cross(first: int, price: float, at_s: float) -> bool:
        diff = DepthDiff("ETHUSDT", first, first, ((price, 1.0),), (), 2_000, round(at_s * 1e9) + 7)
        return bench.keeper.on_diff(diff)

    assert cross(14, 101.5, 0.0)
    assert bench.stream.book("ETHUSDT") is None
    assert (bench.keeper.status()["state"], bench.keeper.status()["crossed"]) == ("SYNCING", 1)
    bench.keeper.on_diff(DepthDiff("ETHUSDT", 15, 15, ((101.5, 0.0),), (), 2_000, 8))
    assert bench.stream.book("ETHUSDT") is not None, "it was crossed for a moment"
    assert cross(16, 101.5, 0.1)
    assert cross(17, 101.5, 1.0)
    assert not cross(18, 101.5, 1.2)
    assert bench.incidents.snapshot()[0].cause == "book crossed: ETHUSDT"
    cross(24, 99.0, 1.3)
    await wait_until(lambda: bench.stream.book("ETHUSDT"))
    assert bench.asked == 2
    assert bench.keeper.book.resyncs == 1


async def test_a_snapshot_that_is_crossed_in_itself_is_not_believed(start: Any, wait_until: Any) -> None:
    bench = start()
    bench.answers = [12, 13]
    bench.keeper.on_diff(DepthDiff("ETHUSDT", 13, 13, ((105.0, 1.0),), (), 1_000, 7))
    await wait_until(lambda: bench.asked == 2)
    await wait_until(lambda: bench.stream.book("ETHUSDT"))
    assert bench.stream.book("ETHUSDT").bids[0] == (100.0, 1.0)


async def test_a_book_that_outgrew_its_snapshot_is_widened_without_being_hidden(start: Any, wait_until: Any) -> None:
    bench = start()
    bench.answers = [12]
    bench.diff(11, 13)
    await wait_until(lambda: bench.stream.book("ETHUSDT"))
    bench.answers = [30]
    later_ns = bench.clock.monotonic_ns() + 3_600_000_000_000
    hidden = []
    for number in range(14, 41):
        bench.keeper.on_diff(DepthDiff("ETHUSDT", number, number, ((90.0, float(number)),), (), 1_000 + number, later_ns))
        hidden.append(bench.stream.book("ETHUSDT") is None)
        await asyncio.sleep(0)
    await wait_until(lambda: bench.asked == 2)
    await wait_until(lambda: bench.stream.book("ETHUSDT").bids[-1] == (90.0, 40.0))
    assert not any(hidden)
    assert (bench.keeper.book.gaps, bench.keeper.book.resyncs, bench.keeper.book.last_update_id) == (0, 0, 40)
    await asyncio.sleep(0.05)
    assert bench.asked == 2, "once in a while is enough"


async def test_the_status_tells_of_each_state_and_its_cause(start: Any, wait_until: Any) -> None:
    bench = start()
    status = bench.keeper.status()
    assert (status["state"], status["cause"], status["age_ms"]) == ("SYNCING", "waiting for the first snapshot", None)
    assert (status["symbol"], status["venue"], status["kind"]) == ("ETHUSDT", "binance", "diff depth")
    bench.answers = [12, VenueRefused("a key is missing"), 21]
    bench.diff(11, 13)
    await wait_until(lambda: bench.keeper.status()["state"] == "SYNCED")
    status = bench.keeper.status()
    assert (status["cause"], status["updates"], status["last_update_id"]) == ("", 1, 13)
    assert (status["known_range"], status["bid_levels"], status["ask_levels"]) == ([99.0, 102.0], 2, 2)
    bench.diff(20, 21)
    status = bench.keeper.status()
    assert (status["state"], status["gaps"], status["resyncs"]) == ("SYNCING", 1, 0)
    assert "before update 20" in status["cause"]
    await wait_until(lambda: bench.keeper.status()["state"] == "REFUSED")
    assert bench.keeper.status()["cause"] == "a key is missing"
    bench.is_on = False
    bench.diff(22, 22)
    assert (bench.keeper.status()["state"], bench.keeper.status()["cause"]) == ("OFF", "switched off")


async def test_the_status_has_the_age_and_the_rate_of_the_updates(start: Any, wait_until: Any) -> None:
    bench = start()
    bench.answers = [12]
    now_ns = bench.clock.monotonic_ns()
    for number in range(11, 31):
        bench.keeper.on_diff(DepthDiff("ETHUSDT", number, number, (), (), 1_000, now_ns))
    assert bench.keeper.status()["updates_per_s"] > 10
    assert 0 <= bench.keeper.status()["age_ms"] < 5_000


class Crowd:
    """Twenty books of one venue behind one weight budget."""

    def __init__(self, budget: WeightBudget, clock: Clock) -> None:
        self.budget = budget
        self.asked_ns: list[int] = []
        self.next_id = 10
        stream = UnifiedDataStream(StreamConfig(), clock)
        self.incidents = IncidentLog("binance", clock)
        self.keepers = [BookKeeper(f"S{n}", stream, self.snapshot, 5, clock, self.incidents) for n in range(20)]

    async def snapshot(self, symbol: str) -> DepthSnapshot:
        await self.budget.spend(50)
        self.asked_ns.append(time.perf_counter_ns())
        return DepthSnapshot(symbol, self.next_id, ((100.0, 1.0),), ((101.0, 1.0),))

    def send(self, first: int) -> None:
        for keeper in self.keepers:
            keeper.on_diff(DepthDiff(keeper.symbol, first, first, ((100.0, float(first)),), (), first, 7))

    @property
    def synced(self) -> int:
        return sum(keeper.status()["state"] == "SYNCED" for keeper in self.keepers)


@pytest.fixture
async def crowd() -> AsyncIterator[Callable[[WeightBudget, Clock], Crowd]]:
    tasks: list[asyncio.Task[None]] = []

    def make(budget: WeightBudget, clock: Clock) -> Crowd:
        made = Crowd(budget, clock)
        tasks.extend(asyncio.create_task(keeper.run()) for keeper in made.keepers)
        return made

    yield make
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_twenty_books_that_lose_sync_at_once_ask_one_after_the_other(crowd: Any, wait_until: Any) -> None:
    clock = SystemClock()
    books = crowd(WeightBudget(clock), clock)
    books.send(11)
    await wait_until(lambda: books.synced == 20)
    books.asked_ns.clear()
    books.next_id = 20
    books.send(21)
    assert books.synced == 0
    await wait_until(lambda: books.synced == 20, 5.0, "all in step again")
    assert len(books.asked_ns) == 20, "one snapshot each"
    assert books.asked_ns[-1] - books.asked_ns[0] > 50_000_000, "spread over time"
    assert [keeper.book.resyncs for keeper in books.keepers] == [1] * 20
    assert {incident.kind for incident in books.incidents.snapshot()} == {Cause.SEQUENCE_GAP}


async def test_books_beyond_the_weight_budget_wait_for_the_venues_next_minute(crowd: Any, wait_until: Any) -> None:
    clock = ManualClock(1_700_000_040_000 - 40)
    budget = WeightBudget(clock, limit=500, share=1.0)
    books = crowd(budget, clock)
    books.send(11)
    await wait_until(lambda: books.synced == 10 and budget.waits >= 10)
    assert (len(books.asked_ns), budget.used) == (10, 500)
    clock.advance(0.05)
    await wait_until(lambda: books.synced == 20)
    assert (len(books.asked_ns), budget.used) == (20, 500)


async def test_a_snapshot_that_comes_after_the_symbol_was_let_go_shows_nothing(start: Any, wait_until: Any) -> None:
    bench = start()
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(symbol: str) -> DepthSnapshot:
        asked.set()
        await answer.wait()
        return await bench.snapshot(symbol)

    bench.keeper._snapshot = slow
    bench.answers = [12]
    bench.diff(11, 13)
    await asked.wait()
    bench.keeper.let_go()
    answer.set()
    await wait_until(lambda: bench.asked == 1)
    await asyncio.sleep(0)
    assert bench.stream.book("ETHUSDT") is None
