"""The producer: trades of all venues → the workers' Redis stream; to disk while Redis is away or the stream is full."""

import asyncio
import collections
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from core.base.backoff import Backoff
from core.base.clock import Clock
from core.base.errors import FatalError
from core.base.log import RateLimit
from core.domain.market import Quote, Trade
from core.storage.spool import Spool, SpoolFull
from core.stream.messages import DataType, Message, Policy
from core.stream.rate import RateMeter
from core.stream.subscription import Subscription
from core.stream.unified_data_stream import UnifiedDataStream
from core.workers.stream_writer import AWAY, Appended, StreamWriter
from core.workers.tick import Tick

logger = logging.getLogger(__name__)

#: the name under which the producer is a consumer of the stream
CONSUMER = "workers"
#: messages that wait for the thread; above it trades are dropped and counted
QUEUE = 100_000
#: trades gathered before a round trip, so that a busy market costs few of them
_LINGER_S = 0.004
#: the same while they go to disk: each record is synced
_SPOOL_LINGER_S = 0.05
#: ticks a round trip, or a record of the spool
_BATCH = 2_000
_IDLE_S = 0.5
_ASK_LENGTH_S = 0.1
_DRAIN_BYTES = 256 * 1024


def tick_of(trade: Trade, venue: str, quote: Quote | None) -> Tick:
    """A trade as a tick, with the quote that stood when it came."""
    event_id = f"{venue}:{trade.symbol}:{trade.trade_id}"
    if quote is None:
        return Tick(trade.symbol, trade.ts_ms, trade.price, event_id, venue, trade.quantity)
    # an empty side is 0, −1 or NaN, by venue
    bid, ask = quote.bid if quote.bid > 0 else None, quote.ask if quote.ask > 0 else None
    return Tick(trade.symbol, trade.ts_ms, trade.price, event_id, venue, trade.quantity, bid, ask)


