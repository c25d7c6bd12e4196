"""The venue's WebSocket side: `/stream?streams=a/b`, `/ws/a/b`, live SUBSCRIBE and UNSUBSCRIBE, pings, limits, faults.

Rules (github.com/binance/binance-spot-api-docs, web-socket-streams.md): a ping every 20 s, disconnection after a minute
without pong, 24 h a connection, 5 incoming messages a second, 1,024 streams a connection.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass

import msgspec
from aiohttp import WSMsgType, web

from core.venues.simulated.connection import LOW_WATER_BYTES, MAX_STREAMS, Connection, text_frame
from core.venues.simulated.connection_set import ConnectionSet
from core.venues.simulated.faults import Faults

_POLL_S = 0.001
#: how often a request in a black hole looks whether it is over
_DARK_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class StreamRules:
    """The venue's times in seconds."""

    ping_s: float = 20.0
    pong_timeout_s: float = 60.0
    lifetime_s: float = 86_400.0


class Streams(ConnectionSet):
    """All WebSocket clients; the market source publishes here."""

    def __init__(self, faults: Faults, rules: StreamRules) -> None:
        super().__init__()
        self.faults = faults
        self._rules = rules
        self._listeners: dict[str, list[Connection]] = {}
        self.connections_total = 0
        self.frames: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.last_payload: dict[str, str | bytes] = {}
        self._subscribed = asyncio.Event()
        #: announced shutdowns on their way
        self._endings: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/stream", self._combined), web.get("/ws", self._raw), web.get("/ws/{streams:.*}", self._raw)]

    # what a source needs

    def wanted(self, stream: str) -> bool:
        return stream in self._listeners

    def event_ms(self, now_ms: int) -> int:
        return now_ms + self.faults.skew_ms

    def publish(self, stream: str, payload: str) -> None:
        if stream not in self._listeners:
            return
        self.last_payload[stream] = payload
        if self.faults.touches_frames:
            for name, text in self.faults.pass_frame(stream, payload, self._now()):
                self._deliver(name, f'{{"stream":"{name}","data":{text}}}'.encode(), text.encode())
        else:
            self._deliver(stream, f'{{"stream":"{stream}","data":{payload}}}'.encode(), payload.encode())

    def publish_recorded(self, stream: str, frame: bytes, payload: bytes) -> None:
        if stream not in self._listeners:
            return
        if self.faults.touches_frames:
            self.publish(stream, payload.decode())
        else:
            self.last_payload[stream] = payload
            self._deliver(stream, frame, payload)

    async def writable(self) -> None:
        """Every listener has taken most of what it was sent; whoever never does is dropped for its missing pongs."""
        await asyncio.sleep(0)
        # a transport tells only its own protocol, which is aiohttp's, that it can be written to again
        while any(c.unread_bytes > LOW_WATER_BYTES for c in self.connections):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)

    async def listened(self) -> None:
        await self._subscribed.wait()

    # faults that act on connections at once

    def release(self, held: list[tuple[str, str]]) -> None:
        """Send frames that a fault held back."""
        for stream, payload in held:
            self.publish(stream, payload)

    def announce_shutdown(self, after_s: float) -> None:
        """Tell every client that its connection will end, and end it then; who comes later is not concerned."""
        frame = msgspec.json.encode({"e": "serverShutdown", "E": self.event_ms(time.time_ns() // 1_000_000)})
        concerned = list(self.connections)
        for connection in concerned:
            connection.send(text_frame(frame))
        ending = asyncio.create_task(self._end_after(concerned, after_s), name="announced shutdown")
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _end_after(self, connections: list[Connection], after_s: float) -> None:
        await asyncio.sleep(after_s)
        closes = (c.close(1001, "announced shutdown", "shutdown") for c in connections if c in self.connections)
        await asyncio.gather(*closes, return_exceptions=True)

    def stats(self) -> dict[str, object]:
        return {
            "connections": len(self.connections),
            "connections_total": self.connections_total,
            "subscriptions": {name: len(listeners) for name, listeners in sorted(self._listeners.items())},
            "frames_sent": dict(self.frames),
            "frames_total": self.frames.total(),
            "ended": dict(self.ended),
            "unread_bytes": sum(c.unread_bytes for c in self.connections),
        }

    async def until_light(self) -> None:
        """Return when the venue answers (again)."""
        # faults know no loop that could wake us
        while self.faults.is_dark(self._now()):  # noqa: ASYNC110
            await asyncio.sleep(_DARK_POLL_S)

    # one client

    async def _combined(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, request.query.get("streams", ""), combined=True)

    async def _raw(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, request.match_info.get("streams", ""), combined=False)

    async def _serve(self, request: web.Request, names: str, combined: bool) -> web.StreamResponse:
        streams = [name for name in names.split("/") if name]
        await self.until_light()
        if self.faults.refusing(self._now()):
            after = self.faults.retry_after
            headers = {"Retry-After": str(after)} if after is not None else {}
            return web.Response(status=self.faults.refuse_status, text="Service Unavailable", headers=headers)
        if len(streams) > MAX_STREAMS:
            return web.Response(status=400, text="Too many streams")
        socket = web.WebSocketResponse(compress=False, autoping=False, max_msg_size=64 * 1024, timeout=1.0)
        await socket.prepare(request)
        if request.transport is None:
            return socket
        connection = Connection(socket, request.transport, combined)
        connection.delay_s = self.faults.delay_s
        self.connections.add(connection)
        self.connections_total += 1
        self._subscribe(connection, streams)
        guard = asyncio.create_task(self._guard(connection), name="websocket guard")
        try:
            await self._read(connection)
        finally:
            guard.cancel()
            self._forget(connection)
        return socket

    async def _read(self, connection: Connection) -> None:
        async for message in connection.socket:
            if not connection.count_incoming(self._now()):
                await connection.close(1008, "too many messages", "Too many requests")
                return
            if message.type is WSMsgType.PONG:
                connection.last_pong = self._now()
            elif message.type is WSMsgType.PING:
                await connection.socket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                connection.send(text_frame(self._answer(connection, message.data)))

    async def _guard(self, connection: Connection) -> None:
        """Pings, and the ends that a clock decides."""
        born = self._now()
        next_ping = born + self._rules.ping_s
        while True:
            end = born + self._rules.lifetime_s
            await asyncio.sleep(max(0.0, min(next_ping, end) - self._now()))
            if self._now() >= end:
                await connection.close(1008, "lifetime", "Connection lifetime is over")
                return
            if self._now() - connection.last_pong > self._rules.pong_timeout_s:
                connection.abort("no pong")
                return
            next_ping += self._rules.ping_s
            if not connection.frozen and not connection.transport.is_closing():
                payload = str(int(self._now() * 1000)).encode()
                connection.send(b"\x89" + bytes([len(payload)]) + payload)

    def _answer(self, connection: Connection, text: str) -> bytes:
        try:
            request = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            return msgspec.json.encode({"code": 3, "msg": f"Invalid JSON: {error}"})
        if not isinstance(request, dict):
            return msgspec.json.encode({"code": 2, "msg": "Invalid request: request must be an object"})
        number, names = request.get("id"), request.get("params", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return msgspec.json.encode({"code": 2, "msg": "Invalid request: params must be strings", "id": number})
        match request.get("method"):
            case "SUBSCRIBE":
                if len(connection.streams) + len(names) > MAX_STREAMS:
                    return msgspec.json.encode({"code": 2, "msg": "Invalid request: too many streams", "id": number})
                self._subscribe(connection, names)
                return msgspec.json.encode({"result": None, "id": number})
            case "UNSUBSCRIBE":
                self._unsubscribe(connection, names)
                return msgspec.json.encode({"result": None, "id": number})
            case "LIST_SUBSCRIPTIONS":
                return msgspec.json.encode({"result": list(connection.streams), "id": number})
        return msgspec.json.encode({"code": 2, "msg": "Invalid request: unknown method", "id": number})

    def _subscribe(self, connection: Connection, names: list[str]) -> None:
        for name in names:
            if name not in connection.streams:
                connection.streams[name] = None
                self._listeners.setdefault(name, []).append(connection)
        if self._listeners:
            self._subscribed.set()

    def _unsubscribe(self, connection: Connection, names: list[str]) -> None:
        for name in names:
            if name in connection.streams:
                del connection.streams[name]
                self._listeners[name].remove(connection)
                if not self._listeners[name]:
                    del self._listeners[name]
        if not self._listeners:
            self._subscribed.clear()

    def _forget(self, connection: Connection) -> None:
        self._unsubscribe(connection, list(connection.streams))
        self.connections.discard(connection)
        self.ended[connection.cause or "client"] += 1

    def _deliver(self, stream: str, combined: bytes, raw: bytes) -> None:
        combined_frame = raw_frame = b""
        listeners = self._listeners.get(stream, ())
        for connection in listeners:
            if connection.combined:
                combined_frame = combined_frame or text_frame(combined)
                connection.send(combined_frame)
            else:
                raw_frame = raw_frame or text_frame(raw)
                connection.send(raw_frame)
        self.frames[stream] += len(listeners)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
