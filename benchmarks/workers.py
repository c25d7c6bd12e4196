"""Ticks from Redis to Postgres: the worker pool against bare reads, the standard `DataPipeline` and one message at a time.

Every run begins with a full stream of the same entries in an embedded Valkey and ends when the last one is stored (the
pool: and its indicators). `--ticks N` sets how many; `--memory N` also runs N ticks through and watches the pool's memory.
"""

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg

from benchmarks.result import Result, publish
from benchmarks.tick_bench import SYMBOLS, Bench, cpu_s, ticks, until
from core.base.clock import SystemClock
from core.base.settings import ScannerConfig
from core.embedded import EmbeddedServers
from core.workers.data_pipeline import DataPipeline
from core.workers.entries import Entry, decode_all, entries_of
from core.workers.market_scanner import Processor
from core.workers.optimized_stream_processor import OptimizedStreamProcessor
from core.workers.patterns.frame_bars import FrameBars
from core.workers.pool_status import PoolStatus
from core.workers.redis_clients import ask, async_client
from core.workers.stream_names import GROUP, STREAM
from core.workers.tick import event_key
from core.workers.universal_symbol_parser import UniversalSymbolParser

SINGLE = 3_000
OFFERED, OFFERED_S = 5_000, 12.0


async def bare(bench: Bench, entries: Sequence[dict[bytes, bytes]], count: int) -> float:
    """The limit: XREADGROUP and XACK, nothing else, with the pool's client."""
    bench.reset()
    bench.fill(entries)
    bench.client.xgroup_create(STREAM, GROUP, "0")
    client = async_client(bench.url, 10)
    start, seen = time.perf_counter(), 0
    while seen < len(entries):
        reply = await ask(client, "XREADGROUP", "GROUP", GROUP, "bare", "COUNT", count, "STREAMS", STREAM, ">")
        ids = [entry_id for entry_id, _ in reply[0][1]]
        await ask(client, "XACK", STREAM, GROUP, *ids)
        seen += len(ids)
    took = time.perf_counter() - start
    await client.aclose()
    return len(entries) / took


def one_by_one(bench: Bench, entries: Sequence[dict[bytes, bytes]]) -> float:
    """The plain consumer: a message, its symbol parsed, one INSERT with its commit, one XACK."""
    bench.reset()
    bench.fill(entries)
    client, parser = bench.client, UniversalSymbolParser()
    client.xgroup_create(STREAM, GROUP, "0")
    with psycopg.connect(bench.dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE plain (symbol text, ts bigint, key bigint, price float8, volume float8, UNIQUE (symbol, ts, key))"
        )
        start = time.perf_counter()
        for _ in entries:
            reply: Any = client.execute_command("XREADGROUP", "GROUP", GROUP, "plain", "COUNT", 1, "STREAMS", STREAM, ">")
            entry: Entry = entries_of(_pairs(reply))[0]
            tick = decode_all([entry]).ticks[0]
            parser.parse(tick.symbol, tick.venue)
            connection.execute(
                "INSERT INTO plain VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (tick.symbol, tick.ts_ms, event_key(tick.event_id), tick.price, tick.volume),
            )
            client.xack(STREAM, GROUP, entry.id)
        return len(entries) / (time.perf_counter() - start)


def _pairs(reply: Any) -> list[list[object]]:
    """redis-py's parsed answer as it came over the wire."""
    entries = reply[0][1] if isinstance(reply, list) else next(iter(reply.values()))[0]
    return [[i, [p for pair in f.items() for p in pair] if isinstance(f, dict) else f] for i, f in entries]


async def drained(bench: Bench, entries: Sequence[dict[bytes, bytes]], processor: Processor) -> tuple[float, float]:
    """Ticks a second from the first acknowledged batch to the last, and until their indicators are stored as well."""
    bench.reset()
    bench.fill(entries)
    await processor.start()
    try:
        await until(lambda: bench.processed() > 0)
        first, start = bench.processed(), time.perf_counter()
        await until(lambda: bench.processed() >= len(entries))
        stored = time.perf_counter() - start
        await until(lambda: not bench.shards_waiting())
        whole = time.perf_counter() - start
    finally:
        await processor.stop()
    return (len(entries) - first) / stored, (len(entries) - first) / whole


def optimized(bench: Bench) -> Processor:
    return OptimizedStreamProcessor(bench.url, bench.dsn, name="bench")


def standard(bench: Bench) -> Processor:
    """As the app runs it: threads of this process, its minutes offered to nobody."""
    clock, config = SystemClock(), ScannerConfig()
    bars = FrameBars(lambda closed: None, clock)
    return DataPipeline(bench.url, bench.dsn, "bench", clock, threads=config.pipeline_threads, batch_size=50, bars=bars)


