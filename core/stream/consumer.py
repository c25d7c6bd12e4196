"""One consumer: its mailbox and its counters."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Any

from core.base.clock import Clock
from core.base.latency import RollingLatency
from core.base.log import RateLimit
from core.stream.mailbox import mailbox_for
from core.stream.messages import DataType, Message, Policy
from core.stream.rate import RateMeter

logger = logging.getLogger(__name__)

#: upper edges of the histogram that pages draw, microseconds
EDGES_US: tuple[float, ...] = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000)


@dataclasses.dataclass(frozen=True, slots=True)
class Registration:
    """What a consumer asked for, and what it needs from the distributor.

    `on_relief` is called, from any thread, when its lossless mailbox is congested no longer.
    """

    name: str
    data_types: frozenset[DataType]
    policy: Policy
    bound: int
    clock: Clock
    on_relief: Callable[[], None]


class Consumer:
    """What all kinds of consumers share. Counters are kept for the consumer's life, disabled or not."""

    def __init__(self, registration: Registration) -> None:
        self.name = registration.name
        self.data_types = registration.data_types
        self.policy = registration.policy
        self.mailbox = mailbox_for(registration.policy, registration.bound, self.wake, registration.on_relief)
        self.enabled = True
        self.closed = False
        self.delivered = 0
        self.errors = 0
        self.last_error = ""
        #: times the handler kept the engine loop too long
        self.hogged = 0
        #: from frame read to hand-over, over the last minute
        self.latency = RollingLatency(registration.clock)
        self._rate = RateMeter()
        self._clock = registration.clock
        self._log_limit = RateLimit()

    def wake(self) -> None:
        """Engine thread: the mailbox got its first message."""

    def start(self) -> None:
        """Begin to read the mailbox."""

    def stop(self) -> None:
        """Read no more; what a lossless mailbox still holds is handed over first."""
        self.closed = True

    def take(self) -> list[Message]:
        """Messages to hand over now, counted and timed. Nothing when disabled, but for what a lossless mailbox has."""
        messages = self.mailbox.take()
        if not messages or (self.policy is not Policy.LOSSLESS and (not self.enabled or self.closed)):
            return []
        now_ns = self._clock.monotonic_ns()
        self.delivered += len(messages)
        self._rate.add(len(messages), now_ns)
        self._time(messages, now_ns)
        return messages

    def _time(self, messages: Sequence[Message], now_ns: int) -> None:
        """Latencies from a frame's arrival to now; the messages of one frame follow each other, and are recorded at once."""
        previous, times = 0, 0
        for message in messages:
            recv_ns = getattr(message, "recv_ns", 0)
            if recv_ns == previous:
                times += 1
                continue
            if previous:
                self.latency.record(now_ns - previous, times, now_ns)
            previous, times = recv_ns, 1
        if previous:
            self.latency.record(now_ns - previous, times, now_ns)

    def failed(self, error: Exception) -> None:
        """Count a failure of the consumer's own code; its log lines are held back to one a minute."""
        self.errors += 1
        self.last_error = f"{type(error).__name__}: {error}"
        if (held := self._log_limit.passes("error")) is not None:
            logger.error("consumer %s failed (%d more held back)", self.name, held, exc_info=error)

    def hogging(self, spent_ns: int) -> None:
        self.hogged += 1
        if self._log_limit.passes("hog") is not None:
            logger.warning("consumer %s kept the engine loop for %.0f ms", self.name, spent_ns / 1e6)

    def summary(self) -> dict[str, Any]:
        """The consumer as the API answers it; latencies are those of the last minute."""
        latency = self.latency.seen()
        return {
            "name": self.name,
            "data_types": sorted(self.data_types),
            "enabled": self.enabled,
            "policy": self.policy.value,
            "delivered": self.delivered,
            "dropped": self.mailbox.dropped,
            "conflated": self.mailbox.conflated,
            "errors": self.errors,
            "rate_per_s": self._rate.per_s(self._clock.monotonic_ns()),
            "queue": len(self.mailbox),
            "bound": self.mailbox.bound,
            "congested": self.mailbox.congested,
            "hogged": self.hogged,
            "latency_us": latency.summary_us(),
            "histogram": {"edges_us": list(EDGES_US), "counts": latency.buckets_us(EDGES_US)},
            "last_error": self.last_error,
        }


class PullConsumer(Consumer):
    """Read by its owner, from any thread."""

    def __init__(self, registration: Registration, on_ready: Callable[[], None] | None) -> None:
        super().__init__(registration)
        self._on_ready = on_ready

    def wake(self) -> None:
        if self._on_ready is None:
            return
        try:
            self._on_ready()
        except Exception as error:
            self.failed(error)
