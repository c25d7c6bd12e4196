"""A simulated Hyperliquid inside the test's own loop, with the rules and the clock that a test wants."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from core.base.clock import SystemClock
from core.venues.simulated.hyperliquid.market import HyperliquidMarket
from core.venues.simulated.hyperliquid.server import HyperliquidServer


@dataclass
class Venue:
    server: HyperliquidServer
    market: HyperliquidMarket
    session: aiohttp.ClientSession
    url: str

    async def info(self, **body: object) -> Any:
        async with self.session.post(f"{self.url}/info", json=body) as answer:
            assert answer.status == 200, (answer.status, await answer.text())
            return await answer.json()

    async def get(self, path: str, **params: object) -> Any:
        query = {name: str(value) for name, value in params.items()}
        async with self.session.get(f"{self.url}{path}", params=query) as answer:
            assert answer.status == 200, (answer.status, await answer.text())
            return await answer.json()

    async def fault(self, **body: object) -> Any:
        async with self.session.post(f"{self.url}/sim/fault", json=body) as answer:
            return await answer.json()

    async def subscribed(self, *subscriptions: dict[str, object]) -> aiohttp.ClientWebSocketResponse:
        """A socket past its greeting and the acknowledgements of its subscriptions."""
        socket = await self.session.ws_connect(f"{self.url}/ws")
        assert (await socket.receive()).data == "Websocket connection established."
        for subscription in subscriptions:
            await socket.send_json({"method": "subscribe", "subscription": subscription})
        return socket


@pytest.fixture
async def start_venue() -> AsyncIterator[Callable[..., Awaitable[Venue]]]:
    venues: list[Venue] = []

    async def start(rate: float = 10.0, **rules: Any) -> Venue:
        market = HyperliquidMarket(SystemClock(), seed=3, rate=rate)
        server = HyperliquidServer(market, **rules)
        port = await server.start("127.0.0.1", 0)
        venues.append(Venue(server, market, aiohttp.ClientSession(), f"http://127.0.0.1:{port}"))
        return venues[-1]

    yield start
    for venue in venues:
        await venue.session.close()
        await venue.server.stop()


@pytest.fixture
async def venue(start_venue: Callable[..., Awaitable[Venue]]) -> Venue:
    return await start_venue()
