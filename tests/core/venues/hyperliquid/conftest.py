"""The simulated Hyperliquid as a process, and our connector on it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from core.base.clock import SystemClock
from core.base.settings import HyperliquidConfig, Settings, VenuesConfig
from core.domain.health import Source
from core.domain.market import BookView, Quote, Trade
from core.stream.messages import DataType, Message, Policy
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.connector import Address
from core.venues.hyperliquid.connector import HyperliquidConnector
from core.venues.link import LinkTimes
from tests.patience import until

ROOT = Path(__file__).resolve().parents[4]
SYMBOLS = ("ETH-PERP", "BTC-PERP")


class SimulatedHyperliquid:
    """A process that a test can kill and bring back on its port; its market is the same ever after."""

    def __init__(self, *arguments: str) -> None:
        self.arguments = list(arguments)
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["-m", "core.venues.simulated.hyperliquid", "--port", str(self.port), "--parent-pipe", *self.arguments]
        self._process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.hello = json.loads(self._process.stdout.readline())
        self.port = self.hello["port"]

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def fault(self, **body: object) -> None:
        async with aiohttp.ClientSession() as session, session.post(f"{self.url}/sim/fault", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def get(self, path: str, **params: object) -> Any:
        query = {name: str(value) for name, value in params.items()}
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}{path}", params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


class Desk:
    """A stream, the connector on it, and a consumer that keeps all it was given."""

    def __init__(self, venue: SimulatedHyperliquid, silence_s: float, times: LinkTimes | None) -> None:
        settings = Settings(venues=VenuesConfig(hyperliquid=HyperliquidConfig(silence_s=silence_s)))
        self.venue = venue
        self.disabled: set[str] = set()
        self.address: Address | None = Address(venue.url, Source.SIMULATED, "simulated")
        self.stream = UnifiedDataStream(settings.stream, SystemClock())
        self.stream.attach()
        self.trades: list[Trade] = []
        self.books: list[BookView] = []
        self.quotes: list[Quote] = []
        self.stream.register_consumer("test", [DataType.UI_DATA], self._keep, policy=Policy.LOSSLESS, bound=1_000_000)
        self.connector = HyperliquidConnector(
            settings, self._locate, self.stream, SystemClock(), lambda key: key not in self.disabled, times
        )
        self.task = asyncio.create_task(self.connector.run())

    async def _locate(self) -> Address | None:
        return self.address

    async def _keep(self, messages: Sequence[Message]) -> None:
        self.trades += [m for m in messages if isinstance(m, Trade)]
        self.books += [m for m in messages if isinstance(m, BookView)]
        self.quotes += [m for m in messages if isinstance(m, Quote)]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.stream.close()

    @property
    def status(self) -> dict[str, Any]:
        return self.connector.status()

    @property
    def state(self) -> str:
        return str(self.status["state"])

    def channel(self, name: str) -> dict[str, Any]:
        return next(c for c in self.status["subscriptions"] if c["channel"] == name)

    def book(self, symbol: str) -> dict[str, Any]:
        return next(b for b in self.connector.books() if b["symbol"] == symbol)

    def freshness(self, symbol: str) -> str:
        return str(next(s["state"] for s in self.stream.symbols() if s["symbol"] == symbol))

    def kinds(self) -> set[str]:
        return {incident["kind"] for incident in self.status["incidents"]}

    def is_settled(self) -> bool:
        return all(audit.is_settled for audit in self.connector.audits.values())

    async def trades_against_the_venue(self, symbol: str, from_ms: int, to_ms: int) -> tuple[int, int]:
        """How many of the venue's trades in [from, to) we lack, and how many we were given twice or never existed."""
        theirs = (await self.venue.get("/sim/trades", symbol=symbol, from_ms=from_ms, to_ms=to_ms))["ids"]
        ours = [t.trade_id for t in self.trades if t.symbol == symbol and from_ms <= t.ts_ms < to_ms]
        assert theirs
        return len(set(theirs) - set(ours)), len(ours) - len(set(ours) & set(theirs))

    async def book_equals_the_venue_s(self, symbol: str) -> None:
        view = self.stream.book(symbol)
        assert view is not None
        theirs = await self.venue.get("/sim/book", symbol=symbol, update_id=view.last_update_id)
        assert theirs["update_id"] == view.last_update_id
        assert [list(level) for level in view.bids] == theirs["bids"]
        assert [list(level) for level in view.asks] == theirs["asks"]


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    return until


@pytest.fixture
def start_venue() -> Iterator[Callable[..., SimulatedHyperliquid]]:
    venues: list[SimulatedHyperliquid] = []

    def start(*arguments: str) -> SimulatedHyperliquid:
        venue = SimulatedHyperliquid(*arguments)
        venues.append(venue)
        venue.start()
        return venue

    yield start
    for venue in venues:
        venue.kill()


@pytest.fixture(scope="module")
def shared_venue() -> Iterator[SimulatedHyperliquid]:
    """One simulated Hyperliquid for all tests of a module that leave it as they found it."""
    venue = SimulatedHyperliquid("--rate", "8", "--recent", "3000", "--weight", "1000000")
    venue.start()
    yield venue
    venue.kill()


@pytest.fixture
async def open_desk(shared_venue: SimulatedHyperliquid) -> AsyncIterator[Callable[..., Any]]:
    """Start a connector on a venue (the module's own unless another is given), and wait until it is LIVE."""
    desks: list[Desk] = []

    async def start(
        venue: SimulatedHyperliquid | None = None,
        silence_s: float = 10.0,
        times: LinkTimes | None = None,
        live: bool = True,
        **changed: Any,
    ) -> Desk:
        desk = Desk(venue or shared_venue, silence_s, times or msgspec.structs.replace(LinkTimes(), **changed))
        desks.append(desk)
        if live:
            await until(lambda: desk.state == "LIVE", 10, "LIVE")
        return desk

    yield start
    for desk in desks:
        await desk.stop()
