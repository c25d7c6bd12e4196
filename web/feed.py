"""The hub of `/feed`: one consumer of the stream for all browsers.

It empties the dashboard's mailbox whenever something is in it. At most 60 times a second each channel takes in what changed,
and its listeners are woken. Frames are made when the first client takes them, and shared by all (see `feed_channels`).
Web loop only.
"""

import asyncio
import concurrent.futures
import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from core.base.log import RateLimit
from core.domain.instrument import INSTRUMENTS
from core.domain.market import BarUpdate, BookView, ConsolidatedBook, Quote, Trade
from core.domain.series import SERIES_NAMES
from core.stream.messages import DataType, Message, Policy
from core.stream.subscription import Subscription
from core.system import System
from web import feed_frames, feed_reports
from web.feed_books import CobChannel, HeatChannel
from web.feed_channels import Channel, SeriesChannel, StateChannel, TradesChannel
from web.feed_client import FeedClient

logger = logging.getLogger(__name__)

FRAME_S = 1 / 60
#: frames a second that all clients of a channel get together: above, each gets fewer
FRAMES_PER_S = 6_000
#: the slowest the feed goes to leave the loop room for everything else
SLOWEST_S = 0.25
STATUS_S = 0.25
#: status reports between two of the slower ones
SLOW_EVERY = 4
MAX_CLIENTS = 1_000
STALLED_S = 30.0

_C = TypeVar("_C", bound=Channel)


