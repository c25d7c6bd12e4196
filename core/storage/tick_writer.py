"""The worker pool's rows into Postgres, so that writing them again changes nothing."""

import contextlib
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

from core.storage.binary_copy import BinaryCopy, payload
from core.storage.connection import TimedConnection, reason
from core.storage.partitions import Partitions
from core.storage.tick_tables import GREEK_COLUMNS, INDICATOR_COLUMNS, INDICATOR_NAMES, TICK_COLUMNS, Packed

#: batches that go through staging after one that had a row already
_CAREFUL_BATCHES = 20
_DAY_MS = 86_400_000

_INSERT_TICKS = """INSERT INTO worker_ticks (symbol_id, ts, event_key, entry, price, volume, bid, ask)
SELECT symbol_id, ts, event_key, entry, price, volume, nullif(bid, 'NaN'), nullif(ask, 'NaN')
FROM pg_temp.worker_ticks_staging ON CONFLICT DO NOTHING"""
#: the limit keeps the planner at one look into the index a row
_OTHERS = """SELECT s.place FROM pg_temp.worker_ticks_staging s CROSS JOIN LATERAL (
    SELECT t.entry FROM worker_ticks t WHERE t.symbol_id = s.symbol_id AND t.ts = s.ts AND t.event_key = s.event_key LIMIT 1
) stored WHERE stored.entry <> s.entry"""
_INSERT_GREEKS = "INSERT INTO worker_greeks SELECT * FROM pg_temp.worker_greeks_staging ON CONFLICT DO NOTHING"
_MERGE_INDICATORS = f"""INSERT INTO worker_indicators ({", ".join(INDICATOR_COLUMNS)})
SELECT symbol_id, ts, {", ".join(f"nullif({n}, 'NaN')" for n in INDICATOR_NAMES)} FROM pg_temp.worker_indicators_staging
ON CONFLICT (symbol_id, ts) DO UPDATE SET {", ".join(f"{n} = excluded.{n}" for n in INDICATOR_NAMES)}"""  # noqa: S608
_MOVE_SHARDS = """UPDATE worker_shards w SET position = moved.position, at = now()
FROM unnest(%s::smallint[], %s::bigint[], %s::text[]) AS moved (shard, epoch, position)
WHERE w.shard = moved.shard AND w.epoch = moved.epoch RETURNING w.shard"""
_MERGE_STATES = """INSERT INTO worker_states (symbol_id, shard, state)
SELECT * FROM unnest(%s::int[], %s::smallint[], %s::bytea[])
ON CONFLICT (symbol_id) DO UPDATE SET shard = excluded.shard, state = excluded.state"""


class Written(msgspec.Struct):
    """What became of a batch: rows `stored`; places of ticks whose event another entry had brought (`duplicates`) and of
    those that Postgres refuses, with its reason (`rejected`)."""

    stored: int = 0
    duplicates: list[int] = []
    rejected: dict[int, str] = {}


class ShardRows(msgspec.Struct, frozen=True):
    """What a shard's owner has calculated up to `position`; `states`: symbol id -> its state as bytes."""

    shard: int
    epoch: int
    position: str
    indicators: Packed
    states: Mapping[int, bytes]


class LostShard(Exception):
    """Another owner has taken the shard over; nothing was written."""

    def __init__(self, shard: int) -> None:
        super().__init__(f"shard {shard} has another owner")
        self.shard = shard


