"""The watchdog's answers and what it says the cause is, on a set clock and a link that does nothing."""

import itertools
from types import SimpleNamespace
from typing import Any

from core.base.clock import ManualClock
from core.domain.health import Cause, LinkState
from core.venues.causes import Signals
from core.venues.channel import Channel
from core.venues.incident_log import IncidentLog
from core.venues.watchdog import Watchdog

PERIOD_S = 0.25


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.clock.advance(10)
        self.reconnects: list[tuple[str, Signals]] = []
        self.resubscribed: list[list[str]] = []
        self.excused: set[str] = set()
        self.pings = 0
        self.others: bool | None = None
        self.incidents = IncidentLog("test", self.clock)
        self.link: Any = SimpleNamespace(
            paused=False, is_open=True, last_message_ns=self.clock.monotonic_ns(), messages=0, pong_ns=0,
            reconnect=lambda cause, signals: self.reconnects.append((cause, signals)), ping=self._ping,
        )  # fmt: skip
        self.channels = {name: Channel(name, "ETHUSDT", 2.0) for name in ("ethusdt@trade", "ethusdt@bookTicker")}
        for channel in self.channels.values():
            channel.connected(self.clock.monotonic_ns())
            channel.received(self.clock.monotonic_ns())
        self.answers = True
        self.watchdog = Watchdog(
            self.link, self.channels.values(), self.clock, self.incidents, self.resubscribed.append,
            lambda channel: channel.stream in self.excused, lambda: None, PERIOD_S, lambda: self.others,
        )  # fmt: skip

    def _ping(self) -> None:
        self.pings += 1
        if self.answers:
            self.link.pong_ns = self.clock.monotonic_ns() + 1

    def run(self, seconds: float, *speaking: str) -> None:
        """Let time pass; the named channels speak at each look."""
        for _ in range(round(seconds / PERIOD_S)):
            self.clock.advance(PERIOD_S)
            for name in speaking:
                self.channels[name].received(self.clock.monotonic_ns())
                self.link.last_message_ns = self.clock.monotonic_ns()
            self.watchdog.look()

    def kinds(self) -> list[Cause]:
        return [i.kind for i in self.incidents.snapshot()]


def test_one_silent_channel_is_subscribed_anew_and_the_exchange_is_late() -> None:
    bench = Bench()
    bench.run(2.5, "ethusdt@bookTicker")
    assert bench.resubscribed == [["ethusdt@trade"]]
    assert bench.reconnects == []
    (incident,) = bench.incidents.snapshot()
    assert incident.kind is Cause.EXCHANGE_LATE
    assert incident.detail == "exchange late: other channels of the connection speak"
    assert bench.channels["ethusdt@trade"].state is LinkState.STALE


def test_total_silence_with_answered_pings_is_the_exchange_and_costs_the_connection() -> None:
    bench = Bench()
    bench.run(2.5)
    assert bench.pings >= 1
    cause, signals = bench.reconnects[0]
    assert cause == "all channels silent for 2.2 s"
    assert signals.ping_answered is True
    assert set(bench.kinds()) == {Cause.EXCHANGE_LATE}


def test_total_silence_without_an_answer_is_the_network() -> None:
    bench = Bench()
    bench.answers = False
    bench.run(2.5)
    assert bench.reconnects[0][1].ping_answered is False
    assert set(bench.kinds()) == {Cause.NETWORK}


def test_total_silence_of_all_venues_is_the_network() -> None:
    bench = Bench()
    bench.others = False
    bench.run(2.5)
    assert set(bench.kinds()) == {Cause.NETWORK}


def test_pings_are_few_and_only_into_silence() -> None:
    bench = Bench()
    bench.run(10, *bench.channels)
    assert bench.pings == 0
    bench.run(1.9)
    assert 1 <= bench.pings <= 2


def test_a_thin_market_is_told_as_such_and_nothing_is_done() -> None:
    bench = Bench()
    bench.excused = {"ethusdt@trade"}
    bench.run(6, "ethusdt@bookTicker")
    assert (bench.resubscribed, bench.reconnects) == ([], [])
    (incident,) = bench.incidents.snapshot()
    assert (incident.kind, incident.end_ms) == (Cause.THIN_MARKET, 0)
    assert bench.channels["ethusdt@trade"].cause.startswith("thin market: no trade for ")
    bench.run(0.5, *bench.channels)
    assert bench.incidents.snapshot()[0].end_ms > 0


def test_a_held_up_loop_is_not_held_against_a_channel() -> None:
    bench = Bench()
    bench.clock.advance(30)
    bench.watchdog.look()
    assert (bench.watchdog.held_up, bench.resubscribed, bench.reconnects) == (1, [], [])
    assert bench.watchdog.lag_s() > 29
    bench.run(11, *bench.channels)
    assert bench.watchdog.lag_s() == 0


def test_reading_that_stands_still_is_an_incident_of_ours() -> None:
    bench = Bench()
    bench.link.paused = True
    bench.run(3)
    (incident,) = bench.incidents.snapshot()
    assert incident.kind is Cause.LOOP_BLOCKED
    assert bench.reconnects == []
    bench.link.paused = False
    bench.run(0.25, *bench.channels)
    assert bench.incidents.snapshot()[0].end_ms > 0


def test_a_channel_that_stays_silent_costs_connections_ever_more_seldom_until_it_speaks() -> None:
    bench = Bench()
    costs: list[int] = []
    for _ in range(4):
        before = len(bench.reconnects)
        looks = 0
        while len(bench.reconnects) == before:
            bench.run(PERIOD_S, "ethusdt@bookTicker")
            looks += 1
        costs.append(looks)
        for channel in bench.channels.values():
            channel.connected(bench.clock.monotonic_ns())
    assert all(later > 1.7 * earlier for earlier, later in itertools.pairwise(costs))
    bench.run(0.5, *bench.channels)
    before, looks = len(bench.reconnects), 0
    while len(bench.reconnects) == before:
        bench.run(PERIOD_S, "ethusdt@bookTicker")
        looks += 1
    assert looks <= costs[0] + 1
