"""Native range partitions: made ahead of the rows, dropped when they are too old. TimescaleDB does this by itself."""

import datetime
import re

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

from core.storage.connection import TimedConnection

_DAY_MS = 86_400_000
_EPOCH = datetime.date(1970, 1, 1)
_NAME = re.compile(r"[a-z_]+_(\d{8})")


class Partitions:
    """What is there already, as far as one connection knows; `ensure_*` make what is missing."""

    def __init__(self, connection: TimedConnection, like: str = "trades") -> None:
        """`like`: a table by which is seen whether partitions are native."""
        self._connection = connection
        self._is_native = _is_native(connection, like)
        self._known: set[str] = set()

    def ensure_trades(self, ts_ms: npt.NDArray[np.int64]) -> None:
        """Partitions for these times (Unix ms), and the day after the newest, so that midnight waits for nothing."""
        self.ensure_days("trades", ts_ms)

    def ensure_days(self, table: str, ts_ms: npt.NDArray[np.int64]) -> None:
        """The same for any table that has one partition a day."""
        if self._is_native and len(ts_ms):
            days = set(np.unique(ts_ms // _DAY_MS).tolist())
            for day in sorted(days | {max(days) + 1}):
                first = _EPOCH + datetime.timedelta(days=day)
                self._ensure(table, f"{table}_{first:%Y%m%d}", first, first + datetime.timedelta(days=1))

    def ensure_bars(self, ts_ms: npt.NDArray[np.int64]) -> None:
        """Partitions of a year each for these times (Unix ms)."""
        if self._is_native and len(ts_ms):
            years = np.unique(ts_ms.astype("datetime64[ms]").astype("datetime64[Y]").astype(np.int64) + 1970)
            for year in years.tolist():
                self._ensure("bars", f"bars_{year}", datetime.date(year, 1, 1), datetime.date(year + 1, 1, 1))

    def _ensure(self, table: str, name: str, first: datetime.date, end: datetime.date) -> None:
        if name in self._known:
            return
        exists = self._connection.execute("SELECT to_regclass(%s)", (name,)).fetchone()
        if exists is None or exists[0] is None:
            statement = sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
                sql.Identifier(name), sql.Identifier(table), sql.Literal(f"{first} 00:00+00"), sql.Literal(f"{end} 00:00+00")
            )
            try:
                self._connection.execute(statement)
            except (psycopg.errors.DuplicateTable, psycopg.errors.UniqueViolation, psycopg.errors.InvalidObjectDefinition):
                # another instance made the same partition at the same moment
                exists = self._connection.execute("SELECT to_regclass(%s)", (name,)).fetchone()
                if exists is None or exists[0] is None:
                    raise
        self._known.add(name)

    def drop_trades_before(self, ts_ms: int) -> list[str]:
        """Drop every partition that ends at or before a time (Unix ms); returns their names."""
        return self.drop_days_before("trades", ts_ms)

    def drop_days_before(self, table: str, ts_ms: int) -> list[str]:
        """The same for any table that has one partition a day."""
        limit = datetime.datetime.fromtimestamp(ts_ms / 1_000, datetime.UTC)
        if not self._is_native:
            chunks = self._connection.execute("SELECT drop_chunks(%s, older_than => %s)", (table, limit)).fetchall()
            return [str(chunk) for (chunk,) in chunks]
        partitions = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1"
        dropped = []
        for (name,) in self._connection.execute(partitions, (table,)).fetchall():
            found = _NAME.fullmatch(name)
            if found and datetime.datetime.strptime(found[1] + "+0000", "%Y%m%d%z") + datetime.timedelta(days=1) <= limit:
                self._connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))
                self._known.discard(name)
                dropped.append(name)
        return dropped


def _is_native(connection: TimedConnection, table: str) -> bool:
    row = connection.execute("SELECT relkind = 'p' FROM pg_class WHERE oid = %s::regclass", (table,)).fetchone()
    return bool(row and row[0])
