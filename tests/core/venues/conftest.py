"""Real servers for the venue tests: a scripted WebSocket server, and the simulated Binance in its own process."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.patience import until

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def wait_until() -> Callable[..., Awaitable[None]]:
    return until


class SimulatedVenue:
    """The simulated Binance as a process that a test can kill and bring back on its port."""

    def __init__(self, *arguments: str) -> None:
        self.arguments = list(arguments)
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["-m", "core.venues.simulated.binance", "--port", str(self.port), "--parent-pipe", *self.arguments]
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
    def rest(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def stream(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def fault(self, **body: object) -> None:
        async with aiohttp.ClientSession() as session, session.post(f"{self.rest}/sim/fault", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def get(self, path: str, **params: object) -> Any:
        query = {name: str(value) for name, value in params.items()}
        async with aiohttp.ClientSession() as session, session.get(f"{self.rest}{path}", params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


@pytest.fixture
def start_venue() -> Iterator[Callable[..., SimulatedVenue]]:
    """Start a simulated Binance with the given arguments; all are killed at the end."""
    venues: list[SimulatedVenue] = []

    def start(*arguments: str) -> SimulatedVenue:
        venue = SimulatedVenue(*arguments)
        venues.append(venue)
        venue.start()
        return venue

    yield start
    for venue in venues:
        venue.kill()


@pytest.fixture(scope="module")
def shared_venue() -> Iterator[SimulatedVenue]:
    """One simulated Binance for all tests of a module that leave it as they found it."""
    venue = SimulatedVenue("--rate", "10")
    venue.start()
    yield venue
    venue.kill()


Script = Callable[[web.WebSocketResponse], Awaitable[None]]


class ScriptedServer:
    """A WebSocket server that runs `script(socket)` for each client; `refuse` is an HTTP status to answer instead."""

    def __init__(self) -> None:
        self.script: Script | None = None
        self.refuse: tuple[int, dict[str, str]] | None = None
        self.port = 0
        self.attempts = 0
        self.sockets: list[web.WebSocketResponse] = []
        self.received: list[str] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.add_routes([web.get("/{path:.*}", self._serve)])
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            self.drop_all()
            await runner.cleanup()

    def drop_all(self) -> None:
        """End every TCP connection without a word."""
        for socket in self.sockets:
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()
        self.sockets.clear()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stream"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.attempts += 1
        if self.refuse is not None:
            status, headers = self.refuse
            return web.Response(status=status, headers=headers)
        socket = web.WebSocketResponse(compress=False, autoping=True)
        await socket.prepare(request)
        self.sockets.append(socket)
        if self.script is not None:
            await self.script(socket)
        async for message in socket:
            self.received.append(message.data)
        return socket


@pytest.fixture
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    await server.start()
    yield server
    await server.stop()
