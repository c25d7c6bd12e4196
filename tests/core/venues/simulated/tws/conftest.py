"""The simulated TWS as a process, and a bare client that speaks its protocol byte by byte."""

import asyncio
import json
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.patience import Deadline, until

ROOT = Path(__file__).resolve().parents[5]


class BareClient:
    """Sends fields, collects messages. `version` is what the server announced."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.messages: list[list[str]] = []
        self.version = 0
        self.ended = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while True:
                size = struct.unpack(">I", await self._reader.readexactly(4))[0]
                body = (await self._reader.readexactly(size)).decode(errors="replace")
                self.messages.append(body.split("\0")[:-1])
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended.set()

    def send(self, *fields: object) -> None:
        body = "".join(f"{field}\0" for field in fields).encode()
        self._writer.write(struct.pack(">I", len(body)) + body)

    def greet(self, offer: str) -> None:
        self._writer.write(b"API\0" + struct.pack(">I", len(offer)) + offer.encode())

    async def until(self, found: Callable[[list[str]], bool], within_s: float = 5.0) -> list[str]:
        """The first message, present or coming, that fits."""
        deadline = Deadline(within_s)
        seen = 0
        while True:
            for message in self.messages[seen:]:
                if found(message):
                    return message
            seen = len(self.messages)
            deadline.check(lambda: f"such a message in {self.messages[-20:]}")
            await asyncio.sleep(0.005)

    async def at_least(self, count: int, within_s: float = 20.0) -> None:
        """Wait until so many messages have come."""
        await until(lambda: len(self.messages) >= count, within_s, lambda: f"{len(self.messages)} messages of {count}")

    async def error(self, code: int, within_s: float = 5.0) -> list[str]:
        return await self.until(lambda m: m[0] == "4" and m[3] == str(code), within_s)

    async def of(self, number: int, within_s: float = 5.0) -> list[str]:
        return await self.until(lambda m: m[0] == str(number), within_s)

    def count(self, number: int) -> int:
        return sum(1 for m in self.messages if m[0] == str(number))

    def close(self) -> None:
        self._reading.cancel()
        self._writer.close()


class Tws:
    """A simulated TWS in its own process."""

    def __init__(self, *arguments: str) -> None:
        self.arguments = list(arguments)
        self.clients: list[BareClient] = []

    def start(self) -> None:
        command = [sys.executable, "-m", "core.venues.simulated.tws", "--parent-pipe", *self.arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.hello = json.loads(self.process.stdout.readline())
        self.port, self.control_port = self.hello["port"], self.hello["control_port"]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    async def open(self) -> BareClient:
        client = BareClient(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def connect(self, client_id: int = 33, offer: str = "v157..178") -> BareClient:
        """A client past startApi."""
        client = await self.open()
        client.greet(offer)
        await client.until(lambda m: len(m) == 2)
        client.version = int(client.messages.pop(0)[0])
        client.send(71, 2, client_id, "")
        await client.of(9)
        return client

    async def fault(self, kind: str, **body: object) -> None:
        url = f"http://127.0.0.1:{self.control_port}/sim/fault"
        async with aiohttp.ClientSession() as session, session.post(url, json={"kind": kind} | body) as answer:
            assert answer.status == 200, await answer.text()

    async def get(self, path: str, **query: object) -> Any:
        url = f"http://127.0.0.1:{self.control_port}/sim/{path}"
        params = {name: str(value) for name, value in query.items()}
        async with aiohttp.ClientSession() as session, session.get(url, params=params) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


@pytest.fixture
def start_tws() -> Iterator[Callable[..., Tws]]:
    """Start a simulated TWS with the given arguments; all are killed at the end."""
    started: list[Tws] = []

    def start(*arguments: str) -> Tws:
        tws = Tws(*arguments)
        tws.start()
        started.append(tws)
        return tws

    yield start
    for tws in started:
        tws.kill()


@pytest.fixture(scope="module")
def running_tws() -> Iterator[Tws]:
    """One simulated TWS for all tests of a module."""
    tws = Tws()
    tws.start()
    yield tws
    tws.kill()


@pytest.fixture
async def shared_tws(running_tws: Tws) -> Any:
    """The module's simulated TWS; what a test set wrong is put right after it, and its clients are closed."""
    yield running_tws
    await running_tws.fault("clear")
    await running_tws.fault("depth_mode", mode="shifting")
    for client in running_tws.clients:
        client.close()
    running_tws.clients.clear()
