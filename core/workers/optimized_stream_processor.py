"""The worker pool of one machine: its processes, spawned, watched, scaled, ended."""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import msgspec

from core.base.backoff import Backoff
from core.base.clock import Clock, SystemClock
from core.base.errors import ConfigError
from core.base.supervise import end
from core.workers.core_counts import MOST_WORKERS, layout, machine_cores, process_count, worker_count
from core.workers.pool_config import PoolConfig
from core.workers.pool_control import PoolControl, read_control
from core.workers.redis_clients import CONTROL_S, REDIS_TROUBLE, async_client
from core.workers.worker_child import WorkerChild, kill_all
from core.workers.worker_orders import Order

logger = logging.getLogger(__name__)

_LOOK_S = 0.1
_CONTROL_EVERY_S = 0.5
_METRICS_EVERY_S = 30.0
#: a process whose loops do not come round for this long is killed
STUCK_S = 30.0
#: what an end may take before it is made
_END_S = 4.8
_QUIET_S = 3.0


class _Place(msgspec.Struct):
    """Where a process runs, and the next one when it has died."""

    child: WorkerChild | None
    backoff: Backoff
    #: monotonic seconds before which no new process is started here
    not_before_s: float = 0.0


class OptimizedStreamProcessor:
    """Keeps `workers` workers (None: as many as the cores are worth) at work on the stream, in processes of its own.

    What Redis's control hash says goes before what `scale` and `pause` say, so that one machine can steer all. Belongs to
    one event loop; starting a process takes that loop some milliseconds.
    """

    def __init__(
        self,
        redis_url: str,
        database_url: str,
        *,
        workers: int | None = None,
        processes: int | None = None,
        config: PoolConfig | None = None,
        name: str | None = None,
        clock: Clock | None = None,
        stuck_s: float = STUCK_S,
    ) -> None:
        """`processes`: over how many at most the workers are spread (None: as the cores allow). `name` begins the workers'
        names and has to differ between pools; the host's name by default."""
        self._redis_url = redis_url
        self._database_url = database_url
        self._config = config or PoolConfig()
        self._name = name or socket.gethostname().partition(".")[0] or "worker"
        self._clock = clock or SystemClock()
        self._stuck_s = stuck_s
        self._pool = secrets.token_hex(8)
        self._cores = machine_cores()
        self._own = _checked(workers)
        self._processes = processes
        self._is_paused = False
        self._control = PoolControl()
        self._places: list[_Place] = []
        self._leaving: list[WorkerChild] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        #: ticks and errors of processes that have ended
        self._past = [0, 0]
        self.restarts = 0

    @property
    def wanted(self) -> int:
        """Workers that should run here."""
        return self._control.workers or self._own or worker_count(self._cores.total)

    # -- what its owner says

    async def start(self) -> None:
        """Start the processes and watch them; harmless when it runs."""
        if self._tasks:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONTROL_S):
                await self._look_at_control(once=True)
        self._arrange()
        self._tasks = [
            asyncio.create_task(loop, name=f"pool-{name}")
            for name, loop in (
                ("watch", self._watch()),
                ("control", self._look_at_control(once=False)),
                ("metrics", self._tell_metrics()),
            )
        ]

    async def stop(self) -> None:
        """Let every worker acknowledge what it holds, within 5 s; then nothing of the pool runs. When this is cancelled
        the processes are killed."""
        await end(self._tasks, again_s=0.5)
        self._tasks = []
        children = [place.child for place in self._places if place.child is not None] + self._leaving
        self._places, self._leaving = [], []
        for child in children:
            child.terminate()
        try:
            await _until(lambda: all(child.code is not None for child in children), _END_S)
        finally:
            kill_all(children)
            for child in children:
                self._remember(child)

    async def pause(self) -> None:
        """Have the workers leave the stream alone; returns when what they had read is acknowledged."""
        self._is_paused = True
        self._arrange()
        await _until(lambda: all(place.child is None or place.child.is_quiet for place in self._places), _QUIET_S)

    async def resume(self) -> None:
        self._is_paused = False
        self._arrange()

    async def scale(self, workers: int) -> None:
        """Run so many workers, 1–8. Raises ConfigError."""
        self._own = _checked(workers)
        if self._tasks:
            self._arrange()

    def status(self) -> dict[str, Any]:
        """This machine's part; the whole is told by `PoolStatus`."""
        running = [place.child for place in self._places if place.child is not None]
        reports = [child.report for child in running if child.report is not None]
        return {
            "is_running": bool(self._tasks),
            "is_paused": self._is_idle,
            "wanted": self.wanted,
            "batch_size": self._config.batch_size,
            "cores": msgspec.to_builtins(self._cores),
            "processes": [{"pid": child.pid, "slots": child.order.slots, "stuck_s": child.stuck_s} for child in running],
            "workers": sum(report.workers for report in reports),
            "processed": self._past[0] + sum(report.processed for report in reports),
            "errors": self._past[1] + sum(report.errors for report in reports),
            "restarts": self.restarts,
            "cause": next((report.cause for report in reports if report.cause), ""),
        }

    # -- its processes

    @property
    def _is_idle(self) -> bool:
        return self._is_paused or self._control.is_idle

    def _arrange(self) -> None:
        """Bring the processes in line with what is wanted."""
        processes = self._processes or process_count(self.wanted, self._cores.total)
        orders = [Order(slots, self._is_idle) for slots in layout(self.wanted, processes)]
        while len(self._places) > len(orders):
            child = self._places.pop().child
            if child is not None:
                child.terminate()
                self._leaving.append(child)
        self._places += [_Place(None, Backoff(base_s=0.2, cap_s=5.0)) for _ in orders[len(self._places) :]]
        now_s = time.monotonic()
        for place, order in zip(self._places, orders, strict=True):
            if place.child is None:
                if now_s >= place.not_before_s:
                    place.child = self._spawn(order)
            elif (place.child.order.slots, place.child.order.is_paused) != (order.slots, order.is_paused):
                place.child.tell(order)

    def _spawn(self, order: Order) -> WorkerChild:
        level = logging.getLevelName(logging.getLogger().getEffectiveLevel())
        return WorkerChild(self._redis_url, self._database_url, self._name, self._pool, self._config, order, str(level))

    async def _watch(self) -> None:
        while True:
            for place in self._places:
                self._look_at(place)
            for child in [child for child in self._leaving if child.code is not None]:
                self._leaving.remove(child)
                child.close()
                self._remember(child)
            self._arrange()
            await asyncio.sleep(_LOOK_S)

    def _look_at(self, place: _Place) -> None:
        child = place.child
        if child is None:
            return
        if child.code is None and child.stuck_s > self._stuck_s:
            logger.error("worker process %d made no progress for %.0f s: killed", child.pid, child.stuck_s)
            child.kill()
            child.close()
        if child.code is None:
            return
        if time.monotonic() - child.started_s > 10:
            place.backoff.reset()
        wait_s = place.backoff.next()
        logger.warning("worker process %d ended with %s, again in %.1f s", child.pid, child.code, wait_s)
        child.close()
        self._remember(child)
        self.restarts += 1
        place.child, place.not_before_s = None, time.monotonic() + wait_s

    def _remember(self, child: WorkerChild) -> None:
        if child.report is not None:
            self._past[0] += child.report.processed
            self._past[1] += child.report.errors

    # -- what it hears and tells

    async def _look_at_control(self, once: bool) -> None:
        client = async_client(self._redis_url, CONTROL_S)
        try:
            while True:
                try:
                    control = await read_control(client)
                except REDIS_TROUBLE as error:
                    logger.debug("control: %s", error)
                else:
                    if control != self._control:
                        self._control = control
                        if self._tasks:
                            self._arrange()
                if once:
                    return
                await asyncio.sleep(_CONTROL_EVERY_S)
        finally:
            await client.aclose()

    async def _tell_metrics(self) -> None:
        before, then_s = self.status()["processed"], time.monotonic()
        while True:
            await asyncio.sleep(_METRICS_EVERY_S)
            status, now_s = self.status(), time.monotonic()
            rate = (status["processed"] - before) / (now_s - then_s)
            before, then_s = status["processed"], now_s
            logger.info(metrics_line(before, rate, status["workers"], status["errors"]))


