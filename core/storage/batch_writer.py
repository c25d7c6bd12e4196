"""Batches into Postgres: COPY into staging, then one statement that takes what is new."""

import msgspec
import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

from core.domain.instrument import INSTRUMENTS
from core.domain.market import BarFlag
from core.storage.batch import Batch, Packed
from core.storage.binary_copy import BinaryCopy
from core.storage.connection import TimedConnection
from core.storage.partitions import Partitions

_TRADES = {
    "instrument_id": "int2",
    "trade_id": "int8",
    "ts": "timestamptz",
    "price": "float8",
    "quantity": "float8",
    "is_buyer_maker": "bool",
    "origin": "int2",
}
_BARS = {
    "series_id": "int2",
    "ts": "timestamptz",
    "open": "float8",
    "high": "float8",
    "low": "float8",
    "close": "float8",
    "volume": "float8",
    "flags": "int2",
}

_INSERT_TRADES = "INSERT INTO trades SELECT * FROM pg_temp.trades_staging ON CONFLICT DO NOTHING"

# A bar is amended when its numbers changed, or when we know more of where they come from. A bar of which we saw only a
# part (a start in mid-second) never replaces a whole one.
_MERGE_BARS = f"""
INSERT INTO bars AS old SELECT * FROM pg_temp.bars_staging ON CONFLICT (series_id, ts) DO UPDATE
SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    volume = excluded.volume, flags = excluded.flags
WHERE (excluded.flags & {int(BarFlag.PARTIAL)} = 0 OR old.flags & {int(BarFlag.PARTIAL)} <> 0)
  AND ((old.open, old.high, old.low, old.close, old.volume)
       IS DISTINCT FROM (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume)
    OR (old.flags & {int(BarFlag.PARTIAL)}) <> (excluded.flags & {int(BarFlag.PARTIAL)})
    OR excluded.flags & ~old.flags & {int(BarFlag.CORRECTED | BarFlag.RECONCILED)} <> 0)
"""  # noqa: S608 - numbers of our own enum


class Written(msgspec.Struct):
    """What a batch did. `statements`: the COPY and INSERT statements it took."""

    trades: int = 0
    bars: int = 0
    trade_duplicates: int = 0
    bar_duplicates: int = 0
    rejected_trades: int = 0
    rejected_bars: int = 0
    statements: int = 0

    def add(self, other: "Written") -> None:
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) + getattr(other, field))


