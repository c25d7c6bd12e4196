"""Switching between the pool's processes and the app's threads, on real servers and under load."""

import asyncio
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import redis

from core.base.clock import SystemClock
from core.workers.data_pipeline import DataPipeline
from core.workers.hand_over import hand_over
from core.workers.market_scanner import MarketScanner
from core.workers.optimized_stream_processor import OptimizedStreamProcessor
from core.workers.patterns.frame_bars import FrameBars
from core.workers.pool_config import PoolConfig
from core.workers.pool_control import PoolControl, ProcessorName, control_of, write_control
from core.workers.redis_clients import CONTROL_S, async_client
from core.workers.stream_names import CONTROL, GROUP, STREAM, TOTALS
from core.workers.tick import Tick, encode
from tests.patience import PATIENCE

NOON_MS = 1_723_118_400_000
SYMBOLS = ("ETHUSDT", "BTCUSDT", "AAPL")
VENUES = {"ETHUSDT": "binance", "BTCUSDT": "binance", "AAPL": "ibkr"}


def tick(number: int) -> Tick:
    symbol = SYMBOLS[number % 3]
    event_id = f"{VENUES[symbol]}:{symbol}:{number}"
    return Tick(symbol, NOON_MS + number, 2_000 + number % 997 * 0.01, event_id, VENUES[symbol], 1 + number % 7)


