"""`DataPipeline`: the standard way from the tick stream to Postgres, in threads of the app instead of processes."""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from core.base.clock import Clock
from core.base.codec import to_json
from core.storage.tick_writer import Written
from core.workers import stream_epoch, stream_scripts
from core.workers.patterns.frame_bars import FrameBars
from core.workers.pool_config import PoolConfig
from core.workers.redis_clients import CONTROL_S, REDIS_TROUBLE, ask, async_client
from core.workers.shard_stage import ShardStage
from core.workers.stream_names import SHARDS, shard_stream, slot, worker
from core.workers.symbol_book import SymbolBook
from core.workers.tick import Tick
from core.workers.tick_committer import TickCommitter
from core.workers.tick_stage import TickStage
from core.workers.tick_stream import NAME_MS, TickStream
from core.workers.universal_symbol_parser import UniversalSymbolParser
from core.workers.worker_status import WorkerState, WorkerStatus

logger = logging.getLogger(__name__)

_STATUS_MS = 5_000
_LOOK_S = 0.5
#: how long a thread may end its batch; what it could not store stays unacknowledged for whoever comes next
_DRAIN_S = 1.0
_BLOCK_MS = 1_000


def standard_name(host: str, number: int) -> str:
    """The consumer of a pipeline's thread."""
    return f"{host}-standard-{number}"


class DataPipeline:
    """A fixed number of threads, each a consumer of the pool's group: reads a batch, values options, stores, acknowledges.

    Batch by batch, a transaction each; indicators are calculated on a thread beside them, by the same shards and leases as
    the pool's, and what is stored becomes Polars frames for pattern detection. May be started again after `stop`.
    """

    def __init__(
        self,
        redis_url: str,
        database_url: str,
        host: str,
        clock: Clock,
        *,
        threads: int,
        batch_size: int,
        bars: FrameBars,
    ) -> None:
        self._redis_url = redis_url
        self._database_url = database_url
        self._host = host
        self._clock = clock
        self._threads = threads
        self._config = PoolConfig(batch_size=batch_size, group_batches=1, block_ms=_BLOCK_MS)
        self._bars = bars
        self._running: list[_PipelineThread] = []
        self._shards: ShardStage | None = None

    @property
    def consumers(self) -> list[str]:
        """Every name under which it reads."""
        return [standard_name(self._host, number) for number in range(self._threads)]

    @property
    def is_alive(self) -> bool:
        """Whether any of its threads runs."""
        return any(thread.is_alive for thread in self._running)

    async def start(self) -> None:
        """Begin to read."""
        if self._running:
            return
        config, clock = self._config, self._clock
        self._shards = ShardStage(
            self._redis_url, self._database_url, f"{self._host}-standard-{os.getpid()}", config, clock
        )  # fmt: skip
        self._shards.start()
        for number in range(self._threads):
            thread = _PipelineThread(
                number, self._redis_url, self._database_url, self._host, config, clock, self._shards, self._bars
            )
            thread.start()
            self._running.append(thread)

    async def stop(self) -> None:
        """Read no more; returns when what was read is stored and acknowledged, or cannot be just now."""
        for thread in self._running:
            thread.end()
        for thread in self._running:
            await asyncio.to_thread(thread.join, _DRAIN_S + 2)
        self._running = []
        if self._shards is not None:
            self._shards.stop()
            await asyncio.to_thread(self._shards.join, 2.0)
            self._shards = None

    async def pause(self) -> None:
        """Read no more until `resume`; what was read is stored."""
        for thread in self._running:
            thread.stage.paused = True
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline and not all(thread.is_quiet for thread in self._running):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def resume(self) -> None:
        for thread in self._running:
            thread.stage.paused = False

    async def scale(self, workers: int) -> None:
        """The number of threads is fixed by the configuration: nothing to do."""


