"""Trades into an embedded Postgres: ours end to end against bare COPY and against one INSERT a row."""

import datetime
import tempfile
import threading
import time
from pathlib import Path

import psycopg

from benchmarks.result import Result, publish
from core.base.clock import SystemClock
from core.base.settings import StorageConfig
from core.domain.market import Trade
from core.embedded import EmbeddedServers
from core.storage.unified_data_storage import UnifiedDataStorage

COUNT = 300_000
SINGLE = 3_000
BATCH = 5_000
COLUMNS = ["int2", "int8", "timestamptz", "float8", "float8", "bool", "int2"]


def trades(now_ms: int) -> list[Trade]:
    return [
        Trade("ETHUSDT" if n % 2 else "BTCUSDT", n, 2000 + n % 100 * 0.01, 0.5, now_ms - 600_000 + n // 10, n % 3 == 0)
        for n in range(COUNT)
    ]


def rows(messages: list[Trade]) -> list[tuple[object, ...]]:
    utc = datetime.UTC
    return [
        (1, t.trade_id, datetime.datetime.fromtimestamp(t.ts_ms / 1000, utc), t.price, t.quantity, t.is_buyer_maker, 0)
        for t in messages
    ]


def bare_copy(dsn: str, data: list[tuple[object, ...]]) -> float:
    """The limit: psycopg's binary COPY into a table without any index, a commit each 5,000 rows."""
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE bare (LIKE trades)")
        start = time.perf_counter()
        for first in range(0, len(data), BATCH):
            with connection.cursor() as cursor, cursor.copy("COPY bare FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(COLUMNS)
                for row in data[first : first + BATCH]:
                    copy.write_row(row)
            connection.commit()
        return len(data) / (time.perf_counter() - start)


def single_inserts(dsn: str, data: list[tuple[object, ...]]) -> float:
    """What the sources of this project replaced: one statement and one commit a row."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE one_by_one (LIKE trades)")
        start = time.perf_counter()
        for row in data[:SINGLE]:
            connection.execute("INSERT INTO one_by_one VALUES (%s, %s, %s, %s, %s, %s, %s)", row)
        return SINGLE / (time.perf_counter() - start)


def ours(dsn: str, folder: Path, messages: list[Trade]) -> tuple[float, float]:
    """Rows per second from submit to the last commit, and the share of statements saved."""
    storage = UnifiedDataStorage(dsn, StorageConfig(flush_ms=250, queue_rows=2 * COUNT), folder, SystemClock())
    storage.start()
    start = time.perf_counter()
    for first in range(0, COUNT, 100):
        storage.submit(messages[first : first + 100])
    while storage.stats()["rows_written"] < COUNT:
        threading.Event().wait(0.005)
    took = time.perf_counter() - start
    saved = storage.stats()["writes_saved"]
    storage.stop(5)
    return COUNT / took, saved


def run() -> list[Result]:
    messages = trades(SystemClock().now_ms())
    with tempfile.TemporaryDirectory() as folder:
        servers = EmbeddedServers(Path(folder), want_postgres=True, want_redis=False)
        servers.start()
        assert servers.database_url is not None
        try:
            rate, saved = ours(servers.database_url, Path(folder) / "ours", messages)
            data = rows(messages)
            limit = bare_copy(servers.database_url, data)
            one = single_inserts(servers.database_url, data)
        finally:
            servers.stop()
    return [
        Result("bare psycopg COPY, rows ready, no index (the limit)", limit, "rows/s"),
        Result("storage: unique index, duplicates refused, durable", rate, "rows/s", "bare COPY", rate / limit),
        Result("storage against one INSERT a row", rate, "rows/s", "single INSERTs", rate / one),
        Result("database writes saved at full batches", 100 * saved, "%", budget="≥ 98 %", ok=saved >= 0.98),
    ]


if __name__ == "__main__":
    publish(run)
