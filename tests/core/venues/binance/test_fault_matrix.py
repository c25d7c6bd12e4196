"""Binance × what can go wrong: after each fault no trade is missing or twice, the book is the venue's own, staleness was
told in time, the venue is LIVE again in time, and the time line names the cause."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from core.base.clock import SystemClock
from core.base.settings import Settings, StreamConfig
from core.domain.health import Cause, Source
from core.domain.market import Trade
from core.stream.messages import DataType, Message, Policy
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.binance.connector import BinanceConnector
from core.venues.endpoints import Endpoints
from core.venues.link import LinkTimes
from core.venues.symbol_feed import SymbolFeed
from tests.patience import PATIENCE

SYMBOLS = ("ETHUSDT", "BTCUSDT")
ETH_TRADE = "ethusdt@trade"
STALE_S, LIVE_S = 5.0, 10.0
NOT_LIVE = {"STALE", "RECONNECTING", "BANNED"}
#: on a busy machine the successor may be read before the last frames of the old connection: a gap, found and filled
AT_A_RENEWAL = {Cause.SEQUENCE_GAP} if PATIENCE > 1 else set[Cause]()


class Bench:
    """A connector on a simulated venue, and everything it published."""

    def __init__(self, venue: Any, times: LinkTimes | None = None, silence_s: float = 10.0) -> None:
        self.venue = venue
        config = StreamConfig(silence_s=silence_s, history_rows=20)
        clock = SystemClock()
        self.stream = UnifiedDataStream(config, clock)
        self.stream.attach()
        self.trades: list[Trade] = []
        self.stream.register_consumer("test", [DataType.TICKS], self._keep, policy=Policy.LOSSLESS, bound=500_000)
        endpoints = Endpoints(venue.rest, venue.stream, "", Source.SIMULATED, "simulated")
        feeds = {symbol: SymbolFeed(symbol, self.stream, lambda key: True) for symbol in SYMBOLS}
        self.connector = BinanceConnector(
            Settings(stream=config), endpoints, self.stream, feeds, clock, lambda key: True, times
        )
        self.task = asyncio.create_task(self.connector.run())

    async def _keep(self, messages: Sequence[Message]) -> None:
        self.trades += [m for m in messages if isinstance(m, Trade)]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.stream.close()

    @property
    def status(self) -> dict[str, Any]:
        return self.connector.status()

    @property
    def state(self) -> str:
        return str(self.status["state"])

    def kinds_since(self, since_ms: int) -> list[Cause]:
        """Kinds of incidents; a market without a trade for a while is none of the connection."""
        incidents = self.connector.incidents.snapshot()
        return [i.kind for i in incidents if i.start_ms >= since_ms and i.kind is not Cause.THIN_MARKET]

    def not_live_since(self, since_ms: int) -> list[int]:
        """When the venue was told to be not LIVE, Unix ms."""
        return [t["at_ms"] for t in self.status["transitions"] if t["at_ms"] >= since_ms and t["state"] in NOT_LIVE]

    def missing(self, symbol: str) -> int:
        ids = [t.trade_id for t in self.trades if t.symbol == symbol]
        return max(ids) - min(ids) + 1 - len(set(ids)) if ids else 1

    async def has_every_trade_once(self) -> None:
        """The trades published are the simulator's own, each once."""
        for symbol in SYMBOLS:
            ours = [t for t in list(self.trades) if t.symbol == symbol]
            ids = [t.trade_id for t in ours]
            assert len(ids) == len(set(ids)), f"{symbol}: trades came twice"
            known = await self.venue.get(
                "/sim/trades", symbol=symbol, from_ms=min(t.ts_ms for t in ours), to_ms=max(t.ts_ms for t in ours)
            )
            theirs = {known["first_id"] + n: tuple(row) for n, row in enumerate(known["trades"])}
            expected = {i: row for i, row in theirs.items() if min(ids) <= i <= max(ids)}
            assert {t.trade_id: (t.ts_ms, t.price, t.quantity) for t in ours} == expected

    async def has_the_venue_s_books(self) -> None:
        """Within the range that our book knows, it is the simulator's own as of the same update."""
        for symbol in SYMBOLS:
            book = self.connector.book_keeper(symbol).book
            assert book.synced
            (bids, asks), update_id, known = book.top(5_000), book.last_update_id, book.known_range
            theirs = await self.venue.get("/sim/book", symbol=symbol, update_id=update_id)
            low, high = known
            for ours, own in ((bids, theirs["bids"]), (asks, theirs["asks"])):
                inside = [tuple(level) for level in own if low <= level[0] <= high]
                # bitcoin's price leaves the thousand levels of a snapshot within seconds
                assert len(inside) > 100 or symbol == "BTCUSDT"
                assert [level for level in ours if low <= level[0] <= high] == inside


