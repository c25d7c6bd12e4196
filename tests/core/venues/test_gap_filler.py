"""Filling gaps: which request, in what order, and what happens when the venue does not give."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from core.base.backoff import Backoff
from core.base.clock import SystemClock
from core.base.errors import VenueBanned, VenueUnavailable
from core.base.settings import StreamConfig
from core.domain.market import DepthSnapshot, Kline, Origin, Trade
from core.stream.messages import DataType, Policy
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.connector import VenueRefused
from core.venues.gap_filler import GapFiller
from core.venues.incident_log import IncidentLog
from core.venues.symbol_feed import SymbolFeed

START_MS = 1_723_161_255_000


def trade(trade_id: int, origin: Origin = Origin.STREAM) -> Trade:
    """Trade n costs 2000 + n / 100, ten a second."""
    return Trade("ETHUSDT", trade_id, 2000 + trade_id / 100, 1.0, START_MS + trade_id * 100, False, 1, origin)


class Venue:
    """A venue's history of numbered trades; what a test puts into `errors` is raised first."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.needs_key = False
        self.has: Callable[[int], bool] = lambda trade_id: True
        self.newest = 1_000_000
        self.asked: list[tuple[str, int]] = []
        self.page = 1_000

    def _check(self) -> None:
        if self.errors:
            raise self.errors.pop(0)

    async def trades_from(self, symbol: str, first_id: int, limit: int) -> list[Trade]:
        self.asked.append(("from", first_id))
        self._check()
        if self.needs_key:
            raise VenueRefused("historical trades: refused (401)")
        ids = [i for i in range(first_id, first_id + 5_000) if self.has(i)]
        return [trade(i, Origin.REST) for i in ids[: min(limit, self.page)]]

    async def recent_trades(self, symbol: str) -> list[Trade]:
        self.asked.append(("recent", 0))
        self._check()
        return [trade(i, Origin.REST) for i in range(self.newest - 999, self.newest + 1)]

    async def klines_between(self, symbol: str, interval: str, from_ms: int, to_ms: int) -> list[Kline]:
        self.asked.append((interval, from_ms))
        step_ms = {"1s": 1_000, "1m": 60_000, "1h": 3_600_000, "1d": 86_400_000}[interval]
        opens = range(from_ms - from_ms % step_ms, to_ms + 1, step_ms)
        return [
            Kline(symbol, interval, o, 1.0, 9.0, 1.0, 5.0, 77.0, -1, -1, o != opens[-1], o + step_ms - 1, origin=Origin.REST)
            for o in opens
        ]

    async def klines(self, symbol: str, interval: str, rows: int) -> list[Kline]:
        raise AssertionError("not asked by the gap filler")

    async def depth(self, symbol: str) -> DepthSnapshot:
        raise AssertionError("not asked by the gap filler")


class Bench:
    """A feed that flows, its gap filler, and what came out of the stream."""

    def __init__(self, max_trades: int = 1_000) -> None:
        clock = SystemClock()
        self.stream = UnifiedDataStream(StreamConfig(), clock)
        self.subscription = self.stream.register_consumer("t", [DataType.TICKS], policy=Policy.LOSSLESS, bound=100_000)
        self.venue = Venue()
        self.incidents = IncidentLog("binance", clock)
        self.enabled = True
        self.feed = SymbolFeed("ETHUSDT", self.stream, lambda key: self.enabled)
        self.feed.flow()
        backoff = Backoff(base_s=0.01, cap_s=0.02, floor_s=0.01)
        self.filler = GapFiller(
            self.feed, self.venue, self.stream, clock, self.incidents, lambda key: self.enabled, max_trades, 0.02, backoff
        )
        self.feed.on_gap = self.filler.notice

    def live(self, *ids: int) -> None:
        for trade_id in ids:
            self.feed.on_trade(trade(trade_id))

    @property
    def gaps(self) -> list[tuple[int, int]]:
        return self.feed.tape.gaps

    def published(self) -> list[Trade]:
        return [m for m in self.subscription.drain() if isinstance(m, Trade)]

    @property
    def cause(self) -> str:
        return self.incidents.snapshot()[0].cause


@pytest.fixture
async def run_bench() -> AsyncIterator[Callable[..., Bench]]:
    tasks: list[asyncio.Task[None]] = []

    def run(**options: Any) -> Bench:
        bench = Bench(**options)
        tasks.append(asyncio.create_task(bench.filler.run()))
        return bench

    yield run
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_gap_is_filled_page_by_page_with_trades_marked_as_rest(run_bench: Any, wait_until: Any) -> None:
    bench = run_bench()
    bench.venue.page = 10
    bench.live(1, 2, 40, 41)
    assert bench.gaps == [(3, 39)]
    await wait_until(lambda: not bench.gaps and bench.cause.endswith(" s"))
    trades = bench.published()
    assert sorted(t.trade_id for t in trades) == list(range(1, 42))
    assert {t.trade_id for t in trades if t.origin is Origin.REST} == set(range(3, 40))
    assert bench.venue.asked == [("from", 3), ("from", 13), ("from", 23), ("from", 33)]
    assert bench.cause.startswith("trade gap of 37 ids filled in 0.")


