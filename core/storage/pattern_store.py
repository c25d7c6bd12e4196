"""Detected patterns in Postgres: table `worker_patterns`."""

import datetime
from collections.abc import Sequence
from typing import Any

from core.storage.connection import Connections, TimedConnection
from core.storage.migrations import migrate

#: symbol, Unix ms of the bar's open, kind, name, direction, strength, price, reason
Row = tuple[str, int, str, str, int, float, float, str]
COLUMNS = ("symbol", "ts_ms", "kind", "name", "direction", "strength", "price", "reason")
_INSERT = (
    "INSERT INTO worker_patterns (symbol, ts, kind, name, direction, strength, price, reason) "
    "VALUES (%s, to_timestamp(%s / 1000.0), %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
_NEWEST = (
    "SELECT symbol, (extract(epoch FROM ts) * 1000)::bigint, kind, name, direction, strength, price, reason "
    "FROM worker_patterns WHERE %(symbol)s::text IS NULL OR symbol = %(symbol)s "
    "ORDER BY ts DESC, symbol, name LIMIT %(limit)s"
)


class PatternStore:
    """Every call may block for up to 5 s, and raises StorageUnavailable when Postgres is away."""

    def __init__(self, dsn: str) -> None:
        self._connections = Connections(dsn, migrate)

    def add(self, rows: Sequence[Row]) -> int:
        """Keep the patterns that are not there yet, in one transaction; returns how many those are."""
        return self._connections.run(lambda connection: _add(connection, rows))

    def newest(self, limit: int, symbol: str | None = None) -> list[dict[str, Any]]:
        """The newest first, of one symbol or of all: the columns of `COLUMNS`."""
        rows = self._connections.run(
            lambda connection: connection.execute(_NEWEST, {"symbol": symbol, "limit": limit}).fetchall()
        )
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows]

    def drop_before(self, ts_ms: int) -> int:
        """Delete what is older than a time (Unix ms); returns how many rows."""
        limit = datetime.datetime.fromtimestamp(ts_ms / 1_000, datetime.UTC)
        return self._connections.run(lambda c: c.execute("DELETE FROM worker_patterns WHERE ts < %s", (limit,)).rowcount)

    def close(self) -> None:
        self._connections.close()


def _add(connection: TimedConnection, rows: Sequence[Row]) -> int:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(_INSERT, rows)
        return cursor.rowcount
