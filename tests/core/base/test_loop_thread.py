import asyncio
import threading

from core.base.clock import SystemClock
from core.base.latency import RollingLatency
from core.base.loop_thread import LoopThread, watch_loop_lag


def test_the_coroutine_runs_on_its_own_thread_and_stop_cancels_it() -> None:
    seen: dict[str, object] = {}
    running = threading.Event()

    async def main() -> None:
        seen["thread"] = threading.current_thread().name
        seen["policy loop is the running one"] = asyncio.get_event_loop() is asyncio.get_running_loop()
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen["cancelled"] = True
            raise

    thread = LoopThread("engine", main)
    thread.start()
    assert running.wait(30)
    assert thread.stop(5)
    assert seen == {"thread": "engine", "policy loop is the running one": True, "cancelled": True}


async def test_a_blocked_loop_is_measured_and_told() -> None:
    lag, told = RollingLatency(SystemClock()), []
    blocked = asyncio.Event()

    def worst(ms: float) -> None:
        told.append(ms)
        blocked.set()

    clock = SystemClock()
    task = asyncio.create_task(watch_loop_lag(clock, lag, worst, period_s=0.01))
    await asyncio.sleep(0.05)
    until = clock.monotonic_ns() + 300_000_000
    while clock.monotonic_ns() < until:
        pass
    await asyncio.wait_for(blocked.wait(), 30)
    task.cancel()
    assert told[0] >= 250
    assert lag.seen().max_ns >= 250_000_000
