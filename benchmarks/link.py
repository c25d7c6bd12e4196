"""Messages per second: our link with parsing, per venue, against bare picows without parsing and python-binance's socket."""

import asyncio
import time
import warnings
from collections.abc import Callable

import uvloop
from picows import WSFrame, WSListener, WSTransport, ws_connect

from benchmarks.blaster import blaster
from benchmarks.result import Result, publish
from core.base.clock import SystemClock
from core.venues.binance.wire import parser_for
from core.venues.hyperliquid.wire import parse_frame
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


def binance_parser() -> Callable[[bytes, int, int], object]:
    parsers = {name.encode(): parser_for(name) for name in ("ethusdt@trade", "btcusdt@trade")}
    return lambda payload, recv_ns, latest_ms: parsers[payload[11 : payload.index(b'"', 11)]](payload, recv_ns, latest_ms)


def hyperliquid_parser() -> Callable[[bytes, int, int], object]:
    symbols = {"ETH": "ETH-PERP", "BTC": "BTC-PERP"}
    return lambda payload, recv_ns, latest_ms: parse_frame(payload, symbols, recv_ns, latest_ms)


async def our_link(url: str, parse: Callable[[bytes, int, int], object]) -> float:
    seen = 0
    first = last = 0.0
    done = asyncio.Event()
    latest_ms = time.time_ns() // 1_000_000 + 86_400_000

    def on_frame(payload: bytes, recv_ns: int) -> None:
        nonlocal seen, first, last
        if not seen:
            first = time.perf_counter()
        parse(payload, recv_ns, latest_ms)
        seen += 1
        if seen == COUNT:
            last = time.perf_counter()
            done.set()

    link = Link("bench", lambda: url, on_frame, lambda state, cause: None, SystemClock())
    task = asyncio.create_task(link.run())
    await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert link.bad.total == 0, link.bad.kinds
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


def of_venue(venue: str, parse: Callable[[bytes, int, int], object]) -> tuple[float, float]:
    """The limit and ours, messages per second."""
    with blaster(COUNT, venue=venue) as url:
        limit = uvloop.run(bare_picows(url))
    with blaster(COUNT, venue=venue) as url:
        return limit, uvloop.run(our_link(url, parse))


def run() -> list[Result]:
    limit, ours = of_venue("binance", binance_parser())
    hyper_limit, hyper = of_venue("hyperliquid", hyperliquid_parser())
    with blaster(BINANCE_COUNT) as url:
        rival = asyncio.run(python_binance(url))
    return [
        Result("bare picows, Binance frames, nothing parsed (the limit)", limit, "msgs/s"),
        Result("our link, every trade parsed and checked", ours, "msgs/s", "bare picows", ours / limit),
        Result("our link against python-binance", ours, "msgs/s", "python-binance", ours / rival),
        Result("python-binance multiplex socket", rival, "msgs/s", "bare picows", rival / limit),
        Result("bare picows, Hyperliquid frames, nothing parsed", hyper_limit, "msgs/s"),
        Result("our link, Hyperliquid trades parsed and checked", hyper, "msgs/s", "bare picows", hyper / hyper_limit),
    ]


if __name__ == "__main__":
    publish(run)
