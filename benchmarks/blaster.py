"""A websocket server that sends prepared trade frames as fast as the client reads, or at a pace; a process of its own."""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import uvloop
from picows import WSListener, WSMsgType, WSTransport, ws_create_server


def trade_frame(number: int, ts_ms: int) -> bytes:
    """A combined-stream trade frame as Binance sends it; ids rise by one."""
    symbol = ("ETHUSDT", "BTCUSDT")[number % 2]
    data = {
        "e": "trade", "E": ts_ms, "s": symbol, "t": 1_000_000 + number // 2, "p": f"{3000 + number % 500 / 100:.8f}",
        "q": "0.01250000", "T": ts_ms, "m": number % 3 == 0, "M": True,
    }  # fmt: skip
    return json.dumps({"stream": f"{symbol.lower()}@trade", "data": data}, separators=(",", ":")).encode()


def hyperliquid_frame(number: int, ts_ms: int) -> bytes:
    """A trades frame as Hyperliquid sends it, with one trade."""
    coin = ("ETH", "BTC")[number % 2]
    trade = {
        "coin": coin, "side": "AB"[number % 3 == 0], "px": f"{3000 + number % 500 / 10:.1f}", "sz": "0.0125", "time": ts_ms,
        "hash": f"0x{number:064x}", "tid": 1_000_000 + number, "users": [f"0x{number:040x}", f"0x{number + 1:040x}"],
    }  # fmt: skip
    return json.dumps({"channel": "trades", "data": [trade]}, separators=(",", ":")).encode()


#: venue -> makes its frame from a number and a time (Unix ms)
FRAMES: dict[str, Callable[[int, int], bytes]] = {"binance": trade_frame, "hyperliquid": hyperliquid_frame}


def on_the_wire(payload: bytes) -> bytes:
    """An unmasked text frame as a server sends it (RFC 6455 §5.2): the client, not the sender, is to be measured."""
    size = len(payload)
    head = bytes((0x81, size)) if size < 126 else bytes((0x81, 126)) + size.to_bytes(2, "big")
    return head + payload


class Blaster(WSListener):  # type: ignore[misc]
    """Sends `count` frames to each client. `per_s` 0 = as fast as it reads."""

    def __init__(self, count: int, per_s: int, venue: str) -> None:
        self.count, self.per_s = count, per_s
        self.frame = FRAMES[venue]
        self.writable = asyncio.Event()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.task = asyncio.get_running_loop().create_task(
            self.at_pace(transport) if self.per_s else self.flat_out(transport)
        )

    async def flat_out(self, transport: WSTransport) -> None:
        base_ms = time.time_ns() // 1_000_000
        frames = [on_the_wire(self.frame(n, base_ms)) for n in range(self.count)]
        blobs = [b"".join(frames[first : first + 500]) for first in range(0, self.count, 500)]
        for blob in blobs:
            transport.underlying_transport.write(blob)
            await self.writable.wait()

    async def at_pace(self, transport: WSTransport) -> None:
        started, burst = time.perf_counter(), max(1, self.per_s // 1_000)
        for first in range(0, self.count, burst):
            now_ms = time.time_ns() // 1_000_000
            for n in range(first, min(first + burst, self.count)):
                transport.send(WSMsgType.TEXT, self.frame(n, now_ms))
            await self.writable.wait()
            await asyncio.sleep(max(0.0, started + (first + burst) / self.per_s - time.perf_counter()))


async def serve(count: int, per_s: int, venue: str) -> None:
    server = await ws_create_server(lambda _request: Blaster(count, per_s, venue), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def blaster(count: int, per_s: int = 0, venue: str = "binance") -> Iterator[str]:
    """The URL of a blaster of a venue's trades, in its own process."""
    numbers = ["--count", str(count), "--per-s", str(per_s)]
    command = [sys.executable, "-m", "benchmarks.blaster", *numbers, "--venue", venue]
    process: subprocess.Popen[Any] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"ws://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--per-s", type=int, default=0)
    parser.add_argument("--venue", choices=FRAMES, default="binance")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(options.count, options.per_s, options.venue))
