"""One embedded Redis and one Postgres for the pool's tests: emptied, and a new database, for each."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import psycopg
import pytest
import redis

from core.base.clock import SystemClock
from core.embedded import EmbeddedServers
from core.storage.connection import connect
from core.storage.migrations import migrate
from core.storage.tick_tables import Packed
from core.workers import stream_epoch
from core.workers.pool_config import PoolConfig
from core.workers.stream_names import DEAD, GROUP, STREAM
from core.workers.symbol_book import SymbolBook
from core.workers.tick import Tick, encode
from core.workers.tick_batch import TickBatch, greeks_of
from core.workers.tick_committer import TickCommitter
from core.workers.tick_stage import TickStage
from core.workers.tick_stream import TickStream
from core.workers.universal_symbol_parser import UniversalSymbolParser
from tests.patience import until as until_true

#: 2024-08-08 12:00 UTC
NOON_MS = 1_723_118_400_000
CONFIG = PoolConfig(block_ms=50, min_idle_ms=400, sweep_s=0.1)

_numbers = itertools.count()


@pytest.fixture(scope="session")
def pool_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    servers = EmbeddedServers(tmp_path_factory.mktemp("pool"), want_postgres=True, want_redis=True)
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture
def redis_url(pool_servers: EmbeddedServers) -> str:
    """Of an empty Redis."""
    assert pool_servers.redis_url is not None
    with contextlib.closing(redis.Redis.from_url(pool_servers.redis_url)) as client:
        client.flushall()
    return pool_servers.redis_url


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    with contextlib.closing(redis.Redis.from_url(redis_url, protocol=2)) as client:
        yield client


@pytest.fixture
def dsn(pool_servers: EmbeddedServers) -> Iterator[str]:
    """Of a new, migrated database."""
    name = f"pool_{next(_numbers)}"
    assert pool_servers.database_url is not None
    with psycopg.connect(pool_servers.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = pool_servers.database_url.replace("/postgres?", f"/{name}?")
    with connect(url, 10) as connection:
        migrate(connection)
    yield url
    with psycopg.connect(pool_servers.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def rows(dsn: str) -> Callable[[str], list[tuple[Any, ...]]]:
    """What a query says."""

    def ask(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(dsn) as connection:
            return connection.execute(query.encode()).fetchall()

    return ask


@pytest.fixture
def ticks() -> Callable[..., list[Tick]]:
    """Ticks of one symbol, ten a second."""

    def make(count: int, symbol: str = "ETHUSDT", first: int = 0, **more: Any) -> list[Tick]:
        return [
            Tick(symbol, NOON_MS + n * 100, 2_000 + n % 50 * 0.5, f"binance:{symbol}:{n}", "binance", volume=1.5, **more)
            for n in range(first, first + count)
        ]

    return make


@pytest.fixture
def publish(client: "redis.Redis") -> Callable[[list[Tick]], list[bytes]]:
    def add(ticks: list[Tick]) -> list[bytes]:
        pipeline = client.pipeline(transaction=False)
        for tick in ticks:
            pipeline.xadd(STREAM, encode(tick))  # type: ignore[arg-type]
        return list(pipeline.execute())

    return add


@pytest.fixture
def pending(client: "redis.Redis") -> Callable[[], int]:
    """Entries that are read and not acknowledged, and those that are not read."""

    def count() -> int:
        group = next((g for g in client.xinfo_groups(STREAM) if g["name"] == GROUP.encode()), None)
        if group is None:
            return -1
        unread = client.xrange(STREAM, min=b"(" + group["last-delivered-id"])
        return int(group["pending"]) + len(unread)

    return count


@pytest.fixture
def dead(client: "redis.Redis") -> Callable[[], list[dict[str, str]]]:
    """The dead letters, oldest first."""

    def read() -> list[dict[str, str]]:
        return [
            {k.decode(errors="replace"): v.decode(errors="replace") for k, v in fields.items()}
            for _, fields in client.xrange(DEAD)
        ]

    return read


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    async def wait(condition: Callable[[], Any], what: str = "it", limit_s: float = 30.0) -> None:
        await until_true(lambda: asyncio.to_thread(condition), limit_s, what)

    return wait


@pytest.fixture
async def start_stage(redis_url: str, dsn: str) -> AsyncIterator[Callable[..., TickStage]]:
    """Workers of the first stage in this process; all are stopped at the end."""
    running: list[tuple[TickStage, TickStream, TickCommitter, asyncio.Task[None]]] = []
    logging.getLogger("core.workers").setLevel(logging.CRITICAL)

    def start(
        number: int = 0,
        config: PoolConfig = CONFIG,
        value: Callable[[TickBatch], Packed] = greeks_of,
        url: str = redis_url,
        database: str = dsn,
    ) -> TickStage:
        clock = SystemClock()
        book = SymbolBook(UniversalSymbolParser(clock))
        committer = TickCommitter(database, book, config.group_batches)
        committer.start()

        async def first_id() -> str:
            return await asyncio.to_thread(stream_epoch.first_id, url, dsn)

        stream = TickStream(url, f"test-{number}", "test", config, first_id)
        stage = TickStage(stream, committer, book, config, clock, value)
        running.append((stage, stream, committer, asyncio.create_task(stage.run())))
        return stage

    yield start
    for stage, stream, committer, task in running:
        stage.stop()
        await asyncio.wait((task,), timeout=2)
        committer.stop()
        await asyncio.wait_for(task, 5)
        with contextlib.suppress(redis.RedisError, OSError, TimeoutError):
            await stream.close()
        committer.join(5)
    logging.getLogger("core.workers").setLevel(logging.NOTSET)
