"""The pool with real processes: it works, obeys, survives and ends."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from core.base.errors import ConfigError
from core.embedded import EmbeddedServers
from core.storage import tick_queries
from core.storage.connection import connect
from core.workers.optimized_stream_processor import (
    OptimizedStreamProcessor,
    metrics_line,
    start_optimized_processor,
)
from core.workers.options.implied_volatility import VolatilityState
from core.workers.pool_config import PoolConfig
from core.workers.pool_status import PoolStatus
from core.workers.stream_names import CONTROL, SHARDS, TOTALS, shard_stream
from core.workers.tick import Tick
from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[4]
CONFIG = PoolConfig(block_ms=100, min_idle_ms=1_000, sweep_s=0.2)
Publish = Callable[[list[Tick]], list[bytes]]
Ticks = Callable[..., list[Tick]]
Rows = Callable[[str], list[tuple[Any, ...]]]
Until = Callable[..., Awaitable[None]]


@pytest.fixture
async def start_pool(redis_url: str, dsn: str) -> AsyncIterator[Callable[..., Awaitable[OptimizedStreamProcessor]]]:
    pools: list[OptimizedStreamProcessor] = []
    logging.getLogger("core.workers").setLevel(logging.CRITICAL)

    async def start(workers: int = 2, processes: int = 1, **more: Any) -> OptimizedStreamProcessor:
        options = {"config": CONFIG, "name": "test"} | more
        pools.append(OptimizedStreamProcessor(redis_url, dsn, workers=workers, processes=processes, **options))
        await pools[-1].start()
        return pools[-1]

    yield start
    for pool in pools:
        await pool.stop()
    logging.getLogger("core.workers").setLevel(logging.NOTSET)


def stored(rows: Rows) -> int:
    return int(rows("SELECT count(*) FROM worker_ticks")[0][0])


def pids(pool: OptimizedStreamProcessor) -> list[int]:
    return [process["pid"] for process in pool.status()["processes"]]


async def test_a_pool_stores_ticks_and_indicators_shows_itself_scales_pauses_and_stops(
    start_pool: Callable[..., Awaitable[OptimizedStreamProcessor]], publish: Publish, ticks: Ticks, rows: Rows,
    until: Until, client: "redis.Redis", redis_url: str,
) -> None:  # fmt: skip
    publish([*ticks(500), *ticks(300, "BTCUSDT")])
    pool = await start_pool(workers=3)
    await until(lambda: stored(rows) == 800, "storing")
    await until(lambda: len(rows("SELECT 1 FROM worker_indicators")) == 50 + 30, "the indicators")
    await until(lambda: not any(client.xlen(shard_stream(shard)) for shard in range(SHARDS)), "the shards' trimming")

    status = PoolStatus(redis_url)
    await until(
        lambda: sorted(n for w in status.read()["workers"] for n in w["shards"]) == list(range(SHARDS)), "all shards"
    )
    told = await asyncio.to_thread(status.read)
    assert [w["name"] for w in told["workers"]] == ["test-0", "test-1", "test-2"]
    assert (told["processed"], told["pending"], told["lag"], told["cause"]) == (800, 0, 0, "")
    assert {w["pid"] for w in told["workers"]} == set(pids(pool))

    await pool.scale(5)
    await until(lambda: sum(w["state"] != "LOST" for w in status.read()["workers"]) == 5, "five workers", 3)
    await pool.scale(1)
    await until(lambda: pool.status()["workers"] == 1, "one worker", 3)
    await until(lambda: [w["name"] for w in status.read()["workers"]] == ["test-0"], "those that left are not lost", 3)

    began = time.monotonic()
    await pool.pause()
    assert time.monotonic() - began < 2 * PATIENCE
    publish(ticks(100, first=500))
    await asyncio.sleep(0.4)
    assert stored(rows) == 800
    await pool.resume()
    await until(lambda: stored(rows) == 900, "going on", 2)

    client.hset(CONTROL, mapping={"is_paused": "1", "workers": "2"})  # another machine says so
    await until(lambda: pool.status()["is_paused"] and pool.wanted == 2, "obedience", 2)
    client.hset(CONTROL, mapping={"is_paused": "0", "processor": "standard"})
    await asyncio.sleep(0.7)
    assert pool.status()["is_paused"]
    client.hset(CONTROL, mapping={"processor": "optimized"})
    await until(lambda: not pool.status()["is_paused"], "obedience", 2)
    ended = pids(pool)
    began = time.monotonic()
    await pool.stop()
    assert time.monotonic() - began < 5 * PATIENCE
    assert not any(psutil.pid_exists(pid) for pid in ended)
    status.close()


async def test_a_killed_worker_comes_back_and_nothing_is_lost(
    start_pool: Callable[..., Awaitable[OptimizedStreamProcessor]], publish: Publish, ticks: Ticks, rows: Rows,
    until: Until, client: "redis.Redis", pending: Callable[[], int],
) -> None:  # fmt: skip
    pool = await start_pool(workers=2, processes=2)
    for turn in range(3):
        publish(ticks(400, first=turn * 400))
        await until(lambda before=turn * 400: stored(rows) > before, "work")
        await until(lambda: len(pids(pool)) == 2, "both processes")
        os.kill(pids(pool)[turn % 2], signal.SIGKILL)
        await until(lambda turn=turn: pool.restarts > turn, "the restart")
    await until(lambda: pending() == 0 and stored(rows) == 1_200, "the end")
    assert client.hget(TOTALS, "processed") == b"1200"


async def test_a_process_that_makes_no_progress_is_killed_and_replaced(
    start_pool: Callable[..., Awaitable[OptimizedStreamProcessor]], publish: Publish, ticks: Ticks, rows: Rows, until: Until
) -> None:
    pool = await start_pool(stuck_s=1.5)
    await until(lambda: pool.status()["workers"] == 2, "the start")
    (stuck,) = pids(pool)
    os.kill(stuck, signal.SIGSTOP)
    publish(ticks(50))
    await until(lambda: pool.restarts == 1 and stored(rows) == 50, "the replacement")
    assert not psutil.pid_exists(stuck)


async def test_an_entry_that_ends_its_worker_is_dead_after_five_deliveries_at_most(
    publish: Publish, ticks: Ticks, rows: Rows, until: Until, redis_url: str, dsn: str, pending: Callable[[], int],
    dead: Callable[[], list[dict[str, str]]],
) -> None:  # fmt: skip
    publish([*ticks(150), Tick("ETHUSDT", 1_723_118_400_000, 666.0, "poison", "binance"), *ticks(150, first=150)])
    deaths = 0
    deadline = time.monotonic() + 50
    while not dead() or pending():
        assert time.monotonic() < deadline, f"no dead letter after {deaths} deaths"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SUICIDAL, cwd=ROOT, env=os.environ | {"REDIS_URL": redis_url, "DATABASE_URL": dsn},
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while process.returncode is None and (not dead() or pending()) and time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 0.05)
        if process.returncode is None:
            process.terminate()
            assert await process.wait() == 0
        else:
            assert process.returncode == 9
            deaths += 1
    assert deaths <= 5
    (letter,) = dead()
    assert "poison" in letter["d"]
    assert int(letter["deliveries"]) <= 5
    assert stored(rows) == 300


SUICIDAL = """
import os
import uvloop
from core.base.clock import SystemClock
from core.workers.pool_config import PoolConfig
from core.workers.tick_batch import greeks_of
from core.workers.worker import WorkerProcess, serve
from core.workers.worker_orders import Order

