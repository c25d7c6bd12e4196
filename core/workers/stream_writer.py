"""Appends to a Redis stream, many entries a round trip, each sent once."""

from typing import Any

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

#: how long Redis may take for an answer before it counts as away
LIMIT_S = 3.0
#: what means that Redis is away, or cannot take an entry now; TimeoutError is no ConnectionError in redis-py
AWAY = (redis.ConnectionError, redis.TimeoutError, OSError)

_MULTI, _EXEC = b"*1\r\n$5\r\nMULTI\r\n", b"*1\r\n$4\r\nEXEC\r\n"


class Appended(msgspec.Struct, frozen=True):
    """`refused` are the lines if Redis refused them, and `reason` the first error.

    `length` is that of the stream afterwards, -1 if unknown.
    """

    refused: list[bytes]
    reason: str
    length: int


class StreamWriter:
    """One connection to Redis for one thread. It never sends a command again by itself: redis-py 8 would, and that doubles
    entries; whoever calls does so, knowing that each line bears its event id."""

    def __init__(self, url: str, key: str) -> None:
        # RESP2: a status is a string in both, and older servers need no HELLO
        self._pool = redis.ConnectionPool.from_url(
            url,
            max_connections=1,
            socket_timeout=LIMIT_S,
            socket_connect_timeout=LIMIT_S,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            protocol=2,
        )
        name = key.encode()
        self._xadd = b"*5\r\n$4\r\nXADD\r\n$%d\r\n%b\r\n$1\r\n*\r\n$1\r\nd\r\n$" % (len(name), name)
        self._xlen = b"*2\r\n$4\r\nXLEN\r\n$%d\r\n%b\r\n" % (len(name), name)

    def append(self, lines: list[bytes]) -> Appended:
        """XADD each line as the field `d`, all of them or none, so that none overtakes one that was refused.

        Raises one of `AWAY`: then none or all of them are in the stream.
        """
        xadd = self._xadd
        connection: Any = self._pool.get_connection()
        try:
            adds = b"".join([b"%b%d\r\n%b\r\n" % (xadd, len(line), line) for line in lines])
            connection.send_packed_command([(_MULTI + adds + _EXEC if lines else b"") + self._xlen])
            reason = _transaction(connection, len(lines)) if lines else ""
            length = self._length_of(connection)
        except BaseException:
            # replies that nobody read must not be taken for those of the next command
            connection.disconnect()
            raise
        finally:
            self._pool.release(connection)
        return Appended(lines if reason else [], reason, length)

    def length(self) -> int:
        """Entries of the stream, -1 if Redis refuses to say. Raises one of `AWAY`."""
        return self.append([]).length

    def _length_of(self, connection: Any) -> int:
        try:
            return int(connection.read_response())
        except redis.ResponseError:
            return -1

    def close(self) -> None:
        self._pool.disconnect()


def _transaction(connection: Any, commands: int) -> str:
    """Read the answers to MULTI, the commands and EXEC; why the transaction was refused, "" when it was not."""
    reason = ""
    for _ in range(commands + 2):
        try:
            answer = connection.read_response()
        except redis.ResponseError as error:
            reason = reason or str(error)
        else:
            failed = [each for each in answer if isinstance(each, redis.ResponseError)] if isinstance(answer, list) else []
            reason = reason or (str(failed[0]) if failed else "")
    return reason
