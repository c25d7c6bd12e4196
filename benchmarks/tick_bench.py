"""What the benchmarks of the tick stream share: its servers, its entries, waiting, CPU time."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

import psutil
import psycopg

from core.base.clock import SystemClock
from core.storage.connection import connect
from core.storage.migrations import migrate
from core.workers.redis_clients import ask_sync, sync_client
from core.workers.stream_names import GROUP, STREAM, TOTALS, shard_stream
from core.workers.tick import Tick, encode

#: published at once
_CHUNK = 1_000
SYMBOLS = ("ETHUSDT", "BTCUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "LTCUSDT", "LINKUSDT", "DOTUSDT")


def ticks(count: int, first: int = 0) -> list[dict[bytes, bytes]]:
    """Entries of trades, some fifty a millisecond."""
    start_ms = SystemClock().now_ms() - 3_600_000
    return [
        encode(
            Tick(
                SYMBOLS[n % len(SYMBOLS)],
                start_ms + n // 50,
                2_000 + n % 977 * 0.01,
                f"binance:{SYMBOLS[n % len(SYMBOLS)]}:{n}",
                "binance",
                volume=0.25,
            )
        )
        for n in range(first, first + count)
    ]


class Bench:
    """The servers and what is done to them."""

    def __init__(self, redis_url: str | None, database_url: str | None) -> None:
        assert redis_url is not None
        assert database_url is not None
        self.url, self.dsn = redis_url, database_url
        self.client = sync_client(self.url, 30)

    def reset(self) -> None:
        """An empty Redis, empty tables."""
        self.client.flushall()
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        with connect(self.dsn, 10) as connection:
            migrate(connection)

    def fill(self, entries: Sequence[dict[bytes, bytes]]) -> None:
        for start in range(0, len(entries), _CHUNK):
            pipeline = self.client.pipeline(transaction=False)
            for fields in entries[start : start + _CHUNK]:
                pipeline.xadd(STREAM, fields)  # type: ignore[arg-type]
            pipeline.execute()

    def processed(self) -> int:
        return int(self.client.hget(TOTALS, "processed") or 0)

    def pending(self) -> int:
        return int(ask_sync(self.client, "XPENDING", STREAM, GROUP)[0])

    def shards_waiting(self) -> bool:
        pipeline = self.client.pipeline(transaction=False)
        for shard in range(16):
            pipeline.xlen(shard_stream(shard))
        return any(pipeline.execute())


def cpu_s(pids: Sequence[int]) -> float:
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total


async def until(condition: Callable[[], bool], timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while not await asyncio.to_thread(condition):
        if time.monotonic() > deadline:
            raise SystemExit("the pool did not come to an end")
        await asyncio.sleep(0.002)