async def test_a_gap_that_closes_by_itself_costs_no_request(run_bench: Any, wait_until: Any) -> None:
    """As it does when two connections overlap, or frames come out of order."""
    bench = run_bench()
    bench.live(1, 4, 2, 3, 5)
    await wait_until(lambda: bench.cause == "trade gap closed by itself")
    assert bench.venue.asked == []
    assert sorted(t.trade_id for t in bench.published()) == [1, 2, 3, 4, 5]


async def test_a_venue_that_fails_is_asked_again_until_it_gives(run_bench: Any, wait_until: Any) -> None:
    bench = run_bench()
    bench.venue.errors = [VenueUnavailable("HTTP 503"), VenueUnavailable("no answer"), VenueUnavailable("HTTP 502")]
    bench.live(1, 5)
    await wait_until(lambda: not bench.gaps)
    assert len(bench.venue.asked) == 4


async def test_a_ban_is_waited_out(run_bench: Any, wait_until: Any) -> None:
    bench = run_bench()
    until_ms = int(time.time() * 1000) + 300
    bench.venue.errors = [VenueBanned("rate limited (429)", until_ms)]
    bench.live(1, 5)
    await wait_until(lambda: not bench.gaps)
    assert time.time() * 1000 >= until_ms
    assert len(bench.venue.asked) == 2


async def test_without_a_key_the_latest_trades_fill_a_fresh_gap(run_bench: Any, wait_until: Any) -> None:
    bench = run_bench()
    bench.venue.needs_key, bench.venue.newest = True, 60
    bench.venue.newest = 1_100
    bench.live(1_000, 1_050)
    await wait_until(lambda: not bench.gaps)
    assert bench.venue.asked == [("from", 1_001), ("recent", 0)]
    assert sorted(t.trade_id for t in bench.published()) == list(range(1_000, 1_051))
    bench.live(1_060)
    await wait_until(lambda: not bench.gaps)
    assert bench.venue.asked[2:] == [("recent", 0)], "the refusal is remembered"


async def test_without_a_key_an_older_gap_is_filled_from_bars(run_bench: Any, wait_until: Any) -> None:
    bench = run_bench()
    bench.venue.needs_key, bench.venue.newest = True, 5_000
    bench.live(1, 50)
    await wait_until(lambda: not bench.gaps and "filled from bars" in bench.cause)
    assert "need an API key" in bench.cause
    assert [what for what, _ in bench.venue.asked] == ["from", "recent", "1s", "1m", "1h", "1d"]
    row = next(r for r in bench.stream.rows("eth_ticks", 100) if r[0] == START_MS + 1_000)
    assert row[1:] == [1.0, 9.0, 1.0, 5.0, 77.0]


async def test_a_gap_above_the_limit_is_filled_from_bars(run_bench: Any, wait_until: Any) -> None:
    bench = run_bench(max_trades=30)
    bench.live(1, 50)
    await wait_until(lambda: not bench.gaps and "longer than 30 trades" in bench.cause)
    assert ("from", 2) not in bench.venue.asked
    assert bench.filler.stats.given_up == 48


async def test_trades_that_the_venue_does_not_have_are_given_up_with_the_reason(run_bench: Any, wait_until: Any) -> None:
    bench = run_bench()
    bench.venue.has = lambda trade_id: not 5 <= trade_id <= 7
    bench.live(1, 10)
    await wait_until(lambda: not bench.gaps and "filled from bars" in bench.cause)
    assert "the venue has no trades 5…7" in bench.cause
    assert sorted(t.trade_id for t in bench.published()) == [1, 2, 3, 4, 8, 9, 10]


async def test_the_toggle_is_asked_each_time(run_bench: Any, wait_until: Any) -> None:
    bench = run_bench()
    bench.enabled = False
    bench.live(1, 5)
    await wait_until(lambda: "switched off" in bench.cause)
    assert bench.venue.asked == []
    bench.enabled = True
    await wait_until(lambda: not bench.gaps)


async def test_bars_are_the_same_whether_trades_came_live_or_through_a_gap(run_bench: Any, wait_until: Any) -> None:
    bench, whole = run_bench(), run_bench()
    bench.live(*range(1, 20), *range(120, 200))
    whole.live(*range(1, 200))
    await wait_until(lambda: not bench.gaps)
    for series in ("eth_ticks", "eth_1m", "eth_1h", "eth_1d"):
        assert bench.stream.rows(series, 1_000) == whole.stream.rows(series, 1_000)