class BatchWriter:
    """Writes through one connection; made anew with each connection."""

    def __init__(self, connection: TimedConnection, limit_s: float) -> None:
        self.connection = connection
        self._limit_s = limit_s
        self._copy_trades = BinaryCopy(_TRADES)
        self._copy_bars = BinaryCopy(_BARS)
        #: (table, name) -> id
        self._ids: dict[tuple[str, str], int] = {}
        with connection.limited(limit_s):
            self.partitions = Partitions(connection)
            for table, columns in (("trades_staging", _TRADES), ("bars_staging", _BARS)):
                body = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(k)) for n, k in columns.items())
                connection.execute(
                    sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DELETE ROWS").format(sql.Identifier(table), body)
                )

    def write(self, batch: Batch) -> Written:
        """Store a batch in one transaction, but for rows that Postgres refuses: they are left out and counted.

        Writing a batch again changes nothing. Raises psycopg.Error when Postgres cannot; the connection is not usable then.
        """
        try:
            with self.connection.limited(self._limit_s):
                return self._write_all(batch)
        except (psycopg.DataError, psycopg.IntegrityError):
            if batch.rows == 1:
                return Written(rejected_trades=len(batch.trades), rejected_bars=len(batch.bars))
            first, second = batch.halves()
            written = self.write(first)
            written.add(self.write(second))
            return written

    def _write_all(self, batch: Batch) -> Written:
        trades, bars = batch.trades, batch.bars
        written = Written()
        instrument_ids = self._ids_of("instruments", batch, trades)
        series_ids = self._ids_of("series", batch, bars)
        bars, series_ids = _newest_of_each(bars, series_ids)
        self.partitions.ensure_trades(trades["ts_ms"])
        self.partitions.ensure_bars(bars["ts_ms"])
        with self.connection.transaction(), self.connection.cursor() as cursor:
            if len(trades):
                columns = {n: trades[n] for n in ("trade_id", "price", "quantity", "is_buyer_maker", "origin")}
                columns |= {"instrument_id": instrument_ids, "ts": trades["ts_ms"]}
                self._copy(cursor, "trades_staging", self._copy_trades.encode(columns))
                written.trades = cursor.execute(_INSERT_TRADES).rowcount
                written.statements += 2
            if len(bars):
                columns = {n: bars[n] for n in ("open", "high", "low", "close", "volume", "flags")}
                columns |= {"series_id": series_ids, "ts": bars["ts_ms"]}
                self._copy(cursor, "bars_staging", self._copy_bars.encode(columns))
                written.bars = cursor.execute(_MERGE_BARS).rowcount
                written.statements += 2
        written.trade_duplicates = len(trades) - written.trades
        written.bar_duplicates = len(batch.bars) - written.bars
        return written

    def _copy(self, cursor: psycopg.Cursor[tuple[object, ...]], table: str, payload: bytes) -> None:
        with cursor.copy(sql.SQL("COPY pg_temp.{} FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table))) as copy:
            copy.write(payload)

    def _ids_of(self, table: str, batch: Batch, rows: Packed) -> npt.NDArray[np.int16]:
        """Each row's number in `instruments` or `series`."""
        numbers = np.zeros(max(1, len(batch.names)), np.int16)
        for index in np.unique(rows["name"]).tolist():
            numbers[index] = self._id_of(table, batch.names[index])
        ids: npt.NDArray[np.int16] = numbers[rows["name"]]
        return ids

    def _id_of(self, table: str, name: str) -> int:
        known = self._ids.get((table, name))
        if known is not None:
            return known
        column = sql.Identifier("symbol" if table == "instruments" else "name")
        find = sql.SQL("SELECT id FROM {} WHERE {} = %s").format(sql.Identifier(table), column)
        row = self.connection.execute(find, (name,)).fetchone()
        if row is None:
            with self.connection.transaction():
                # one at a time, or two instances would give the same number to two names
                self.connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.Identifier(table)))
                row = self.connection.execute(find, (name,)).fetchone() or self._insert_name(table, name)
        self._ids[table, name] = number = int(row[0])
        return number

    def _insert_name(self, table: str, name: str) -> tuple[int]:
        next_id = sql.SQL("(SELECT coalesce(max(id), 0) + 1 FROM {})").format(sql.Identifier(table))
        if table == "instruments":
            venue = INSTRUMENTS[name].venue if name in INSTRUMENTS else "unknown"
            insert = sql.SQL("INSERT INTO instruments (id, venue, symbol) VALUES ({}, {}, %s) RETURNING id").format(
                next_id, sql.Literal(venue)
            )
        else:
            insert = sql.SQL("INSERT INTO series (id, name) VALUES ({}, %s) RETURNING id").format(next_id)
        row = self.connection.execute(insert, (name,)).fetchone()
        return (int(row[0]) if row else 0,)


def _newest_of_each(bars: Packed, series_ids: npt.NDArray[np.int16]) -> tuple[Packed, npt.NDArray[np.int16]]:
    """The last row of each series and time: ON CONFLICT DO UPDATE may touch a row only once a statement."""
    keys = np.empty(len(bars), [("series", "<i2"), ("ts", "<i8")])
    keys["series"], keys["ts"] = series_ids, bars["ts_ms"]
    _, from_end = np.unique(keys[::-1], return_index=True)
    last = np.sort(len(bars) - 1 - from_end)
    return bars[last], series_ids[last]
