"""One WebSocket client of the simulated venue: its subscriptions, and a bounded way to write to it.

Frames are encoded once for all clients and written to the transport as they are (server frames are not masked, RFC 6455
§5.1), so the transport's own buffer is the queue: a client that lets it grow beyond the bound is dropped, as the real
venue does, and costs the others nothing.
"""

import asyncio
import struct
from collections import deque

from aiohttp import WSCloseCode, web

#: a client may have this many bytes unread before it is dropped
MAX_UNREAD_BYTES = 16 * 1024 * 1024
#: a source that waits for its clients goes on once they have fewer bytes unread than this
LOW_WATER_BYTES = 256 * 1024
MAX_STREAMS = 1_024
#: incoming messages (pings and pongs too) within a second, above which the venue disconnects
MAX_INCOMING_PER_S = 5


def text_frame(payload: bytes) -> bytes:
    """A whole unmasked text frame (RFC 6455 §5.2)."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 65_536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


class Connection:
    """Writes and bookkeeping for one client. `combined`: its frames have the `{"stream":…,"data":…}` envelope."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport, combined: bool) -> None:
        self.socket = socket
        self.transport = transport
        self.combined = combined
        self.streams: dict[str, None] = {}
        self.frozen = False
        self.delay_s = 0.0
        self.last_pong = asyncio.get_running_loop().time()
        self.frames_sent = 0
        self.cause = ""
        self._pending: list[bytes] = []
        self._flush_due = False
        self._delayed = 0
        self._incoming: deque[float] = deque(maxlen=MAX_INCOMING_PER_S)

    @property
    def unread_bytes(self) -> int:
        """Bytes handed to the client's socket, or held back by a delay, that it has not taken yet."""
        if self.transport.is_closing():
            return 0
        return self.transport.get_write_buffer_size() + self._delayed

    def send(self, frame: bytes) -> None:
        """Queue a whole WebSocket frame; all frames of one turn of the loop go out in one write."""
        if self.frozen or self.transport.is_closing():
            return
        self.frames_sent += 1
        self._pending.append(frame)
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        data = b"".join(self._pending)
        self._pending.clear()
        if self.delay_s > 0:
            self._delayed += len(data)
            asyncio.get_running_loop().call_later(self.delay_s, self._write_delayed, data)
        else:
            self._write(data)

    def _write_delayed(self, data: bytes) -> None:
        self._delayed -= len(data)
        self._write(data)

    def _write(self, data: bytes) -> None:
        if self.frozen or self.transport.is_closing():
            return
        if self.unread_bytes > MAX_UNREAD_BYTES:
            self.abort("slow")
        else:
            self.transport.write(data)

    def count_incoming(self, now_s: float) -> bool:
        """Whether one more message is still within the venue's limit."""
        full = len(self._incoming) == MAX_INCOMING_PER_S and now_s - self._incoming[0] < 1.0
        self._incoming.append(now_s)
        return not full

    def freeze(self) -> None:
        """Neither read nor write any more, but keep the TCP connection."""
        self.frozen = True
        self.transport.pause_reading()

    def abort(self, cause: str) -> None:
        """End the TCP connection at once, without a close frame."""
        self.cause = self.cause or cause
        self.transport.abort()

    async def close(self, code: int, cause: str, message: str = "") -> None:
        self.cause = self.cause or cause
        self._flush()
        if not self.transport.is_closing():
            await self.socket.close(code=code or WSCloseCode.OK, message=message.encode())
