"""The thread that owns a process's connection for ticks: what is ready shares a transaction."""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np
import psycopg

from core.base.backoff import Backoff
from core.base.errors import StorageUnavailable
from core.storage.connection import TimedConnection, connect, reason
from core.storage.migrations import migrate
from core.storage.tick_tables import Packed
from core.storage.tick_writer import TickWriter, Written
from core.workers.symbol_book import Key, SymbolBook

logger = logging.getLogger(__name__)

_LIMIT_S = 8.0
#: rows of a transaction: more gain nothing and keep the others waiting
MOST_ROWS = 4_000


class _Task(msgspec.Struct):
    """One thing that a slot waits for: symbols to learn, or rows to write."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Written]
    keys: Sequence[Key] = ()
    ticks: Packed | None = None
    greeks: Packed | None = None

    def resolve(self, written: Written) -> None:
        self._tell(lambda: self.future.set_result(written))

    def fail(self, error: Exception) -> None:
        self._tell(lambda: self.future.set_exception(error))

    def _tell(self, tell: Callable[[], None]) -> None:
        def unless_gone() -> None:
            if not self.future.done():
                tell()

        self.loop.call_soon_threadsafe(unless_gone)


class TickCommitter:
    """`write` and `learn` wait until Postgres has done it, however long it is away; `stop` ends that wait.

    The queue holds at most one task a slot, for a slot waits for its task.
    """

    def __init__(self, dsn: str, book: SymbolBook, most_batches: int) -> None:
        self._dsn = dsn
        self._book = book
        self._most_batches = most_batches
        self._queue: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tick-committer", daemon=True)
        self._writer: TickWriter | None = None
        self._backoff = Backoff(base_s=0.1, cap_s=2.0)
        #: "ok" or why Postgres cannot be used
        self.state = "connecting"
        self.transactions = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End within seconds; what could not be written fails with StorageUnavailable, and nobody acknowledges it."""
        self._stopping.set()
        self._queue.put(None)

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def learn(self, keys: Iterable[Key]) -> asyncio.Future[Written]:
        """Have the book learn symbols."""
        return self._put(tuple(keys), None, None)

    def write(self, ticks: Packed, greeks: Packed) -> asyncio.Future[Written]:
        """Store a batch. Fails with StorageUnavailable when we stop before it is done."""
        return self._put((), ticks, greeks)

    def _put(self, keys: Sequence[Key], ticks: Packed | None, greeks: Packed | None) -> asyncio.Future[Written]:
        loop = asyncio.get_running_loop()
        task = _Task(loop, loop.create_future(), keys, ticks, greeks)
        self._queue.put(task)
        return task.future

    def _run(self) -> None:
        while (task := self._queue.get()) is not None:
            tasks, rows = [task], _rows(task)
            while len(tasks) < self._most_batches and rows < MOST_ROWS:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    self._queue.put(None)
                    break
                tasks.append(more)
                rows += _rows(more)
            self._do(tasks)
        if self._writer is not None:
            self._writer.connection.close()

    def _do(self, tasks: list[_Task]) -> None:
        while not self._stopping.is_set():
            try:
                self._carry_out(tasks)
                return
            except (psycopg.DataError, psycopg.IntegrityError, ValueError, TypeError, KeyError) as error:
                # what somebody brought cannot be stored, however often it is tried
                if len(tasks) == 1:
                    tasks[0].fail(error)
                    return
                for task in tasks:
                    self._do([task])
                return
            except (psycopg.Error, StorageUnavailable) as error:
                self._trouble(error)
        for task in tasks:
            task.fail(StorageUnavailable("the worker stops"))

    def _carry_out(self, tasks: list[_Task]) -> None:
        writer = self._connected()
        keys = {key for task in tasks for key in task.keys}
        if keys:
            with writer.connection.limited(_LIMIT_S):
                self._book.learn(writer.connection, keys)
        writing = [task for task in tasks if task.ticks is not None]
        written = Written()
        if writing:
            written = writer.write(_joined([task.ticks for task in writing]), _joined([task.greeks for task in writing]))
            self.transactions += 1
        self._backoff.reset()
        start = 0
        for task in tasks:
            end = start + _rows(task)
            task.resolve(_part(written, start, end))
            start = end

    def _connected(self) -> TickWriter:
        if self._writer is None:
            connection: TimedConnection = connect(self._dsn, _LIMIT_S)
            try:
                migrate(connection)
                self._writer = TickWriter(connection, _LIMIT_S)
            except BaseException:
                connection.close()
                raise
            self.state = "ok"
        return self._writer

    def _trouble(self, error: Exception) -> None:
        if self._writer is not None:
            self._writer.connection.close()
            self._writer = None
        if self.state in ("ok", "connecting"):
            logger.warning("Postgres: %s", reason(error))
        self.state = reason(error)
        self._stopping.wait(self._backoff.next())


def _rows(task: _Task) -> int:
    return 0 if task.ticks is None else len(task.ticks)


def _joined(parts: Sequence[Packed | None]) -> Packed:
    arrays = [part for part in parts if part is not None]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _part(written: Written, start: int, end: int) -> Written:
    """What became of the rows from `start` to `end` of a joint batch; `stored` is told of the whole only."""
    if not written.duplicates and not written.rejected:
        return Written(end - start)
    return Written(
        end - start,
        [place - start for place in written.duplicates if start <= place < end],
        {place - start: why for place, why in written.rejected.items() if start <= place < end},
    )
