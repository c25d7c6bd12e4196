"""The first stage: one worker's loop from the stream of ticks to Postgres, the shards and the acknowledgement."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from core.base.backoff import Backoff
from core.base.clock import Clock
from core.base.errors import StorageUnavailable
from core.base.log import RateLimit
from core.storage.tick_tables import Packed
from core.storage.tick_writer import Written
from core.workers.entries import Entry, Pending, Refused, decode_all, entry_ms
from core.workers.pool_config import PoolConfig
from core.workers.redelivery import linger_s, plan
from core.workers.redis_clients import REDIS_TROUBLE, trouble
from core.workers.stream_names import shard_stream
from core.workers.symbol_book import KnownSymbol, SymbolBook
from core.workers.tick import Tick
from core.workers.tick_batch import TickBatch, build, greeks_of, key_of, pack
from core.workers.tick_committer import TickCommitter
from core.workers.tick_stream import Fenced, NameInUse, TickStream
from core.workers.worker_status import WorkerGauges, WorkerState

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
#: reasons of failed entries that are remembered until they are dead letters
_MOST_REASONS = 1_000
#: names and values of an entry that its dead letter keeps
MOST_PARTS = 4_000
#: a failed entry is tried again after this many seconds
_RETRY_S = 1.0


class TickStage:
    """One worker. Reads only when the batch before is acknowledged, so that it holds at most `config.group_size` entries."""

    def __init__(
        self,
        stream: TickStream,
        committer: TickCommitter,
        book: SymbolBook,
        config: PoolConfig,
        clock: Clock,
        value: Callable[[TickBatch], Packed] = greeks_of,
        on_stored: Callable[[Sequence[Tick], Written], None] = lambda ticks, written: None,
        turn: asyncio.Lock | None = None,
    ) -> None:
        """`on_stored` hears of each batch once it is acknowledged; it must not raise. `turn` is shared by the workers of a
        process: one reads while the others work, for many readers at once would each get few ticks, and pay for a
        transaction of their own."""
        self._stream = stream
        self._committer = committer
        self._book = book
        self._config = config
        self._clock = clock
        self._value = value
        self._on_stored = on_stored
        self._turn = turn or asyncio.Lock()
        self._stopping = False
        self.paused = False
        #: the shards' streams are full: nothing is read until their owners have caught up
        self.congested = False
        self.gauges = WorkerGauges(clock)
        self._log = RateLimit()
        #: why an entry failed -> its dead letter's reason
        self._reasons: dict[bytes, str] = {}
        #: of the batch before: how fast ticks come
        self._rate_per_s = 0.0
        self._next_sweep_ns = 0
        self._next_drain_ns: int | None = None

    def stop(self) -> None:
        """Read no more; `run` returns when what was read is acknowledged."""
        self._stopping = True

    async def run(self) -> None:
        """Until `stop`."""
        backoff = Backoff(base_s=0.1, cap_s=2.0)
        while not self._stopping:
            try:
                await self._stream.open()
                self.gauges.redis, self.gauges.cause = "ok", ""
                backoff.reset()
                await self._drain()
                await self._serve()
            except Fenced as error:
                self._complain("fenced", str(error))
            except NameInUse as error:
                await self._wait(backoff, str(error))
            except StorageUnavailable:
                continue  # only while we stop: what is unacknowledged waits for whoever comes next
            except REDIS_TROUBLE as error:
                self.gauges.redis = trouble(error)
                await self._wait(backoff, trouble(error))
        self.gauges.turn(WorkerState.DRAINING)

    async def _wait(self, backoff: Backoff, why: str) -> None:
        self.gauges.cause = why
        self._complain(why.split(":", maxsplit=1)[0], why)
        self.gauges.came_round()
        await asyncio.sleep(backoff.next())

    def _complain(self, kind: str, line: str) -> None:
        if (held := self._log.passes(kind)) is not None:
            logger.warning("%s: %s%s", self._stream.name, line, f" ({held} more like this)" if held else "")

    # -- reading

    async def _serve(self) -> None:
        while not self._stopping:
            self.gauges.came_round()
            if self._must_wait:
                self.gauges.turn(WorkerState.PAUSED if self.paused else WorkerState.READING)
                await asyncio.sleep(0.05)
                continue
            await self._look_after_others()
            self.gauges.turn(WorkerState.READING)
            async with self._turn:
                entries = [] if self._must_wait or self._stopping else await self._gather()
            await self._handle(entries)

    @property
    def _must_wait(self) -> bool:
        return self.paused or self.congested

    async def _gather(self) -> list[Entry]:
        """A batch: open until it is full or old, longer only when there is more to read at once."""
        size = self._config.group_size
        began_ns = self._clock.monotonic_ns()
        entries = await self._stream.read(size, self._config.block_ms)
        if not entries:
            self._rate_per_s = 0.0
            return entries
        wait_s = linger_s(len(entries), self._config.batch_size, self._rate_per_s, self._config.linger_ms)
        if wait_s > 0:
            await asyncio.sleep(wait_s)
            entries += await self._stream.read(size - len(entries), None)
        self._rate_per_s = len(entries) * 1e9 / max(1, self._clock.monotonic_ns() - began_ns)
        return entries

    async def _look_after_others(self) -> None:
        """Take what others left, at intervals that no two workers share; begin again with our own that failed."""
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._next_sweep_ns:
            self._next_sweep_ns = now_ns + int(self._config.sweep_s * random.uniform(0.8, 1.2) * 1e9)  # noqa: S311
            taken = await self._stream.sweep()
            if taken:
                logger.info("%s took over %d entries", self._stream.name, taken)
                if taken >= self._config.group_size:
                    self._next_sweep_ns = now_ns
                await self._drain()
        if self._next_drain_ns is not None and now_ns >= self._next_drain_ns:
            await self._drain()

    async def _drain(self) -> None:
        """Go once through what was given to us and never acknowledged: crashes, lost answers, entries taken over."""
        self._next_drain_ns = None
        after, size = b"", self._config.group_size
        while not self._stopping:
            pending = await self._stream.pending(after, size)
            if not pending:
                return
            todo = plan(pending, self._config.most_deliveries, self._config.batch_size, size)
            await self._bury([await self._letter(entry) for entry in todo.dead])
            for group in todo.groups:
                if self._stopping:
                    return
                self.gauges.came_round()
                await self._handle(await self._stream.start(group))
            if len(pending) < size:
                return
            after = pending[-1].id

    async def _letter(self, pending: Pending) -> tuple[Entry, str, int]:
        why = self._reasons.pop(pending.id, f"given out {pending.deliveries} times without an acknowledgement")
        return await self._stream.fields(pending.id), why, pending.deliveries

    # -- a batch

    async def _handle(self, entries: list[Entry]) -> None:
        if not entries:
            return
        began_ns = self._clock.monotonic_ns()
        self.gauges.turn(WorkerState.WORKING, len(entries))
        decoded = decode_all(entries)
        if decoded.refused:
            await self._bury([(refused.entry, refused.reason, 1) for refused in decoded.refused])
        if decoded.ticks:
            try:
                ids = [entry.id for entry in decoded.entries]
                symbols = await self._known([key_of(tick) for tick in decoded.ticks], ids)
                batch = build(decoded, symbols)
                greeks = self._value(batch)
                self.gauges.turn(WorkerState.STORING, len(entries))
                written = await self._hold(self._committer.write(batch.ticks, greeks), ids)
            except (*REDIS_TROUBLE, Fenced, StorageUnavailable):
                raise
            except Exception as error:
                await self._halve(decoded.entries, error)
                return
            await self._acknowledge(decoded.entries, batch, written)
            self._on_stored(decoded.ticks, written)
            self.gauges.latency.record(self._clock.monotonic_ns() - began_ns)

    async def _known(self, keys: list[tuple[str, str]], ids: Sequence[bytes]) -> list[KnownSymbol]:
        known = [self._book.get(key) for key in keys]
        missing = {key for key, found in zip(keys, known, strict=True) if found is None}
        if not missing:
            return known  # type: ignore[return-value]
        await self._hold(self._committer.learn(missing), ids)
        return [self._book.known(key) for key in keys]

    async def _hold(self, future: asyncio.Future[_T], ids: Sequence[bytes]) -> _T:
        """Wait, however long, and tell a sign of life of the entries meanwhile."""
        while True:
            done, _ = await asyncio.wait((future,), timeout=self._config.min_idle_ms / 3_000)
            if done:
                return future.result()
            self.gauges.came_round()
            await self._stream.heartbeat(ids)

    async def _halve(self, entries: list[Entry], error: Exception) -> None:
        """A batch failed: the culprit alone is left for another try, and its neighbours go their way."""
        if len(entries) > 1:
            half = len(entries) // 2
            await self._handle(entries[:half])
            await self._handle(entries[half:])
            return
        why = f"{type(error).__name__}: {error}"[:300]
        self.gauges.failed(why)
        self._complain("failed", f"entry {entries[0].id.decode()} failed: {why}")
        if len(self._reasons) < _MOST_REASONS:
            self._reasons[entries[0].id] = why
        self._next_drain_ns = self._clock.monotonic_ns() + int(_RETRY_S * 1e9)

    async def _acknowledge(self, entries: list[Entry], batch: TickBatch, written: Written) -> None:
        refused = [Refused(entries[place], why) for place, why in written.rejected.items()]
        left_out = [*written.duplicates, *written.rejected]
        ids = [entry.id for place, entry in enumerate(entries) if place not in written.rejected]
        if ids:
            pushes = {shard_stream(shard): packed for shard, packed in pack(batch, left_out).items()}
            duplicates = len(written.duplicates)
            longest = await self._stream.commit(ids, pushes, len(ids) - duplicates, duplicates)
            self.congested = self.congested or longest > self._config.shard_bound
            self.gauges.processed += len(ids) - duplicates
            self.gauges.duplicates += duplicates
        await self._bury([(each.entry, each.reason, 1) for each in refused])

    async def _bury(self, letters: list[tuple[Entry, str, int]]) -> None:
        if not letters:
            return
        now_ms = self._clock.now_ms()
        buried = [
            (cut(e), ("reason", why, "deliveries", n, "first_ms", entry_ms(e.id), "last_ms", now_ms, "entry", e.id))
            for e, why, n in letters
        ]
        await self._stream.bury(buried)
        for entry, why, _ in letters:
            self.gauges.failed(why)
            self._complain("dead", f"entry {entry.id.decode()} is a dead letter: {why}")


def cut(entry: Entry) -> Entry:
    """An entry of thousands of fields as far as a script can take it."""
    return entry if len(entry.pairs) <= MOST_PARTS else Entry(entry.id, entry.pairs[:MOST_PARTS])