async def _until(condition: Callable[[], bool], timeout_s: float) -> None:
    """Return when it holds, or when time is up."""
    deadline = time.monotonic() + timeout_s
    while True:
        if condition() or time.monotonic() > deadline:
            return
        await asyncio.sleep(0.02)


def metrics_line(processed: int, rate_per_s: float, workers: int, errors: int) -> str:
    """What the log says every 30 s."""
    return f"Processed: {processed} messages ({rate_per_s:.0f} msg/s), Workers: {workers}, Errors: {errors}"


def _checked(workers: int | None) -> int | None:
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise ConfigError(f"workers must be 1–{MOST_WORKERS}, was {workers}")
    return workers


async def start_optimized_processor(
    redis_url: str | None = None,
    num_workers: int | None = None,
    batch_size: int = 50,
    *,
    database_url: str | None = None,
    name: str | None = None,
) -> None:
    """Run a pool on this machine until SIGTERM or SIGINT; addresses default to REDIS_URL and DATABASE_URL.

    Raises ConfigError when an address is missing.
    """
    redis_url = redis_url or os.environ.get("REDIS_URL")
    database_url = database_url or os.environ.get("DATABASE_URL")
    if not redis_url or not database_url:
        missing = "REDIS_URL (--redis-url)" if not redis_url else "DATABASE_URL (--database-url)"
        raise ConfigError(f"the workers need {missing}")
    processor = OptimizedStreamProcessor(
        redis_url, database_url, workers=num_workers, config=PoolConfig(batch_size=batch_size), name=name
    )
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    await processor.start()
    logger.info("%d workers in %d processes", processor.wanted, len(processor.status()["processes"]))
    try:
        await ending.wait()
    finally:
        await processor.stop()
        status = processor.status()
        logger.info(metrics_line(status["processed"], 0.0, 0, status["errors"]))