@pytest.fixture
async def run_bench(shared_venue: Any, wait_until: Any) -> AsyncIterator[Callable[..., Any]]:
    benches: list[Bench] = []

    async def run(venue: Any = None, **options: Any) -> Bench:
        bench = Bench(venue or shared_venue, **options)
        benches.append(bench)
        await wait_until(lambda: bench.state == "LIVE" and len(bench.trades) > 20, within_s=12, what="LIVE")
        await wait_until(lambda: all(book["state"] == "SYNCED" for book in bench.connector.books()), within_s=5)
        return bench

    yield run
    for bench in benches:
        await bench.stop()
    await shared_venue.fault(kind="clear")


Act = Callable[[Any], Awaitable[None]]


def fault(**body: object) -> Act:
    async def inject(venue: Any) -> None:
        await venue.fault(**body)

    return inject


async def ban(venue: Any) -> None:
    """Requests are answered 418, and a gap makes one necessary."""
    await venue.fault(kind="http_status", status=418, retry_after=2)
    await venue.fault(kind="gap", stream=ETH_TRADE, n=3)


async def limit(venue: Any) -> None:
    await venue.fault(kind="http_status", status=429, retry_after=1)
    await venue.fault(kind="gap", stream=ETH_TRADE, n=3)


def refuse(status: int, **more: object) -> Act:
    async def inject(venue: Any) -> None:
        await venue.fault(kind="refuse", status=status, **more)
        await venue.fault(kind="drop")

    return inject


#: fault -> how it is done, how long it lasts after staleness was told (s), whether the venue must not be LIVE, the cause
MATRIX: dict[str, tuple[Act, float, bool, Cause | None]] = {
    "reset": (fault(kind="drop"), 0.0, True, Cause.NETWORK),
    "closed for a restart": (fault(kind="close", code=1012), 0.0, True, Cause.VENUE_DOWN),
    "closed for a policy": (fault(kind="close", code=1008), 0.0, True, Cause.RATE_LIMIT),
    "handshake refused": (refuse(503), 0.5, True, Cause.VENUE_DOWN),
    "place refused": (refuse(451), 0.5, True, Cause.NO_PERMISSION),
    "handshake rate limited": (refuse(429, retry_after=1), 0.0, True, Cause.RATE_LIMIT),
    "silent channel with live pings": (fault(kind="silence", stream=ETH_TRADE), 0.5, True, Cause.EXCHANGE_LATE),
    "all silent with live pings": (fault(kind="silence"), 0.5, True, Cause.EXCHANGE_LATE),
    "black hole": (fault(kind="black_hole"), 0.5, True, Cause.NETWORK),
    "half-open": (fault(kind="half_open"), 0.0, True, Cause.NETWORK),
    "garbage": (fault(kind="garbage", payload="truncated", n=5), 0.0, False, Cause.BAD_FRAMES),
    "banned (418)": (ban, 0.0, True, Cause.RATE_LIMIT),
    "rate limited (429)": (limit, 0.0, True, Cause.RATE_LIMIT),
    "id gap": (fault(kind="gap", stream=ETH_TRADE, n=7), 0.0, False, Cause.SEQUENCE_GAP),
    "depth gap": (fault(kind="gap", stream="ethusdt@depth@100ms", n=2), 0.0, False, Cause.SEQUENCE_GAP),
    "duplicate": (fault(kind="duplicate", n=40), 0.0, False, None),
    "reorder": (fault(kind="reorder", stream=ETH_TRADE, n=4), 0.0, False, Cause.SEQUENCE_GAP),
    "clock 2 s ahead": (fault(kind="clock_skew", ms=2_000), 0.0, False, Cause.CLOCK),
    "clock 2 s behind": (fault(kind="clock_skew", ms=-2_000), 0.0, False, Cause.CLOCK),
    "frames 1.5 s late": (fault(kind="delay", ms=1_500), 0.0, False, Cause.EXCHANGE_LATE),
}

#: faults that are found by silence, and by nothing else; others are not to be disturbed by that of a busy machine
SILENT = {"silent channel with live pings", "all silent with live pings", "black hole", "half-open"}


@pytest.mark.parametrize("name", MATRIX)
async def test_after_a_fault_nothing_is_missing_or_wrong(name: str, run_bench: Any, wait_until: Any) -> None:
    inject, lasts_s, must_tell, kind = MATRIX[name]
    bench = await run_bench(silence_s=1.0 if name in SILENT else 10.0)
    began_ms = int(time.time() * 1000)
    await inject(bench.venue)
    if must_tell:
        await wait_until(lambda: bench.not_live_since(began_ms), within_s=STALE_S, what="staleness told")
    if kind is not None:
        await wait_until(lambda: kind in bench.kinds_since(began_ms), within_s=STALE_S, what=f"incident of {kind}")
    if kind is None:
        count = len(bench.trades)
        await wait_until(lambda: len(bench.trades) > count + 60, within_s=STALE_S)
    await asyncio.sleep(lasts_s)
    await bench.venue.fault(kind="clear")
    await wait_until(lambda: bench.state == "LIVE", within_s=LIVE_S, what="LIVE after the cure")
    count = len(bench.trades)
    await wait_until(lambda: len(bench.trades) > count + 20, what="trades after the cure")
    await wait_until(lambda: not any(map(bench.missing, SYMBOLS)), what="every trade")
    await wait_until(lambda: all(book["state"] == "SYNCED" for book in bench.connector.books()), what="books")
    await bench.has_every_trade_once()
    await bench.has_the_venue_s_books()
    if kind is None:
        assert bench.kinds_since(began_ms) == []


