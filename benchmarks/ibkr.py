"""Interactive Brokers: trades per second through our client, ib_async alone and a bare socket; Level II rows per second."""

import argparse
import asyncio
import contextlib
import random
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from benchmarks.result import Result, publish
from core.base.clock import SystemClock
from core.market.level2_book import Level2Book
from core.venues.ibkr.client import IbClient
from core.venues.ibkr.frames import LastTick, check
from core.venues.ibkr.library import load

TRADES = 60_000
ROWS = 100_000
DEPTH = 20
_VERSION = b"v100..178"
_TICK_BY_TICK = b"97"


def framed(*fields: object) -> bytes:
    """A message of the TWS API: its length in 4 bytes, then fields that each end with a NUL."""
    body = b"".join(str(field).encode() + b"\0" for field in fields)
    return struct.pack(">I", len(body)) + body


class Tws(asyncio.Protocol):
    """As much of a TWS as a client needs to subscribe to trades, which then come as fast as it reads."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = b""
        self.writable = asyncio.Event()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        self.received += data.removeprefix(b"API\0")
        while len(self.received) >= 4 and len(self.received) >= 4 + (size := struct.unpack(">I", self.received[:4])[0]):
            body, self.received = self.received[4 : 4 + size], self.received[4 + size :]
            self.answer(body.split(b"\0"))

    def answer(self, fields: list[bytes]) -> None:
        if fields[0].startswith(b"v"):
            self.transport.write(framed(178, "20261121 10:00:00 EST"))
        elif fields[0] == b"71":  # startApi
            self.transport.write(framed(15, 1, "DU1234567") + framed(9, 1, 1))
        elif fields[0] == _TICK_BY_TICK:
            self.task = asyncio.get_running_loop().create_task(self.blast(fields[1].decode()))

    async def blast(self, request_id: str) -> None:
        second = int(time.time())
        trades = [framed(99, request_id, 2, second, 200 + n % 100 / 100, 1 + n % 300, 0, "ARCA", "") for n in range(TRADES)]
        for first in range(0, TRADES, 200):
            self.transport.write(b"".join(trades[first : first + 200]))
            await self.writable.wait()


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Tws, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def blaster() -> Iterator[int]:
    """The port of such a TWS in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.ibkr", "--serve"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


class Meter:
    """Counts trades; `rate` is theirs from the first to the last."""

    def __init__(self) -> None:
        self.seen = 0
        self.first = 0.0
        self.done: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def count(self, number: int = 1) -> None:
        if not self.first:
            self.first = time.perf_counter()
        self.seen += number
        if self.seen >= TRADES and not self.done.done():
            self.done.set_result(TRADES / (time.perf_counter() - self.first))


async def bare(port: int) -> float:
    """The limit: messages cut apart, nothing read of them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def message() -> bytes:
        return await reader.readexactly(struct.unpack(">I", await reader.readexactly(4))[0])

    writer.write(b"API\0" + struct.pack(">I", len(_VERSION)) + _VERSION)
    await message()
    writer.write(framed(71, 2, 33, ""))
    await message()
    await message()
    writer.write(framed(97, 1))
    meter, left = Meter(), b""
    while not meter.done.done():
        left += await reader.read(65_536)
        at = 0
        while len(left) - at >= 4 and len(left) - at >= 4 + (size := struct.unpack_from(">I", left, at)[0]):
            at += 4 + size
            meter.count()
        left = left[at:]
    writer.close()
    return meter.done.result()


async def library_alone(port: int) -> float:
    """ib_async as its documentation shows: a ticker that is told of every trade."""
    library = await load()
    ib, meter = library.IB(), Meter()
    await ib.client.connectAsync("127.0.0.1", port, 33, 5)
    contract = library.Stock("AAPL", "SMART", "USD", conId=265598)
    ticker = ib.reqTickByTickData(contract, "AllLast")
    ticker.updateEvent += lambda told: meter.count(len(told.tickByTicks))
    rate = await asyncio.wait_for(meter.done, 60)
    ib.disconnect()
    return rate


async def ours(port: int) -> float:
    library, meter, clock = await load(), Meter(), SystemClock()

    def on_frame(frame: object) -> None:
        assert isinstance(frame, LastTick)
        check(frame, clock.now_ms() / 1000)
        meter.count()

    client = IbClient(library, clock, on_frame, lambda: None, lambda *_: None, lambda text: None)
    await client.open("127.0.0.1", port, 33, 5)
    client.ask_trades(client.stock("AAPL", "USD"))
    rate = await asyncio.wait_for(meter.done, 60)
    client.drop("done")
    return rate


def measured(client: Callable[[int], Awaitable[float]]) -> float:
    with blaster() as port:
        return asyncio.run(_awaited(client, port))


async def _awaited(client: Callable[[int], Awaitable[float]], port: int) -> float:
    return await client(port)


def level_two_rows() -> list[tuple[int, int, int, float, float]]:
    """Changes of a full book: position, operation, side, price, size."""
    rng = random.Random(7)
    rows = [(n, 0, side, 200 + (n if side == 0 else -n) / 100, 100.0) for side in (0, 1) for n in range(DEPTH)]
    while len(rows) < ROWS:
        side, position = rng.randrange(2), rng.randrange(DEPTH)
        price, size = 200 + rng.randrange(50) / 100, float(rng.randrange(1, 900))
        if rng.random() < 0.7:
            rows.append((position, 1, side, price, size))
        else:
            rows += [(position, 2, side, price, size), (DEPTH - 1, 0, side, price, size)]
    return rows


def books() -> list[Result]:
    rows = level_two_rows()
    book = Level2Book(DEPTH)
    began = time.perf_counter()
    for row in rows:
        book.apply(*row)
    mine = len(rows) / (time.perf_counter() - began)
    assert not book.is_void
    rival = asyncio.run(_library_book(rows))
    return [
        Result("Level II rows into our book", mine, "rows/s", "ib_async's ticker", mine / rival),
        Result("Level II rows into ib_async's ticker", rival, "rows/s"),
    ]


async def _library_book(rows: list[tuple[int, int, int, float, float]]) -> float:
    library = await load()
    wrapper = library.IB().wrapper
    contract = library.Stock("AAPL", "SMART", "USD", conId=265598)
    wrapper.startTicker(1, contract, "mktDepth")
    began = time.perf_counter()
    for position, operation, side, price, size in rows:
        wrapper.updateMktDepthL2(1, position, "NSDQ", operation, side, price, size, True)
    return len(rows) / (time.perf_counter() - began)


def run() -> list[Result]:
    limit, alone, mine = measured(bare), measured(library_alone), measured(ours)
    return [
        Result("bare asyncio socket, messages cut apart, nothing read (the limit)", limit, "msgs/s"),
        Result("our client: every trade decoded and checked", mine, "msgs/s", "bare socket", mine / limit),
        Result("our client against ib_async's ticker", mine, "msgs/s", "ib_async", mine / alone),
        Result("ib_async's ticker", alone, "msgs/s", "bare socket", alone / limit),
        *books(),
    ]


if __name__ == "__main__":
    parser: Any = argparse.ArgumentParser()
    parser.add_argument("--serve", action="store_true")
    if parser.parse_known_args()[0].serve:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve())
    else:
        publish(run)
