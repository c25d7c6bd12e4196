"""`UnifiedDataStorage`: every trade and every closed bar into Postgres, and nothing of it in anybody's way."""

import collections
import errno
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from core.base.backoff import Backoff
from core.base.clock import Clock
from core.base.errors import BadInput, FatalError, StorageUnavailable
from core.base.latency import LatencyHistogram
from core.base.log import RateLimit
from core.base.settings import StorageConfig
from core.domain.market import BarFlag, BarUpdate, Trade
from core.storage import queries
from core.storage.batch import Batch, Message, batch_of, merge
from core.storage.batch_writer import BatchWriter, Written
from core.storage.connection import Connections, TimedConnection, connect, reason
from core.storage.migrations import migrate
from core.storage.spool import Spool, SpoolFull

logger = logging.getLogger(__name__)

_CLOSED = int(BarFlag.CLOSED)
#: longer than any batch takes on a sound server, shorter than the queue takes to fill
_WRITE_LIMIT_S = 10.0
_RETENTION_EVERY_S = 3_600.0
_DAY_MS = 86_400_000


class UnifiedDataStorage:
    """Takes messages from any thread, writes them from its own.

    Rows go queue → Postgres while it keeps up. While it is away, or the queue is more than half full, they go queue → disk
    spool, and everything newer goes behind them until the spool has been drained in order: each row once, none overtaken.
    Writing is idempotent, so a lost answer to a COMMIT is answered by writing again. When the spool cannot take more either
    (its bound, a full disk) storage is `paused`: the queue keeps what fits, the rest is dropped and counted, and it
    recovers by itself.
    """

    def __init__(self, dsn: str, config: StorageConfig, data_dir: Path, clock: Clock) -> None:
        self._dsn = dsn
        self._config = config
        self._clock = clock
        self._queue: collections.deque[Message] = collections.deque()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._spool = Spool(data_dir / "spool", config.spool_bytes)
        self._writer: BatchWriter | None = None
        self._backoff = Backoff(base_s=0.1, cap_s=3.0)
        self._next_attempt = 0.0
        self._next_retention = 0.0
        #: a batch out of the queue that neither Postgres nor the spool has taken yet
        self._pending: Batch | None = None
        #: how many messages it was made of, for the gauge
        self._in_hand = 0
        self._questions = Connections(dsn, migrate)
        self._limit_log = RateLimit()
        self._is_running = False
        #: why storage is paused: neither of them takes rows for want of room
        self._spool_refuses = False
        self._postgres_full = False
        self._last_error = ""
        self._total = Written()
        self._batches = 0
        self._dropped = 0
        self._last_flush_ms = 0
        self._flush_ns = LatencyHistogram()

    # --- any thread -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Read the spool, migrate, and start the writer thread. Postgres may be away. Raises FatalError."""
        try:
            self._spool.open()
        except OSError as error:
            raise FatalError(f"the spool in the data directory cannot be used: {error}") from error
        self._is_running = True
        self._connect()
        self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Write what is queued, or spool it, and end the thread within `timeout_s`."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s * 0.6)
            writer = self._writer
            if self._thread.is_alive() and writer is not None:
                writer.connection.abort()
            self._thread.join(timeout_s * 0.4)
            if self._thread.is_alive():
                logger.error("the storage writer did not end within %.1f s", timeout_s)
        self._questions.close()

    def submit(self, messages: Sequence[object]) -> None:
        """Queue trades and closed bars; anything else is ignored. Never blocks, never raises."""
        kept = [m for m in messages if type(m) is Trade or (type(m) is BarUpdate and int(m.flags) & _CLOSED)]
        room = self._config.queue_rows - len(self._queue) - self._in_hand
        if len(kept) > room:
            self._dropped += len(kept) - max(0, room)
            del kept[max(0, room) :]
        self._queue.extend(kept)
        if len(self._queue) >= self._config.flush_rows:
            self._wake.set()

    @property
    def pressure(self) -> float:
        """How full the fuller of queue and spool is, 0…1; 1 while the spool takes nothing."""
        if self._spool_refuses:
            return 1.0
        queue = (len(self._queue) + self._in_hand) / self._config.queue_rows
        return min(1.0, max(queue, self._spool.size / self._config.spool_bytes))

    @property
    def state(self) -> str:
        """`writing`, `spooling` (Postgres is away), `draining`, `paused` (no room), `stopped`."""
        if not self._is_running:
            return "stopped"
        if self._spool_refuses or self._postgres_full:
            return "paused"
        if self._writer is None:
            return "spooling"
        return "writing" if self._spool.empty else "draining"

    def stats(self) -> dict[str, Any]:
        """Counters since the start.

        `rows_written`: rows inserted or amended. `duplicates`: rows that were there already. `writes_saved`: the share of
        single-row statements that batching saved, 1 − statements ÷ rows, 0…1. `last_flush_ms`: Unix ms of the last commit.
        `flush_us`: how long commits take. `queue`: rows in memory, those being written included. `dropped`: rows lost
        because queue and spool were full.
        """
        total = self._total
        rows = total.trades + total.bars
        handed = rows + total.trade_duplicates + total.bar_duplicates
        return {
            "rows_written": rows,
            "batches": self._batches,
            "rows_per_batch": round(handed / self._batches, 1) if self._batches else 0.0,
            "writes_saved": round(max(0.0, 1 - total.statements / handed), 4) if handed else 0.0,
            "queue": len(self._queue) + self._in_hand,
            "spool_bytes": self._spool.size,
            "spool_damaged": self._spool.damaged,
            "last_error": self._last_error or None,
            "state": self.state,
            "by_table": {
                "trades": {"rows": total.trades, "duplicates": total.trade_duplicates, "rejected": total.rejected_trades},
                "bars": {"rows": total.bars, "duplicates": total.bar_duplicates, "rejected": total.rejected_bars},
            },
            "duplicates": total.trade_duplicates + total.bar_duplicates,
            "rejected": total.rejected_trades + total.rejected_bars,
            "dropped": self._dropped,
            "last_flush_ms": self._last_flush_ms,
            "flush_us": {k: v for k, v in self._flush_ns.summary_us().items() if k in ("p50", "p99")},
            "pressure": round(self.pressure, 4),
        }

    def last_trade_id(self, symbol: str) -> int | None:
        """The largest stored trade id of a symbol. Blocks up to 5 s; raises StorageUnavailable."""
        return self._questions.run(lambda c: queries.last_trade_id(c, symbol))

    def count_trades(self, symbol: str) -> int:
        """How many trades of a symbol are stored. Blocks up to 5 s; raises StorageUnavailable."""
        return self._questions.run(lambda c: queries.count_trades(c, symbol))

    def history(self, series: str, limit: int, before_ms: int | None = None) -> list[list[float]]:
        """Closed bars that open before `before_ms`, oldest first. Blocks up to 5 s; raises StorageUnavailable."""
        return self._questions.run(lambda c: queries.history(c, series, limit, before_ms))

    # --- the writer thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                more = self._cycle()
            except Exception as error:
                self._fail("storage writer", error)
                logger.exception("storage writer")
                more = False
            if not more:
                self._wake.wait(self._config.flush_ms / 1_000)
                self._wake.clear()
        self._finish()

    def _cycle(self) -> bool:
        """One round; True when there is more to do at once."""
        self._connect()
        if self._writer is not None and self._spool.empty and len(self._queue) <= self._config.queue_rows // 2:
            batch = self._take()
            if batch is None or self._write(batch):
                self._done()
                self._settle()
                self._keep_retention()
                return len(self._queue) >= self._config.flush_rows
        self._spool_queue()
        return self._writer is not None and not self._spool.empty and self._drain()

    def _take(self) -> Batch | None:
        """The next batch: the one that waits, or up to `flush_rows` of the queue. It waits until `_done`."""
        if self._pending is not None:
            return self._pending
        count = min(len(self._queue), self._config.flush_rows)
        if not count:
            return None
        self._in_hand = count
        batch, rejected = batch_of([self._queue.popleft() for _ in range(count)], self._clock.now_ms())
        self._count_rejected(rejected.trades, rejected.bars)
        if not batch.rows:
            self._done()
            return None
        self._pending = batch
        return batch

    def _done(self) -> None:
        """The batch in hand has found its place."""
        self._pending = None
        self._in_hand = 0

    def _connect(self) -> None:
        if self._writer is not None or time.monotonic() < self._next_attempt:
            return
        connection: TimedConnection | None = None
        try:
            connection = connect(self._dsn, _WRITE_LIMIT_S)
            migrate(connection)
            self._writer = BatchWriter(connection, _WRITE_LIMIT_S)
        except (StorageUnavailable, psycopg.Error, FatalError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, FatalError) and self._thread is None:
                raise
            self._next_attempt = time.monotonic() + self._backoff.next()
            self._fail("Postgres is away", error)

    def _write(self, batch: Batch) -> bool:
        """Whether Postgres has the batch now. If not, the connection is gone."""
        writer, started_ns = self._writer, self._clock.monotonic_ns()
        if writer is None:
            return False
        try:
            written = writer.write(batch)
        except psycopg.Error as error:
            self._postgres_full = isinstance(error, psycopg.errors.DiskFull)
            self._fail("disk full, storage paused" if self._postgres_full else "Postgres", error)
            writer.connection.close()
            self._writer = None
            self._next_attempt = time.monotonic() + self._backoff.next()
            return False
        self._flush_ns.record(self._clock.monotonic_ns() - started_ns)
        self._total.add(written)
        if written.rejected_trades or written.rejected_bars:
            self._note_rejected(written.rejected_trades + written.rejected_bars)
        self._batches += 1
        self._last_flush_ms = self._clock.now_ms()
        self._postgres_full = False
        self._backoff.reset()
        return True

    def _settle(self) -> None:
        """Nothing waits anywhere but in the queue: what went wrong before is over."""
        self._spool_refuses = self._postgres_full = False
        self._last_error = ""

    def _spool_queue(self) -> None:
        """Move the queue to disk, as far as it takes it."""
        while (batch := self._take()) is not None:
            try:
                self._spool.append(batch.to_bytes())
            except (SpoolFull, OSError) as error:
                self._pause(error)
                return
            self._done()
            self._spool_refuses = False

    def _drain(self) -> bool:
        """Write the oldest of the spool; True when that went well and more is to be done."""
        records = self._spool.peek(limit_bytes=self._config.flush_rows * 64)
        batches = []
        for record in records:
            try:
                batches.append(Batch.from_bytes(record))
            except BadInput as error:
                self._fail("spool", error)
        if batches and not self._write(merge(batches)):
            return False
        if records:
            self._spool.advance(len(records))
        return True

    def _finish(self) -> None:
        """At the end: what is queued goes to Postgres if that is at hand, else to disk."""
        try:
            while self._queue or self._pending is not None:
                batch = self._take()
                if batch is None or (self._spool.empty and self._write(batch)):
                    self._done()
                    continue
                self._spool_queue()
                if self._pending is not None:
                    self._dropped += self._pending.rows + len(self._queue)
                    logger.error("storage stops with %d rows that found no place", self._dropped)
                    break
        except Exception:
            logger.exception("storage could not keep its last rows")
        if self._writer is not None:
            self._writer.connection.close()
        self._spool.close()
        self._is_running = False

    def _keep_retention(self) -> None:
        days = self._config.trade_retention_days
        if days <= 0 or self._writer is None or time.monotonic() < self._next_retention:
            return
        self._next_retention = time.monotonic() + _RETENTION_EVERY_S
        try:
            with self._writer.connection.limited(_WRITE_LIMIT_S):
                dropped = self._writer.partitions.drop_trades_before(self._clock.now_ms() - days * _DAY_MS)
        except psycopg.Error as error:
            self._fail("retention", error)
            return
        if dropped:
            logger.info("retention: dropped %s", ", ".join(dropped))

    def _pause(self, error: Exception) -> None:
        self._spool_refuses = True
        full = isinstance(error, SpoolFull) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        self._fail("disk full, storage paused" if full else "the spool cannot be written, storage paused", error)

    def _fail(self, what: str, error: Exception) -> None:
        self._last_error = f"{what}: {reason(error)}"
        held = self._limit_log.passes(what)
        if held is not None:
            logger.warning("%s (%d more like it held back)", self._last_error, held)

    def _count_rejected(self, trades: int, bars: int) -> None:
        self._total.rejected_trades += trades
        self._total.rejected_bars += bars
        if trades or bars:
            self._note_rejected(trades + bars)

    def _note_rejected(self, rows: int) -> None:
        held = self._limit_log.passes("rejected")
        if held is not None:
            logger.warning("%d rows were not fit to be stored (%d more such batches held back)", rows, held)
