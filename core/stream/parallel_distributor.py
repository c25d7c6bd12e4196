"""Tells consumers side by side; a slow or failing one never delays another."""

import asyncio
import contextlib
import dataclasses
import inspect
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from core.base.clock import Clock
from core.base.supervise import end
from core.domain.market import BarUpdate, Trade
from core.stream.consumer import Consumer, PullConsumer, Registration
from core.stream.handlers import AsyncHandler, PlainHandler, TaskConsumer, ThreadConsumer
from core.stream.messages import KINDS, DataType, Message, Policy

_Put = Callable[[Sequence[Message]], None]


@dataclasses.dataclass(frozen=True, slots=True)
class _Routes:
    """Who gets what; built anew at each change and swapped whole, so that publishing needs no lock."""

    #: consumers of trades and bars, of trades but not bars, of bars but not trades
    both: tuple[_Put, ...]
    trades: tuple[_Put, ...]
    bars: tuple[_Put, ...]
    by_kind: dict[type, tuple[_Put, ...]]
    lossless: tuple[Consumer, ...]


class ParallelDataDistributor:
    """Registers consumers from any thread, and publishes to them from one: the engine thread.

    Publishing costs one append per consumer; there is no task or thread per message. A handler runs on its own thread
    (plain) or in its own task (async), so it can only be late for itself.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._consumers: dict[str, Consumer] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        #: async consumers that wait for the loop
        self._waiting: list[TaskConsumer] = []
        self._relief = asyncio.Event()
        self._past_errors = 0
        self._reroute()

    # -- who listens: any thread

    def register(
        self,
        name: str,
        data_types: Iterable[DataType],
        handler: AsyncHandler | PlainHandler | None = None,
        *,
        policy: Policy = Policy.BOUNDED,
        bound: int = 10_000,
        on_ready: Callable[[], None] | None = None,
    ) -> Consumer:
        """Add a consumer. Raises ValueError for a name that is taken, an unknown data type or policy, or a bound below 1."""
        registration = Registration(
            name, frozenset(DataType(kind) for kind in data_types), Policy(policy), bound, self._clock, self._relieved
        )
        consumer: Consumer
        if handler is None:
            consumer = PullConsumer(registration, on_ready)
        elif inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
            consumer = TaskConsumer(registration, cast(AsyncHandler, handler))
        else:
            consumer = ThreadConsumer(registration, cast(PlainHandler, handler))
        with self._lock:
            if name in self._consumers:
                raise ValueError(f"a consumer named {name!r} is registered already")
            self._consumers[name] = consumer
            if not isinstance(consumer, TaskConsumer):
                consumer.start()
            elif self._loop is None:
                self._waiting.append(consumer)
            else:
                self._loop.call_soon_threadsafe(consumer.start)
            self._reroute()
        return consumer

    def unregister(self, name: str) -> Consumer | None:
        """Remove a consumer; nothing happens when there is none of that name."""
        with self._lock:
            consumer = self._consumers.pop(name, None)
            if consumer is None:
                return None
            self._waiting = [waiting for waiting in self._waiting if waiting is not consumer]
            self._past_errors += consumer.errors
            self._reroute()
        consumer.stop()
        self._relieved()
        return consumer

    def set_enabled(self, name: str, enabled: bool) -> None:
        """Switch a consumer off or on. Off, it gets nothing and costs nothing. Raises KeyError for an unknown name."""
        with self._lock:
            consumer = self._consumers[name]
            consumer.enabled = enabled
            self._reroute()
        if not enabled and consumer.policy is not Policy.LOSSLESS:
            consumer.mailbox.take()
        self._relieved()

    def _reroute(self) -> None:
        enabled = [consumer for consumer in self._consumers.values() if consumer.enabled]
        kinds = {consumer.name: frozenset().union(*(KINDS[kind] for kind in consumer.data_types)) for consumer in enabled}

        def puts(wanted: Callable[[frozenset[type]], bool]) -> tuple[_Put, ...]:
            return tuple(consumer.mailbox.put for consumer in enabled if wanted(kinds[consumer.name]))

        every = frozenset().union(*KINDS.values())
        self._routes = _Routes(
            both=puts(lambda k: Trade in k and BarUpdate in k),
            trades=puts(lambda k: Trade in k and BarUpdate not in k),
            bars=puts(lambda k: BarUpdate in k and Trade not in k),
            by_kind={kind: puts(lambda k, kind=kind: kind in k) for kind in every},  # type: ignore[misc]
            lossless=tuple(consumer for consumer in enabled if consumer.policy is Policy.LOSSLESS),
        )

    # -- publishing: engine thread

    def attach(self) -> None:
        """Called on the engine loop: async handlers run here. Publishing on a running loop does it by itself."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
            waiting, self._waiting = self._waiting, []
        for consumer in waiting:
            consumer.start()

    def publish_trade(self, trade: Trade, updates: Sequence[BarUpdate]) -> None:
        """A trade and the bars it changed, in one go."""
        if self._waiting:
            self._attach_if_running()
        routes = self._routes
        if routes.both:
            together: list[Message] = [trade, *updates]
            for put in routes.both:
                put(together)
        if routes.trades:
            alone = (trade,)
            for put in routes.trades:
                put(alone)
        if updates:
            for put in routes.bars:
                put(updates)

    def publish(self, kind: type, messages: Sequence[Message]) -> None:
        """Messages of one kind."""
        if self._waiting:
            self._attach_if_running()
        if messages:
            for put in self._routes.by_kind[kind]:
                put(messages)

    def wants(self, kind: type) -> bool:
        """Whether any enabled consumer gets this kind of message."""
        return bool(self._routes.by_kind[kind])

    def _attach_if_running(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        self.attach()

    # -- back-pressure

    @property
    def congested(self) -> bool:
        """Whether an enabled lossless consumer is behind by more than its bound (until it is down to half of it)."""
        return any(consumer.mailbox.congested for consumer in self._routes.lossless)

    async def drained(self) -> None:
        """Wait, on the engine loop, until nobody is congested."""
        if self._loop is None:
            self.attach()
        while self.congested:
            self._relief.clear()
            if self.congested:
                await self._relief.wait()

    def _relieved(self) -> None:
        """Some mailbox may be congested no longer. Any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self._relief.set)

    # -- what it looks like: any thread

    def names(self) -> list[str]:
        with self._lock:
            return list(self._consumers)

    def latency_p99_us(self, name: str) -> float | None:
        with self._lock:
            consumer = self._consumers.get(name)
        return None if consumer is None else round(consumer.latency.seen().percentile(99) / 1e3, 1)

    def summaries(self) -> list[dict[str, Any]]:
        with self._lock:
            consumers = list(self._consumers.values())
        return [consumer.summary() for consumer in consumers]

    @property
    def errors(self) -> int:
        """Batches whose handler raised, of all consumers there ever were."""
        with self._lock:
            return self._past_errors + sum(consumer.errors for consumer in self._consumers.values())

    async def close(self, timeout_s: float = 2.0) -> None:
        """Unregister all; what lossless consumers still have is handed over first, within `timeout_s`."""
        with self._lock:
            names = list(self._consumers)
        gone = [consumer for name in names if (consumer := self.unregister(name)) is not None]
        tasks = [consumer.task for consumer in gone if isinstance(consumer, TaskConsumer) and consumer.task is not None]
        threads = [consumer for consumer in gone if isinstance(consumer, ThreadConsumer)]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout_s)
            await end(late)
        if threads:
            await asyncio.to_thread(_join, threads, timeout_s)


def _join(threads: Sequence[ThreadConsumer], timeout_s: float) -> None:
    share_s = timeout_s / len(threads)
    for consumer in threads:
        consumer.join(share_s)
