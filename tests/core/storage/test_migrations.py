"""The schema: made once, by however many at once, with and without TimescaleDB."""

import concurrent.futures
from pathlib import Path

import numpy as np
import psycopg
import pytest

from core.base.errors import FatalError
from core.embedded import EmbeddedServers
from core.storage.connection import TimedConnection, connect
from core.storage.migrations import migrate
from core.storage.partitions import Partitions

DAY_MS = 86_400_000
NOON_MS = 1_723_118_400_000


def migrate_anew(dsn: str) -> None:
    with connect(dsn, limit_s=20) as connection:
        migrate(connection)


def tables(connection: TimedConnection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")}


def test_instances_that_start_at_once_migrate_once(dsn: str) -> None:
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(migrate_anew, dsn) for _ in range(6)]:
            done.result()
    with psycopg.connect(dsn) as connection:
        numbers = connection.execute("SELECT number FROM schema_migrations ORDER BY number").fetchall()
    assert numbers == [(number,) for number in range(1, len(numbers) + 1)]
    assert len(numbers) >= 4


def test_migrating_again_changes_nothing(connection: TimedConnection) -> None:
    before = tables(connection)
    migrate(connection)
    assert tables(connection) == before
    assert {"instruments", "series", "trades", "bars", "settings", "settings_audit"} <= before


def test_a_database_of_a_newer_version_is_refused(connection: TimedConnection) -> None:
    connection.execute("INSERT INTO schema_migrations (number, name) VALUES (99, 'from the future')")
    with pytest.raises(FatalError, match=r"written by a newer Quintet \(schema 99, this one knows \d+\)"):
        migrate(connection)


def test_partitions_are_made_for_each_day_and_the_next_one_and_for_each_year(connection: TimedConnection) -> None:
    partitions = Partitions(connection)
    partitions.ensure_trades(np.array([NOON_MS, NOON_MS - 3 * DAY_MS]))
    partitions.ensure_bars(np.array([NOON_MS, NOON_MS - 400 * DAY_MS]))
    assert {"trades_20240805", "trades_20240808", "trades_20240809", "bars_2023", "bars_2024"} <= tables(connection)
    assert "trades_20240806" not in tables(connection)


def test_two_instances_may_make_the_same_partition_at_once(dsn: str, connection: TimedConnection) -> None:
    def ensure(day: int) -> None:
        with connect(dsn, limit_s=20) as own:
            Partitions(own).ensure_trades(np.arange(day, day + 8) * DAY_MS + NOON_MS)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(ensure, day) for day in (0, 1, 0, 1, 2, 0)]:
            done.result()
    assert len([name for name in tables(connection) if name.startswith("trades_2024") and name[-3:] != "key"]) >= 11


def test_retention_drops_whole_old_days_only(connection: TimedConnection) -> None:
    partitions = Partitions(connection)
    partitions.ensure_trades(np.array([NOON_MS - 2 * DAY_MS, NOON_MS - DAY_MS, NOON_MS]))
    assert partitions.drop_trades_before(NOON_MS) == ["trades_20240806", "trades_20240807"]
    assert partitions.drop_trades_before(NOON_MS) == []
    assert {"trades_20240808", "trades_20240809"} <= tables(connection)
    partitions.ensure_trades(np.array([NOON_MS - 2 * DAY_MS]))
    assert "trades_20240806" in tables(connection)


STUB = """
CREATE FUNCTION create_hypertable(name regclass, by_column name, chunk_time_interval interval) RETURNS text LANGUAGE sql
    AS $$ SELECT 'made' $$;
CREATE FUNCTION drop_chunks(name regclass, older_than timestamptz) RETURNS SETOF text LANGUAGE sql
    AS $$ SELECT 'chunk before ' || older_than::date $$;
"""


def test_where_timescaledb_exists_hypertables_are_used(postgres: EmbeddedServers, dsn: str, tmp_path: Path) -> None:
    """Against a stand-in for the extension with the same two functions: the wheel's Postgres does not carry the real one."""
    (tmp_path / "extension").mkdir()
    (tmp_path / "extension" / "timescaledb.control").write_text("default_version = '2.0'\nrelocatable = true\n")
    (tmp_path / "extension" / "timescaledb--2.0.sql").write_text(STUB)
    with connect(dsn, limit_s=10) as connection:
        connection.execute(f"SELECT set_config('extension_control_path', '$system:{tmp_path}', false)".encode())
        migrate(connection)
        kinds = dict(
            connection.execute("SELECT relname, relkind::text FROM pg_class WHERE relname IN ('trades', 'bars')").fetchall()
        )
        assert kinds == {"trades": "r", "bars": "r"}
        partitions = Partitions(connection)
        partitions.ensure_trades(np.array([NOON_MS]))
        assert not [name for name in tables(connection) if name.startswith("trades_2")]
        assert partitions.drop_trades_before(NOON_MS) == ["chunk before 2024-08-08"]
