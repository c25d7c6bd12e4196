"""Binance Spot: one combined-stream connection for all symbols, history and repairs by REST."""

import asyncio
import datetime
import logging
from collections.abc import Callable
from typing import Any

from core.base.clock import Clock
from core.base.codec import to_json
from core.base.errors import BadInput, RetryableError
from core.base.settings import Settings
from core.base.supervise import Supervisor
from core.domain.health import LinkState, Source
from core.domain.market import DepthDiff, Kline, Quote, Trade
from core.domain.series import SERIES
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.backfill import Backfill
from core.venues.bad_frames import BadFrame
from core.venues.binance.rest import BinanceRest
from core.venues.binance.wire import FUTURE_MS, Parser, StreamValue, parse_control, parser_for, stream_name
from core.venues.book_keeper import BookKeeper
from core.venues.channel import Channel
from core.venues.connector import IsEnabled, VenueRefused
from core.venues.endpoints import Endpoints
from core.venues.frame_timings import FrameTimings
from core.venues.gap_filler import GapFiller
from core.venues.incident_log import IncidentLog
from core.venues.link import Link, LinkTimes
from core.venues.repair import Repair
from core.venues.simulated_status import simulated_status
from core.venues.symbol_feed import SymbolFeed
from core.venues.venue_state import VenueFacts, VenueState
from core.venues.watchdog import Watchdog

logger = logging.getLogger(__name__)

#: what is subscribed per symbol, the most important first
CHANNELS: dict[str, tuple[str, ...]] = {
    "ETHUSDT": ("trade", "bookTicker", "depth@100ms", "kline_1s", "kline_1m", "kline_1h", "kline_1d"),
    "BTCUSDT": ("trade", "bookTicker", "kline_1s"),
}
#: channels that speak only every few seconds, and then only if something changed, may be silent longer by this factor
_SLOW = {"kline_1m": 6, "kline_1h": 6, "kline_1d": 6}
_CLOCK_PERIOD_S = 60.0
_TICKER_PERIOD_S = 30.0
_REPLAY_POLL_S = 0.5
_RETRY_S = 5.0


