"""Consumers with a handler of their own: on a thread, or in a task on the engine loop."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from queue import SimpleQueue
from typing import Any

from core.base.clock import Clock
from core.stream.consumer import Consumer, Registration
from core.stream.messages import Message

AsyncHandler = Callable[[Sequence[Message]], Awaitable[None]]
PlainHandler = Callable[[Sequence[Message]], None]

#: a handler that keeps the engine loop for longer than this without yielding is named in the log
HOG_NS = 50_000_000


class ThreadConsumer(Consumer):
    """A plain handler on a thread of its own: it may block as long as it likes."""

    def __init__(self, registration: Registration, handler: PlainHandler) -> None:
        super().__init__(registration)
        self._handler = handler
        #: one token for each time the mailbox became non-empty, and one for the end
        self._tokens: SimpleQueue[None] = SimpleQueue()
        # a daemon, so that a handler that blocks for ever cannot keep the process alive
        self._thread = threading.Thread(target=self._run, name=f"consumer-{self.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._tokens.put(None)

    def stop(self) -> None:
        super().stop()
        self._tokens.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end. False: the handler still blocks."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self._tokens.get()
            closed = self.closed
            while messages := self.take():
                try:
                    self._handler(messages)
                except Exception as error:
                    self.failed(error)
            if closed:
                return


class TaskConsumer(Consumer):
    """An async handler in a task on the engine loop."""

    def __init__(self, registration: Registration, handler: AsyncHandler) -> None:
        super().__init__(registration)
        self._handler = handler
        self._ready = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Called on the engine loop."""
        self._loop = asyncio.get_running_loop()
        if self.closed or len(self.mailbox):
            self._ready.set()
        self.task = self._loop.create_task(self._run(), name=f"consumer-{self.name}")

    def wake(self) -> None:
        self._ready.set()

    def stop(self) -> None:
        super().stop()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and the task with it
                self._loop.call_soon_threadsafe(self.wake)

    async def _run(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            closed = self.closed
            while messages := self.take():
                try:
                    await _Timed(self._handler(messages), self._clock, self.hogging)
                except Exception as error:
                    self.failed(error)
                # a handler that never waits must not starve the loop while its mailbox is full
                await asyncio.sleep(0)
            if closed:
                return


class _Timed:
    """Awaits something and tells of each step that kept the loop longer than `HOG_NS`."""

    def __init__(self, awaitable: Awaitable[None], clock: Clock, tell: Callable[[int], None]) -> None:
        self._awaitable = awaitable
        self._clock = clock
        self._tell = tell

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._awaitable.__await__()
        sent: Any = None
        error: BaseException | None = None
        while True:
            began_ns = self._clock.monotonic_ns()
            try:
                waits_for = steps.throw(error) if error is not None else steps.send(sent)
            except StopIteration:
                return
            finally:
                spent_ns = self._clock.monotonic_ns() - began_ns
                if spent_ns > HOG_NS:
                    self._tell(spent_ns)
            sent, error = None, None
            try:
                sent = yield waits_for
            except BaseException as thrown:
                error = thrown
