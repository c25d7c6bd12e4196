"""One browser on `/feed`: what it says, and the one task that writes to it."""

import asyncio
import contextlib
import socket
import sys
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from core.base.clock import Clock
from web import feed_frames
from web.feed_channels import NOTHING
from web.security.limits import TokenBucket

if TYPE_CHECKING:
    from web.feed import Feed

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BAD = 5
MESSAGES_PER_S, MESSAGES_BURST = 20, 60
#: bytes that may wait in the transport, and unsent in the kernel, before the client counts as not reading
WRITE_BUFFER = 16 << 10
#: close codes of RFC 6455
POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013


class Subscribe(msgspec.Struct, tag_field="op", tag="subscribe"):
    """Replaces the set of channels. `batch`: frames that are due together come in one message, as a JSON array."""

    channels: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=64)]
    batch: bool = False


class Pixel(msgspec.Struct, tag_field="op", tag="pixel"):
    """Tick → pixel latencies the browser measured, in microseconds."""

    us: Annotated[list[Annotated[float, msgspec.Meta(ge=0, le=6e8)]], msgspec.Meta(max_length=500)]


_decode = msgspec.json.Decoder(Subscribe | Pixel).decode


class FeedClient:
    """Knows per channel which frame it was last sent, and which channels have news. That is all a slow client costs."""

    def __init__(self, feed: "Feed", send: Send, transport: asyncio.Transport | None, clock: Clock) -> None:
        self._feed = feed
        self._send = send
        self._transport = transport
        self._clock = clock
        self._wake = asyncio.Event()
        #: channel -> seq of the last frame sent
        self._positions: dict[str, int] = {}
        #: channels with news, in the order they came
        self._dirty: dict[str, None] = {}
        self._is_batched = False
        self._errors: deque[str] = deque(maxlen=8)
        self._error_seq = 0
        self._bad = 0
        self._bucket = TokenBucket(MESSAGES_PER_S, MESSAGES_BURST, clock)
        self._is_stopped = False
        #: when the write under way began (monotonic ns), 0 when none is
        self.sending_since_ns = 0

    async def serve(self, receive: Receive) -> None:
        """Until the client leaves, breaks the rules, or is let go."""
        if self._transport is not None:
            limit_buffers(self._transport)
        writer = asyncio.create_task(self._write(), name="feed writer")
        reader = asyncio.create_task(self._read(receive), name="feed reader")
        try:
            await asyncio.wait({writer, reader}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._is_stopped = True
            code = reader.result() if reader.done() and not reader.cancelled() and not reader.exception() else None
            for task in (writer, reader):
                task.cancel()
            await asyncio.gather(writer, reader, return_exceptions=True)
            self.sending_since_ns = 0
        if code is not None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await self._send({"type": "websocket.close", "code": code, "reason": ""})

    def follow(self, names: Sequence[str]) -> None:
        """Start each of these channels anew, and no other."""
        self._positions = dict.fromkeys(names, NOTHING)
        self._dirty = dict.fromkeys(names)
        self._wake.set()

    def mark(self, name: str) -> None:
        """There is news on a channel."""
        self._dirty[name] = None
        self._wake.set()

    def stop(self) -> None:
        self._is_stopped = True
        self._wake.set()

    def abort(self) -> None:
        """Cut off a client that does not read: closing in order would wait for it to read what is buffered."""
        self.stop()
        if self._transport is not None:
            self._transport.abort()

    async def _write(self) -> None:
        while not self._is_stopped:
            await self._wake.wait()
            self._wake.clear()
            while self._errors:
                await self._put(self._error_frame(self._errors.popleft()))
            while self._dirty:
                if self._is_batched:
                    await self._put_batch()
                else:
                    await self._put_next()

    async def _put_next(self) -> None:
        text = self._take_text()
        if text is not None:
            await self._put(text)

    async def _put_batch(self) -> None:
        texts = []
        while self._dirty:
            text = self._take_text()
            if text is not None:
                texts.append(text)
        if texts:
            await self._put(f"[{','.join(texts)}]")

    def _take_text(self) -> str | None:
        """What a channel with news has for this client; None when it has nothing after all."""
        name = next(iter(self._dirty))
        del self._dirty[name]
        channel = self._feed.channels[name]
        position = self._positions[name]
        text = channel.frame_since(position)
        if text is not None:
            if position != NOTHING:
                self._feed.conflated += channel.seq - position - 1
            self._positions[name] = channel.seq
        return text

    async def _put(self, text: str) -> None:
        self.sending_since_ns = self._clock.monotonic_ns()
        await self._send({"type": "websocket.send", "text": text})
        self.sending_since_ns = 0
        self._feed.frames += 1
        self._feed.bytes += len(text)

    async def _read(self, receive: Receive) -> int | None:
        """The close code to end with, None when the client is gone already."""
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return None
            if not self._bucket.take():
                return POLICY_VIOLATION
            if not self._obey(message.get("text")):
                self._feed.bad_messages += 1
                self._bad += 1
                if self._bad >= MAX_BAD:
                    return POLICY_VIOLATION
                self._tell('expected {"op": "subscribe", "channels": [...]} or {"op": "pixel", "us": [...]}')

    def _obey(self, text: str | None) -> bool:
        """Do what a message asks for; False when it is none."""
        if text is None:
            return False
        try:
            message = _decode(text)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return False
        if isinstance(message, Pixel):
            self._feed.report_pixels(message.us)
            return True
        self._is_batched = message.batch
        for name in self._feed.subscribe(self, message.channels):
            self._tell(f"unknown channel: {name}")
        return True

    def _tell(self, error: str) -> None:
        self._errors.append(error)
        self._wake.set()

    def _error_frame(self, error: str) -> str:
        self._error_seq += 1
        return feed_frames.frame("error", self._error_seq, self._clock.now_ms(), feed_frames.error_body(error))


class FeedEndpoint:
    """The ASGI application behind `/feed`."""

    def __init__(self, feed: "Feed", clock: Clock) -> None:
        self._feed = feed
        self._clock = clock

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        feed = self._feed
        client = FeedClient(feed, send, scope["state"].get("transport"), self._clock)
        if not feed.join(client):
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "too many viewers"})
            return
        try:
            await client.serve(receive)
        finally:
            feed.leave(client)


def limit_buffers(transport: asyncio.Transport) -> None:
    """Let a client that does not read be noticed after 16 kB rather than after megabytes of old frames."""
    transport.set_write_buffer_limits(high=WRITE_BUFFER)
    connection = transport.get_extra_info("socket")
    # TCP_NOTSENT_LOWAT: Linux 25, macOS 0x201, where this Python does not name it
    option = getattr(socket, "TCP_NOTSENT_LOWAT", 0x201 if sys.platform == "darwin" else 25)
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, option, WRITE_BUFFER)