class TickProducer:
    """Takes messages on the engine loop, where it costs an append; encodes and sends on a thread of its own.

    Trades go queue → Redis. While Redis is away, refuses (its memory is full), or the stream holds `stream_entries`
    (trimming must never eat what nobody has read), they go queue → spool, and everything newer behind them until the spool
    has been drained in order. What Redis may or may not have taken is sent again: the event id makes it one tick.
    """

    def __init__(
        self,
        stream: UnifiedDataStream,
        writer: StreamWriter,
        spool: Spool,
        clock: Clock,
        *,
        stream_entries: int,
        belongs: Callable[[str], bool] = lambda symbol: True,
        on_trades: Callable[[Sequence[Trade]], None] = lambda trades: None,
        gate: threading.Event | None = None,
        is_replay: bool = False,
    ) -> None:
        """`belongs(symbol)`: whether the symbol is of the kind of market that the workers' tables hold.

        `on_trades` gets the same trades on the producer's thread, and none now and then while there are none; it must not
        raise. Until `gate` is set ticks go to disk: the Redis stream may be that of another kind of market. A replay waits
        for us, a live market does not.
        """
        self._stream = stream
        self._writer = writer
        self._spool = spool
        self._clock = clock
        self._stream_entries = stream_entries
        self._batch = max(1, min(_BATCH, stream_entries // 4))
        self._belongs = belongs
        self._on_trades = on_trades
        self._gate = gate
        self._is_replay = is_replay
        self._queue: collections.deque[Message] = collections.deque()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._subscription: Subscription | None = None
        #: the form of `tick.encode`, whose field `d` the writer adds
        self._encode = msgspec.json.Encoder().encode
        self._venues: dict[str, str] = {}
        #: symbol -> newest quote
        self._quotes: dict[str, Quote] = {}
        #: encoded lines that neither Redis nor the spool has taken yet
        self._lines: list[bytes] = []
        self._backoff = Backoff(base_s=0.1, cap_s=2.0)
        self._next_attempt = 0.0
        self._next_length = 0.0
        #: entries that the stream may still take, as far as we know
        self._room = 0
        self._rate = RateMeter()
        self._limit_log = RateLimit()
        self._is_running = False
        self._spool_refuses = False
        self._last_error = ""
        self._published = 0
        self._spooled = 0
        self._dropped = 0

    # -- any thread

    def start(self) -> None:
        """Read the spool, start the thread, register with the stream. Redis may be away. Raises FatalError."""
        try:
            self._spool.open()
        except OSError as error:
            raise FatalError(f"the ticks' spool in the data directory cannot be used: {error}") from error
        self._is_running = True
        self._thread = threading.Thread(target=self._run, name="tick-producer", daemon=True)
        self._thread.start()
        policy = Policy.LOSSLESS if self._is_replay else Policy.BOUNDED
        self._subscription = self._stream.register_consumer(
            CONSUMER, {DataType.TICKS}, self._take_messages, policy=policy, bound=50_000
        )

    def stop(self, timeout_s: float) -> None:
        """Send what is queued, or spool it, and end the thread within `timeout_s`."""
        if self._subscription is not None:
            self._subscription.close()
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                logger.error("the tick producer did not end within %.1f s", timeout_s)

    @property
    def state(self) -> str:
        """`publishing`, `spooling` (Redis is away, or full), `draining`, `paused` (no room on disk either), `stopped`."""
        if not self._is_running:
            return "stopped"
        if self._spool_refuses:
            return "paused"
        if self._spool.empty and not self._last_error:
            return "publishing"
        return "spooling" if self._last_error else "draining"

    def stats(self) -> dict[str, Any]:
        """Counters since the start.

        `published`: ticks that Redis acknowledged; `spooled`: ticks of this run that wait on disk; `spool_bytes`: all that
        waits there; `dropped`: lost for want of room in queue and spool; `queue`: messages that wait for the thread.
        """
        return {
            "published": self._published,
            "rate_per_s": self._rate.per_s(self._clock.monotonic_ns()),
            "spooled": self._spooled,
            "dropped": self._dropped,
            "queue": len(self._queue) + len(self._lines),
            "queue_bound": QUEUE,
            "spool_bytes": self._spool.size,
            "spool_damaged": self._spool.damaged,
            "state": self.state,
            "last_error": self._last_error or None,
        }

    # -- engine loop

    async def _take_messages(self, messages: Sequence[Message]) -> None:
        room = QUEUE - len(self._queue)
        if len(messages) > room:
            self._dropped += sum(type(m) is Trade for m in messages[max(0, room) :])
            messages = messages[: max(0, room)]
        self._queue.extend(messages)
        if not self._wake.is_set():
            self._wake.set()
        while self._is_replay and self._is_running and len(self._queue) > QUEUE // 2:  # noqa: ASYNC110 - a thread takes
            await asyncio.sleep(0.02)

    # -- the producer's thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                is_idle = not self._cycle()
            except Exception as error:
                self._fail("tick producer", error)
                logger.exception("tick producer")
                is_idle = True
            if is_idle:
                self._on_trades(())
                waits = bool(self._lines) or not self._spool.empty
                self._wake.wait(_SPOOL_LINGER_S if waits else _IDLE_S)
                self._wake.clear()
            self._stopping.wait(_LINGER_S if self._spool.empty else _SPOOL_LINGER_S)
        self._finish()

    def _cycle(self) -> bool:
        """One round; False when there is nothing to do at once."""
        lines = self._next_lines()
        if self._spool.empty:
            if lines and not self._send_lines():
                self._keep()
            return bool(self._queue)
        if lines:
            self._keep()
        return self._drain() or bool(self._queue)

    def _next_lines(self) -> list[bytes]:
        """The lines that wait, or those of the next trades in the queue."""
        if self._lines:
            return self._lines
        queue, trades = self._queue, []
        for _ in range(len(queue)):
            message = queue.popleft()
            if type(message) is Trade:
                if self._belongs(message.symbol):
                    trades.append(message)
                    self._lines.append(self._encode(self._tick(message)))
                    if len(trades) >= self._batch:
                        break
            elif type(message) is Quote:
                self._quotes[message.symbol] = message
        if trades:
            self._on_trades(trades)
        return self._lines

    def _tick(self, trade: Trade) -> Tick:
        venue = self._venues.get(trade.symbol)
        if venue is None:
            venue = self._venues[trade.symbol] = self._stream.instruments[trade.symbol].venue
        return tick_of(trade, venue, self._quotes.get(trade.symbol))

    def _send_lines(self) -> bool:
        """Whether Redis has all lines that wait."""
        self._lines = self._send(self._lines)
        return not self._lines

    def _send(self, lines: list[bytes]) -> list[bytes]:
        """Those of the lines that Redis has not taken, in order."""
        now = time.monotonic()
        if self._gate is not None and not self._gate.is_set():
            return lines
        if now < self._next_attempt or not self._has_room(len(lines), now):
            return lines
        try:
            appended = self._writer.append(lines)
        except AWAY as error:
            self._away(error)
            return lines
        self._note(appended, len(lines))
        return appended.refused

    def _has_room(self, count: int, now: float) -> bool:
        """Whether `count` entries keep the stream within its bound; asks Redis anew, but not all the time."""
        if count > self._room and now >= self._next_length:
            self._next_length = now + _ASK_LENGTH_S
            try:
                length = self._writer.length()
            except AWAY as error:
                self._away(error)
                return False
            self._room = self._stream_entries - length
            if count > self._room:
                self._fail("the workers do not keep up", FullStream(f"the stream holds {length} ticks"))
        return count <= self._room

    def _note(self, appended: Appended, count: int) -> None:
        taken = count - len(appended.refused)
        self._published += taken
        self._rate.add(taken, self._clock.monotonic_ns())
        # an unknown length is asked for before the next lines
        self._room = self._stream_entries - appended.length if appended.length >= 0 else 0
        if appended.refused:
            self._next_attempt = time.monotonic() + self._backoff.next()
            self._fail("Redis refuses ticks", FullStream(appended.reason))
        else:
            self._backoff.reset()
            self._last_error = ""

    def _away(self, error: BaseException) -> None:
        self._room = 0
        self._next_attempt = time.monotonic() + self._backoff.next()
        self._fail("Redis is away", error)

    def _keep(self) -> None:
        """Move the lines that wait, and what is queued behind them, to disk, as far as that takes them."""
        while self._next_lines():
            try:
                self._spool.append(msgspec.msgpack.encode(self._lines))
            except (SpoolFull, OSError) as error:
                self._spool_refuses = True
                self._fail("ticks find no room on disk", error)
                return
            self._spooled += len(self._lines)
            self._lines = []
            self._spool_refuses = False

    def _drain(self) -> bool:
        """Send the oldest of the spool; True when Redis took all of it."""
        records = self._spool.peek(_DRAIN_BYTES)
        batches: list[list[bytes]] = []
        for record in records:
            try:
                batches.append(msgspec.msgpack.decode(record, type=list[bytes]))
            except msgspec.MsgspecError as error:
                self._fail("the ticks' spool", error)
                batches.append([])
        done = 0
        for batch in batches:
            if batch and self._send(batch):
                break
            self._spooled = max(0, self._spooled - len(batch))
            done += 1
        if done:
            self._spool.advance(done)
        if self._spool.empty:
            self._spooled = 0
            self._spool_refuses = False
        return done == len(batches)

    def _finish(self) -> None:
        """At the end: what is queued goes to Redis if that is at hand, else to disk."""
        try:
            while self._next_lines():
                if self._spool.empty and self._send_lines():
                    continue
                self._keep()
                if self._lines:
                    lost = len(self._lines) + sum(type(m) is Trade for m in self._queue)
                    self._dropped += lost
                    logger.error("the tick producer stops with %d ticks that found no place", lost)
                    break
        except Exception:
            logger.exception("the tick producer could not keep its last ticks")
        self._spool.close()
        self._writer.close()
        self._is_running = False

    def _fail(self, what: str, error: BaseException) -> None:
        self._last_error = f"{what}: {' '.join(str(error).split())[:200] or type(error).__name__}"
        held = self._limit_log.passes(what)
        if held is not None:
            logger.warning("%s (%d more like it held back)", self._last_error, held)


class FullStream(Exception):
    """Redis takes no more entries just now."""
