"""The parts that every WebSocket venue inherits, each by itself."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.clock import ManualClock, SystemClock
from core.base.errors import VenueUnavailable
from core.base.settings import StreamConfig
from core.domain.health import Cause, Source
from core.domain.instrument import ETH_PERP
from core.domain.market import BookView
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.address_finder import AddressFinder
from core.venues.bad_frames import BadFrame, BadFrames
from core.venues.causes import Signals
from core.venues.clock_offset import ClockOffset
from core.venues.connector import Address
from core.venues.incident_log import IncidentLog
from core.venues.outbox import Outbox
from core.venues.rising_order import RisingOrder
from core.venues.seen_trades import SeenTrades
from core.venues.snapshot_book import SnapshotBook
from core.venues.stream_faults import StreamFaults
from core.venues.token_bucket import TokenBucket


@given(st.lists(st.integers(0, 40)))
def test_each_trade_passes_once_while_it_is_remembered(ids: list[int]) -> None:
    seen = SeenTrades(most=100)
    passed = [i for i in ids if seen.accept(i)]
    assert passed == list(dict.fromkeys(ids))
    assert seen.duplicates == len(ids) - len(passed)


def test_the_memory_of_trades_is_bounded_and_forgets_the_oldest() -> None:
    seen = SeenTrades(most=3)
    for trade_id in (1, 2, 3, 4):
        assert seen.accept(trade_id)
    assert len(seen) == 3
    assert 1 not in seen
    assert 2 in seen


def test_an_older_fact_is_dropped_unless_the_numbering_began_anew() -> None:
    order = RisingOrder()
    assert [order.accept(n) for n in (10, 9, 10, 11, 5)] == [True, False, True, True, False]
    assert [order.accept(n) for n in (6, 7, 8)] == [False, True, True]


def test_the_clock_offset_is_that_of_the_fastest_message_of_the_last_seconds() -> None:
    offset = ClockOffset()
    assert offset.offset_ms(10_000) is None
    offset.note(9_700, 10_000)
    offset.note(9_980, 10_200)
    assert offset.offset_ms(10_300) == -220
    offset.note(13_150, 11_200)
    assert offset.offset_ms(11_300) == 1_950
    for now_ms in range(12_000, 17_000, 500):
        offset.note(now_ms - 30, now_ms)
    assert offset.offset_ms(17_000) == -30
    assert offset.offset_ms(60_000) is None


def a_view(update_id: int, bid: float = 99.0, ask: float = 101.0) -> BookView:
    return BookView("ETH-PERP", update_id, ((bid, 1.0), (bid - 1, 2.0)), ((ask, 1.0),), update_id, 5, "hyperliquid")


class Shelf:
    """A book on a real stream."""

    def __init__(self) -> None:
        self.on = True
        self.stream = UnifiedDataStream(StreamConfig(), SystemClock())
        self.stream.add_instrument(ETH_PERP)
        self.book = SnapshotBook("ETH-PERP", "hyperliquid", self.stream, SystemClock(), lambda key: self.on)

    @property
    def shown(self) -> BookView | None:
        return self.stream.book("ETH-PERP")


def test_a_book_is_shown_until_it_is_lost_and_again_with_the_next_one() -> None:
    shelf = Shelf()
    assert shelf.book.apply(a_view(1))
    assert shelf.shown == a_view(1)
    assert shelf.book.status()["known_range"] == [98.0, 101.0]
    shelf.book.lost("connection lost")
    assert shelf.shown is None
    assert (shelf.book.status()["state"], shelf.book.status()["cause"]) == ("SYNCING", "connection lost")
    assert shelf.book.status()["known_range"] is None
    assert shelf.book.apply(a_view(1)), "numbers may begin anew on another connection"
    assert (shelf.book.gaps, shelf.book.resyncs) == (1, 1)


def test_an_older_book_is_dropped_and_a_crossed_one_counted_and_hidden() -> None:
    shelf = Shelf()
    shelf.book.apply(a_view(10))
    assert not shelf.book.apply(a_view(9))
    assert shelf.shown == a_view(10)
    assert not shelf.book.apply(a_view(11, bid=102.0))
    assert shelf.shown is None
    assert shelf.book.crossed == 1
    assert shelf.book.apply(a_view(12))
    assert shelf.shown == a_view(12)


def test_a_book_that_is_switched_off_is_hidden_and_stays_off_through_a_loss() -> None:
    shelf = Shelf()
    shelf.book.apply(a_view(1))
    shelf.on = False
    assert not shelf.book.apply(a_view(2))
    assert shelf.shown is None
    shelf.book.lost("connection lost")
    assert shelf.book.status()["state"] == "OFF"
    shelf.on = True
    assert shelf.book.apply(a_view(3))


async def test_messages_beyond_the_burst_go_out_evenly_and_in_order(wait_until: Any) -> None:
    clock, sent = SystemClock(), list[bytes]()
    outbox = Outbox(TokenBucket(clock, rate_per_s=50, burst=3))
    for i in range(8):
        outbox.post(sent.append, b"%d" % i)
    assert sent == [b"0", b"1", b"2"]
    assert outbox.waiting == 5
    task = asyncio.create_task(outbox.run())
    started = clock.monotonic_ns()
    await wait_until(lambda: len(sent) == 8, 5, "all")
    task.cancel()
    assert sent == [b"%d" % i for i in range(8)]
    assert (clock.monotonic_ns() - started) / 1e9 > 0.07
    assert outbox.sent == 8


def test_what_waited_for_a_lost_connection_is_forgotten() -> None:
    sent = list[bytes]()
    outbox = Outbox(TokenBucket(ManualClock(), rate_per_s=1, burst=1))
    outbox.post(sent.append, b"a")
    outbox.post(sent.append, b"b")
    outbox.clear()
    assert (sent, outbox.waiting) == ([b"a"], 0)


@pytest.mark.parametrize("answers", [[None, "x"], [VenueUnavailable("not yet"), "x"]])
async def test_an_address_is_asked_for_until_there_is_one(monkeypatch: pytest.MonkeyPatch, answers: list[object]) -> None:
    monkeypatch.setattr("core.venues.address_finder._PERIOD_S", 0.01)
    waited = list[str]()

    async def locate() -> Address | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return None if answer is None else Address(str(answer), Source.LIVE)

    finder = AddressFinder(locate, lambda: waited.append(finder.away))
    assert finder.address.source is Source.SIMULATED, "nothing is called live before it is known"
    async with asyncio.timeout(30):
        await finder.find()
    assert waited in (["not part of a replay"], ["not yet"])
    assert (finder.away, finder.address.url) == ("", "x")


async def test_another_address_has_to_answer_anew() -> None:
    urls = ["a", "a", "b"]

    async def locate() -> Address:
        return Address(urls.pop(0), Source.SIMULATED)

    finder = AddressFinder(locate, lambda: None)
    await finder.find()
    finder.answered = True
    await finder.find()
    assert finder.answered
    await finder.find()
    assert not finder.answered


def test_bad_frames_are_one_incident_for_as_long_as_they_come() -> None:
    clock = ManualClock()
    log, bad = IncidentLog("venue", clock), BadFrames("venue")
    faults = StreamFaults(log, clock)
    faults.watch_frames(bad)
    assert log.snapshot() == []
    for _ in range(3):
        bad.count(BadFrame("price", "absurd"))
        faults.watch_frames(bad)
        clock.advance(4)
    (incident,) = log.snapshot()
    assert (incident.kind, incident.end_ms, incident.detail) == (Cause.BAD_FRAMES, 0, "3 price")
    clock.advance(2)
    faults.watch_frames(bad)
    assert log.snapshot()[0].end_ms


def test_a_loss_is_one_incident_that_learns_from_each_failed_attempt() -> None:
    clock = ManualClock()
    log = IncidentLog("venue", clock)
    faults = StreamFaults(log, clock)
    faults.link_lost("venue", "connection lost (code 1006)", Signals(disconnected=True, reset=True))
    assert log.snapshot()[0].kind is Cause.NETWORK
    refused = Signals(disconnected=True, refused=True)
    faults.link_lost("venue", "connection refused", refused)
    faults.link_lost("venue", "connect budget spent, next in 3 s", refused)
    (incident,) = log.snapshot()
    assert (incident.kind, incident.cause) == (Cause.VENUE_DOWN, "connection refused")
