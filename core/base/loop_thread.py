"""An asyncio loop on a thread of its own, and the measure of how late loops run."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

from core.base.clock import Clock
from core.base.latency import RollingLatency


class LoopThread:
    """Runs one coroutine function on a new event loop in its own thread until it returns or `stop()` is called."""

    def __init__(self, name: str, main: Callable[[], Awaitable[None]]) -> None:
        self._main = main
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._started = threading.Event()

    def start(self) -> None:
        """Start the thread and wait until its loop runs."""
        self._thread.start()
        self._started.wait()

    def stop(self, timeout_s: float) -> bool:
        """Cancel the coroutine and wait for the thread; False when it did not end in time."""
        if self._loop is not None and self._task is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._guarded())

    async def _guarded(self) -> None:
        self._loop = asyncio.get_running_loop()
        # ib_async and its event kit ask for the *set* loop, which a loop_factory leaves unset
        asyncio.set_event_loop(self._loop)
        self._task = asyncio.create_task(self._call(), name=self._thread.name)
        self._started.set()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _call(self) -> None:
        await self._main()


async def watch_loop_lag(clock: Clock, lag: RollingLatency, worst: Callable[[float], None], period_s: float = 0.05) -> None:
    """Record for ever how much later than asked the running loop wakes us; `worst(ms)` hears of each lag above 250 ms."""
    while True:
        asked = clock.monotonic_ns()
        await asyncio.sleep(period_s)
        late_ns = clock.monotonic_ns() - asked - int(period_s * 1e9)
        lag.record(late_ns)
        if late_ns > 250_000_000:
            worst(late_ns / 1e6)
