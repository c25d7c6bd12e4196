"""Binance Spot: one combined-stream connection for all symbols, history and repairs by REST."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from core.base.clock import Clock
from core.base.codec import to_json
from core.base.settings import Settings
from core.base.supervise import Supervisor
from core.domain.health import Cause, LinkState, Source
from core.domain.instrument import INSTRUMENTS, Instrument
from core.domain.market import DepthDiff, Kline
from core.domain.series import SERIES
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.backfill import Backfill
from core.venues.bad_frames import BadFrame
from core.venues.binance.clock_watch import ClockWatch
from core.venues.binance.rest import BinanceRest
from core.venues.binance.status import MAX_STREAMS, BinanceStatus, ban_text
from core.venues.binance.stream_requests import StreamRequests
from core.venues.binance.symbol_desk import SymbolDesk
from core.venues.binance.symbol_desks import SymbolDesks
from core.venues.binance.tickers import Tickers
from core.venues.binance.trade_witness import TradeWitness
from core.venues.binance.wire import FUTURE_MS, StreamValue, parse_control, stream_name
from core.venues.book_keeper import BookKeeper
from core.venues.causes import Signals, decide_cause
from core.venues.channel import Channel
from core.venues.connector import IsEnabled, Tap, VenueRefused
from core.venues.endpoints import Endpoints
from core.venues.frame_timings import FrameTimings
from core.venues.incident_log import IncidentLog
from core.venues.link import Link, LinkTimes
from core.venues.link_incidents import LinkIncidents
from core.venues.repair import Repair
from core.venues.simulated_status import simulated_status
from core.venues.symbol_feed import SymbolFeed
from core.venues.venue_state import VenueFacts, VenueState
from core.venues.watchdog import Watchdog

logger = logging.getLogger(__name__)

_REPLAY_POLL_S = 0.5


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
        *,
        tap: Tap | None = None,
        others_alive: Callable[[], bool | None] = lambda: None,
    ) -> None:
        """`feeds`: the symbols to begin with. `tap` hears every frame and each depth answer before anything is made of
        it. `others_alive()`: whether other venues still send, None when there is none."""
        config = settings.stream
        self._config = config
        self._limits = settings.venues.binance
        self._endpoints = endpoints
        self._stream = stream
        self._clock = clock
        self._is_enabled = is_enabled
        self._tap = tap
        #: what a monotonic time is as Unix ns
        self._unix_ns = clock.now_ms() * 1_000_000 - clock.monotonic_ns()
        self.incidents = IncidentLog(self.venue, clock)
        self._state = VenueState(clock)
        self.rest = BinanceRest(
            endpoints.rest, clock, settings.binance_api_key, weight_per_minute=self._limits.weight_per_minute
        )  # fmt: skip
        self.rest.on_ban = self._on_ban
        self.rest.on_depth = self._on_depth
        self._desks = SymbolDesks(self._desk)
        self.channels = self._desks.channels
        self.link = Link(
            self.venue, self._url, self._on_frame, self._on_link, clock, congested=self._congested, times=times
        )  # fmt: skip
        if tap is not None:
            self.link.tap(lambda frame, recv_ns: tap(self.venue, self._unix_ns + recv_ns, frame))
        self.requests = StreamRequests(clock, self.link.send, lambda: self.link.is_open)
        self._clock_watch = ClockWatch(self.rest, clock, self.incidents)
        self.rest.on_time_refused = self._clock_watch.refused
        self._witness = TradeWitness(self.rest.last_trade_id, clock, 2 * config.silence_s)
        for symbol, feed in feeds.items():
            if symbol not in INSTRUMENTS or INSTRUMENTS[symbol].venue == self.venue:
                self._desks.seat(feed)
        series = tuple(s for s in SERIES.values() if s.symbol in self._desks)
        self.backfill = Backfill(series, config.history_rows, self.rest, stream, clock, self._on_history)
        self._tickers = Tickers(self.rest, self._desks.symbols)
        self.repair = Repair(series, self.rest, stream, is_enabled)
        self._watchdog = Watchdog(
            self.link, self.channels.values(), clock, self.incidents, self._resubscribe, self._excuse,
            self._refresh, min(0.25, config.silence_s / 4), others_alive,
        )  # fmt: skip
        self._losses = LinkIncidents(self.link, self.incidents, clock, self._watchdog.lag_s, others_alive)
        self.timings = FrameTimings(clock)
        self._status = BinanceStatus(
            self._limits, endpoints, self._state, self.link, self.rest, self.requests, self._watchdog, self.channels,
            self.incidents, clock,
        )  # fmt: skip
        self._opened = asyncio.Event()
        #: history is in
        self._loaded = asyncio.Event()
        self._stopped = ""
        #: streams that the newest connection's address named, and renewals when it was looked at last
        self._in_url: frozenset[str] = frozenset()
        self._renewals = 0
        self._latest_ms = clock.now_ms() + FUTURE_MS
        #: symbol -> what the stream was told of its link last
        self._told: dict[str, tuple[bool, str]] = {}

    def _desk(self, feed: SymbolFeed) -> SymbolDesk:
        self._stream.set_source(feed.symbol, self._endpoints.source)
        return SymbolDesk(
            feed, self.rest, self._stream, self._config, self._clock, self.incidents, self._is_enabled,
            self._endpoints.streams,
        )  # fmt: skip

    def _url(self) -> str:
        self._in_url = frozenset(self.channels)
        return f"{self._endpoints.stream}/stream?streams={'/'.join(self.channels)}"

    def _congested(self) -> bool:
        return self._stream.congested or self._desks.congested

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

    def _tasks(self, supervisor: Supervisor) -> dict[str, Callable[[], Awaitable[None]]]:
        tasks: dict[str, Callable[[], Awaitable[None]]] = {
            "watchdog": self._watchdog.run,
            "symbols": lambda: self._desks.run(supervisor, self.venue),
            "requests": self.requests.run,
            "link": self.connect,
            "history": self._load_history,
            "tickers": self._tickers.run,
        }
        if self._endpoints.source is Source.REPLAY:
            tasks["replay"] = lambda: self._watch_replay(supervisor)
        else:
            tasks |= {"repair": self.repair.run, "clock": self._clock_watch.run, "witness": self._witness.run}
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

    # -- symbols

    def subscribe(self, instrument: Instrument) -> None:
        """Bring a symbol in: one message on the open socket, and part of the address of the next one. Again: nothing.

        Raises VenueRefused when the connection can carry no more streams.
        """
        symbol = instrument.symbol
        if symbol in self._desks:
            return
        if len(self.channels) + 3 > MAX_STREAMS:
            raise VenueRefused(f"{symbol}: a connection carries {MAX_STREAMS} streams and has {len(self.channels)}")
        self._stream.add_instrument(instrument)
        desk = self._desks.seat(SymbolFeed(symbol, self._stream, self._is_enabled))
        desk.feed.flow()  # no history is fetched for a late comer
        now_ns = self._clock.monotonic_ns()
        if self.link.is_open:
            self.requests.subscribe(list(desk.channels))
            for channel in desk.channels.values():
                channel.connected(now_ns)

    def unsubscribe(self, symbol: str) -> None:
        """Let a symbol go. Those of the five series stay: everything stands on them."""
        if symbol not in self._desks or any(s.symbol == symbol for s in SERIES.values()):
            return
        desk = self._desks.unseat(symbol)
        for name in desk.channels:
            self.incidents.close(f"channel:{name}")
        self.requests.unsubscribe(list(desk.channels))
        self._witness.forget(symbol)
        self._told.pop(symbol, None)
        if desk.book is not None:
            desk.book.let_go()
        self._stream.set_link(symbol, False, "not subscribed")

    async def klines(self, symbol: str, interval: str, rows: int) -> list[Kline]:
        """History, oldest first. Raises VenueUnavailable, VenueBanned, VenueRefused or BadInput."""
        return await self.rest.klines(symbol, interval, rows)

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
        route = self._desks.routes.get(name)
        if route is None:
            raise BadFrame("stream", f"unknown stream {name[:60]!r}")
        channel, parse = route
        value = parse(frame, recv_ns, self._latest_ms)
        if channel.received(recv_ns):
            self._on_proof(channel)
        return value

    def emit(self, value: StreamValue) -> None:
        """Hand a value to the feed of its symbol."""
        self._desks.by_symbol[value.symbol].take(value)
        if isinstance(value, DepthDiff):
            self._clock_watch.seen(value.event_ms)

    def _on_control(self, frame: bytes) -> None:
        control = parse_control(frame)
        refused = self.requests.answered(control)
        if control.shutdown:
            self._losses.shutdown_announced = True
            kind = decide_cause(Signals(shutdown_announced=True))
            self.incidents.note("the venue announced its shutdown", "the connection is renewed", kind)
            self.link.renew("serverShutdown")
        elif control.error:
            self.incidents.note("request refused on the stream", f"{control.error} {refused}".strip(), Cause.NO_PERMISSION)
            logger.warning("%s: request %s refused on the stream: %s", self.venue, control.id, control.error)

    def _on_depth(self, symbol: str, answer: object) -> None:
        """A depth answer for the tap; the symbol is added to it, which the venue leaves out."""
        if self._tap is not None and isinstance(answer, dict):
            at_ns = self._unix_ns + self._clock.monotonic_ns()
            self._tap(self.venue, at_ns, to_json({**answer, "symbol": symbol}))

    # -- what happens

    def _on_link(self, state: LinkState, cause: str) -> None:
        if state is LinkState.SYNCING:
            self._desks.reconnected(self._clock.monotonic_ns())
            self._on_new_socket()
            self._opened.set()
        elif state is LinkState.LIVE:
            self._losses.live()
        elif state in (LinkState.RECONNECTING, LinkState.BANNED) and not self._stopped:
            self._on_lost(cause)
        self._refresh()

    def _on_new_socket(self) -> None:
        """Ask for what joined after the new connection's address was made."""
        self.requests.reset()
        self._losses.shutdown_announced = False
        late = [name for name in self.channels if name not in self._in_url]
        if late:
            self.requests.subscribe(late)

    def _on_lost(self, cause: str) -> None:
        for channel in self.channels.values():
            if channel.state is not LinkState.RECONNECTING:
                channel.disconnected(cause)
                self.incidents.close(f"channel:{channel.stream}")
                self.incidents.close(f"thin:{channel.stream}")
        self._desks.lost()
        self._losses.lost(cause)

    def _on_proof(self, channel: Channel) -> None:
        """The first message of a channel since it was subscribed (again)."""
        self.incidents.close(f"channel:{channel.stream}")
        self._refresh()

    def _on_history(self, symbol: str) -> None:
        self._desks.by_symbol[symbol].feed.flow()
        self._refresh()

    def _on_ban(self) -> None:
        cause = ban_text(self.rest)
        self.incidents.open("ban", cause, kind=decide_cause(Signals(rate_limited=True)))
        logger.warning("%s: %s", self.venue, cause)
        self.link.hold(self.rest.banned_until_ms, cause)
        self._refresh()

    def _resubscribe(self, streams: list[str]) -> None:
        """Subscribe anew on the open socket."""
        self.requests.anew(streams)
        logger.warning("%s: silent, subscribed anew: %s", self.venue, ", ".join(streams))

    def _excuse(self, channel: Channel) -> bool:
        """No trade is no fault when the venue itself, by its bars or asked, knows of none that we have not."""
        witness = None if self._endpoints.source is Source.REPLAY else self._witness
        return self._desks.by_symbol[channel.symbol].excuses(channel, witness)

    # -- state

    def _refresh(self) -> None:
        """Decide the venue's state anew, and tell the stream what changed."""
        self._latest_ms = self._clock.now_ms() + FUTURE_MS
        self._losses.look()
        if self._renewals != self.link.renewals:
            self._renewals = self.link.renewals
            self._on_new_socket()
        if self._endpoints.source is not Source.REPLAY:
            self._clock_watch.look(self._watchdog.lag_s(), self.link.paused)
        if not self.rest.is_banned:
            self.incidents.close("ban")
        silent = next((c.cause for c in self.channels.values() if c.state is LinkState.STALE), "")
        unproven = [c.stream for c in self.channels.values() if c.state is LinkState.SYNCING]
        syncing = f"waiting for the first message of {', '.join(unproven)}" if unproven else self.backfill.pending
        ban = ban_text(self.rest)
        facts = VenueFacts(self.link.state, self.link.cause, self._stopped, ban, silent, syncing)
        if self._state.update(facts):
            logger.info("%s: %s %s", self.venue, self._state.state, self._state.cause)
        for symbol, desk in self._desks.by_symbol.items():
            told = self._told.get(symbol)
            link = (False, self._stopped) if self._stopped else desk.flows(told[1] if told is not None else "")
            if told != link:
                self._told[symbol] = link
                self._stream.set_link(symbol, *link)

    @property
    def api_calls(self) -> int:
        return self.rest.requests + self.requests.sent

    def book_keeper(self, symbol: str) -> BookKeeper | None:
        """Who keeps the book of a symbol."""
        desk = self._desks.by_symbol.get(symbol)
        return desk.book if desk is not None else None

    def books(self) -> list[dict[str, Any]]:
        """Integrity of each order book. Any thread."""
        return [keeper.status() for keeper in self._desks.keepers()]

    def status(self) -> dict[str, Any]:
        """The venue as `/api/v1/connections` tells it."""
        return {"venue": self.venue, **self._status.snapshot(), "api_calls": self.api_calls}

    def tickers(self) -> dict[str, dict[str, float]]:
        """24 h statistics per symbol; empty until the venue has told them."""
        return self._tickers.known
