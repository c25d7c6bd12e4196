"""Toggles that people change while it runs: kept in Postgres with who, when, the old and the new value."""

import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from core.base.clock import Clock
from core.base.codec import to_json
from core.base.errors import BadInput
from core.storage.connection import Connections, TimedConnection
from core.storage.migrations import migrate


class Change(msgspec.Struct, frozen=True):
    """One change of a setting. `old` is None for one never set; `old == new`: nothing changed, nothing was written."""

    key: str
    old: Any
    new: Any
    who: str
    at_ms: int


class SettingsStore:
    """Tables `settings` and `settings_audit`. Every call may block for up to 5 s: use a thread from a loop.

    All raise StorageUnavailable when Postgres is away.
    """

    def __init__(self, dsn: str, clock: Clock) -> None:
        self._clock = clock
        self._connections = Connections(dsn, migrate, size=1)

    def all(self) -> dict[str, object]:
        """Every stored setting, key -> value."""
        return self._connections.run(lambda c: dict(c.execute("SELECT key, value FROM settings ORDER BY key").fetchall()))

    def set(self, key: str, value: object, who: str) -> Change:
        """Store a JSON value and its audit row in one transaction. Raises BadInput on what JSON or a text cannot hold."""
        at_ms = self._clock.now_ms()
        try:
            new = Jsonb(value, dumps=to_json)
            return self._connections.run(lambda c: _set(c, key, value, new, who, at_ms))
        except (TypeError, psycopg.DataError) as error:
            raise BadInput(f"setting {key!r} cannot be stored: {error}") from error

    def audit(self, limit: int) -> list[dict[str, object]]:
        """The newest changes first: at_ms, who, key, old, new."""
        return self._connections.run(lambda c: _audit(c, limit))

    def close(self) -> None:
        self._connections.close()


def _set(connection: TimedConnection, key: str, value: object, new: Jsonb, who: str, at_ms: int) -> Change:
    at = datetime.datetime.fromtimestamp(at_ms / 1_000, datetime.UTC)
    with connection.transaction():
        # two first settings of one key at once would both find no row to lock
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('settings'), hashtext(%s))", (key,))
        row = connection.execute("SELECT value, value = %s FROM settings WHERE key = %s", (new, key)).fetchone()
        old, unchanged = row if row is not None else (None, False)
        if not unchanged:
            connection.execute(
                """INSERT INTO settings (key, value, updated_at, updated_by) VALUES (%s, %s, %s, %s)
                ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at,
                updated_by = excluded.updated_by""",
                (key, new, at, who),
            )
            connection.execute(
                "INSERT INTO settings_audit (at, who, key, old, new) VALUES (%s, %s, %s, %s, %s)",
                (at, who, key, Jsonb(old) if row is not None else None, new),
            )
    return Change(key, old, value, who, at_ms)


def _audit(connection: TimedConnection, limit: int) -> list[dict[str, object]]:
    rows = connection.execute(
        "SELECT (extract(epoch FROM at) * 1000)::bigint, who, key, old, new FROM settings_audit ORDER BY id DESC LIMIT %s",
        (limit,),
    ).fetchall()
    return [dict(zip(("at_ms", "who", "key", "old", "new"), row, strict=True)) for row in rows]