class Load(threading.Thread):
    """Publishes ticks at a steady rate until told to stop; `count` were acknowledged."""

    def __init__(self, url: str, per_s: int) -> None:
        super().__init__(daemon=True)
        self._url, self._per_s = url, per_s
        self._ending = threading.Event()
        self.count = 0

    def run(self) -> None:
        with redis.Redis.from_url(self._url) as client:
            while not self._ending.wait(0.02):
                pipe = client.pipeline(transaction=False)
                for number in range(self.count, self.count + self._per_s // 50):
                    pipe.xadd(STREAM, encode(tick(number)))  # type: ignore[arg-type]
                pipe.execute()
                self.count += self._per_s // 50

    def end(self) -> int:
        self._ending.set()
        self.join()
        return self.count


class Scanned:
    """A scanner with its real processors, as core.pool builds it."""

    def __init__(self, url: str, dsn: str, host: str, bars: FrameBars) -> None:
        clock = SystemClock()
        self.url, self.host = url, host
        self.optimized = OptimizedStreamProcessor(url, dsn, workers=2, config=PoolConfig(), name=host, clock=clock)
        self.standard = DataPipeline(url, dsn, host, clock, threads=2, batch_size=50, bars=bars)
        self.scanner = MarketScanner(
            self.optimized, self.standard, clock, wanted=PoolControl(), announce=self._announce, hand_over=self._hand_over,
            auto_count=2,
        )  # fmt: skip

    async def _announce(self, control: PoolControl) -> None:
        client = async_client(self.url, CONTROL_S)
        await write_control(client, control)
        await client.aclose()

    async def _hand_over(self, name: ProcessorName) -> int:
        pool = [f"{self.host}-{slot}" for slot in range(8)]
        with redis.Redis.from_url(self.url) as client:
            if name == "optimized":
                return hand_over(client, self.standard.consumers, pool[0])
            return hand_over(client, pool, self.standard.consumers[0])


@pytest.fixture
def offered() -> list[Any]:
    return []


@pytest.fixture
def scanned(redis_url: str, dsn: str, offered: list[Any]) -> Iterator[Scanned]:
    scanned = Scanned(redis_url, dsn, "scan", FrameBars(offered.extend, SystemClock()))
    yield scanned
    scanned.scanner.stop(10)


def stored(dsn: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM worker_ticks").fetchone()
        return int(row[0]) if row else 0


def is_drained(client: Any, dsn: str, count: int) -> bool:
    if int(client.hget(TOTALS, "processed") or 0) < count or client.xpending(STREAM, GROUP)["pending"]:
        return False
    return stored(dsn) == count


def test_fifty_switches_under_load_lose_nothing_and_store_nothing_twice(
    scanned: Scanned, client: Any, redis_url: str, dsn: str, until: Callable[..., None]
) -> None:
    scanned.scanner.start()
    until(lambda: scanned.optimized.status()["workers"] == 2, what="the pool's start")
    load = Load(redis_url, 2_000)
    load.start()
    took = []
    for number in range(50):
        name: ProcessorName = "optimized" if number % 2 else "standard"
        began = time.monotonic()
        scanned.scanner.want(PoolControl(processor=name))
        before = int(client.hget(TOTALS, "processed") or 0)
        until(lambda name=name: scanned.scanner.status()["active"] == name, 20, f"switch {number}")
        until(lambda before=before: int(client.hget(TOTALS, "processed") or 0) > before, 20, f"work after switch {number}")
        took.append(time.monotonic() - began)
    count = load.end()
    until(lambda: is_drained(client, dsn, count), 30, "draining")
    assert scanned.scanner.status()["switches"] == 50
    assert client.hmget(TOTALS, "processed", "errors") == [str(count).encode(), None]
    assert int(client.hget(TOTALS, "duplicates") or 0) == 0
    assert statistics.median(took) < 2.0, "a switch and the first tick after it"
    with psycopg.connect(dsn, autocommit=True) as connection:
        for symbol in SYMBOLS:
            ticks = [t for t in map(tick, range(count)) if t.symbol == symbol]
            vwap = sum(t.price * t.volume for t in ticks) / sum(t.volume for t in ticks)
            # each tick counts once in the volume-weighted mean, whoever calculated it
            until(lambda symbol=symbol, vwap=vwap: _vwap(connection, symbol) == pytest.approx(vwap, rel=1e-12), 10, "VWAP")


def _vwap(connection: psycopg.Connection[Any], symbol: str) -> float | None:
    row = connection.execute(
        "SELECT vwap FROM worker_indicators i JOIN worker_symbols s ON s.id = i.symbol_id WHERE s.text = %s "
        "ORDER BY i.ts DESC LIMIT 1",
        (symbol,),
    ).fetchone()
    return row[0] if row else None


def test_paused_workers_take_nothing_and_go_on_where_they_were(
    scanned: Scanned, client: Any, redis_url: str, dsn: str, until: Callable[..., None]
) -> None:
    for processor in ("standard", "optimized"):
        scanned.scanner.want(PoolControl(processor=processor, is_paused=True))  # type: ignore[arg-type]
        if processor == "standard":
            scanned.scanner.start()
        until(lambda: not scanned.scanner.status()["is_switching"], what="the pause")
        assert control_of(client.hgetall(CONTROL)) == PoolControl(processor=processor, is_paused=True)  # type: ignore[arg-type]
        before = int(client.hget(TOTALS, "processed") or 0)
        load = Load(redis_url, 2_000)
        load.count = before
        load.start()
        until(lambda before=before, load=load: load.count >= before + 500)
        count = load.end()
        assert int(client.hget(TOTALS, "processed") or 0) == before
        scanned.scanner.want(PoolControl(processor=processor))  # type: ignore[arg-type]
        until(lambda count=count: is_drained(client, dsn, count), 10, "going on")


def test_the_last_of_many_wishes_is_the_one_that_comes_true(
    scanned: Scanned, client: Any, redis_url: str, dsn: str, until: Callable[..., None]
) -> None:
    scanned.scanner.start()
    for number in range(200):
        scanned.scanner.want(PoolControl(processor="optimized" if number % 2 else "standard", workers=1 + number % 8))
    scanned.scanner.want(PoolControl(processor="standard", workers=3))
    until(lambda: scanned.scanner.status()["active"] == "standard" and not scanned.scanner.status()["is_switching"])
    assert control_of(client.hgetall(CONTROL)) == PoolControl(processor="standard", workers=3)


def test_what_a_stopped_consumer_holds_is_the_next_ones_at_once(
    scanned: Scanned, client: Any, redis_url: str, dsn: str, until: Callable[..., None]
) -> None:
    for number in range(300):
        client.xadd(STREAM, encode(tick(number)))
    client.xgroup_create(STREAM, GROUP, "0")
    client.xreadgroup(GROUP, "scan-1", {STREAM: ">"}, count=120)
    client.xreadgroup(GROUP, "scan-5", {STREAM: ">"}, count=80)
    scanned.scanner.want(PoolControl(processor="standard"))
    scanned.scanner.start()
    until(lambda: is_drained(client, dsn, 300), 12, "taking over: without it they would idle for 15 s")


def test_a_pipeline_that_waits_for_postgres_does_not_hold_up_the_switch(
    scanned: Scanned, client: Any, servers: Any, redis_url: str, dsn: str, until: Callable[..., None]
) -> None:
    scanned.scanner.want(PoolControl(processor="standard"))
    scanned.scanner.start()
    client.xadd(STREAM, encode(tick(0)))
    until(lambda: is_drained(client, dsn, 1))
    with psycopg.connect(dsn) as blocker:
        blocker.execute("LOCK TABLE worker_ticks IN ACCESS EXCLUSIVE MODE")
        for number in range(1, 200):
            client.xadd(STREAM, encode(tick(number)))
        until(lambda: client.xpending(STREAM, GROUP)["pending"] > 0)
        began = time.monotonic()
        scanned.scanner.want(PoolControl(processor="optimized"))
        until(lambda: scanned.scanner.status()["active"] == "optimized")
        assert time.monotonic() - began < 10 * PATIENCE, "the lock is held still"
    until(lambda: is_drained(client, dsn, 200), 15, "storing after the lock")


def test_stored_batches_become_minutes_for_pattern_detection(
    scanned: Scanned, client: Any, redis_url: str, dsn: str, offered: list[Any], until: Callable[..., None]
) -> None:
    scanned.scanner.want(PoolControl(processor="standard"))
    scanned.scanner.start()
    for number in range(0, 5 * 60 * 1_000, 500):
        client.xadd(STREAM, encode(Tick("NIFTY", NOON_MS + number, 100 + number / 1e6, f"NFO:NIFTY:{number}", "NSE", 2.0)))
    until(lambda: len(offered) >= 3, what="minutes")
    bars = {bar.ts_ms: bar for symbol, bar in offered if symbol == "NIFTY"}
    assert sorted(bars) == [NOON_MS + n * 60_000 for n in (1, 2, 3)]
    assert (bars[NOON_MS + 60_000].open, bars[NOON_MS + 60_000].volume) == (100.06, 240.0)


def test_an_idle_scanner_switches_too_and_the_pool_cools_down(redis_url: str, dsn: str, until: Callable[..., None]) -> None:
    scanned = Scanned(redis_url, dsn, "cool", FrameBars(lambda bars: None, SystemClock()))
    scanned.scanner._keep_warm_s = 0.3
    scanned.scanner.start()
    try:
        until(lambda: scanned.optimized.status()["workers"] == 2)
        scanned.scanner.want(PoolControl(processor="standard"))
        until(lambda: scanned.scanner.status()["active"] == "standard")
        assert scanned.optimized.status()["is_running"], "kept warm for a while"
        until(lambda: not scanned.optimized.status()["is_running"], what="cooling down")
        scanned.scanner.want(PoolControl(processor="optimized"))
        until(lambda: scanned.optimized.status()["workers"] == 2, what="a cold start")
    finally:
        began = time.monotonic()
        scanned.scanner.stop(10)
    assert time.monotonic() - began < 8 * PATIENCE


async def test_a_processor_that_fails_is_tried_again_and_its_error_told(until: Callable[..., None]) -> None:
    class Flaky:
        calls = 0

        async def start(self) -> None:
            Flaky.calls += 1
            if Flaky.calls < 3:
                raise OSError("no more processes")

        async def stop(self) -> None: ...

        async def pause(self) -> None: ...

        async def resume(self) -> None: ...

        async def scale(self, workers: int) -> None: ...

    async def nothing(_: Any) -> int:
        return 0

    scanner = MarketScanner(
        Flaky(), Flaky(), SystemClock(), wanted=PoolControl(), announce=nothing, hand_over=nothing, auto_count=5
    )  # type: ignore[arg-type]
    scanner.start()
    seen = set()
    while scanner.status()["active"] is None:
        seen.add(scanner.status()["last_error"])
        await asyncio.sleep(0.01)
    scanner.stop(5)
    assert "OSError: no more processes" in seen
    assert Flaky.calls == 3