async def offered(bench: Bench) -> tuple[float, float, float]:
    """At an even 5,000 ticks/s: p50 and p99 of a batch from its close to its acknowledgement, ms; CPU share of the pool."""
    bench.reset()
    entries = ticks(int(OFFERED * OFFERED_S), len(SYMBOLS))
    bench.fill(ticks(len(SYMBOLS)))  # the first of a day makes partitions, the first of a symbol asks what it is
    processor = OptimizedStreamProcessor(bench.url, bench.dsn, name="bench")
    await processor.start()
    status = PoolStatus(bench.url)
    try:
        await until(lambda: len(status.read()["workers"]) >= processor.wanted and bench.processed() >= len(SYMBOLS))
        pids = [process["pid"] for process in processor.status()["processes"]]
        before, start = cpu_s(pids), time.perf_counter()
        producer = threading.Thread(target=_publish_evenly, args=(bench, entries))
        producer.start()
        await asyncio.to_thread(producer.join)
        await until(lambda: bench.processed() >= len(entries) + len(SYMBOLS))
        cpu = (cpu_s(pids) - before) / (time.perf_counter() - start)
        await asyncio.sleep(1.2)
        batch_ms = (await asyncio.to_thread(status.read))["batch_ms"]
    finally:
        status.close()
        await processor.stop()
    return batch_ms["p50"], batch_ms["p99"], 100 * cpu


def _publish_evenly(bench: Bench, entries: Sequence[dict[bytes, bytes]]) -> None:
    step = OFFERED // 200
    begin = time.perf_counter()
    for turn, start in enumerate(range(0, len(entries), step)):
        pipeline = bench.client.pipeline(transaction=False)
        for fields in entries[start : start + step]:
            pipeline.xadd(STREAM, fields)  # type: ignore[arg-type]
        pipeline.execute()
        time.sleep(max(0.0, begin + (turn + 1) / 200 - time.perf_counter()))


async def memory(bench: Bench, count: int) -> list[float]:
    """The pool's memory (MB) at each tenth of `count` ticks."""
    bench.reset()
    processor = OptimizedStreamProcessor(bench.url, bench.dsn, name="bench")
    await processor.start()
    seen: list[float] = []
    try:
        for part in range(10):
            for start in range(0, count // 10, 50_000):
                entries = ticks(min(50_000, count // 10 - start), part * (count // 10) + start)
                await asyncio.to_thread(bench.fill, entries)
                await until(lambda: bench.client.xlen(STREAM) < 100_000)
            done = (part + 1) * (count // 10)
            await until(lambda done=done: bench.processed() >= done, 600)  # type: ignore[misc]
            pids = [process["pid"] for process in processor.status()["processes"]]
            seen.append(sum(psutil.Process(pid).memory_info().rss for pid in pids) / 2**20)
    finally:
        await processor.stop()
    return seen


async def measure(bench: Bench, count: int, memory_ticks: int) -> list[Result]:
    entries = ticks(count)
    limit = await bare(bench, entries, 50)
    limit_large = await bare(bench, entries, 2_000)
    plain = one_by_one(bench, entries[:SINGLE])
    stored, whole = await drained(bench, entries, optimized(bench))
    threads, threads_whole = await drained(bench, entries[: count // 4], standard(bench))
    p50, p99, cpu = await offered(bench)
    good, half = stored >= 30_000, stored / limit >= 0.5
    results = [
        Result("bare XREADGROUP + XACK, batches of 50 (the limit)", limit, "ticks/s"),
        Result("bare XREADGROUP + XACK, 2,000 at a time", limit_large, "ticks/s", "batches of 50", limit_large / limit),
        Result("one message at a time: parse, INSERT, XACK", plain, "ticks/s", "the limit", plain / limit),
        Result("pool: stored, durable, acknowledged", stored, "ticks/s", "the limit", stored / limit, "≥ 30,000/s", good),
        Result("pool against bare reads in batches of 50", stored / limit, "×", budget="≥ 0.5", ok=half),
        Result("pool against bare reads of 2,000 at a time", stored / limit_large, "×"),
        Result("pool against one message at a time", stored, "ticks/s", "one at a time", stored / plain),
        Result("standard DataPipeline: stored, durable, acknowledged", threads, "ticks/s", "the limit", threads / limit),
        Result("standard DataPipeline: with all indicators stored", threads_whole, "ticks/s"),
        Result("pool against the standard DataPipeline", stored / threads, "×", budget="≥ 3", ok=stored / threads >= 3),
        Result("pool: the same with all indicators stored", whole, "ticks/s", "the limit", whole / limit),
        Result(f"pool at {OFFERED:,} ticks/s: a batch, p50", p50, "ms"),
        Result(f"pool at {OFFERED:,} ticks/s: a batch, p99", p99, "ms", budget="≤ 10 ms", ok=p99 <= 10),
        Result(f"pool at {OFFERED:,} ticks/s: its processes' CPU", cpu, "% of one"),
    ]  # fmt: skip
    if memory_ticks:
        seen = await memory(bench, memory_ticks)
        grown = seen[-1] / seen[1]
        results.append(
            Result(
                f"pool's memory after {memory_ticks:,} ticks",
                seen[-1],
                "MB",
                "after a fifth",
                grown,
                "≤ 1.10 ×",
                grown <= 1.1,
            )
        )
    return results


def run() -> list[Result]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--ticks", type=int, default=200_000)
    parser.add_argument("--memory", type=int, default=0)
    options = parser.parse_args()
    sys.setswitchinterval(0.0005)
    with tempfile.TemporaryDirectory() as folder:
        servers = EmbeddedServers(Path(folder), want_postgres=True, want_redis=True)
        servers.start()
        try:
            return asyncio.run(measure(Bench(servers.redis_url, servers.database_url), options.ticks, options.memory))
        finally:
            servers.stop()


if __name__ == "__main__":
    publish(run)
