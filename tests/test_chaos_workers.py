"""Recorded trades through a pool whose workers and servers are killed again and again: none lost, none twice.

Small in every test run; `QUINTET_CHAOS=full` (`make chaos`) kills thirty times.
"""

import asyncio
import contextlib
import gzip
import json
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.embedded import EmbeddedServers
from core.storage.connection import connect
from core.storage.migrations import migrate
from core.workers.indicators.symbol_state import SymbolState
from core.workers.optimized_stream_processor import OptimizedStreamProcessor
from core.workers.pool_config import PoolConfig
from core.workers.stream_names import DEAD, GROUP, STREAM, shard_stream
from core.workers.tick import Tick, encode, event_key
from tests.patience import PATIENCE

FULL = os.environ.get("QUINTET_CHAOS") == "full"
TICKS, KILLS = (50_000, 30) if FULL else (5_000, 6)
SEED = int(os.environ.get("QUINTET_CHAOS_SEED", "4"))
KILL_EVERY_S = 1.0
IDLE_MS, FREEZE_S = 1_500, 3.0
SETTLE_S = 60.0


def recorded(shared_data: Path, count: int) -> list[Tick]:
    """Recorded trades of both symbols in the order of their times, repeated with shifted ids until there are enough."""
    trades = []
    for name in ("spot_ethusdt_20240808", "spot_btcusdt_20240808"):
        with gzip.open(shared_data / "binance" / f"{name}.jsonl.gz", "rt") as lines:
            for line in lines:
                if "@trade" in line[:60]:
                    trades.append(json.loads(line.partition(" ")[2])["data"])
    trades.sort(key=lambda t: (t["T"], t["s"], t["t"]))
    ticks = []
    for turn in range(-(-count // len(trades))):
        for trade in trades[: count - len(ticks)]:
            number = trade["t"] + turn * 1_000_000_000
            event_id = f"binance:{trade['s']}:{number}"
            ticks.append(Tick(trade["s"], trade["T"], float(trade["p"]), event_id, "binance", volume=float(trade["q"])))
    return ticks


class Producer(threading.Thread):
    """Publishes at an even rate, and again what Redis did not confirm: it may thus be there twice."""

    def __init__(self, url: str, ticks: list[Tick], seconds: float) -> None:
        super().__init__(daemon=True)
        self._client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=2)
        self._ticks = [encode(tick) for tick in ticks]
        self._step = max(1, round(len(ticks) / seconds / 20))
        self.again = 0

    def run(self) -> None:
        for start in range(0, len(self._ticks), self._step):
            due = time.monotonic() + 0.05
            while not self._publish(self._ticks[start : start + self._step]):
                self.again += 1
                time.sleep(0.05)
            time.sleep(max(0.0, due - time.monotonic()))
        self._client.close()

    def _publish(self, batch: list[dict[bytes, bytes]]) -> bool:
        pipeline = self._client.pipeline(transaction=False)
        for fields in batch:
            pipeline.xadd(STREAM, fields)  # type: ignore[arg-type]
        try:
            pipeline.execute()
        except (redis.RedisError, OSError):
            return False
        return True


class Killer:
    """Kills something by chance."""

    def __init__(self, servers: EmbeddedServers, processor: OptimizedStreamProcessor) -> None:
        self._servers = servers
        self._processor = processor
        self._random = random.Random(SEED)
        self.killed: dict[str, int] = {}

    def freeze(self) -> None:
        """Stop a worker for longer than its entries may lie idle: when it goes on, they are another's."""
        workers = [process["pid"] for process in self._processor.status()["processes"]]
        if workers:
            pid = self._random.choice(workers)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                threading.Timer(FREEZE_S, thaw, (pid,)).start()
                self.killed["frozen worker"] = self.killed.get("frozen worker", 0) + 1

    def kill(self) -> None:
        workers = [process["pid"] for process in self._processor.status()["processes"]]
        server = self._servers.pids()
        victims = {"worker": self._random.choice(workers) if workers else None, **server}
        what = self._random.choice(["worker", "worker", "redis", "postgres"])
        if (pid := victims[what]) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed[what] = self.killed.get(what, 0) + 1


def thaw(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def counts(dsn: str) -> tuple[int, int]:
    """Rows of ticks, and ticks that the indicators' states have taken."""
    with psycopg.connect(dsn, connect_timeout=3) as connection:
        rows = connection.execute("SELECT count(*) FROM worker_ticks").fetchone()
        states = connection.execute("SELECT state FROM worker_states").fetchall()
    taken = sum(msgspec.msgpack.decode(state, type=SymbolState).count for (state,) in states)
    return (rows[0] if rows else 0), taken


def left_over(url: str) -> dict[str, int]:
    """What is still under way in Redis: unacknowledged and unread entries, packed entries of the shards."""
    client = redis.Redis.from_url(url, socket_timeout=2)
    try:
        group = next(g for g in client.xinfo_groups(STREAM) if g["name"] == GROUP.encode())
        unread = client.xrange(STREAM, min=b"(" + group["last-delivered-id"], count=1)
        shards = sum(int(client.xlen(shard_stream(shard))) for shard in range(16))
        return {"pending": group["pending"], "unread": len(unread), "shards": shards, "dead": int(client.xlen(DEAD))}
    finally:
        client.close()


async def settled(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s * PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(redis.RedisError, psycopg.Error, OSError, StopIteration):
            if await asyncio.to_thread(condition):
                return True
        await asyncio.sleep(0.1)
    return False


@pytest.mark.timeout(600)
async def test_no_tick_is_lost_or_counted_twice_whatever_is_killed(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("core").setLevel(logging.ERROR)  # what is killed complains
    ticks = recorded(shared_data, TICKS)
    servers = EmbeddedServers(tmp_path, want_postgres=True, want_redis=True)
    servers.start()
    try:
        assert servers.redis_url is not None
        assert servers.database_url is not None
        url, dsn = servers.redis_url, servers.database_url
        with connect(dsn, 10) as connection:
            migrate(connection)
        config = PoolConfig(min_idle_ms=IDLE_MS, sweep_s=0.5)
        processor = OptimizedStreamProcessor(url, dsn, workers=4, processes=3, config=config, name="chaos")
        await processor.start()
        producer = Producer(url, ticks, KILLS * KILL_EVERY_S)
        killer = Killer(servers, processor)
        try:
            producer.start()
            for number in range(KILLS):
                await asyncio.sleep(KILL_EVERY_S)
                if number % 4 == 1:
                    killer.freeze()
                killer.kill()
            last_kill = time.monotonic()
            await asyncio.to_thread(producer.join, SETTLE_S)
            assert not producer.is_alive(), "the producer could not publish everything"
            done = await settled(lambda: counts(dsn) == (TICKS, TICKS) and not any(left_over(url).values()), SETTLE_S)
            took = time.monotonic() - last_kill
            state = f"rows and calculated ticks {counts(dsn)} of {TICKS}, left over {left_over(url)}, killed {killer.killed}"
        finally:
            await processor.stop()
        with capsys.disabled():
            print(  # noqa: T201 - asked for
                f"\nchaos: {state}, published again {producer.again} batches, settled {took:.1f} s after the last kill"
            )
        assert done, state
        with psycopg.connect(dsn) as connection:
            stored = connection.execute(
                """SELECT s.text, (extract(epoch FROM t.ts) * 1000)::bigint, t.event_key, t.price, t.volume
                FROM worker_ticks t JOIN worker_symbols s ON s.id = t.symbol_id"""
            ).fetchall()
        wanted = sorted((t.symbol, t.ts_ms, event_key(t.event_id), t.price, t.volume) for t in ticks)
        assert sorted(stored) == wanted, "what is stored is not what was published"
    finally:
        servers.stop()
