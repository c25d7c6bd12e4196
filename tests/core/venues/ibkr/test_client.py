"""The client on a TWS of a few lines: what piled up is decoded in portions, whole, also when the connection has ended."""

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.base.clock import SystemClock
from core.venues.ibkr.client import IbClient
from core.venues.ibkr.frames import Frame, LastTick
from core.venues.ibkr.library import load
from core.venues.simulated.tws.wire import frame

TRADES = 5_000


class TinyTws:
    """Shakes hands, sends one trade, and on `flood` all others at once, after which it hangs up."""

    def __init__(self) -> None:
        self.flood, self.sent = asyncio.Event(), asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(b"API\0"))
        await self._message(reader)
        writer.write(frame(["176", "20261121 10:00:00 EST"]))
        await self._message(reader)
        writer.write(frame(["15", "1", "DU1234567"]) + frame(["9", "1", "1"]) + self.trade(0))
        await self.flood.wait()
        writer.write(b"".join(self.trade(number) for number in range(1, TRADES)))
        await writer.drain()
        writer.close()
        self.sent.set()

    @staticmethod
    def trade(number: int) -> bytes:
        return frame(["99", "7", "2", "1790000000", "200.0", str(number), "0", "ARCA", ""])

    @staticmethod
    async def _message(reader: asyncio.StreamReader) -> None:
        await reader.readexactly(struct.unpack(">I", await reader.readexactly(4))[0])


@pytest.fixture
async def tws() -> AsyncIterator[tuple[TinyTws, int]]:
    tiny = TinyTws()
    server = await asyncio.start_server(tiny.serve, "127.0.0.1", 0)
    yield tiny, server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def test_what_piled_up_is_decoded_in_portions_and_to_the_end(tws: tuple[TinyTws, int], wait_until: Any) -> None:
    tiny, port = tws
    frames: list[Frame] = []
    unread: list[str] = []
    client = IbClient(
        await load(), SystemClock(), frames.append, lambda: None, lambda *_: None, on_undecodable=unread.append
    )  # fmt: skip
    await client.open("127.0.0.1", port, 1, 5)
    async with asyncio.timeout(30):
        await wait_until(lambda: frames)
        client.pause()
        tiny.flood.set()
        await tiny.sent.wait()
        assert len(frames) == 1
        client.resume()
        turns = []
        while not client.closed.done():
            before = len(frames)
            await asyncio.sleep(0)
            turns.append(len(frames) - before)
    sizes = [told.size for told in frames if isinstance(told, LastTick)]
    assert sizes == list(range(TRADES))
    assert max(turns) < 1_000, "a mailbox must be emptied before it gets everything at once"
    assert unread == []
