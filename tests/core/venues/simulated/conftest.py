"""A simulated venue inside the test's own loop, and one as a process."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from core.base.clock import Clock, SystemClock
from core.venues.simulated.binance_streams import StreamRules
from core.venues.simulated.model_source import ModelSource
from core.venues.simulated.server import VenueServer
from core.venues.simulated.source import MarketSource
from tests.patience import until

PROJECT = Path(__file__).resolve().parents[4]


@dataclass
class Venue:
    """A running server, and the few things tests do with it."""

    server: VenueServer
    session: aiohttp.ClientSession
    port: int

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def get(self, path: str) -> tuple[int, object, dict[str, str]]:
        async with self.session.get(f"{self.http}/api/v3/{path}") as answer:
            text = await answer.text()
            body = json.loads(text) if "json" in answer.content_type else text
            return answer.status, body, {k.lower(): v for k, v in answer.headers.items()}

    async def fault(self, **request: object) -> dict:
        async with self.session.post(f"{self.http}/sim/fault", json=request) as answer:
            return await answer.json()

    async def stats(self) -> dict:
        async with self.session.get(f"{self.http}/sim/stats") as answer:
            return await answer.json()

    def connect(self, *streams: str, **options):
        return self.session.ws_connect(f"{self.http}/stream?streams={'/'.join(streams)}", max_msg_size=0, **options)

    async def until(self, holds: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
        await until(holds, seconds)


@pytest.fixture
async def start_venue() -> AsyncIterator[Callable[..., Awaitable[Venue]]]:
    """Starts a venue on a source (default: the made market, ten times as busy as normal)."""
    venues: list[Venue] = []

    async def start(
        source: MarketSource | None = None, rules: StreamRules | None = None, clock: Clock | None = None
    ) -> Venue:
        clock = clock or SystemClock()
        server = VenueServer(source or ModelSource(clock, seed=5, rate=10.0), clock, rules or StreamRules())
        port = await server.start("127.0.0.1", 0)
        venues.append(Venue(server, aiohttp.ClientSession(), port))
        return venues[-1]

    yield start
    for venue in venues:
        await venue.session.close()
        await venue.server.stop()


@pytest.fixture
async def venue(start_venue) -> Venue:
    return await start_venue()


@dataclass
class Process:
    """The server as `python -m` starts it."""

    process: asyncio.subprocess.Process
    hello: dict


@pytest.fixture
async def start_process() -> AsyncIterator[Callable[..., Awaitable[Process]]]:
    started: list[asyncio.subprocess.Process] = []

    async def start(*arguments: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "core.venues.simulated.binance", *arguments, cwd=PROJECT,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        return Process(process, json.loads(line) if line else {})

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture(scope="session")
def recordings(shared_data: Path) -> list[Path]:
    """The recorded frames of ETHUSDT and BTCUSDT."""
    return [shared_data / "binance" / f"spot_{name}usdt_20240808.jsonl.gz" for name in ("eth", "btc")]
