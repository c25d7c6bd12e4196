"""No orphan tasks: every long-running coroutine has an owner that restarts and reports it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from core.base.backoff import Backoff
from core.base.errors import FatalError

logger = logging.getLogger(__name__)


async def end(tasks: "Collection[asyncio.Task[Any]]", again_s: float = 3.0) -> None:
    """Cancel tasks and wait for their ends, whatever these are.

    Before Python 3.12 `asyncio.wait_for` forgets a cancellation that comes together with its result, and libraries use it
    (redis-py for each command that it sends): what has not ended after `again_s` is cancelled again.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=again_s)
        for task in done:
            if not task.cancelled():
                task.exception()  # taken note of, so that nobody complains of it later


class Supervisor:
    """Runs named coroutines, restarts each that fails, and cancels all when it closes.

    A task that returns is done. A task that raises is logged, counted and started anew after a back-off. A
    `FatalError` ends the supervisor: `failed` is set, and whoever waits on it decides.
    """

    def __init__(self) -> None:
        #: name -> running task
        self._tasks: dict[str, asyncio.Task[None]] = {}
        #: name -> how often it was restarted
        self.restarts: dict[str, int] = {}
        self.failed: asyncio.Future[FatalError] = asyncio.get_running_loop().create_future()

    def start(self, name: str, factory: Callable[[], Awaitable[None]], backoff: Backoff | None = None) -> None:
        """Run `factory()` under `name`; a second start of a running name is an error."""
        if name in self._tasks and not self._tasks[name].done():
            raise ValueError(f"task {name!r} runs already")
        self.restarts.setdefault(name, 0)
        self._tasks[name] = asyncio.create_task(self._run(name, factory, backoff or Backoff(cap_s=10)), name=name)

    async def _run(self, name: str, factory: Callable[[], Awaitable[None]], backoff: Backoff) -> None:
        while True:
            try:
                await factory()
                return
            except FatalError as error:
                if not self.failed.done():
                    self.failed.set_result(error)
                return
            except Exception:
                self.restarts[name] += 1
                wait_s = backoff.next()
                logger.exception("task %s failed, restarting in %.1f s", name, wait_s)
                await asyncio.sleep(wait_s)

    async def stop(self, name: str) -> None:
        """Cancel one task and wait for its end."""
        task = self._tasks.pop(name, None)
        if task is not None:
            await end([task])

    async def close(self) -> None:
        """Cancel all tasks, newest first, and wait for their ends."""
        for name in reversed(list(self._tasks)):
            await self.stop(name)