async def test_a_venue_that_is_not_there_for_a_while_is_down(run_bench: Any, start_venue: Any, wait_until: Any) -> None:
    bench = await run_bench(start_venue("--rate", "5"))
    began_ms = int(time.time() * 1000)
    bench.venue.kill()
    await wait_until(lambda: bench.not_live_since(began_ms), within_s=STALE_S)
    await wait_until(lambda: Cause.VENUE_DOWN in bench.kinds_since(began_ms), within_s=STALE_S)
    (incident,) = (i for i in bench.connector.incidents.snapshot() if i.kind is Cause.VENUE_DOWN)
    assert incident.cause == "connection lost (code 1006)"
    assert incident.detail == "then: connection refused"
    bench.venue.start()
    await wait_until(lambda: bench.state == "LIVE", within_s=LIVE_S)
    last = max(t.trade_id for t in bench.trades if t.symbol == "ETHUSDT")
    await wait_until(lambda: bench.trades[-1].trade_id > last and not any(map(bench.missing, SYMBOLS)), within_s=8)
    await bench.has_every_trade_once()
    await bench.has_the_venue_s_books()


async def test_the_cut_after_24_hours_is_a_scheduled_one(run_bench: Any, start_venue: Any, wait_until: Any) -> None:
    venue = start_venue("--rate", "5", "--lifetime", "4")
    bench = await run_bench(venue, times=LinkTimes(lifetime_s=4.0))
    await wait_until(lambda: bench.status["reconnects"] == 1, within_s=6)
    await wait_until(lambda: bench.state == "LIVE", within_s=LIVE_S)
    (cut,) = (i for i in bench.connector.incidents.snapshot() if i.cause.startswith("connection closed by the venue"))
    assert cut.kind is Cause.SCHEDULED_RESET
    await wait_until(lambda: not any(map(bench.missing, SYMBOLS)))
    await bench.has_every_trade_once()


async def test_a_connection_is_renewed_ahead_of_the_cut_without_an_outage(
    run_bench: Any, start_venue: Any, wait_until: Any
) -> None:
    venue = start_venue("--rate", "5", "--lifetime", "5")
    bench = await run_bench(venue, times=LinkTimes(lifetime_s=5.0, renew_s=2.5, renew_jitter_s=0.5))
    began_ms = int(time.time() * 1000)
    await wait_until(lambda: bench.connector.link.renewals >= 3, within_s=10)
    assert bench.not_live_since(began_ms) == []
    assert bench.status["reconnects"] == 0
    assert not any(map(bench.missing, SYMBOLS))
    assert set(bench.kinds_since(began_ms)) <= AT_A_RENEWAL
    await bench.has_every_trade_once()
    await bench.has_the_venue_s_books()


async def test_an_announced_shutdown_costs_no_connection(run_bench: Any, wait_until: Any) -> None:
    bench = await run_bench()
    began_ms = int(time.time() * 1000)
    await bench.venue.fault(kind="shutdown", seconds=1.5)
    await wait_until(lambda: bench.connector.link.renewals == 1, within_s=3)
    count = len(bench.trades)
    await asyncio.sleep(1.6)  # the old connections are ended now
    await wait_until(lambda: len(bench.trades) > count + 20)
    assert bench.status["reconnects"] == 0
    assert bench.not_live_since(began_ms) == []
    assert {Cause.SCHEDULED_RESET} <= set(bench.kinds_since(began_ms)) <= {Cause.SCHEDULED_RESET, *AT_A_RENEWAL}
    await bench.has_every_trade_once()
    await bench.has_the_venue_s_books()


async def test_fifty_renewals_lose_nothing(run_bench: Any, wait_until: Any) -> None:
    bench = await run_bench()
    link, began_ms = bench.connector.link, int(time.time() * 1000)
    for done in range(1, 51):
        link.renew("planned")
        await wait_until(lambda done=done: link.renewals == done)
    count = len(bench.trades)
    await wait_until(lambda: len(bench.trades) > count + 20)
    assert not any(map(bench.missing, SYMBOLS))
    assert bench.status["reconnects"] == 0
    assert set(bench.kinds_since(began_ms)) <= AT_A_RENEWAL
    await bench.has_every_trade_once()
    await bench.has_the_venue_s_books()
    stats = await bench.venue.get("/sim/stats")
    assert stats["connections"] == 1
