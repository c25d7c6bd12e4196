"""A reconnect storm: 20 links lose one venue together, for ten minutes; how often is the venue connected to?

Real sockets and the real link, in time that runs 30 times faster: the loop's clock, its timers and the links' clock are all
scaled by the same factor. Beside it the naive loop that tries again at once. Binance allows 300 connects per 5 minutes and
address (web-socket-streams.md). All links of one address share one connect budget, as a connector's do.
"""

import asyncio
import base64
import contextlib
import hashlib
import random
import selectors
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable

from picows import WSError, WSListener, WSTransport, ws_connect

from benchmarks.result import Result, publish
from core.base.backoff import Backoff
from core.domain.health import LinkState
from core.venues.connect_budget import ConnectBudget
from core.venues.link import Link, LinkTimes

LINKS = 20
SPEED = 30
#: simulated seconds: all is well, the venue hangs up on everybody, all is well again
CALM_S, OUTAGE_S, AFTER_S = 20.0, 600.0, 60.0
WINDOW_S = 300.0
LIMIT = 300


class FastSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Waits a fraction of what the loop asks for."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout if timeout is None else timeout / SPEED)


class FastLoop(asyncio.SelectorEventLoop):
    """A loop whose time runs faster."""

    def __init__(self) -> None:
        super().__init__(FastSelector())
        # a timer is due within the clock's resolution, which is as much coarser as the clock is faster
        self._clock_resolution = time.get_clock_info("monotonic").resolution * SPEED

    def time(self) -> float:
        return time.monotonic() * SPEED


class FastClock:
    """The links' clock, as fast as the loop's."""

    def now_ms(self) -> int:
        return int(time.monotonic() * SPEED * 1000)

    def monotonic_ns(self) -> int:
        return int(time.monotonic() * SPEED * 1e9)


class Venue:
    """Takes note of every TCP connection; during an outage it hangs up at once, else it greets and then speaks."""

    def __init__(self) -> None:
        self.is_down = False
        #: when it was connected to, in simulated seconds
        self.connects: list[float] = []
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connects.append(asyncio.get_running_loop().time())
        if self.is_down:
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            await self._speak(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        key = next(line.partition(b":")[2].strip() for line in request.split(b"\r\n") if b"ec-websocket-key" in line.lower())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + _accept(key) + b"\r\n\r\n"
        )  # fmt: skip
        while True:
            writer.write(b"\x81\x05hello")
            await writer.drain()
            await asyncio.sleep(1.0)

    def fall(self) -> None:
        self.is_down = True
        for writer in list(self._writers):
            writer.transport.abort()

    def most_in_window(self) -> int:
        """The most connects in any five minutes."""
        at = self.connects  # in order of time; a naive loop has hundreds of thousands
        return max((bisect_left(at, begin + WINDOW_S) - n for n, begin in enumerate(at)), default=0)


def _accept(key: bytes) -> bytes:
    """RFC 6455 §4.2.2."""
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest())


async def our_links(url: str) -> list[Link]:
    clock = FastClock()
    budget = ConnectBudget(clock, LIMIT, WINDOW_S)
    links = [
        Link(
            f"link {n}", lambda: url, lambda payload, recv_ns: None, lambda state, cause: None, clock,
            Backoff(cap_s=8.0, rng=random.Random(n)), budget=budget, times=LinkTimes(connect_s=4 * SPEED),
        )
        for n in range(LINKS)
    ]  # fmt: skip
    for link in links:
        _tasks.add(asyncio.create_task(link.run()))
    return links


async def naive(url: str) -> None:
    """Connect, listen to the end, and again at once."""

    class Listener(WSListener):  # type: ignore[misc]
        def __init__(self) -> None:
            self.ended = asyncio.Event()

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            self.ended.set()

    task = asyncio.current_task()
    # picows may tell a cancelled handshake as an error of its own
    while task is not None and not task.cancelling():
        with contextlib.suppress(OSError, WSError):
            _, listener = await ws_connect(Listener, url, websocket_handshake_timeout=4 * SPEED)
            # picows returns without a listener when the venue hangs up within the handshake
            if listener is not None:
                await listener.ended.wait()
        await asyncio.sleep(0)


_tasks: set[asyncio.Task[None]] = set()


async def storm(start: Callable[[str], Awaitable[list[Link]]]) -> tuple[Venue, float]:
    """One outage. The venue, and how long after its end the last link was live (simulated s, -1: not told)."""
    venue = Venue()
    server = await asyncio.start_server(venue.serve, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    links = await start(url)
    await asyncio.sleep(CALM_S)
    assert all(link.state is LinkState.LIVE for link in links)
    venue.fall()
    await asyncio.sleep(OUTAGE_S)
    venue.is_down = False
    up_s, live_s = asyncio.get_running_loop().time(), -1.0
    while asyncio.get_running_loop().time() < up_s + AFTER_S:
        if links and all(link.state is LinkState.LIVE for link in links):
            live_s = asyncio.get_running_loop().time() - up_s
            break
        await asyncio.sleep(0.1)
    for task in _tasks:
        task.cancel()
    await asyncio.gather(*_tasks, return_exceptions=True)
    _tasks.clear()
    server.close()
    return venue, live_s


async def naive_loops(url: str) -> list[Link]:
    for _ in range(LINKS):
        _tasks.add(asyncio.create_task(naive(url)))
    return []


def run() -> list[Result]:
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        ours, live_s = runner.run(storm(our_links))
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        rival, _ = runner.run(storm(naive_loops))
    most, theirs, all_, budget = ours.most_in_window(), rival.most_in_window(), len(ours.connects), f"≤ {LIMIT}"
    is_ok = most <= LIMIT
    whole, first = all_ / len(rival.connects), f"{LINKS} links, 10 min outage: most connects in 5 min"
    return [
        Result(first, most, "connects", "naive", most / theirs, budget, is_ok),
        Result("connects from first to last", all_, "connects", "naive", whole),
        Result("venue back: the last of the links is live after", live_s, "s", "", None, "≤ 60", 0 <= live_s <= 60),
        Result("naive loop (at once again): most connects in 5 min", theirs, "connects"),
    ]  # fmt: skip


if __name__ == "__main__":
    publish(run)