class TickWriter:
    """Writes through one connection; made anew with each connection. All methods raise psycopg.Error when Postgres cannot
    go on; the connection is not usable then."""

    def __init__(self, connection: TimedConnection, limit_s: float) -> None:
        self.connection = connection
        self._limit_s = limit_s
        self._ticks = BinaryCopy(TICK_COLUMNS)
        #: without bid, without ask, without both
        self._ticks_without = {absent: BinaryCopy(TICK_COLUMNS, absent) for absent in (("bid",), ("ask",), ("bid", "ask"))}
        self._staged_ticks = BinaryCopy(TICK_COLUMNS | {"place": "int4"})
        self._greeks = BinaryCopy(GREEK_COLUMNS)
        self._indicators = BinaryCopy(INDICATOR_COLUMNS)
        self._careful = 0
        #: days since 1970 whose partitions are there; -1: not known
        self._day = -1
        with connection.limited(limit_s):
            self._partitions = Partitions(connection, "worker_ticks")
            self._stage("worker_ticks_staging", TICK_COLUMNS | {"place": "int4"})
            self._stage("worker_greeks_staging", GREEK_COLUMNS)
            self._stage("worker_indicators_staging", INDICATOR_COLUMNS)

    def _stage(self, table: str, columns: Mapping[str, str]) -> None:
        body = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(k)) for n, k in columns.items())
        self.connection.execute(
            sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DELETE ROWS").format(sql.Identifier(table), body)
        )

    def write(self, ticks: Packed, greeks: Packed) -> Written:
        """Store TICK_ROW and GREEK_ROW rows in one transaction, but for ticks that Postgres refuses.

        Rows that are there already stay as they are. Fresh rows are copied straight into their table, which costs half of
        staging; a batch with a row that is there already takes the long way, and so do some after it.
        """
        with self.connection.limited(self._limit_s):
            return self._write(ticks, greeks)

    def _write(self, ticks: Packed, greeks: Packed) -> Written:
        try:
            self._ensure_days(ticks)
            if not self._careful:
                with contextlib.suppress(psycopg.errors.UniqueViolation):
                    return self._copy_straight(ticks, greeks)
                self._careful = _CAREFUL_BATCHES
            return self._merge(ticks, greeks)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            # a partition may have been dropped behind our back
            self._partitions, self._day = Partitions(self.connection, "worker_ticks"), -1
            if len(ticks) == 1 and (not isinstance(error, psycopg.errors.CheckViolation) or self._is_refused(ticks)):
                return Written(rejected={0: f"{error.sqlstate}: {reason(error)}"})
            return self._write_halves(ticks, greeks)

    def _ensure_days(self, ticks: Packed) -> None:
        """Partitions for these rows; nearly every batch is of the day of the one before."""
        first, last = int(ticks["ts"].min()) // _DAY_MS, int(ticks["ts"].max()) // _DAY_MS
        if not first == last == self._day:
            self._partitions.ensure_days("worker_ticks", ticks["ts"])
            self._partitions.ensure_days("worker_greeks", ticks["ts"])
            self._day = last if first == last else -1

    def _is_refused(self, ticks: Packed) -> bool:
        """Whether a violated check means the tick itself: its partitions are there now."""
        self._ensure_days(ticks)
        try:
            self._merge(ticks, ticks[:0])
        except psycopg.errors.CheckViolation:
            return True
        return False

    def _write_halves(self, ticks: Packed, greeks: Packed) -> Written:
        half = len(ticks) // 2
        written = Written()
        for start, part in ((0, ticks[:half]), (half, ticks[half:])):
            if len(part):
                found = self._write(part, greeks[_belong(greeks, part)])
                written.stored += found.stored
                written.duplicates += [start + place for place in found.duplicates]
                written.rejected |= {start + place: why for place, why in found.rejected.items()}
        return written

    def _copy_straight(self, ticks: Packed, greeks: Packed) -> Written:
        transaction = self.connection.transaction() if len(greeks) else contextlib.nullcontext()
        with transaction, self.connection.cursor() as cursor:
            _copy(cursor, "worker_ticks", payload(*self._tick_rows(ticks)))
            if len(greeks):
                _copy(cursor, "worker_greeks", self._greeks.encode(_columns(greeks)))
        return Written(len(ticks))

    def _tick_rows(self, ticks: Packed) -> list[bytes]:
        """Rows by which of bid and ask they have, each group in the order of the index."""
        no_bid, no_ask = np.isnan(ticks["bid"]), np.isnan(ticks["ask"])
        if not (no_bid.any() or no_ask.any()):
            return [self._ticks.rows(ticks[_in_order(ticks)])]
        groups = (
            (~no_bid & ~no_ask, self._ticks),
            (no_bid & ~no_ask, self._ticks_without["bid",]),
            (~no_bid & no_ask, self._ticks_without["ask",]),
            (no_bid & no_ask, self._ticks_without["bid", "ask"]),
        )
        rows = []
        for mask, layout in groups:
            group = ticks if mask.all() else ticks[mask]
            if len(group):
                rows.append(layout.rows(group[_in_order(group)]))
        return rows

    def _merge(self, ticks: Packed, greeks: Packed) -> Written:
        # the same order everywhere: two workers with the same entries never wait for each other in a circle
        order = _in_order(ticks)
        columns = _columns(ticks[order]) | {"place": order.astype(np.int32)}
        with self.connection.transaction(), self.connection.cursor() as cursor:
            _copy(cursor, "pg_temp.worker_ticks_staging", self._staged_ticks.encode(columns))
            written = Written(cursor.execute(_INSERT_TICKS).rowcount)
            if written.stored < len(ticks):
                written.duplicates = sorted(place for (place,) in cursor.execute(_OTHERS).fetchall())
            if len(greeks):
                staged = self._greeks.encode(_columns(greeks[_in_order(greeks)]))
                _copy(cursor, "pg_temp.worker_greeks_staging", staged)
                cursor.execute(_INSERT_GREEKS)
        self._careful = _CAREFUL_BATCHES if written.stored < len(ticks) else max(0, self._careful - 1)
        return written

    def write_shards(self, shards: Sequence[ShardRows]) -> None:
        """Indicators (INDICATOR_ROW, one row a symbol and second), states and positions of shards in one transaction.

        Raises LostShard when one of them has another owner by now.
        """
        indicators = np.concatenate([shard.indicators for shard in shards])
        states = [(key, shard.shard, state) for shard in shards for key, state in shard.states.items()]
        with self.connection.limited(self._limit_s), self.connection.transaction(), self.connection.cursor() as cursor:
            own = sorted(shards, key=lambda shard: shard.shard)
            columns = [[s.shard for s in own], [s.epoch for s in own], [s.position for s in own]]
            kept = {number for (number,) in cursor.execute(_MOVE_SHARDS, columns).fetchall()}
            for shard in own:
                if shard.shard not in kept:
                    raise LostShard(shard.shard)
            if len(indicators):
                _copy(cursor, "pg_temp.worker_indicators_staging", self._indicators.encode(_columns(indicators)))
                cursor.execute(_MERGE_INDICATORS)
            if states:
                ids, numbers, blobs = (list(column) for column in zip(*sorted(states), strict=True))
                cursor.execute(_MERGE_STATES, (ids, numbers, blobs))

    def take_shard(self, shard: int, owner: str) -> tuple[int, str, list[tuple[int, bytes]]]:
        """Become the owner: the new epoch, the id of the last entry taken ("0-0": none), the states by symbol id."""
        with self.connection.limited(self._limit_s):
            row = self.connection.execute(
                """INSERT INTO worker_shards (shard, epoch, owner) VALUES (%s, 1, %s)
                ON CONFLICT (shard) DO UPDATE SET epoch = worker_shards.epoch + 1, owner = excluded.owner, at = now()
                RETURNING epoch, position""",
                (shard, owner),
            ).fetchone()
            assert row is not None
            states = self.connection.execute("SELECT symbol_id, state FROM worker_states WHERE shard = %s", (shard,))
            return int(row[0]), str(row[1]), [(int(key), bytes(state)) for key, state in states.fetchall()]

    def drop_before(self, ts_ms: int) -> list[str]:
        """Retention: drop ticks, Greeks and indicators older than a time (Unix ms), whole days only."""
        with self.connection.limited(self._limit_s):
            dropped = self._partitions.drop_days_before("worker_ticks", ts_ms)
            dropped += self._partitions.drop_days_before("worker_greeks", ts_ms)
            self.connection.execute(
                "DELETE FROM worker_indicators WHERE ts < date_trunc('day', to_timestamp(%s / 1000.0))", (ts_ms,)
            )
            return dropped


def _copy(cursor: psycopg.Cursor[tuple[object, ...]], table: str, data: bytes) -> None:
    with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(sql.SQL(table))) as copy:
        copy.write(data)


def _columns(rows: Packed) -> dict[str, npt.NDArray[np.generic]]:
    return {name: rows[name] for name in rows.dtype.names or ()}


def _in_order(rows: Packed) -> npt.NDArray[np.intp]:
    """The order of the primary key; the first of equal events stays first."""
    return np.lexsort((rows["event_key"], rows["ts"], rows["symbol_id"]))


def _belong(greeks: Packed, ticks: Packed) -> npt.NDArray[np.bool_]:
    """Which Greeks are of these ticks."""
    keys = set(ticks[["symbol_id", "ts", "event_key"]].tolist())
    own = greeks[["symbol_id", "ts", "event_key"]].tolist()
    return np.fromiter((key in keys for key in own), np.bool_, len(own))
