"""`/ws`: subscribe, unsubscribe, ping, and the public channels.

Rules (Hyperliquid docs, "WebSocket" and "Rate limits"): 1,000 subscriptions, 2,000 messages a minute; a connection to which
nothing was sent for 60 s is closed, a ping is answered by `{"channel":"pong"}`; a wrong request by an `error` message.
"""

import asyncio
import json
from collections import Counter, deque
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from core.venues.simulated.connection import Connection, text_frame
from core.venues.simulated.connection_set import ConnectionSet
from core.venues.simulated.faults import Faults
from core.venues.simulated.hyperliquid import wire
from core.venues.simulated.hyperliquid.faults import stream_key
from core.venues.simulated.hyperliquid.feed import CoinFeed
from core.venues.simulated.hyperliquid.market import INTERVALS, HyperliquidMarket

CHANNELS = ("trades", "l2Book", "bbo", "candle")
MOST_SUBSCRIPTIONS = 1_000
MOST_MESSAGES_PER_MINUTE = 2_000
IDLE_S = 60.0
_BLOCK_S = 0.07
_MIDS_PERIOD_MS = 1_000


class Streams(ConnectionSet):
    """All WebSocket clients, and the feeds that write to them."""

    def __init__(self, market: HyperliquidMarket, faults: Faults) -> None:
        super().__init__()
        self._market = market
        self._faults = faults
        self.connections_total = 0
        #: (channel, key) -> listeners; key is the coin, `coin,interval` for candles, "" for allMids
        self._listeners: dict[tuple[str, str], list[Connection]] = {}
        self._sent: dict[Connection, int] = {}
        #: what clients asked: subscribe, unsubscribe, ping, and those refused
        self.messages: Counter[str] = Counter()
        self.frames: Counter[str] = Counter()
        self._incoming: deque[float] = deque(maxlen=MOST_MESSAGES_PER_MINUTE)
        self._mids_ms = 0
        self._feeds: dict[str, CoinFeed] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/ws", self._serve)]

    async def run(self) -> None:
        """Publish block after block, until cancelled."""
        now = self._market.now_ms()
        self._feeds = {c: CoinFeed(m, now, self._wanted, self._publish) for c, m in self._market.coins.items()}
        while True:
            await asyncio.sleep(_BLOCK_S)
            now = self._market.now_ms()
            for feed in self._feeds.values():
                feed.emit(now, self._faults.skew_ms)
            if now - self._mids_ms >= _MIDS_PERIOD_MS and self._wanted("allMids", ""):
                self._mids_ms = now
                mids = {coin: wire.mid(market.book(now)) for coin, market in self._market.coins.items()}
                self._publish("allMids", "", {"mids": mids})
            self._close_idle()

    def stats(self) -> dict[str, object]:
        return {
            "connections": len(self.connections),
            "connections_total": self.connections_total,
            "subscriptions": {f"{c}:{key}": len(found) for (c, key), found in sorted(self._listeners.items())},
            "messages": dict(self.messages),
            "frames_sent": dict(self.frames),
        }

    # -- frames out

    def _wanted(self, channel: str, key: str) -> bool:
        return (channel, key) in self._listeners

    def _publish(self, channel: str, key: str, data: Any) -> None:
        payload = json.dumps({"channel": channel, "data": data}, separators=(",", ":"))
        stream = stream_key(channel, key.partition(",")[0])
        if not self._faults.touches_frames:
            self._deliver(channel, key, payload)
            return
        # a frame that comes back is one of the same stream, or of another that a burst had held back
        held = self._faults.pass_frame(stream, f"{channel}\n{key}\n{payload}", asyncio.get_running_loop().time())
        self.release(held)

    def release(self, held: list[tuple[str, str]]) -> None:
        """Send frames that a fault held back."""
        for _, text in held:
            channel, key, payload = text.split("\n", 2)
            self._deliver(channel, key, payload)

    def _deliver(self, channel: str, key: str, payload: str) -> None:
        listeners = self._listeners.get((channel, key), ())
        frame = text_frame(payload.encode())
        for connection in listeners:
            self._send(connection, frame)
        self.frames[channel] += len(listeners)

    def _send(self, connection: Connection, frame: bytes) -> None:
        connection.send(frame)
        self._sent[connection] = self._market.now_ms()

    def _close_idle(self) -> None:
        before = self._market.now_ms() - IDLE_S * 1000
        for connection in [c for c in self.connections if self._sent.get(c, before) < before]:
            connection.abort("idle")

    # -- one client

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self._faults.refusing(asyncio.get_running_loop().time()):
            return web.Response(status=503, text="Service Unavailable")
        socket = web.WebSocketResponse(compress=False, max_msg_size=64 * 1024, timeout=1.0)
        await socket.prepare(request)
        if request.transport is None:
            return socket
        connection = Connection(socket, request.transport, combined=False)
        connection.delay_s = self._faults.delay_s
        self.connections.add(connection)
        self.connections_total += 1
        self._send(connection, text_frame(b"Websocket connection established."))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._send(connection, text_frame(self._answer(connection, message.data)))
        finally:
            for name in list(connection.streams):
                self._let_go(connection, name)
            self.connections.discard(connection)
            self._sent.pop(connection, None)
        return socket

    def _answer(self, connection: Connection, text: str) -> bytes:
        now_s = asyncio.get_running_loop().time()
        is_full = len(self._incoming) == MOST_MESSAGES_PER_MINUTE and now_s - self._incoming[0] < 60
        self._incoming.append(now_s)
        if is_full:
            return self._refuse("Too many messages")
        try:
            request = msgspec.json.decode(text)
            method, subscription = request["method"], request.get("subscription")
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            return self._refuse(f"Error parsing JSON into valid websocket request: {text}")
        if method == "ping":
            self.messages["ping"] += 1
            return b'{"channel":"pong"}'
        shown = json.dumps(subscription, separators=(",", ":"))
        name = self._name(subscription)
        if method not in ("subscribe", "unsubscribe") or name is None:
            return self._refuse(f"Invalid subscription {shown}")
        self.messages[method] += 1
        if method == "subscribe":
            if name in connection.streams:
                return self._refuse(f"Already subscribed: {shown}")
            if sum(len(found) for found in self._listeners.values()) >= MOST_SUBSCRIPTIONS:
                return self._refuse("Too many subscriptions")
            connection.streams[name] = None
            channel, _, key = name.partition(":")
            self._listeners.setdefault((channel, key), []).append(connection)
            if (feed := self._feeds.get(key.partition(",")[0])) is not None:
                feed.renew(channel, key)
        elif name in connection.streams:
            self._let_go(connection, name)
        else:
            return self._refuse(f"Already unsubscribed: {shown}")
        return msgspec.json.encode(
            {"channel": "subscriptionResponse", "data": {"method": method, "subscription": subscription}}
        )

    def _refuse(self, text: str) -> bytes:
        self.messages["refused"] += 1
        return msgspec.json.encode({"channel": "error", "data": text})

    def _name(self, subscription: object) -> str | None:
        """`channel:key` of a subscription, None for one that there is not."""
        if not isinstance(subscription, dict):
            return None
        channel, coin = subscription.get("type"), subscription.get("coin")
        if channel == "allMids":
            return "allMids:"
        if channel not in CHANNELS or coin not in self._market.coins:
            return None
        if channel != "candle":
            return f"{channel}:{coin}"
        interval = subscription.get("interval")
        return f"candle:{coin},{interval}" if interval in INTERVALS else None

    def _let_go(self, connection: Connection, name: str) -> None:
        del connection.streams[name]
        channel, _, key = name.partition(":")
        listeners = self._listeners[channel, key]
        listeners.remove(connection)
        if not listeners:
            del self._listeners[channel, key]
