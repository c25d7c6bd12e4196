"""One embedded Postgres for all storage tests, a database of its own for each."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from core.base.clock import ManualClock
from core.base.settings import StorageConfig
from core.domain.market import BarFlag, BarUpdate, Trade
from core.embedded import EmbeddedServers
from core.storage import UnifiedDataStorage
from core.storage.connection import TimedConnection, connect
from core.storage.migrations import migrate
from tests.patience import wait_until

#: 2024-08-08 12:00 UTC
NOON_MS = 1_723_118_400_000
CONFIG = StorageConfig(flush_rows=500, flush_ms=10, queue_rows=20_000, spool_bytes=8_000_000)

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    servers = EmbeddedServers(tmp_path_factory.mktemp("postgres"), want_postgres=True, want_redis=False)
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture
def dsn(postgres: EmbeddedServers) -> Iterator[str]:
    """A new, empty database."""
    name = f"test_{next(_numbers)}"
    assert postgres.database_url is not None
    with psycopg.connect(postgres.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    yield postgres.database_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def connection(dsn: str) -> Iterator[TimedConnection]:
    """A connection to a migrated database."""
    with connect(dsn, limit_s=10) as connection:
        migrate(connection)
        yield connection


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON_MS)


@pytest.fixture
def trades() -> Callable[..., list[Trade]]:
    """Consecutive trades, ten a second, ending at noon."""

    def make(count: int, first_id: int = 1, symbol: str = "ETHUSDT") -> list[Trade]:
        return [
            Trade(symbol, i, 2_000 + i % 100 * 0.01, 0.25, NOON_MS - 3_600_000 + i * 100, bool(i % 2))
            for i in range(first_id, first_id + count)
        ]

    return make


@pytest.fixture
def bar() -> Callable[..., BarUpdate]:
    """A closed minute of `eth_1m`."""

    def make(
        ts_ms: int = NOON_MS, close: float = 2_000.0, flags: BarFlag = BarFlag.CLOSED, series: str = "eth_1m"
    ) -> BarUpdate:
        return BarUpdate(series, (float(ts_ms), 2_000.0, 2_010.0, 1_990.0, close, 5.0), flags)

    return make


@pytest.fixture
def start_storage(dsn: str, tmp_path: Path, clock: ManualClock) -> Iterator[Callable[..., UnifiedDataStorage]]:
    started: list[UnifiedDataStorage] = []

    def start(url: str = dsn, config: StorageConfig = CONFIG, data_dir: Path = tmp_path) -> UnifiedDataStorage:
        storage = UnifiedDataStorage(url, config, data_dir, clock)
        storage.start()
        started.append(storage)
        return storage

    yield start
    for storage in started:
        storage.stop(2.0)


@pytest.fixture
def until() -> Callable[..., None]:
    return wait_until
