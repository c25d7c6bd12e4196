"""Mailboxes: where a consumer's messages wait. One thread puts, one at a time takes."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from core.domain.market import BarUpdate, Trade
from core.domain.snapshot import UniversalDataStream
from core.stream.messages import Message, Policy

#: trades kept by a NEWEST mailbox
NEWEST_TRADES = 200
#: messages a NEWEST mailbox lets pile up before it looks which of them are still the newest
_PILE = 1_024


class Mailbox:
    """FIFO of at most `bound` messages; the oldest are dropped and counted.

    Putting takes no lock: it relies on deque's methods being atomic, with CPython's global lock or without. The
    taker says that it is going to look (`_is_idle`) before it looks, so that no message is left behind unannounced.
    """

    def __init__(self, bound: int, wake: Callable[[], None]) -> None:
        """`wake` is called by the putting thread when something comes after everything had been taken."""
        if bound < 1:
            raise ValueError(f"bound must be at least 1, was {bound}")
        self.bound = bound
        self.dropped = 0
        #: messages replaced by a newer one of the same key: nothing was lost
        self.conflated = 0
        #: above the bound, and not yet down to half of it: the sender should pause
        self.congested = False
        self._queue: deque[Message] = deque()
        self._threshold = bound
        self._wake = wake
        self._is_idle = True
        #: held by takers, and by the putter when it rearranges what waits
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, messages: Sequence[Message]) -> None:
        """Add messages; the first after the mailbox was found empty wakes the reader."""
        queue = self._queue
        queue.extend(messages)
        if len(queue) > self._threshold:
            with self._lock:
                self._overflow(queue)
        if self._is_idle:
            self._is_idle = False
            self._wake()

    def _overflow(self, queue: deque[Message]) -> None:
        """Called, with the lock held, when the queue is longer than the threshold."""
        excess = len(queue) - self.bound
        for _ in range(excess):
            queue.popleft()
        self.dropped += max(excess, 0)

    def take(self) -> list[Message]:
        """What waits, oldest first; empty when nothing does."""
        self._is_idle = True
        queue = self._queue
        with self._lock:
            return [queue.popleft() for _ in range(len(queue))]


class LosslessMailbox(Mailbox):
    """FIFO that drops nothing, but is `congested` above its bound."""

    #: called by the taking thread when the mailbox is congested no longer
    on_relief: Callable[[], None] | None = None

    def _overflow(self, queue: deque[Message]) -> None:
        self.congested = len(queue) > self.bound

    def take(self) -> list[Message]:
        """At most half the bound at a time, so that the pressure shows until the work is done."""
        self._is_idle = True
        half, queue = max(1, self.bound // 2), self._queue
        with self._lock:
            taken = [queue.popleft() for _ in range(min(half, len(queue)))]
            is_relieved = self.congested and len(queue) <= half
            if is_relieved:
                self.congested = False
        if is_relieved and self.on_relief is not None:
            self.on_relief()
        return taken


class NewestMailbox(Mailbox):
    """Keeps one newest message per key, and the last 200 trades.

    Putting only appends; messages are conflated when they are taken, or when too many wait. Distinct bars beyond
    `bound` are dropped, oldest first, and counted.
    """

    def __init__(self, bound: int, wake: Callable[[], None]) -> None:
        super().__init__(bound, wake)
        self._threshold = _PILE

    def _overflow(self, queue: deque[Message]) -> None:
        newest = self._conflate(queue)
        queue.clear()
        queue.extend(newest)
        self._threshold = max(_PILE, 2 * len(queue))

    def take(self) -> list[Message]:
        taken = super().take()
        return self._conflate(taken) if len(taken) > 1 else taken

    def _conflate(self, messages: Sequence[Message]) -> list[Message]:
        bars: dict[tuple[str, float], Message] = {}
        states: dict[object, Message] = {}
        trades: list[Message] = []
        for message in messages:
            kind = type(message)
            if kind is BarUpdate:
                bars[message.series, message.row[0]] = message  # type: ignore[union-attr]
            elif kind is Trade:
                trades.append(message)
            elif isinstance(message, UniversalDataStream):
                states[UniversalDataStream] = message
            else:
                states[message.symbol, kind] = message  # type: ignore[union-attr]
        newest = [*states.values(), *list(bars.values())[-self.bound :], *trades[-NEWEST_TRADES:]]
        excess = max(0, len(bars) - self.bound)
        self.dropped += excess
        self.conflated += len(messages) - len(newest) - excess
        return newest


def mailbox_for(policy: Policy, bound: int, wake: Callable[[], None], on_relief: Callable[[], None]) -> Mailbox:
    """The mailbox of a policy. `on_relief` is called, by the taking thread, when a lossless one is congested no longer."""
    if policy is Policy.LOSSLESS:
        lossless = LosslessMailbox(bound, wake)
        lossless.on_relief = on_relief
        return lossless
    return NewestMailbox(bound, wake) if policy is Policy.NEWEST else Mailbox(bound, wake)
