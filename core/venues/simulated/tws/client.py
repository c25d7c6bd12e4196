"""One TCP client: the handshake, its frames, and a bounded way to write to it."""

import asyncio
import re
import struct
from collections import deque
from typing import Protocol

from core.venues.simulated.tws import layouts, times
from core.venues.simulated.tws.wire import MAX_FRAME_BYTES, Cursor, encode, frame

MIN_VERSION, MAX_VERSION = 157, 178
#: a client may have this many bytes unread before it is dropped
MAX_UNREAD_BYTES = 16 * 1024 * 1024
#: how long a client that was sent away has to take what was said to it
_LINGER_S = 1.0
_HELLO = b"API\0"
_RANGE = re.compile(rb"v(\d+)\.\.(\d+)")


class Listener(Protocol):
    """Who is told about clients: the venue."""

    def accept(self, client: "Client") -> bool: ...
    def received(self, client: "Client", cursor: Cursor) -> None: ...
    def lost(self, client: "Client") -> None: ...
    def now_ms(self) -> int: ...


class Client(asyncio.Protocol):
    """The protocol of one connection. `version` is 0 until the handshake is done, `client_id` -1 until startApi."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._data = bytearray()
        self._pending: list[bytes] = []
        self._flush_due = False
        self._delayed: deque[bytes] = deque()
        self._burst: list[bytes] = []
        self.burst_size = 0
        self._delay_s = 0.0
        self.transport: asyncio.Transport | None = None
        self.version = 0
        self.client_id = -1
        self.frozen = False
        self._is_ended = False
        self.holds_id = False
        self.sent = 0
        self.cause = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if not self._listener.accept(self):
            transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._pending.clear()
        if not self._is_ended:
            self._listener.lost(self)

    def data_received(self, data: bytes) -> None:
        if self._is_ended:
            return
        self._data += data
        if not self.version and not self._greet():
            return
        for body in self._bodies():
            self._listener.received(self, Cursor.of_body(body, self.version))
            if not self._can_write:
                return

    def _greet(self) -> bool:
        """The client's first words; True once they were understood and answered."""
        if len(self._data) < 8:
            return False
        if bytes(self._data[:4]) != _HELLO:
            self.abort("not the API's greeting")
            return False
        size = struct.unpack(">I", self._data[4:8])[0]
        if size > MAX_FRAME_BYTES:
            self.abort("not the API's greeting")
            return False
        if len(self._data) < 8 + size:
            return False
        offered = _RANGE.match(bytes(self._data[8 : 8 + size]))
        del self._data[: 8 + size]
        if offered is None or int(offered[2]) < MIN_VERSION or int(offered[1]) > MAX_VERSION:
            self.close("no common version")
            return False
        self.version = min(int(offered[2]), MAX_VERSION)
        self.send(frame([str(self.version), times.connection_text(self._listener.now_ms())]))
        return True

    def _bodies(self) -> list[bytes]:
        """The bodies of the frames that are whole."""
        bodies: list[bytes] = []
        start = 0
        while len(self._data) - start >= 4:
            size = struct.unpack_from(">I", self._data, start)[0]
            if size > MAX_FRAME_BYTES:
                self.abort("a frame too long")
                return []
            if len(self._data) - start < 4 + size:
                break
            bodies.append(bytes(self._data[start + 4 : start + 4 + size]))
            start += 4 + size
        del self._data[:start]
        return bodies

    @property
    def _can_write(self) -> bool:
        return not (self._is_ended or self.transport is None or self.transport.is_closing())

    @property
    def unread_bytes(self) -> int:
        """Bytes that the client has not taken yet."""
        if self.transport is None or not self._can_write:
            return 0
        return self.transport.get_write_buffer_size() + sum(map(len, self._delayed)) + sum(map(len, self._burst))

    def send(self, data: bytes) -> None:
        """Queue a frame; all of one turn of the loop go out in one write. A burst holds them back until it is full."""
        if self.frozen or not self._can_write:
            return
        self.sent += 1
        if self.burst_size:
            self._burst.append(data)
            if len(self._burst) >= self.burst_size:
                self.release()
            return
        self._queue(data)

    def release(self) -> None:
        """End a burst: what it held back goes out at once."""
        held, self._burst, self.burst_size = self._burst, [], 0
        for data in held:
            self._queue(data)

    def _queue(self, data: bytes) -> None:
        self._pending.append(data)
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        data = b"".join(self._pending)
        self._pending.clear()
        if self._delay_s > 0:
            self._delayed.append(data)
            asyncio.get_running_loop().call_later(self._delay_s, self._write_delayed)
        else:
            self._write(data)

    def _write_delayed(self) -> None:
        if self._delayed:
            self._write(self._delayed.popleft())

    def set_delay(self, seconds: float) -> None:
        """Hold everything back for so long; with 0 what is held goes out at once."""
        self._delay_s = seconds
        while not seconds and self._delayed:
            self._write(self._delayed.popleft())

    def _write(self, data: bytes) -> None:
        if self.frozen or self.transport is None or not self._can_write:
            return
        if self.unread_bytes > MAX_UNREAD_BYTES:
            self.abort("slow")
        else:
            self.transport.write(data)

    def freeze(self) -> None:
        """Neither read nor write any more, but keep the TCP connection."""
        self.frozen = True
        if self.transport is not None:
            self.transport.pause_reading()

    def abort(self, cause: str) -> None:
        """End the connection at once."""
        self.cause = self.cause or cause
        if self.transport is not None:
            self.transport.abort()

    def close(self, cause: str) -> None:
        """End the connection after what was sent: the client hears it and then the end of the stream.

        What it still sends is taken and dropped. A socket closed over unread input is reset, and a reset throws away what
        the other side has not read yet.
        """
        self.cause = self.cause or cause
        self._flush()
        if self.transport is None or not self._can_write:
            return
        self._is_ended = True
        self._listener.lost(self)
        self.transport.write_eof()
        asyncio.get_running_loop().call_later(_LINGER_S, self.transport.close)


def greeting(account: str, next_id: int, version: int) -> list[bytes]:
    """What a started API hears first; the client library waits for both."""
    return [
        encode(layouts.MANAGED_ACCOUNTS, version, accounts=account),
        encode(layouts.NEXT_VALID_ID, version, orderId=next_id),
    ]
