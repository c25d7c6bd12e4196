"""One WebSocket connection: frames put together, sizes bounded, handed on in portions, reading paused on demand."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from core.base.clock import Clock
from core.venues.bad_frames import BadFrame
from core.venues.turns import Turns

#: a longer message is no market data: dropped and counted
MAX_MESSAGE_BYTES = 1 << 20
#: picows closes the connection above this; between the two limits a message is only dropped
MAX_FRAME_BYTES = 64 << 20
#: messages handed on in one turn of the loop: with the bars they change, a tenth of what a consumer's mailbox holds
PER_TURN = 256

#: looking up a member of an enum costs more than all the rest of a frame's way here
_TEXT, _BINARY, _CONTINUATION, _CLOSE = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION, WSMsgType.CLOSE
_PONG = WSMsgType.PONG


class Connection(WSListener):  # type: ignore[misc]  # picows has no types
    """The listener of one connection. `closed` is done when it is over, with the cause as text.

    `on_message(connection, payload, recv_ns)` is given every whole message, `on_bad` every message that is none.
    """

    def __init__(
        self,
        clock: Clock,
        on_message: Callable[["Connection", bytes, int], None],
        on_bad: Callable[[Exception], None],
        after_read: Callable[[], None],
        on_open: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_open` is called before the first message, which may come in the same read as the handshake's answer."""
        self._now_ns = clock.monotonic_ns
        self._hand_on = partial(on_message, self)
        self._turns = Turns(self._hand_on, self._read, PER_TURN, self._handed_on)
        self._on_bad = on_bad
        self._after_read = after_read
        self._on_open = on_open
        self._transport: WSTransport | None = None
        #: fragments so far of a message, None between messages
        self._parts: bytearray | None = None
        self._parts_bytes = 0
        self._close_cause = ""
        #: nothing more comes
        self._is_over = False
        #: the venue's close code (RFC 6455 §7.4.1), 1006 when it hung up without one, 0 while open or when we ended it
        self.close_code = 0
        #: when the venue last answered a ping of ours (monotonic ns), 0 when it never did
        self.pong_ns = 0
        #: when the bytes now being parsed were read (monotonic ns), 0 between reads
        self._read_ns = 0
        #: set by the first whole message: the proof that data flows
        self.proven = asyncio.Event()
        self.is_proven = False
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self, url: str, timeout_s: float, **options: Any) -> None:
        """Connect. Raises TimeoutError, OSError or picows.WSError."""
        async with asyncio.timeout(timeout_s):
            await ws_connect(
                lambda: self,
                url,
                disconnect_on_exception=False,
                websocket_handshake_timeout=timeout_s,
                max_frame_size=MAX_FRAME_BYTES,
                **options,
            )
        # picows returns as if all were well when the peer hangs up within the handshake
        if self._transport is None:
            raise ConnectionResetError("the venue hung up during the handshake")
        self._read(self._turns.is_reading)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._on_open()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if not self._read_ns:  # frames of one read have one time: that of the read
            self._read_ns = self._now_ns()
        kind = frame.msg_type
        if (kind is _TEXT or kind is _BINARY) and frame.fin:
            if frame.payload_size > MAX_MESSAGE_BYTES:
                self._oversized(frame.payload_size)
            elif (turns := self._turns).left:
                turns.left -= 1
                self._hand_on(frame.get_payload_as_bytes(), self._read_ns)
            else:
                turns.put(frame.get_payload_as_bytes(), self._read_ns)
        elif kind is _TEXT or kind is _BINARY or kind is _CONTINUATION:
            self._fragment(frame)
        elif kind is _CLOSE:
            self._on_close(transport, frame)
        elif kind is _PONG:
            self.pong_ns = self._read_ns
        if frame.last_in_buffer:
            self._read_ns = 0
            self._turns.spent()
            self._after_read()

    def _fragment(self, frame: WSFrame) -> None:
        if frame.msg_type is not _CONTINUATION:
            self._parts, self._parts_bytes = bytearray(), 0
        if self._parts is None:
            self._on_bad(BadFrame("fragment", "a continuation frame that continues nothing"))
            return
        self._parts_bytes += frame.payload_size
        if self._parts_bytes <= MAX_MESSAGE_BYTES:
            self._parts += frame.get_payload_as_bytes()
        if not frame.fin:
            return
        parts, self._parts = self._parts, None
        if self._parts_bytes > MAX_MESSAGE_BYTES:
            self._oversized(self._parts_bytes)
        else:
            self._turns.put(bytes(parts), self._read_ns)

    def _oversized(self, size: int) -> None:
        self._on_bad(BadFrame("oversized", f"a message of {size} bytes is longer than {MAX_MESSAGE_BYTES}"))

    def _on_close(self, transport: WSTransport, frame: WSFrame) -> None:
        code = self.close_code = _code_of(frame)
        reason = (frame.get_close_message() or b"").decode("utf-8", "replace")[:120]
        self._close_cause = f"connection closed by the venue (code {code}{': ' + reason if reason else ''})"
        transport.send_close(frame.get_close_code(), frame.get_close_message())
        transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._is_over = True
        if not self._close_cause:
            self.close_code = 1006
            self._close_cause = "connection lost (code 1006)"
        self._end_if_over()

    def _end_if_over(self) -> None:
        """It ends with the last message that it brought."""
        if self._is_over and not self._turns and not self.closed.done():
            self.closed.set_result(self._close_cause)

    def _handed_on(self) -> None:
        self._after_read()
        self._end_if_over()

    def close(self, cause: str) -> None:
        """End it from our side; `closed` will tell `cause`."""
        self._close_cause = self._close_cause or cause
        if self._transport is None:
            if not self.closed.done():
                self.closed.set_result(cause)
            return
        self._transport.send_close()
        # the venue may never answer the close frame, nor read what is still to be sent
        self._transport.disconnect(graceful=False)

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._is_over

    @property
    def backlog(self) -> int:
        """Messages read and not handed on yet."""
        return len(self._turns)

    def send(self, text: bytes) -> None:
        """Send one text frame; does nothing when the connection is over."""
        if self.is_open and self._transport is not None:
            self._transport.send(_TEXT, text)

    def ping(self) -> None:
        """Ask the venue for a sign of life of the connection itself; `pong_ns` tells of the answer."""
        if self.is_open and self._transport is not None:
            self._transport.send_ping()

    def pause(self) -> None:
        """Read no more until `resume`; the venue feels it through TCP."""
        self._turns.pause()

    def resume(self) -> None:
        self._turns.resume()

    def forget(self) -> None:
        """Nobody wants what was read and not handed on yet."""
        self._turns.clear()
        self._end_if_over()

    def _read(self, may_read: bool) -> None:
        if self.is_open and self._transport is not None:
            transport = self._transport.underlying_transport
            (transport.resume_reading if may_read else transport.pause_reading)()


def _code_of(frame: WSFrame) -> int:
    """The close code as a number; picows gives an enum member, or a plain number it has no name for."""
    try:
        code = frame.get_close_code()
    except (ValueError, WSError):
        return 1005
    value = int(getattr(code, "value", code))
    return value or 1005
