"""Connections to Postgres that cannot hang: every wait for the server has a deadline."""

import contextlib
import os
import queue
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo

from core.base.errors import StorageUnavailable

_R = TypeVar("_R")
_CONNECT_TIMEOUT_S = 3

#: the keepalives are the server's: a COPY whose client was cut off waits for its next row, where no `statement_timeout`
#: reaches it (postgres.c, ProcessClientReadInterrupt), and keeps its rows locked for whoever has to store them now
_SESSION = """SELECT set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false),
set_config('idle_in_transaction_session_timeout', '30s', false), set_config('timezone', 'UTC', false),
set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '11s', false)"""


class TimedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection on which no operation outlasts `limited(seconds)`.

    Postgres's own `statement_timeout` does not help against a server that is frozen; this ends the wait on our side.
    Afterwards the connection is in the middle of nowhere: close it.
    """

    _deadline: float | None = None

    @contextlib.contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Everything inside together takes at most `seconds`; then OperationalError."""
        self._deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self._deadline = None

    def wait(self, gen: PQGen[_R], interval: float = 0.1, timeout: float | None = None) -> _R:
        if self._deadline is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, max(0.001, self._deadline - time.monotonic()))
        except psycopg.OperationalError as error:
            if time.monotonic() >= self._deadline:
                raise psycopg.OperationalError("Postgres does not answer in time") from error
            raise

    def abort(self) -> None:
        """Make the operation that another thread has under way fail now."""
        with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(self.fileno())) as twin:
            twin.shutdown(socket.SHUT_RDWR)


def connect(dsn: str, limit_s: float) -> TimedConnection:
    """A connection in autocommit mode whose statements take at most `limit_s`. Raises StorageUnavailable with one line."""
    try:
        connection = TimedConnection.connect(
            dsn,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=_CONNECT_TIMEOUT_S,
            application_name="quintet",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
    except (psycopg.Error, OSError) as error:
        raise StorageUnavailable(reason(error)) from error
    try:
        milliseconds = str(int(limit_s * 1_000))
        with connection.limited(limit_s):
            connection.execute(_SESSION, (milliseconds, milliseconds))
    except psycopg.Error as error:
        connection.close()
        raise StorageUnavailable(reason(error)) from error
    return connection


def in_schema(dsn: str, schema: str) -> str:
    """`dsn` with `schema` as its search path; the migrations create it."""
    return make_conninfo(dsn, options=f"-c search_path={schema}")


def reason(error: BaseException) -> str:
    """An error as one line. libpq's messages never hold a password."""
    return " ".join(str(error).split())[:300] or type(error).__name__


class Connections:
    """At most `size` connections for short questions from any thread, opened when first needed."""

    def __init__(self, dsn: str, prepare: Callable[[TimedConnection], None], size: int = 2, limit_s: float = 5.0) -> None:
        self._dsn = dsn
        #: run once on each new connection, before its first question
        self._prepare = prepare
        self._limit_s = limit_s
        #: the free places; a place holds its connection, or None while it has none
        self._places: queue.LifoQueue[TimedConnection | None] = queue.LifoQueue(size)
        for _ in range(size):
            self._places.put(None)

    def run(self, question: Callable[[TimedConnection], _R]) -> _R:
        """`question(connection)`; asked a second time when the connection turned out to have been cut since its last use.

        Questions must be repeatable. Raises StorageUnavailable when Postgres is away or takes longer than the limit, and
        psycopg.DataError when a parameter is what the database cannot hold.
        """
        try:
            place = self._places.get(timeout=self._limit_s)
        except queue.Empty:
            raise StorageUnavailable("all connections are busy") from None
        used, kept = place, None
        try:
            answer = self._ask_unless_cut(place, question) if place is not None else None
            if answer is None:
                used = connect(self._dsn, self._limit_s)
                self._prepare(used)
                answer = (self._ask(used, question),)
            kept = used
            return answer[0]
        except psycopg.DataError:
            raise
        except psycopg.Error as error:
            raise StorageUnavailable(reason(error)) from error
        finally:
            for connection in (place, used):
                if connection is not None and connection is not kept:
                    connection.close()
            self._places.put(kept)

    def _ask_unless_cut(self, connection: TimedConnection, question: Callable[[TimedConnection], _R]) -> tuple[_R] | None:
        """The answer, or None when the connection had been cut meanwhile."""
        try:
            return (self._ask(connection, question),)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if connection.broken or connection.closed:
                return None
            raise

    def _ask(self, connection: TimedConnection, question: Callable[[TimedConnection], _R]) -> _R:
        with connection.limited(self._limit_s):
            return question(connection)

    def close(self) -> None:
        """Close what is not in use; a later `run` opens anew."""
        for _ in range(self._places.maxsize):
            try:
                place = self._places.get_nowait()
            except queue.Empty:
                return
            if place is not None:
                place.close()
            self._places.put(None)