class _PipelineThread:
    """One thread with its loop, its consumer and its connection to Postgres."""

    def __init__(
        self,
        number: int,
        redis_url: str,
        database_url: str,
        host: str,
        config: PoolConfig,
        clock: Clock,
        shards: ShardStage,
        bars: FrameBars,
    ) -> None:
        self._number = number
        self._redis_url = redis_url
        self._database_url = database_url
        self._host = host
        self._config = config
        self._clock = clock
        self._shards = shards
        self._bars = bars
        book = SymbolBook(UniversalSymbolParser(clock))
        self._committer = TickCommitter(database_url, book, config.group_batches)
        self._name = standard_name(host, number)
        # a second pipeline on this host has another one, and is told that the name is in use
        self._pool = f"{self._name}-{os.getpid()}"
        self._stream = TickStream(redis_url, self._name, self._pool, config, self._first_id)
        self.stage = TickStage(self._stream, self._committer, book, config, clock, on_stored=self._stored)
        self._thread = threading.Thread(target=self._run, name=f"pipeline-{number}", daemon=True)
        self._ending = threading.Event()

    def start(self) -> None:
        self._committer.start()
        self._thread.start()

    def end(self) -> None:
        """Read no more, and end."""
        self.stage.stop()
        self._ending.set()

    @property
    def is_quiet(self) -> bool:
        """Whether it reads nothing and has nothing in hand."""
        return self.stage.gauges.state == WorkerState.PAUSED or not self.is_alive

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.error("%s did not end in %.1f s", self._name, timeout_s)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            logger.exception("%s failed", self._name)

    async def _first_id(self) -> str:
        return await asyncio.to_thread(stream_epoch.first_id, self._redis_url, self._database_url)

    async def _serve(self) -> None:
        client = async_client(self._redis_url, CONTROL_S)
        task = asyncio.create_task(self.stage.run(), name=self._name)
        try:
            published = 0.0
            while not task.done() and not self._ending.is_set():
                now = time.monotonic()
                if now - published >= _LOOK_S:
                    published = now
                    self._bars.look()
                    await self._publish(client)
                await asyncio.wait((task,), timeout=0.02)
                if self.stage.paused and self.stage.gauges.state == WorkerState.READING:
                    await self._wake()
            await self._wake()
            await asyncio.wait((task,), timeout=_DRAIN_S)
        finally:
            # whoever still waits for Postgres is told that it is over, and acknowledges nothing
            self._committer.stop()
            await self._end(task, client)

    async def _end(self, task: "asyncio.Task[None]", client: Any) -> None:
        _, late = await asyncio.wait((task,), timeout=0.5)
        for each in late:
            each.cancel()
        with contextlib.suppress(*REDIS_TROUBLE, TimeoutError):
            await self._stream.close()
        with contextlib.suppress(*REDIS_TROUBLE):
            # ended, not lost: a status that is too old to be shown is the last word
            status = msgspec.structs.replace(self._status(), at_ms=0)
            await client.set(worker(self._name), to_json(status), px=_STATUS_MS)
        await client.aclose()
        await asyncio.to_thread(self._committer.join, 0.2)
        if not late:
            task.result()

    async def _wake(self) -> None:
        """End a wait for ticks, so that nobody waits for it."""
        with contextlib.suppress(*REDIS_TROUBLE):
            await self._stream.wake()

    async def _publish(self, client: Any) -> None:
        try:
            await client.set(worker(self._name), to_json(self._status()), px=_STATUS_MS)
            await client.eval(stream_scripts.KEEP, 1, slot(self._name), self._pool, NAME_MS)
            if self.stage.congested:
                lengths = [await ask(client, "XLEN", shard_stream(shard)) for shard in range(SHARDS)]
                self.stage.congested = max(lengths) > self._config.shard_bound // 2
        except REDIS_TROUBLE as error:
            logger.debug("%s: %s", self._name, error)

    def _status(self) -> WorkerStatus:
        gauges = self.stage.gauges
        gauges.measure()
        postgres = "ok" if self._committer.state in ("ok", "connecting") else self._committer.state
        owned = self._shards.owned
        return WorkerStatus(
            name=self._name,
            host=self._host,
            slot=self._number,
            pid=os.getpid(),
            state=str(gauges.state),
            batch=gauges.batch,
            processed=gauges.processed,
            rate_per_s=gauges.rate_per_s,
            batch_ms=gauges.batch_ms(),
            errors=gauges.errors,
            last_error=gauges.last_error,
            core_kind="any",
            shards=list(owned) if self._number == 0 else [],
            since_ms=gauges.since_ms,
            at_ms=self._clock.now_ms(),
            batch_size=self._config.batch_size,
            duplicates=gauges.duplicates,
            batches=gauges.batches(),
            late=self._shards.late,
            refused=self._shards.refused,
            redis=gauges.redis,
            postgres=postgres,
            cause=f"Postgres: {postgres}" if postgres != "ok" else gauges.cause or self._shards.loss,
        )

    def _stored(self, ticks: Sequence[Tick], written: Written) -> None:
        """A batch is stored and acknowledged. Patterns never cost a tick: what goes wrong with them is told."""
        try:
            self._bars.take(ticks, [*written.duplicates, *written.rejected])
        except Exception:
            logger.exception("%s: a batch gave no minutes", self._name)