def value(batch):
    if (batch.ticks["price"] == 666).any():
        os._exit(9)
    return greeks_of(batch)

config = PoolConfig(block_ms=100, min_idle_ms=60_000, sweep_s=30)
urls = os.environ["REDIS_URL"], os.environ["DATABASE_URL"]
uvloop.run(serve(WorkerProcess(*urls, "doomed", "pool", config, SystemClock(), value), Order([0]), is_child=False))
"""


async def test_an_emptied_redis_is_worked_on_again_and_told(
    start_pool: Callable[..., Awaitable[OptimizedStreamProcessor]], publish: Publish, ticks: Ticks, rows: Rows,
    until: Until, client: "redis.Redis", redis_url: str,
) -> None:  # fmt: skip
    await start_pool()
    publish(ticks(100))
    await until(lambda: stored(rows) == 100, "storing")
    await until(lambda: rows("SELECT entries FROM worker_stream_epoch") == [(100,)], "the note")
    client.flushall()
    publish(ticks(100, first=100))
    await until(lambda: stored(rows) == 200, "going on", 10)
    status = PoolStatus(redis_url)
    await until(lambda: "lost its stream" in status.read()["cause"], "the cause", 10)
    await until(lambda: rows("SELECT sum(losses) FROM worker_stream_epoch") == [(1,)])
    await until(lambda: not any(client.xlen(shard_stream(shard)) for shard in range(SHARDS)), "the shards")
    status.close()


async def test_a_frozen_redis_costs_nothing_but_the_time(
    start_pool: Callable[..., Awaitable[OptimizedStreamProcessor]], publish: Publish, ticks: Ticks, rows: Rows,
    until: Until, client: "redis.Redis", pool_servers: EmbeddedServers, pending: Callable[[], int],
) -> None:  # fmt: skip
    await start_pool(workers=2, processes=2)
    publish(ticks(2_000))
    await until(lambda: stored(rows) > 0, "work")
    pid = pool_servers.pids()["redis"]
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(4)  # longer than a command may take
    os.kill(pid, signal.SIGCONT)
    await until(lambda: pending() == 0 and stored(rows) == 2_000, "the end", 10)
    await until(lambda: not any(client.xlen(shard_stream(shard)) for shard in range(SHARDS)), "the shards")
    assert client.hget(TOTALS, "processed") == b"2000"


def command_line(redis_url: str, dsn: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "core.workers", "--name", "cli", *arguments],
        cwd=ROOT,
        env=os.environ | {"REDIS_URL": redis_url, "DATABASE_URL": dsn},
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_the_command_line_runs_a_pool_until_sigterm(
    redis_url: str, dsn: str, publish: Publish, ticks: Ticks, rows: Rows, until: Until
) -> None:
    publish(ticks(200))
    with command_line(redis_url, dsn, "--workers", "2", "--batch-size", "20") as process:
        try:
            await until(lambda: stored(rows) == 200, "storing")
            children = psutil.Process(process.pid).children()
            process.terminate()
            assert await asyncio.to_thread(process.wait, 5) == 0
        finally:
            process.kill()
        assert process.stderr is not None
        log = process.stderr.read()
    assert "2 workers in" in log
    assert "Processed: 200 messages" in log
    assert not any(child.is_running() for child in children)


async def test_no_worker_outlives_its_supervisor(
    redis_url: str, dsn: str, publish: Publish, ticks: Ticks, rows: Rows, until: Until, pending: Callable[[], int]
) -> None:
    publish(ticks(20))
    with command_line(redis_url, dsn, "--workers", "1") as process:
        await until(lambda: stored(rows) == 20, "storing")
        children = psutil.Process(process.pid).children()
        assert children
        process.kill()
        await until(lambda: not any(child.is_running() for child in children), "the children's end", 6)
    assert pending() == 0


async def test_what_is_missing_is_named(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        await start_optimized_processor(redis_url)
    with pytest.raises(ConfigError, match="1–8"):
        OptimizedStreamProcessor(redis_url, "postgresql://", workers=9)


def test_the_metrics_line_is_as_operators_know_it() -> None:
    assert metrics_line(1_200, 40.4, 7, 0) == "Processed: 1200 messages (40 msg/s), Workers: 7, Errors: 0"


#: an option in each symbol format: venue of its tick, text, price, underlying's price, venue and underlying it is read as
FORMATS = (
    ("OCC", "AAPL  241220C00200000", 20.0, 210.0, "OPRA", "AAPL"),
    ("OCC_COMPACT", "SPY241220P00500000", 12.0, 530.0, "OPRA", "SPY"),
    ("IB_LOCAL", "AAPL  241220C00200000", 20.0, 210.0, "IBKR", "AAPL"),
    ("EUREX", "P OESX 20241220 4800 M", 180.0, 4_700.0, "EUREX", "OESX"),
    ("deribit", "BTC-27DEC24-60000-C", 0.15, 60_000.0, "DERIBIT", "BTC"),
    ("NSE", "NIFTY24DEC24000CE", 900.0, 24_100.0, "NSE", "NIFTY"),
    ("binance_options", "BTC-241227-60000-C", 9_000.0, 60_000.0, "BINANCE_OPTIONS", "BTC"),
)


async def test_an_option_of_each_symbol_format_gets_its_greeks_in_the_chain_of_its_venue(
    start_pool: Callable[..., Awaitable[OptimizedStreamProcessor]], publish: Publish, dsn: str, rows: Rows, until: Until
) -> None:
    at_ms = 1_723_118_400_000  # before they expire
    publish(
        [
            Tick(text, at_ms, price, f"test:{n}", venue, 1.0, underlying_price=spot)
            for n, (venue, text, price, spot, *_) in enumerate(FORMATS)
        ]
    )
    await start_pool(workers=1)
    await until(lambda: stored(rows) == len(FORMATS), "storing")
    with connect(dsn, 10) as connection:
        assert tick_queries.underlyings(connection) == {
            "AAPL": ["IBKR", "OPRA"], "BTC": ["BINANCE_OPTIONS", "DERIBIT"], "NIFTY": ["NSE"], "OESX": ["EUREX"],
            "SPY": ["OPRA"],
        }  # fmt: skip
        for _, text, price, spot, venue, underlying in FORMATS:
            body = tick_queries.chains(connection, underlying, at_ms, venue)
            ((option,),) = body["chains"].values()
            assert (option["symbol"], option["venue"], option["price"]) == (text, venue, price)
            assert (option["underlying_price"], option["volatility_state"]) == (spot, VolatilityState.FOUND), text
            assert 0.05 < option["volatility"] < 1.5, text
            assert option["model_price"] == pytest.approx(price, rel=1e-6)
            assert 0.2 < abs(option["delta"]) < 0.9, text
            assert (option["delta"] < 0) == (option["right"] == "P")
            assert all(option[name] is not None for name in ("gamma", "vega", "theta", "rho", "vanna", "vomma"))