class BinanceConnector:
    """Stream first (trades are held back), then history by REST, then flow; gaps and silences are repaired for ever."""

    venue = "binance"

    def __init__(
        self,
        settings: Settings,
        endpoints: Endpoints,
        stream: UnifiedDataStream,
        feeds: dict[str, SymbolFeed],
        clock: Clock,
        is_enabled: IsEnabled,
        times: LinkTimes | None = None,
    ) -> None:
        config = settings.stream
        self._endpoints = endpoints
        self._stream = stream
        self._feeds = feeds
        self._clock = clock
        self._tickers: dict[str, dict[str, float]] = {}
        self.incidents = IncidentLog(self.venue, clock)
        self._state = VenueState(clock)
        self.rest = BinanceRest(endpoints.rest, clock, settings.binance_api_key)
        self.rest.on_ban = self._on_ban
        #: stream name -> channel
        self.channels = self._make_channels(config.silence_s)
        #: stream name as in the frame -> channel and parser
        self._routes: dict[bytes, tuple[Channel, Parser]] = {
            name.encode(): (channel, parser_for(name)) for name, channel in self.channels.items()
        }
        self.link = Link(
            self.venue, self._url, self._on_frame, self._on_link, clock, congested=self._congested, times=times
        )  # fmt: skip
        self.books = {
            channel.symbol: BookKeeper(
                channel.symbol, stream, self.rest.depth, config.book_levels, clock, self.incidents, is_enabled
            )
            for channel in self.channels.values()
            if channel.name.startswith("depth")
        }
        self.gap_fillers = {
            symbol: GapFiller(feed, self.rest, stream, clock, self.incidents, is_enabled, config.backfill_max_trades)
            for symbol, feed in feeds.items()
        }
        for feed in feeds.values():
            feed.on_gap = self._on_gap
        series = tuple(s for s in SERIES.values() if s.symbol in feeds)
        self.backfill = Backfill(series, config.history_rows, self.rest, stream, clock, self._on_history)
        self.repair = Repair(series, self.rest, stream, is_enabled)
        self._watchdog = Watchdog(
            self.link, tuple(self.channels.values()), clock, self.incidents, self._resubscribe, self._excuse,
            self._refresh, period_s=min(0.25, config.silence_s / 4),
        )  # fmt: skip
        self.timings = FrameTimings(clock)
        self._opened = asyncio.Event()
        #: history is in
        self._loaded = asyncio.Event()
        self._stopped = ""
        self._request_id = 0
        self._latest_ms = clock.now_ms() + FUTURE_MS
        #: symbol -> what the stream was told of its link last
        self._told: dict[str, tuple[bool, str]] = {}

    def _make_channels(self, silence_s: float) -> dict[str, Channel]:
        channels = {}
        for symbol, names in CHANNELS.items():
            for name in names:
                stream = f"{symbol.lower()}@{name}"
                if symbol in self._feeds and (self._endpoints.streams is None or stream in self._endpoints.streams):
                    channels[stream] = Channel(stream, symbol, silence_s * _SLOW.get(name, 1))
        return channels

    def _url(self) -> str:
        return f"{self._endpoints.stream}/stream?streams={'/'.join(self.channels)}"

    def _congested(self) -> bool:
        return self._stream.congested or any(feed.congested for feed in self._feeds.values())

    # -- running

    async def run(self) -> None:
        """All tasks of the venue, until cancelled. Raises the FatalError that ended one of them."""
        supervisor = Supervisor()
        try:
            for name, task in self._tasks(supervisor).items():
                supervisor.start(f"{self.venue} {name}", task)
            raise await supervisor.failed
        finally:
            await supervisor.close()
            await self.rest.close()

    def _tasks(self, supervisor: Supervisor) -> dict[str, Callable[[], Any]]:
        tasks: dict[str, Callable[[], Any]] = {
            "watchdog": self._watchdog.run,
            "link": self.connect,
            "history": self._load_history,
            "tickers": self._watch_tickers,
        }
        tasks |= {f"gaps {symbol}": filler.run for symbol, filler in self.gap_fillers.items()}
        tasks |= {f"book {symbol}": book.run for symbol, book in self.books.items()}
        if self._endpoints.source is Source.REPLAY:
            tasks["replay"] = lambda: self._watch_replay(supervisor)
        else:
            tasks["repair"] = self.repair.run
            tasks["clock"] = self._watch_clock
        return tasks

    async def connect(self) -> None:
        """Keep the one connection up, for ever."""
        if self._endpoints.source is Source.REPLAY:
            # the recording starts to run when we subscribe: asked later, its running bars would hold trades that we get too
            await self._loaded.wait()
        await self.link.run()

    async def _load_history(self) -> None:
        await self.rest.open()
        if self._endpoints.source is not Source.REPLAY:
            await self._opened.wait()
        await self.backfill.run()
        self._loaded.set()
        self._refresh()

    async def _watch_clock(self) -> None:
        while True:
            try:
                await self.rest.measure_clock()
                await asyncio.sleep(_CLOCK_PERIOD_S)
            except (RetryableError, BadInput, VenueRefused) as error:
                logger.info("%s: clock not measured: %s", self.venue, error)
                await asyncio.sleep(_RETRY_S)

    async def _watch_tickers(self) -> None:
        while True:
            try:
                self._tickers = {symbol: await self.rest.ticker(symbol) for symbol in self._feeds}
                await asyncio.sleep(_TICKER_PERIOD_S)
            except (RetryableError, BadInput) as error:
                logger.info("%s: no 24 h statistics: %s", self.venue, error)
                await asyncio.sleep(_RETRY_S)
            except VenueRefused as error:
                logger.info("%s: has no 24 h statistics: %s", self.venue, error)
                return

    async def _watch_replay(self, supervisor: Supervisor) -> None:
        """A replay that has sent its last frame is over: no reconnecting to it."""
        seen = -1
        while not self._stopped:
            await asyncio.sleep(_REPLAY_POLL_S)
            status = await simulated_status(self._endpoints.rest)
            is_read = self.link.messages == seen and not self.link.paused
            seen = self.link.messages
            if status is not None and status.ended and is_read:
                self._stopped = "replay ended"
                await supervisor.stop(f"{self.venue} link")
        for channel in self.channels.values():
            channel.state, channel.cause = LinkState.STOPPED, self._stopped
        self._refresh()

    # -- frames: normalize, emit

    def _on_frame(self, frame: bytes, recv_ns: int) -> None:
        is_timed = self.timings.is_sampled()
        value = self.normalize(frame, recv_ns)
        parsed_ns = self._clock.monotonic_ns() if is_timed else 0
        if value is not None:
            self.emit(value)
        if is_timed:
            self.timings.record(value, recv_ns, parsed_ns, self.rest.clock_offset_ms)

    def normalize(self, frame: bytes, recv_ns: int) -> StreamValue | None:
        """A frame as a domain value, None for one that only concerns the connection. Raises BadFrame."""
        name = stream_name(frame)
        if name is None:
            self._on_control(frame)
            return None
        route = self._routes.get(name)
        if route is None:
            raise BadFrame("stream", f"unknown stream {name[:60]!r}")
        channel, parse = route
        value = parse(frame, recv_ns, self._latest_ms)
        if channel.received(recv_ns):
            self._on_proof(channel)
        return value

    def emit(self, value: StreamValue) -> None:
        """Hand a value to the feed of its symbol."""
        feed, kind = self._feeds[value.symbol], type(value)
        if kind is Trade:
            feed.on_trade(value)  # type: ignore[arg-type]
        elif kind is Quote:
            feed.on_quote(value)  # type: ignore[arg-type]
        elif isinstance(value, DepthDiff):
            book = self.books[value.symbol]
            gaps = book.book.gaps
            book.on_diff(value)
            self.channels[f"{value.symbol.lower()}@depth@100ms"].gaps += book.book.gaps - gaps
            feed.on_time(value.event_ms, value.recv_ns)
        elif isinstance(value, Kline):
            feed.on_kline(value)

    def _on_control(self, frame: bytes) -> None:
        control = parse_control(frame)
        if control.shutdown:
            self.incidents.note("the venue announced its shutdown", "the connection is renewed")
            self.link.renew("serverShutdown")
        elif control.error:
            self.incidents.note("request refused on the stream", control.error)
            logger.warning("%s: request %s refused on the stream: %s", self.venue, control.id, control.error)

    # -- what happens

    def _on_link(self, state: LinkState, cause: str) -> None:
        now_ns = self._clock.monotonic_ns()
        if state is LinkState.SYNCING:
            for feed in self._feeds.values():
                feed.reconnected()
            for channel in self.channels.values():
                channel.connected(now_ns)
            self._opened.set()
        elif state is LinkState.LIVE:
            self.incidents.close("link")
        elif state in (LinkState.RECONNECTING, LinkState.BANNED) and not self._stopped:
            for channel in self.channels.values():
                if channel.state is not LinkState.RECONNECTING:
                    channel.disconnected(cause)
                    self.incidents.close(f"channel:{channel.stream}")
            for book in self.books.values():
                book.lost()
            if not self.incidents.is_open("link"):
                self.incidents.open("link", cause)
                logger.warning("%s: %s", self.venue, cause)
        self._refresh()

    def _on_proof(self, channel: Channel) -> None:
        """The first message of a channel since it was subscribed (again)."""
        self.incidents.close(f"channel:{channel.stream}")
        self._refresh()

    def _on_history(self, symbol: str) -> None:
        self._feeds[symbol].flow()
        self._refresh()

    def _on_gap(self, feed: SymbolFeed) -> None:
        channel = self.channels.get(f"{feed.symbol.lower()}@trade")
        if channel is not None:
            channel.gaps += 1
        self.gap_fillers[feed.symbol].notice(feed)

    def _on_ban(self) -> None:
        cause = self._ban()
        self.incidents.open("ban", cause)
        logger.warning("%s: %s", self.venue, cause)
        self.link.hold(self.rest.banned_until_ms, cause)
        self._refresh()

    def _ban(self) -> str:
        if not self.rest.is_banned:
            return ""
        until = datetime.datetime.fromtimestamp(self.rest.banned_until_ms / 1000, tz=datetime.UTC)
        return f"{self.rest.ban_cause} until {until:%H:%M:%S} UTC"

    def _resubscribe(self, streams: list[str]) -> None:
        """Subscribe anew on the open socket: two messages for all the streams, for the venue allows five a second."""
        for method in ("UNSUBSCRIBE", "SUBSCRIBE"):
            self._request_id += 1
            self.link.send(to_json({"method": method, "params": streams, "id": self._request_id}))
        logger.warning("%s: silent, subscribed anew: %s", self.venue, ", ".join(streams))

    def _excuse(self, channel: Channel) -> bool:
        """No trade is no fault when the venue's own bars, still coming, know of none that we have not."""
        if channel.name != "trade":
            return False
        bars = self.channels.get(f"{channel.symbol.lower()}@kline_1s")
        feed = self._feeds[channel.symbol]
        if bars is None or bars.state is not LinkState.LIVE or feed.tape.last_id is None:
            return False
        return channel.state is LinkState.LIVE and feed.venue_last_id <= feed.tape.last_id

    # -- state

    def _refresh(self) -> None:
        """Decide the venue's state anew, and tell the stream what changed."""
        self._latest_ms = self._clock.now_ms() + FUTURE_MS
        if not self.rest.is_banned:
            self.incidents.close("ban")
        silent = next((c.cause for c in self.channels.values() if c.state is LinkState.STALE), "")
        unproven = [c.stream for c in self.channels.values() if c.state is LinkState.SYNCING]
        syncing = f"waiting for the first message of {', '.join(unproven)}" if unproven else self.backfill.pending
        facts = VenueFacts(self.link.state, self.link.cause, self._stopped, self._ban(), silent, syncing)
        if self._state.update(facts):
            logger.info("%s: %s %s", self.venue, self._state.state, self._state.cause)
        for symbol in self._feeds:
            told = self._link_of(symbol)
            if self._told.get(symbol) != told:
                self._told[symbol] = told
                self._stream.set_link(symbol, *told)

    def _link_of(self, symbol: str) -> tuple[bool, str]:
        """Whether a symbol's trades are known to flow, and why not."""
        if self._stopped:
            return False, self._stopped
        channel = self.channels.get(f"{symbol.lower()}@trade")
        if channel is None:
            return False, "the venue has no trades of it"
        if channel.state is LinkState.LIVE:
            return True, ""
        return False, channel.cause if channel.state is not LinkState.SYNCING else self._told.get(symbol, (False, ""))[1]

    def status(self) -> dict[str, Any]:
        """The venue as `/api/v1/connections` tells it."""
        now_ns, link = self._clock.monotonic_ns(), self.link
        return {
            "venue": self.venue,
            "state": str(self._state.state),
            "since": self._state.since_ms,
            "cause": self._state.cause,
            "detail": self._endpoints.detail,
            "endpoint": self._endpoints.stream,
            "source": str(self._endpoints.source),
            "reconnects": max(0, link.connects - 1 - link.renewals),
            "messages": link.messages,
            "rate_per_s": self._watchdog.rate_per_s,
            "malformed": link.bad.total,
            "malformed_kinds": link.bad.kinds.copy(),
            "weight_used": self.rest.budget.used,
            "clock_offset_ms": self.rest.clock_offset_ms,
            "subscriptions": [channel.status(now_ns) for channel in self.channels.values()],
            "incidents": [
                {"cause": i.cause, "start_ms": i.start_ms, "end_ms": i.end_ms, "detail": i.detail}
                for i in self.incidents.snapshot()
            ],
        }

    def tickers(self) -> dict[str, dict[str, float]]:
        """24 h statistics per symbol; empty until the venue has told them."""
        return self._tickers
