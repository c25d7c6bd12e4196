"""A new venue is sixty lines and an entry: it gets reconnect, silence watch, de-duplication, withheld books and status."""

import asyncio
import importlib.util
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from core.base.clock import SystemClock
from core.base.settings import Settings, StreamConfig
from core.domain.health import Cause, Source
from core.domain.instrument import Instrument
from core.domain.market import Trade
from core.stream.messages import DataType, Message, Policy
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.connector import Address
from core.venues.registry import VenueEntry

HERE = Path(__file__).resolve().parent
DEMO = Instrument("DEMO", "example", "DEMO", "USD", 0.01, 0.01, 2, "spot", "DEMO")


class ExampleServer:
    """Sends a trade and a book twenty times a second to who joined; `silent` names channels that stopped."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.silent: set[str] = set()
        self.repeat = False
        self.crossed = False
        self.next_id = 1
        self.port = 0
        self.connects = 0
        self._sockets: list[web.WebSocketResponse] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.add_routes([web.get("/ws", self._serve)])
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self.drop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def drop(self) -> None:
        for socket in self._sockets:
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()
        self._sockets.clear()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connects += 1
        self._sockets.append(socket)
        await socket.send_json({"type": "welcome"})
        joined: set[str] = set()
        sender = asyncio.create_task(self._send(socket, joined))
        try:
            async for message in socket:
                wanted = json.loads(message.data)
                self.requests.append(wanted)
                (joined.add if wanted["do"] == "join" else joined.discard)(wanted["channel"])
        finally:
            sender.cancel()
        return socket

    async def _send(self, socket: web.WebSocketResponse, joined: set[str]) -> None:
        while True:
            await asyncio.sleep(0.05)
            now_ms = time.time_ns() // 1_000_000
            if "trades" in joined - self.silent:
                trade = {"type": "trade", "symbol": "DEMO", "id": self.next_id, "price": 10.0, "size": 1.0, "at": now_ms}
                for _ in range(2 if self.repeat else 1):
                    await socket.send_json(trade | {"seller_took": False})
                self.next_id += 1
            if "book" in joined - self.silent:
                bids, asks = [[9.99, 1.0]], [[10.01, 1.0]]
                sides = {"bids": asks, "asks": bids} if self.crossed else {"bids": bids, "asks": asks}
                await socket.send_json({"type": "book", "symbol": "DEMO", "at": now_ms} | sides)


@pytest.fixture
async def server() -> AsyncIterator[ExampleServer]:
    server = ExampleServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def venue(server: ExampleServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """The example's connector, made from its entry as the manager makes it, and a consumer of its trades."""
    spec = importlib.util.spec_from_file_location("example_venue", HERE / "example_venue.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "example_venue", module)
    stream = UnifiedDataStream(StreamConfig(), SystemClock())
    stream.attach()
    trades: list[int] = []

    async def keep(messages: Sequence[Message]) -> None:
        trades.extend(m.trade_id for m in messages if isinstance(m, Trade))

    stream.register_consumer("test", [DataType.UI_DATA], keep, policy=Policy.LOSSLESS, bound=100_000)

    async def locate() -> Address:
        return Address(f"http://127.0.0.1:{server.port}", Source.SIMULATED, "example")

    settings = Settings(stream=StreamConfig(silence_s=0.5))
    make = VenueEntry("example_venue", "ExampleConnector", lambda settings: True).make()
    connector: Any = make(settings, locate, stream, SystemClock(), lambda key: True)
    connector.subscribe(DEMO)
    connector.test_stream, connector.test_trades = stream, trades
    task = asyncio.create_task(connector.run())
    yield connector
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await stream.close()


def state(venue: Any) -> str:
    return str(venue.status()["state"])


def test_the_example_is_what_the_document_shows() -> None:
    code = (HERE / "example_venue.py").read_text()
    document = (HERE.parents[2] / "docs" / "add-a-venue.md").read_text()
    assert f"```python\n{code}```" in document
    assert len(code.splitlines()) <= 60


async def test_it_becomes_live_with_one_subscription_per_channel(venue: Any, server: ExampleServer, wait_until: Any) -> None:
    await wait_until(lambda: state(venue) == "LIVE", 5, "LIVE")
    venue.subscribe(DEMO)
    await wait_until(lambda: len(venue.test_trades) > 3, 5, "trades")
    assert [(r["do"], r["channel"], r["symbol"]) for r in server.requests] == [
        ("join", "trades", "DEMO"),
        ("join", "book", "DEMO"),
    ]
    assert venue.api_calls == 2
    assert venue.test_stream.book("DEMO").bids == ((9.99, 1.0),)
    assert venue.test_stream.source_of("DEMO") is Source.SIMULATED


async def test_it_reconnects_and_subscribes_again(venue: Any, server: ExampleServer, wait_until: Any) -> None:
    await wait_until(lambda: state(venue) == "LIVE", 5, "LIVE")
    server.drop()
    await wait_until(lambda: state(venue) == "RECONNECTING", 2, "a state that says so")
    assert venue.test_stream.book("DEMO") is None
    await wait_until(lambda: state(venue) == "LIVE", 5, "LIVE again")
    assert server.connects == 2
    assert venue.api_calls == 4
    (incident,) = venue.status()["incidents"]
    assert incident["kind"] == Cause.NETWORK
    assert incident["end_ms"]


async def test_a_silent_channel_is_stale_subscribed_anew_and_its_book_withheld(
    venue: Any, server: ExampleServer, wait_until: Any
) -> None:
    await wait_until(lambda: state(venue) == "LIVE", 5, "LIVE")
    server.silent.add("book")
    await wait_until(lambda: state(venue) == "STALE", 2, "STALE")
    assert venue.test_stream.book("DEMO") is None
    assert [b["state"] for b in venue.books()] == ["SYNCING"]
    await wait_until(lambda: [r["do"] for r in server.requests[2:4]] == ["leave", "join"], 2, "a new subscription")
    assert server.connects == 1
    server.silent.clear()
    await wait_until(lambda: state(venue) == "LIVE", 5, "LIVE again")
    assert Cause.EXCHANGE_LATE in {i["kind"] for i in venue.status()["incidents"]}


async def test_a_trade_that_comes_twice_passes_once(venue: Any, server: ExampleServer, wait_until: Any) -> None:
    server.repeat = True
    await wait_until(lambda: len(venue.test_trades) > 5, 5, "trades")
    assert len(set(venue.test_trades)) == len(venue.test_trades)
    assert venue.seen["DEMO"].duplicates > 3


async def test_a_crossed_book_is_counted_and_never_shown(venue: Any, server: ExampleServer, wait_until: Any) -> None:
    await wait_until(lambda: venue.test_stream.book("DEMO") is not None, 5, "a book")
    server.crossed = True
    await wait_until(lambda: venue.books()[0]["crossed"] > 0, 2, "counted")
    assert venue.test_stream.book("DEMO") is None
    server.crossed = False
    await wait_until(lambda: venue.test_stream.book("DEMO") is not None, 2, "a book again")


async def test_a_symbol_that_is_let_go_costs_one_message_per_channel(
    venue: Any, server: ExampleServer, wait_until: Any
) -> None:
    await wait_until(lambda: state(venue) == "LIVE", 5, "LIVE")
    venue.unsubscribe("DEMO")
    venue.unsubscribe("DEMO")
    await wait_until(lambda: len(server.requests) == 4, 2, "two messages")
    assert [r["do"] for r in server.requests[2:]] == ["leave", "leave"]
    assert venue.test_stream.book("DEMO") is None
    assert venue.status()["subscriptions"] == []