class News:
    """What a mailbox held, by channel."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.bars: dict[str, list[BarUpdate]] = {}
        self.trades: dict[str, list[Trade]] = {}
        self.books: dict[str, BookView] = {}
        self.cobs: dict[str, ConsolidatedBook] = {}
        self.has_quotes = False
        for message in messages:
            if isinstance(message, BarUpdate):
                self.bars.setdefault(message.series, []).append(message)
            elif isinstance(message, Trade):
                self.trades.setdefault(message.symbol, []).append(message)
            elif isinstance(message, BookView):
                self.books[message.symbol] = message
            elif isinstance(message, ConsolidatedBook):
                self.cobs[message.symbol] = message
            elif isinstance(message, Quote):
                self.has_quotes = True


class Feed:
    """Channels, clients, and the tasks that bring them together: the three `…_for_ever`."""

    def __init__(self, system: System, max_clients: int = MAX_CLIENTS, stalled_s: float = STALLED_S) -> None:
        self._system = system
        self._clock = system.clock
        self._max_clients = max_clients
        self._stalled_ns = round(stalled_s * 1e9)
        stream, clock = system.stream, system.clock
        self.series = {name: SeriesChannel(name, stream, clock) for name in SERIES_NAMES}
        self.quotes = StateChannel("quotes", clock, self._read_quotes)
        self.reports = {name: StateChannel(name, clock) for name in feed_frames.REPORTS}
        #: kind of channel that every symbol has -> what makes one; it is made when a client first asks for it
        self._makers: dict[str, Callable[[str], Channel]] = {
            "trades": lambda symbol: TradesChannel(symbol, stream, clock),
            "book": lambda symbol: StateChannel(f"book:{symbol}", clock, functools.partial(self._read_book, symbol)),
            "cob": lambda symbol: CobChannel(symbol, system),
            "heat": lambda symbol: HeatChannel(symbol, system),
        }
        silent = (StateChannel(name, clock) for name in feed_frames.SILENT)
        every: Iterable[Channel] = (*self.series.values(), self.quotes, *self.reports.values(), *silent)
        self.channels: dict[str, Channel] = {channel.name: channel for channel in every}
        #: channel -> who listens
        self.listeners: dict[str, set[FeedClient]] = {name: set() for name in self.channels}
        self.clients: set[FeedClient] = set()
        self._subscription: Subscription | None = None
        #: taken from the mailbox since the last flush: at most `SLOWEST_S` of news
        self._pending: list[Message] = []
        self._ready = asyncio.Event()
        self._report_wanted = asyncio.Event()
        self._reporter = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="feed-reports")
        self._held_back = RateLimit()
        #: series -> its first timestamp when last looked at: history that arrives later moves it back
        self._first_timestamps: dict[str, int] = {}
        self._book_is_synced: dict[str, bool] = {}
        #: wakes the flush for a consolidated book that is held back
        self._later: asyncio.TimerHandle | None = None
        self.opened = self.refused = self.stalled = self.frames = self.bytes = self.conflated = self.bad_messages = 0
        #: seconds the loop came late to the last flush
        self.lag_s = 0.0

    # the stream's side

    def open(self) -> None:
        """Register with the stream. Call on the loop that will serve the clients."""
        loop = asyncio.get_running_loop()

        def on_ready() -> None:
            loop.call_soon_threadsafe(self._take)

        self._subscription = self._system.stream.register_consumer(
            feed_frames.CONSUMER,
            (DataType.TICKS, DataType.OHLCV, DataType.UI_DATA, DataType.COB),
            policy=Policy.NEWEST,
            on_ready=on_ready,
        )

    def _take(self) -> None:
        """Empty the mailbox."""
        if self._subscription is not None:
            self._pending += self._subscription.drain()
            self._ready.set()

    def close(self) -> None:
        """Leave the stream and let every client go."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        if self._later is not None:
            self._later.cancel()
        for client in tuple(self.clients):
            client.stop()
        self._reporter.shutdown(wait=False, cancel_futures=True)

    async def flush_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._ready.wait()
            self._ready.clear()
            self.flush()
            wait_s = frame_period(self.lag_s, len(self.clients))
            before = loop.time()
            await asyncio.sleep(wait_s)
            self.lag_s = max(0.0, loop.time() - before - wait_s)

    def flush(self) -> None:
        """Hand what came since the last flush to the channels that somebody listens to."""
        self._take()
        news = News(self._pending)
        self._pending.clear()
        for series, updates in news.bars.items():
            if self._is_heard(self.series[series]):
                self.series[series].absorb(updates)
                self._wake(self.series[series])
        for symbol, trades in news.trades.items():
            tape = self._heard(f"trades:{symbol}")
            if isinstance(tape, TradesChannel):
                tape.absorb(trades)
                self._wake(tape)
        for symbol, view in news.books.items():
            self._publish_book(symbol, view)
        for symbol, book in news.cobs.items():
            cob = self._heard(f"cob:{symbol}")
            if isinstance(cob, CobChannel):
                cob.offer(book)
        self._release_cobs()
        if news.has_quotes and self._is_heard(self.quotes):
            self._publish(self.quotes, self._read_quotes())

    def _release_cobs(self) -> None:
        """Tell consolidated books whose time has come, and come back for those whose has not."""
        waits = []
        for channel in self._of_kind(CobChannel):
            if channel.release():
                self._wake(channel)
            elif channel.is_held:
                waits.append(channel.wait_s)
        if waits and self._later is None:
            self._later = asyncio.get_running_loop().call_later(min(waits), self._come_back)

    def _come_back(self) -> None:
        self._later = None
        self._ready.set()

    def _heard(self, name: str) -> Channel | None:
        """The channel of this name if somebody listens."""
        return self.channels[name] if self.listeners.get(name) else None

    def _of_kind(self, kind: type[_C]) -> list[_C]:
        """The channels of a kind that somebody listens to."""
        return [c for name, c in self.channels.items() if isinstance(c, kind) and self.listeners[name]]

    def _is_heard(self, channel: Channel) -> bool:
        return bool(self.listeners[channel.name])

    def _wake(self, channel: Channel) -> None:
        for client in self.listeners[channel.name]:
            client.mark(channel.name)

    def _publish(self, channel: StateChannel, state: Mapping[str, Any]) -> None:
        channel.publish(state)
        self._wake(channel)

    def _publish_book(self, symbol: str, view: BookView | None) -> None:
        self._book_is_synced[symbol] = view is not None
        channel = self._heard(f"book:{symbol}")
        if isinstance(channel, StateChannel):
            self._publish(channel, feed_frames.book_body(view))

    def _read_book(self, symbol: str) -> Mapping[str, Any]:
        view = self._system.stream.book(symbol)
        self._book_is_synced[symbol] = view is not None
        return feed_frames.book_body(view)

    def _read_quotes(self) -> Mapping[str, Any]:
        stream = self._system.stream
        return feed_frames.quotes_body(quote for symbol in stream.instruments if (quote := stream.quote(symbol)) is not None)

    # reports

    async def report_for_ever(self) -> None:
        round_number = 0
        while True:
            self._report_wanted.clear()
            await self.report(round_number % SLOW_EVERY == 0)
            round_number += 1
            try:
                async with asyncio.timeout(STATUS_S):
                    await self._report_wanted.wait()
                round_number = 0
            except TimeoutError:
                continue

    async def report(self, with_slow: bool) -> None:
        """Build the reports that somebody listens to, off the loop, and look after what the mailbox does not tell."""
        self._notice_changes()
        loop = asyncio.get_running_loop()
        for name, build in feed_reports.BUILDERS.items():
            if not self.listeners[name] or (name != "status" and not with_slow):
                continue
            try:
                body = await loop.run_in_executor(self._reporter, build, self._system)
            except Exception:
                if (held := self._held_back.passes(name)) is not None:
                    logger.exception("report %s failed (%d more since the last line)", name, held)
                continue
            if name == "monitoring":
                body = {**body, "feed": self.stats()}
            self._publish(self.reports[name], body)

    def _notice_changes(self) -> None:
        """History that was back-filled, and books that were withdrawn."""
        if not self.clients:
            return
        for entry in self._system.stream.series_summary():
            name, first = entry["name"], entry["first_timestamp"] or 0
            known = self._first_timestamps.get(name)
            self._first_timestamps[name] = first
            if known is not None and first and (first < known or not known) and self._is_heard(self.series[name]):
                self.series[name].restart()
                self._wake(self.series[name])
        for symbol, is_synced in self._book_is_synced.items():
            if is_synced and self._system.stream.book(symbol) is None:
                self._publish_book(symbol, None)
        for cob in self._of_kind(CobChannel):
            if cob.withdraw_if_lost():
                self._release_cobs()
        for heat in self._of_kind(HeatChannel):
            if heat.poll():
                self._wake(heat)

    # the clients' side

    def join(self, client: FeedClient) -> bool:
        """Take a client in; False when there are too many."""
        if len(self.clients) >= self._max_clients:
            self.refused += 1
            return False
        self.opened += 1
        self.clients.add(client)
        return True

    def leave(self, client: FeedClient) -> None:
        self.clients.discard(client)
        self.subscribe(client, ())

    def subscribe(self, client: FeedClient, names: Sequence[str]) -> list[str]:
        """Replace what a client listens to; each channel starts anew with its whole state. Returns the unknown names."""
        known = [name for name in dict.fromkeys(names) if self._exists(name)]
        for name, listeners in self.listeners.items():
            if client in listeners and name not in known:
                listeners.discard(client)
                if not listeners:
                    self.channels[name].forget()
        for name in known:
            self.listeners[name].add(client)
        client.follow(known)
        if any(name in feed_frames.REPORTS for name in known):
            self._report_wanted.set()
        return [name for name in dict.fromkeys(names) if name not in self.channels]

    def _exists(self, name: str) -> bool:
        """Whether there is such a channel; one of a symbol that the stream or the start list has is made now."""
        if name not in self.channels:
            kind, _, symbol = name.partition(":")
            if kind not in self._makers or not (symbol in INSTRUMENTS or symbol in self._system.stream.instruments):
                return False
            self.channels[name] = self._makers[kind](symbol)
            self.listeners[name] = set()
        return True

    def report_pixels(self, us: list[float]) -> None:
        self._system.report_pixel_latency(us)

    async def watch_for_ever(self) -> None:
        """Let go of clients that have not read for `stalled_s`."""
        while True:
            await asyncio.sleep(min(1.0, self._stalled_ns / 4e9))
            now = self._clock.monotonic_ns()
            for client in [c for c in self.clients if c.sending_since_ns and now - c.sending_since_ns > self._stalled_ns]:
                self.stalled += 1
                client.abort()

    def stats(self) -> dict[str, Any]:
        """Counters since the start. `conflated`: frames a slow client was spared; `lag_us`: how late the loop is."""
        return {
            "clients": len(self.clients),
            "opened": self.opened,
            "refused": self.refused,
            "stalled": self.stalled,
            "frames": self.frames,
            "bytes": self.bytes,
            "conflated": self.conflated,
            "bad_messages": self.bad_messages,
            "lag_us": round(self.lag_s * 1e6, 1),
        }


def frame_period(lag_s: float, clients: int) -> float:
    """Seconds to the next flush: 1/60 for up to a hundred viewers, then longer the more they are: 500 get 12 a second.

    Longer, too, when the loop came late, so that the feed leaves half of it to others.
    """
    return min(SLOWEST_S, max(FRAME_S, clients / FRAMES_PER_S, 2 * lag_s))
