"""`MarketScanner`: owns the optimised processor and the standard pipeline, runs the one that is wanted, and switches."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from core.base.backoff import Backoff
from core.base.clock import Clock
from core.base.loop_thread import LoopThread
from core.workers.pool_control import PoolControl, ProcessorName

logger = logging.getLogger(__name__)

#: a processor that does not end its work in this time goes on ending it beside the new one, without what it had in hand
DRAIN_S = 1.2
#: how long the pool's processes wait, paused, for being wanted again
KEEP_WARM_S = 60.0


class Processor(Protocol):
    """What takes ticks from the stream. `stop` and `pause` return when it reads no more and what it had read is stored."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def pause(self) -> None: ...

    async def resume(self) -> None: ...

    async def scale(self, workers: int) -> None: ...


class MarketScanner:
    """Lives on a loop of its own, so that starting processes never delays a tick. Public methods are for any thread.

    A switch: the old processor stops reading, ends what it has in hand, what it could not end is handed over to the new
    one, which starts. The pool's processes are paused and kept for a minute, so that switching back takes no start. Every
    step may be repeated, and effects are stored once by their event id, so a step that fails is done again until it works.
    """

    def __init__(
        self,
        optimized: Processor,
        standard: Processor,
        clock: Clock,
        *,
        wanted: PoolControl,
        announce: Callable[[PoolControl], Awaitable[None]],
        hand_over: Callable[[ProcessorName], Awaitable[int]],
        auto_count: int,
        keep_warm_s: float = KEEP_WARM_S,
    ) -> None:
        """`announce(control)` tells the workers of all machines; `hand_over(name)` gives what this machine's consumers still
        hold to the processor of that name. `auto_count`: worker processes where the control names none."""
        self._optimized = optimized
        self._standard = standard
        self._clock = clock
        self._wanted = wanted
        self._announce = announce
        self._hand_over = hand_over
        self._auto_count = auto_count
        self._keep_warm_s = keep_warm_s
        self._thread = LoopThread("workers", self._main)
        self._is_started = False
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        #: what reads, and the state that was last brought about
        self._active: ProcessorName | None = None
        self._has: PoolControl | None = None
        #: monotonic ns at which the pool's paused processes end; None while they are wanted, or do not run
        self._cool_ns: int | None = None
        #: endings that took too long, per processor
        self._ending: dict[ProcessorName, asyncio.Task[None]] = {}
        self._backoff = Backoff(base_s=0.2, cap_s=5.0)
        self._last_error = ""
        self._switches = 0
        self._last_switch_ms = 0.0
        self._idle_since_ns = clock.monotonic_ns()

    # -- any thread

    def start(self) -> None:
        """Begin; returns at once, processors start on the scanner's own thread."""
        self._is_started = True
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Stop what runs: what it has in hand is stored, or stays unacknowledged; within `timeout_s`."""
        if self._is_started and not self._thread.stop(timeout_s):
            logger.error("the workers did not stop in %.0f s", timeout_s)

    def want(self, control: PoolControl) -> None:
        """Make this the state to be; it is within two seconds."""
        self._wanted = control
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: we are stopping
                self._loop.call_soon_threadsafe(self._changed.set)

    @property
    def wanted(self) -> PoolControl:
        return self._wanted

    def status(self) -> dict[str, Any]:
        """`active`: the processor that reads, None while none does, since `idle_s`; `is_switching`; `switches` so far;
        `last_switch_ms`: how long the last took; `last_error`."""
        active = self._active
        return {
            "active": active,
            "idle_s": 0.0 if active else round((self._clock.monotonic_ns() - self._idle_since_ns) / 1e9, 1),
            "is_switching": self._has != self._wanted,
            "switches": self._switches,
            "last_switch_ms": self._last_switch_ms,
            "last_error": self._last_error,
        }

    # -- the scanner's loop

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                self._changed.clear()
                wanted = self._wanted
                wait_s = await self._try(wanted) if wanted != self._has else await self._cool()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._changed.wait()
        finally:
            await self._end()

    async def _try(self, wanted: PoolControl) -> float | None:
        """Bring `wanted` about; how long to wait until the next step is due, None for until something changes."""
        try:
            await self._become(wanted)
        except Exception as error:
            self._last_error = f"{type(error).__name__}: {error}"
            logger.warning("the workers could not become %s: %s", wanted, self._last_error)
            return self._backoff.next()
        self._has = wanted
        self._last_error = ""
        self._backoff.reset()
        return 0.0

    async def _become(self, wanted: PoolControl) -> None:
        began_ns = self._clock.monotonic_ns()
        await self._announce(wanted)
        if wanted.processor != self._active:
            is_switch = self._has is not None
            await self._leave()
            await self._hand_over(wanted.processor)
            await self._enter(wanted)
            self._switches += is_switch
            self._last_switch_ms = round((self._clock.monotonic_ns() - began_ns) / 1e6, 1)
            return
        processor = self._processor(wanted.processor)
        if wanted.processor == "optimized":
            await processor.scale(self._count(wanted))
        await (processor.pause() if wanted.is_paused else processor.resume())

    async def _leave(self) -> None:
        """Have the active processor read no more."""
        old, self._active = self._active, None
        if old is None:
            return
        self._idle_since_ns = self._clock.monotonic_ns()
        if old == "optimized":
            await self._limited(old, self._optimized.pause())
            self._cool_ns = self._clock.monotonic_ns() + int(self._keep_warm_s * 1e9)
        else:
            await self._limited(old, self._standard.stop())

    async def _enter(self, wanted: PoolControl) -> None:
        late = self._ending.pop(wanted.processor, None)
        if late is not None:
            await asyncio.wait((late,))
        processor = self._processor(wanted.processor)
        if wanted.processor == "optimized":
            self._cool_ns = None
            await processor.scale(self._count(wanted))
            await processor.resume()
        await processor.start()
        if wanted.is_paused:
            await processor.pause()
        self._active = wanted.processor

    def _processor(self, name: ProcessorName) -> Processor:
        return self._optimized if name == "optimized" else self._standard

    def _count(self, wanted: PoolControl) -> int:
        return wanted.workers if wanted.workers is not None else self._auto_count

    async def _limited(self, name: ProcessorName, ending: Coroutine[Any, Any, None]) -> None:
        """Wait for an end, but not for ever: it goes on beside what comes next."""
        task = asyncio.create_task(ending)
        done, _ = await asyncio.wait((task,), timeout=DRAIN_S)
        if done:
            task.result()
        else:
            logger.warning("the %s processor does not end its batch in %.1f s: it is handed over", name, DRAIN_S)
            self._ending[name] = task

    async def _cool(self) -> float | None:
        """End the pool's paused processes when nobody has wanted them for long; how long to wait for that."""
        if self._cool_ns is None:
            return None
        left_s = (self._cool_ns - self._clock.monotonic_ns()) / 1e9
        if left_s > 0:
            return left_s
        self._cool_ns = None
        try:
            await self._optimized.stop()
        except Exception as error:
            logger.warning("the paused workers did not stop cleanly: %s", error)
        return None

    async def _end(self) -> None:
        self._active = None
        results = await asyncio.gather(
            self._optimized.stop(), self._standard.stop(), *self._ending.values(), return_exceptions=True
        )
        for result in results:
            if isinstance(result, Exception):
                logger.error("the workers did not stop cleanly: %s", result)
