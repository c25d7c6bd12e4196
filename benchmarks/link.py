"""Messages per second: our link with parsing, against bare picows without parsing and python-binance's socket."""

import asyncio
import time
import warnings

import uvloop
from picows import WSFrame, WSListener, WSTransport, ws_connect

from benchmarks.blaster import blaster
from benchmarks.result import Result, publish
from core.base.clock import SystemClock
from core.venues.binance.wire import parser_for
from core.venues.link import Link

COUNT = 400_000
BINANCE_COUNT = 40_000


class Counter(WSListener):  # type: ignore[misc]
    """The limit: frames counted, nothing read of them."""

    def __init__(self, expected: int) -> None:
        self.left = expected
        self.first = 0.0
        self.done: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if not self.first:
            self.first = time.perf_counter()
        self.left -= 1
        if not self.left:
            self.done.set_result(time.perf_counter() - self.first)


async def bare_picows(url: str) -> float:
    _, counter = await ws_connect(lambda: Counter(COUNT), url)
    return COUNT / await counter.done


async def our_link(url: str) -> float:
    parsers = {name: parser_for(name) for name in ("ethusdt@trade", "btcusdt@trade")}
    by_stream = {name.encode(): parse for name, parse in parsers.items()}
    seen = 0
    first = last = 0.0
    done = asyncio.Event()
    latest_ms = time.time_ns() // 1_000_000 + 86_400_000

    def on_frame(payload: bytes, recv_ns: int) -> None:
        nonlocal seen, first, last
        if not seen:
            first = time.perf_counter()
        by_stream[payload[11 : payload.index(b'"', 11)]](payload, recv_ns, latest_ms)
        seen += 1
        if seen == COUNT:
            last = time.perf_counter()
            done.set()

    link = Link("bench", lambda: url, on_frame, lambda state, cause: None, SystemClock())
    task = asyncio.create_task(link.run())
    await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return COUNT / (last - first)


async def python_binance(url: str) -> float:
    warnings.simplefilter("ignore")
    from binance import AsyncClient, BinanceSocketManager

    client = AsyncClient()
    manager = BinanceSocketManager(client, max_queue_size=BINANCE_COUNT + 10)
    manager.STREAM_URL = url + "/"
    async with manager.multiplex_socket(["ethusdt@trade", "btcusdt@trade"]) as stream:
        await stream.recv()
        first = time.perf_counter()
        for _ in range(BINANCE_COUNT - 1):
            await stream.recv()
        took = time.perf_counter() - first
    await client.close_connection()
    return (BINANCE_COUNT - 1) / took


def run() -> list[Result]:
    with blaster(COUNT) as url:
        limit = uvloop.run(bare_picows(url))
    with blaster(COUNT) as url:
        ours = uvloop.run(our_link(url))
    with blaster(BINANCE_COUNT) as url:
        rival = asyncio.run(python_binance(url))
    return [
        Result("bare picows, nothing parsed (the limit)", limit, "msgs/s"),
        Result("our link, every trade parsed and checked", ours, "msgs/s", "bare picows", ours / limit),
        Result("our link against python-binance", ours, "msgs/s", "python-binance", ours / rival),
        Result("python-binance multiplex socket", rival, "msgs/s", "bare picows", rival / limit),
    ]


if __name__ == "__main__":
    publish(run)
