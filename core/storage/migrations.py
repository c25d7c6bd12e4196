"""The database's schema, step by step.

Tables: `instruments`, `series` (small numbers for long names), `trades` (one partition or chunk a day), `bars` (one
partition a year: two series of seconds are 63 million rows, about 5 GB), `settings`, `settings_audit`. With TimescaleDB
`trades` and `bars` are hypertables; without it, native range partitions, made by `core.storage.partitions`. The worker
pool's tables are in `core.storage.tick_tables`.
"""

from collections.abc import Callable

import psycopg
from psycopg import sql

from core.base.errors import FatalError
from core.storage import tick_tables
from core.storage.connection import TimedConnection
from core.storage.pattern_tables import PATTERN_TABLES

#: any number that nobody else's advisory lock in the same database has
_LOCK = 5_110_505_110_002
_LIMIT_S = 60.0

_NAMES = """
CREATE TABLE instruments (id smallint PRIMARY KEY, venue text NOT NULL, symbol text NOT NULL UNIQUE);
CREATE TABLE series (id smallint PRIMARY KEY, name text NOT NULL UNIQUE);
"""

_TRADES = """
CREATE TABLE trades (
    instrument_id smallint NOT NULL,
    trade_id bigint NOT NULL,
    ts timestamptz NOT NULL,
    price double precision NOT NULL CHECK (price > 0 AND price < 'Infinity'),
    quantity double precision NOT NULL CHECK (quantity >= 0 AND quantity < 'Infinity'),
    is_buyer_maker boolean NOT NULL,
    origin smallint NOT NULL,
    UNIQUE (instrument_id, trade_id, ts)
)
"""

_BARS = """
CREATE TABLE bars (
    series_id smallint NOT NULL,
    ts timestamptz NOT NULL,
    open double precision NOT NULL CHECK (open > 0 AND open < 'Infinity'),
    high double precision NOT NULL CHECK (high > 0 AND high < 'Infinity'),
    low double precision NOT NULL CHECK (low > 0 AND low < 'Infinity'),
    close double precision NOT NULL CHECK (close > 0 AND close < 'Infinity'),
    volume double precision NOT NULL CHECK (volume >= 0 AND volume < 'Infinity'),
    flags smallint NOT NULL,
    UNIQUE (series_id, ts)
)
"""

_SETTINGS = """
CREATE TABLE settings (
    key text PRIMARY KEY, value jsonb NOT NULL, updated_at timestamptz NOT NULL, updated_by text NOT NULL
);
CREATE TABLE settings_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL, who text NOT NULL, key text NOT NULL, old jsonb, new jsonb NOT NULL
);
"""


def _names(connection: TimedConnection) -> None:
    connection.execute(_NAMES)


def _market(connection: TimedConnection) -> None:
    if _make_timescale(connection):
        connection.execute(_TRADES)
        connection.execute(_BARS)
        connection.execute("SELECT create_hypertable('trades', 'ts', chunk_time_interval => interval '1 day')")
        connection.execute("SELECT create_hypertable('bars', 'ts', chunk_time_interval => interval '1 year')")
    else:
        connection.execute(_TRADES + "PARTITION BY RANGE (ts)")
        connection.execute(_BARS + "PARTITION BY RANGE (ts)")


def _settings(connection: TimedConnection) -> None:
    connection.execute(_SETTINGS)


def _workers(connection: TimedConnection) -> None:
    tick_tables.create(connection, _make_timescale(connection))


def _patterns(connection: TimedConnection) -> None:
    connection.execute(PATTERN_TABLES)


_STEPS: tuple[tuple[int, str, Callable[[TimedConnection], None]], ...] = (
    (1, "names", _names),
    (2, "trades and bars", _market),
    (3, "settings", _settings),
    (4, "worker pool", _workers),
    (5, "patterns", _patterns),
)


def _make_timescale(connection: TimedConnection) -> bool:
    """Whether TimescaleDB can be used: it is there, and it is loaded or we may load it."""
    available = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone()
    if available is None:
        return False
    try:
        with connection.transaction():
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.ObjectNotInPrerequisiteState,
        psycopg.errors.FeatureNotSupported,
    ):
        return False
    return True


def migrate(connection: TimedConnection) -> None:
    """Bring the schema up to date; safe with any number of instances at once, and cheap when nothing is to do.

    Raises psycopg.Error, and FatalError when a newer Quintet wrote the database.
    """
    newest = _STEPS[-1][0]
    with connection.limited(_LIMIT_S):
        if _current(connection) == newest:
            return
        connection.execute("SELECT set_config('lock_timeout', '0', false)")
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        try:
            _ensure_schema(connection)
            connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations "
                "(number int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            current = _current(connection)
            for number, name, step in _STEPS:
                if number > current:
                    with connection.transaction():
                        step(connection)
                        connection.execute("INSERT INTO schema_migrations (number, name) VALUES (%s, %s)", (number, name))
        finally:
            if not connection.broken:
                connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
    if current > newest:
        raise FatalError(f"the database was written by a newer Quintet (schema {current}, this one knows {newest})")


def _current(connection: TimedConnection) -> int:
    """The newest step that was run; 0 in an empty database."""
    row = connection.execute("SELECT to_regclass('schema_migrations')").fetchone()
    if row is None or row[0] is None:
        return 0
    row = connection.execute("SELECT coalesce(max(number), 0) FROM schema_migrations").fetchone()
    return int(row[0]) if row else 0


def _ensure_schema(connection: TimedConnection) -> None:
    """Create the schema that the connection's search path names, if it is not there yet."""
    row = connection.execute("SELECT current_schema(), current_setting('search_path')").fetchone()
    if row is not None and row[0] is None:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(row[1])))
