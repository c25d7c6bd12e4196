"""One process of the pool: the loops of its workers, its shards, its statuses, and its end."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from core.base.clock import Clock
from core.base.codec import to_json
from core.base.errors import FatalError
from core.storage.tick_tables import Packed
from core.workers import stream_epoch, stream_scripts
from core.workers.core_counts import core_kind, machine_cores
from core.workers.pool_config import PoolConfig
from core.workers.redis_clients import CONTROL_S, REDIS_TROUBLE, ask, async_client
from core.workers.shard_stage import ShardStage
from core.workers.stream_names import SHARDS, shard_stream, worker
from core.workers.stream_names import slot as slot_key
from core.workers.symbol_book import SymbolBook
from core.workers.tick_batch import TickBatch, greeks_of
from core.workers.tick_committer import TickCommitter
from core.workers.tick_stage import TickStage
from core.workers.tick_stream import NAME_MS, TickStream
from core.workers.universal_symbol_parser import UniversalSymbolParser
from core.workers.worker_orders import Order, Report
from core.workers.worker_status import WorkerState, WorkerStatus

logger = logging.getLogger(__name__)

#: a status lives for this long
STATUS_S = 5
_TICK_S = 0.5
#: of the five seconds that an end may take
_DRAIN_S = 3.5


class _Slot(msgspec.Struct):
    """One worker at work."""

    number: int
    stream: TickStream
    stage: TickStage
    task: "asyncio.Task[None]"


class WorkerProcess:
    """Runs until told to end. `host` and a worker's number make its name, which stays when the process is replaced."""

    def __init__(
        self,
        redis_url: str,
        database_url: str,
        host: str,
        pool: str,
        config: PoolConfig,
        clock: Clock,
        value: Callable[[TickBatch], Packed] = greeks_of,
    ) -> None:
        self._redis_url = redis_url
        self._database_url = database_url
        self._host = host
        self._pool = pool
        self._config = config
        self._clock = clock
        self._value = value
        self._cores = machine_cores()
        self._book = SymbolBook(UniversalSymbolParser(clock))
        self._committer = TickCommitter(database_url, self._book, config.group_batches)
        self._turn = asyncio.Lock()
        self._shards: ShardStage | None = None
        self._slots: dict[int, _Slot] = {}
        #: workers that were taken away and still end their batch
        self._leaving: list[_Slot] = []
        self._order = Order([])
        self._is_ending = False
        self._nudge = asyncio.Event()
        #: ticks and errors of workers that have left
        self._past = [0, 0]
        #: told to pause, and not there yet
        self._is_quieting = False
        self._waking: set[asyncio.Task[None]] = set()

    async def run(self, order: Order, tell: Callable[[Report], None]) -> None:
        """Work until `end`; `tell` hears a report each half second."""
        self._committer.start()
        self._shards = ShardStage(
            self._redis_url, self._database_url, f"{self._host}-{os.getpid()}", self._config, self._clock
        )
        self._shards.start()
        self.obey(order)
        client = async_client(self._redis_url, CONTROL_S)
        try:
            while not self._is_ending:
                await self._tick(client, tell)
                self._nudge.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05 if self._is_quieting else _TICK_S):
                        await self._nudge.wait()
        finally:
            await self._drain(client)
        tell(self._report())

    def end(self) -> None:
        """Acknowledge what is in hand, then return from `run`."""
        self._is_ending = True
        self._nudge.set()

    def obey(self, order: Order) -> None:
        """Start and end workers, pause them or let them go on."""
        self._order = order
        self._nudge.set()
        for number in set(self._slots) - set(order.slots):
            slot = self._slots.pop(number)
            slot.stage.stop()
            self._leaving.append(slot)
            self._wake(slot)
        for number in sorted(set(order.slots) - set(self._slots)):
            if not any(slot.number == number for slot in self._leaving):
                self._slots[number] = self._start(number)
        for slot in self._slots.values():
            if order.is_paused and not slot.stage.paused:
                self._wake(slot)
            slot.stage.paused = order.is_paused

    def _wake(self, slot: _Slot) -> None:
        task = asyncio.create_task(_wake(slot))
        self._waking.add(task)
        task.add_done_callback(self._waking.discard)

    def _start(self, number: int) -> _Slot:
        name = f"{self._host}-{number}"
        stream = TickStream(self._redis_url, name, self._pool, self._config, self._first_id)
        stage = TickStage(stream, self._committer, self._book, self._config, self._clock, self._value, turn=self._turn)
        stage.paused = self._order.is_paused
        return _Slot(number, stream, stage, asyncio.create_task(stage.run(), name=name))

    async def _first_id(self) -> str:
        return await asyncio.to_thread(stream_epoch.first_id, self._redis_url, self._database_url)

    # -- each half second

    async def _tick(self, client: Any, tell: Callable[[Report], None]) -> None:
        await self._bury_left(client)
        for slot in self._slots.values():
            if slot.task.done():
                slot.task.result()  # a worker's loop only ends when it is told to: whatever this raises is a defect
        if len(self._slots) < len(self._order.slots):
            self.obey(self._order)
        report = self._report()
        self._is_quieting = self._order.is_paused and report.busy > 0
        tell(report)
        try:
            await self._publish(client)
        except REDIS_TROUBLE as error:
            logger.debug("statuses: %s", error)

    async def _bury_left(self, client: Any) -> None:
        left = [slot for slot in self._leaving if slot.task.done()]
        for slot in left:
            self._leaving.remove(slot)
            self._past[0] += slot.stage.gauges.processed
            self._past[1] += slot.stage.gauges.errors
            await _close(slot)
        with contextlib.suppress(*REDIS_TROUBLE):
            await self._take_leave(client, left)

    async def _take_leave(self, client: Any, slots: list[_Slot]) -> None:
        """Ended, not lost: a status that is too old to be shown is a worker's last word."""
        pipeline = client.pipeline(transaction=False)
        for slot in slots:
            status = msgspec.structs.replace(self._status(slot.number, slot, []), at_ms=0)
            pipeline.set(worker(status.name), to_json(status), ex=STATUS_S)
        if slots:
            await pipeline.execute()

    def _report(self) -> Report:
        assert self._shards is not None
        gauges = [slot.stage.gauges for slot in (*self._slots.values(), *self._leaving)]
        oldest = min([self._shards.progress_ns, *(each.progress_ns for each in gauges)])
        return Report(
            processed=self._past[0] + sum(each.processed for each in gauges),
            errors=self._past[1] + sum(each.errors for each in gauges),
            workers=len(self._slots),
            busy=sum(each.state != WorkerState.PAUSED for each in gauges),
            serial=self._order.serial,
            stuck_s=round((self._clock.monotonic_ns() - oldest) / 1e9, 1),
            cause=self._cause(next((each.cause for each in gauges if each.cause), "")),
        )

    def _cause(self, own: str) -> str:
        assert self._shards is not None
        if self._committer.state not in ("ok", "connecting"):
            return f"Postgres: {self._committer.state}"
        return own or self._shards.loss

    async def _publish(self, client: Any) -> None:
        assert self._shards is not None
        pipeline = client.pipeline(transaction=False)
        owned, count = self._shards.owned, max(1, len(self._slots))
        for place, (number, slot) in enumerate(sorted(self._slots.items())):
            status = self._status(number, slot, list(owned[place::count]))
            pipeline.set(worker(status.name), to_json(status), ex=STATUS_S)
            pipeline.eval(stream_scripts.KEEP, 1, slot_key(status.name), self._pool, NAME_MS)
        await pipeline.execute()
        if any(slot.stage.congested for slot in self._slots.values()):
            lengths = [await ask(client, "XLEN", shard_stream(shard)) for shard in range(SHARDS)]
            is_full = max(lengths) > self._config.shard_bound // 2
            for slot in self._slots.values():
                slot.stage.congested = is_full

    def _status(self, number: int, slot: _Slot, shards: list[int]) -> WorkerStatus:
        assert self._shards is not None
        gauges = slot.stage.gauges
        gauges.measure()
        return WorkerStatus(
            name=slot.stream.name,
            host=self._host,
            slot=number,
            pid=os.getpid(),
            state=str(gauges.state),
            batch=gauges.batch,
            processed=gauges.processed,
            rate_per_s=gauges.rate_per_s,
            batch_ms=gauges.batch_ms(),
            errors=gauges.errors,
            last_error=gauges.last_error,
            core_kind=core_kind(number, self._cores),
            shards=shards,
            since_ms=gauges.since_ms,
            at_ms=self._clock.now_ms(),
            batch_size=self._config.batch_size,
            duplicates=gauges.duplicates,
            redis=gauges.redis,
            postgres="ok" if self._committer.state in ("ok", "connecting") else self._committer.state,
            cause=self._cause(gauges.cause),
            batches=gauges.batches(),
            late=self._shards.late,
            refused=self._shards.refused,
        )

    # -- the end

    async def _drain(self, client: Any) -> None:
        self.obey(Order([]))
        tasks = [slot.task for slot in self._leaving]
        if tasks:
            await asyncio.wait(tasks, timeout=_DRAIN_S)
        # whoever still waits for Postgres is told that it is over, and acknowledges nothing
        self._committer.stop()
        if self._shards is not None:
            self._shards.stop()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=0.3)
            for task in late:
                task.cancel()
        for slot in self._leaving:
            await _close(slot)
        with contextlib.suppress(*REDIS_TROUBLE):
            await self._take_leave(client, self._leaving)
        await client.aclose()
        if self._shards is not None:
            await asyncio.to_thread(self._shards.join, 1.0)
        await asyncio.to_thread(self._committer.join, 0.2)


async def _wake(slot: _Slot) -> None:
    with contextlib.suppress(*REDIS_TROUBLE):
        await slot.stream.wake()


async def _close(slot: _Slot) -> None:
    with contextlib.suppress(*REDIS_TROUBLE, TimeoutError):
        await slot.stream.close()


async def serve(process: WorkerProcess, order: Order, is_child: bool) -> None:
    """Run a process with the usual signals; a child also obeys its standard input, and ends with it."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.end)
    reading = asyncio.create_task(_obey_parent(process)) if is_child else None
    try:
        await process.run(order, _tell_parent if is_child else lambda _: None)
    finally:
        if reading is not None:
            reading.cancel()


def _tell_parent(report: Report) -> None:
    try:
        sys.stdout.buffer.write(to_json(report) + b"\n")
        sys.stdout.buffer.flush()
    except OSError:
        raise FatalError("the supervisor is gone") from None


async def _obey_parent(process: WorkerProcess) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while line := await reader.readline():
            process.obey(msgspec.json.decode(line, type=Order))
    finally:
        process.end()
