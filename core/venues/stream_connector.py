"""What every venue on one WebSocket inherits: connection, subscriptions, silence watch, duplicates, books, state, status."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from core.base.clock import Clock
from core.base.settings import Settings
from core.base.supervise import Supervisor
from core.domain.health import LinkState
from core.domain.instrument import Instrument, instruments_of
from core.domain.market import BookView, Kline, Quote, Trade
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues import stream_status
from core.venues.address_finder import AddressFinder
from core.venues.bad_frames import BadFrame
from core.venues.causes import Signals, decide_cause
from core.venues.channel import Channel
from core.venues.channel_spec import ChannelSpec
from core.venues.clock_offset import ClockOffset
from core.venues.connect_budget import ConnectBudget
from core.venues.connector import Address, IsEnabled, Locate, VenueRefused
from core.venues.incident_log import IncidentLog
from core.venues.link import Link, LinkTimes
from core.venues.outbox import Outbox, Send
from core.venues.rising_order import RisingOrder
from core.venues.seen_trades import SeenTrades
from core.venues.snapshot_book import SnapshotBook
from core.venues.stream_faults import StreamFaults
from core.venues.token_bucket import TokenBucket
from core.venues.venue_state import VenueFacts, VenueState
from core.venues.watchdog import Watchdog

logger = logging.getLogger(__name__)

#: channels that a cause names; more would only make it change with each first message
_FEW = 2


class StreamConnector:
    """A venue is this and `channels`, `request()`, `normalize()`; the rest may be overridden. See docs/add-a-venue.md.

    Trades are let through once by their ids, books are whole snapshots. All on the engine loop; `status`, `books`,
    `tickers` may be asked from any thread.
    """

    venue = ""
    title = ""
    #: the variable that says where the venue is, for the hint
    variable = ""
    channels: tuple[ChannelSpec, ...] = ()
    #: what the venue allows; 0: it says nothing
    most_subscriptions = 0
    messages_per_minute = 300
    connects_per_minute = 30
    #: how often the venue wants to hear from us, s
    ping_s = 15.0

    def __init__(
        self,
        settings: Settings,
        locate: Locate,
        stream: UnifiedDataStream,
        clock: Clock,
        is_enabled: IsEnabled,
        times: LinkTimes | None = None,
    ) -> None:
        self._silence_s = silence_s = self.silence_s(settings)
        self._stream, self._clock, self._is_enabled = stream, clock, is_enabled
        self._finder = AddressFinder(locate, self._refresh)
        self.incidents = IncidentLog(self.venue, clock)
        self._state = VenueState(clock)
        self._instruments: dict[str, Instrument] = {}
        #: stream name, as `ETH-PERP@trades`, -> its channel
        self.subscriptions: dict[str, Channel] = {}
        #: (symbol, type of value) -> its channel
        self._routes: dict[tuple[str, type], Channel] = {}
        self.snapshot_books: dict[str, SnapshotBook] = {}
        self.seen: dict[str, SeenTrades] = {}
        self.clock_offset = ClockOffset()
        self._orders: dict[tuple[str, type], RisingOrder] = {}
        self.link = Link(
            self.venue, self.url, self._on_frame, self._on_link, clock, congested=lambda: stream.congested, times=times,
            budget=ConnectBudget(clock, self.connects_per_minute, 60.0), prepare=self._find,
            on_successor=self._subscribe_all, proves=self.proves,
        )  # fmt: skip
        self._pace = TokenBucket(clock, self.messages_per_minute / 90, max(1, self.messages_per_minute // 4), 2_000)
        self._outbox = Outbox(self._pace)
        self._watched: list[Channel] = []
        self._watchdog = Watchdog(
            self.link, self._watched, clock, self.incidents, self._resubscribe, self.excuse, self._refresh,
            period_s=min(0.25, silence_s / 4),
        )  # fmt: skip
        #: channels that were lost and have not proven themselves since
        self._faulty: set[str] = set()
        self._faults = StreamFaults(self.incidents, clock)
        #: symbol -> what the stream was told of its link last
        self._told: dict[str, tuple[bool, str]] = {}
        for instrument in instruments_of(self.venue):
            self.subscribe(instrument)

    # -- what a venue supplies

    def silence_s(self, settings: Settings) -> float:
        """How long a channel may be silent."""
        return settings.stream.silence_s

    def url(self) -> str:
        """The WebSocket's URL at `self.address`."""
        return f"ws{self.address.url.removeprefix('http')}/ws"

    def request(self, channel: str, instrument: Instrument, wanted: bool) -> bytes:
        """The message that subscribes (or, unless `wanted`, unsubscribes) a channel of an instrument."""
        raise VenueRefused(f"{self.title} has no subscription messages")

    def ping(self) -> bytes:
        """A message that the venue answers; empty: the WebSocket's own pings do."""
        return b""

    def normalize(self, frame: Any, recv_ns: int) -> Sequence[Any]:
        """A frame as domain values, none for one that only concerns the connection. Raises BadFrame."""
        raise BadFrame("layout", f"{self.title} has no layouts")

    def emit(self, value: Any) -> None:
        """Hand a value on: a trade once, a quote or book unless an older one comes late."""
        if isinstance(value, Trade):
            self.accept_trade(value)
        elif isinstance(value, BookView):
            self.snapshot_books[value.symbol].apply(value)
        elif isinstance(value, Quote):
            if self._is_new(value.symbol, Quote, value.update_id):
                self._stream.publish_quote(value)
        elif isinstance(value, Kline) and self._is_new(value.symbol, Kline, value.event_ms):
            self._stream.publish_kline(value)

    def accept_trade(self, trade: Trade) -> bool:
        """Publish a trade, unless it came before."""
        return self.seen[trade.symbol].accept(trade.trade_id) and self._stream.publish_trade(trade)

    def on_channel(self, channel: Channel, is_live: bool) -> None:
        """A channel was lost (its connection, or it fell silent), or proved itself by a message."""

    def excuse(self, channel: Channel) -> bool:
        """Whether the venue itself says that there was nothing to send on a silent channel."""
        return False

    def proves(self, frame: bytes) -> bool:
        """Whether a message of a renewal's new connection proves that it has all our subscriptions."""
        return True

    def tasks(self) -> dict[str, Callable[[], Any]]:
        """What else runs for as long as the venue does, by name."""
        return {}

    def banned(self) -> str:
        """Why requests are forbidden now, or empty."""
        return ""

    def budgets(self) -> list[dict[str, Any]]:
        """What the venue limits, and how much of it is used."""
        connects, gauge = self.link.budget, stream_status.budget
        sent, made = self._pace.spent(60.0), len(self.subscriptions)
        return [
            gauge("connects", connects.used, connects.limit, "connects", "1 min"),
            gauge("messages", sent, self.messages_per_minute, "messages", "1 min", "sent to the venue"),
            *(
                [gauge("subscriptions", made, self.most_subscriptions, "subscriptions", "")]
                if self.most_subscriptions
                else []
            ),
        ]

    async def klines(self, symbol: str, interval: str, rows: int) -> list[Kline]:
        """History, oldest first. Raises VenueUnavailable, VenueBanned, VenueRefused or BadInput."""
        raise VenueRefused(f"{self.title} gives no history")

    def tickers(self) -> dict[str, dict[str, float]]:
        """24 h statistics per symbol; empty where the venue has none."""
        return {}

    # -- running

    @property
    def address(self) -> Address:
        """Where the venue is; its `url` is empty until that is known."""
        return self._finder.address

    @property
    def api_calls(self) -> int:
        """Messages sent to the venue so far, pings aside."""
        return self._outbox.sent

    async def run(self) -> None:
        """All tasks of the venue, until cancelled. Raises the FatalError that ended one of them."""
        supervisor = Supervisor()
        try:
            own = {"watchdog": self._watchdog.run, "link": self.connect, "pings": self._ping, "outbox": self._outbox.run}
            for name, task in (own | self.tasks()).items():
                supervisor.start(f"{self.venue} {name}", task)
            raise await supervisor.failed
        finally:
            await supervisor.close()

    async def connect(self) -> None:
        """Keep the one connection up, for ever."""
        await self.link.run()

    async def _find(self) -> None:
        """Wait until there is an address."""
        await self._finder.find()
        for symbol in self._instruments:
            self._stream.set_source(symbol, self.address.source)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self.ping_s)
            if self.link.is_open and (message := self.ping()):
                self.link.send(message)

    # -- subscriptions

    def subscribe(self, instrument: Instrument) -> None:
        """Bring a symbol in: one subscription per channel, whoever asks how often."""
        symbol = instrument.symbol
        if symbol in self._instruments:
            return
        self._instruments[symbol] = instrument
        self._stream.add_instrument(instrument)
        self._stream.set_source(symbol, self.address.source)
        self.seen[symbol] = SeenTrades()
        self.snapshot_books[symbol] = SnapshotBook(symbol, self.venue, self._stream, self._clock, self._is_enabled)
        for spec in self.channels:
            channel = Channel(f"{symbol}@{spec.name}", symbol, self._silence_s * spec.patience)
            self.subscriptions[channel.stream] = self._routes[symbol, spec.carries] = channel
            self._watched.append(channel)
            if self.link.is_open:
                self._post(channel, True, self.link.send)
        self._refresh()

    def unsubscribe(self, symbol: str) -> None:
        """Let a symbol go; one that is not there changes nothing."""
        if symbol not in self._instruments:
            return
        for spec in self.channels:
            channel = self.subscriptions.pop(f"{symbol}@{spec.name}")
            self._watched.remove(channel)
            self._faulty.discard(channel.stream)
            del self._routes[symbol, spec.carries]
            self.incidents.close(f"channel:{channel.stream}")
            if self.link.is_open:
                self._post(channel, False, self.link.send)
        self.snapshot_books.pop(symbol).lost("unsubscribed")
        del self._instruments[symbol], self.seen[symbol]
        self._stream.set_link(symbol, False, "unsubscribed")
        self._told.pop(symbol, None)
        self._refresh()

    def refuse(self, channel: Channel, cause: str) -> None:
        """The venue will not have a subscription: nothing is expected of it any more."""
        channel.state, channel.cause = LinkState.STOPPED, cause
        kind = decide_cause(Signals(no_permission=True))
        self.incidents.note(f"subscription refused: {channel.stream}", cause, kind)
        self._refresh()

    def _subscribe_all(self, send: Send) -> None:
        for channel in tuple(self._watched):
            self._post(channel, True, send)

    def _resubscribe(self, streams: list[str]) -> None:
        """Silence: subscribe anew on the open socket."""
        for stream in streams:
            for wanted in (False, True):
                self._post(self.subscriptions[stream], wanted, self.link.send)
        logger.warning("%s: silent, subscribed anew: %s", self.venue, ", ".join(streams))

    def _post(self, channel: Channel, wanted: bool, send: Send) -> None:
        instrument = self._instruments[channel.symbol]

        def sent() -> None:
            # silence counts from here; a channel that speaks, or was found silent, keeps its state
            if wanted and channel.state in (LinkState.CONNECTING, LinkState.RECONNECTING):
                channel.connected(self._clock.monotonic_ns())

        self._outbox.post(send, self.request(channel.name, instrument, wanted), sent)

    # -- frames

    def _on_frame(self, frame: bytes, recv_ns: int) -> None:
        heard: Channel | None = None
        for value in self.normalize(frame, recv_ns):
            channel = self._routes.get((value.symbol, type(value)))
            if channel is None:
                raise BadFrame(
                    "symbol", f"nothing is subscribed that carries {type(value).__name__} of {value.symbol[:20]!r}"
                )
            if channel is not heard:
                heard = channel
                if channel.received(recv_ns):
                    self._on_proof(channel)
            self.emit(value)

    def _on_proof(self, channel: Channel) -> None:
        """The first message of a channel since it was subscribed (again)."""
        self._faulty.discard(channel.stream)
        self.incidents.close(f"channel:{channel.stream}")
        self.on_channel(channel, True)
        self._refresh()

    def _is_new(self, symbol: str, kind: type, order: int) -> bool:
        """Whether a fact is not older than the last of its kind on this connection."""
        return self._orders.setdefault((symbol, kind), RisingOrder()).accept(order)

    # -- state

    def _on_link(self, state: LinkState, cause: str) -> None:
        if state is LinkState.SYNCING:
            self._orders.clear()
            self._subscribe_all(self.link.send)
        elif state is LinkState.LIVE:
            self._finder.answered = True
            self.incidents.close("link")
        elif state in (LinkState.RECONNECTING, LinkState.BANNED):
            self._disconnected(cause)
        self._refresh()

    def _disconnected(self, cause: str) -> None:
        self._outbox.clear()
        for channel in self._watched:
            channel.disconnected(cause)
            self._on_fault(channel)
            self.incidents.close(f"channel:{channel.stream}")
        if cause and self._finder.answered:
            self._faults.link_lost(self.venue, cause, self.link.signals)

    def _on_fault(self, channel: Channel) -> None:
        """Nothing is known of what a channel carries any more."""
        self._faulty.add(channel.stream)
        if self._routes.get((channel.symbol, BookView)) is channel:
            self.snapshot_books[channel.symbol].lost(channel.cause)
        self.on_channel(channel, False)

    def _refresh(self) -> None:
        """Decide the state anew, withhold what is not known any more, and tell the stream what changed."""
        channels = tuple(self._watched)
        for channel in channels:
            if channel.state is LinkState.STALE and channel.stream not in self._faulty:
                self._on_fault(channel)
        self._faults.watch_frames(self.link.bad)
        self._faults.watch_clock(self.clock_offset.offset_ms(self._clock.now_ms()))
        state, cause = self.link.state, self.link.cause
        nobody = f"nothing answers at {self.address.url}: {cause}" if state is LinkState.RECONNECTING and cause else ""
        absent = self._finder.away or ("" if self._finder.answered else nobody)
        silent = next((c.cause for c in channels if c.state is LinkState.STALE), "")
        unproven = [c.stream for c in channels if c.state is LinkState.SYNCING]
        names = ", ".join(unproven) if len(unproven) <= _FEW else "most channels"
        syncing = f"waiting for the first message of {names}" if unproven else ""
        if self._state.update(VenueFacts(state, cause, "", self.banned(), silent, syncing, absent)):
            logger.info("%s: %s %s", self.venue, self._state.state, self._state.cause)
        for symbol in self._instruments:
            told = self._link_of(symbol)
            if self._told.get(symbol) != told:
                self._told[symbol] = told
                self._stream.set_link(symbol, *told)

    def _link_of(self, symbol: str) -> tuple[bool, str]:
        """Whether a symbol's prices are known to flow, and why not."""
        carriers = (self._routes.get((symbol, kind)) for kind in (Trade, Quote))
        for channel in filter(None, carriers):
            if channel.state is LinkState.SYNCING:
                return False, self._told.get(symbol, (False, ""))[1]
            if channel.state is not LinkState.LIVE:
                return False, channel.cause or self._state.cause
        return self.link.is_open, "" if self.link.is_open else self._state.cause

    # -- what it looks like

    def books(self) -> list[dict[str, Any]]:
        """Integrity of each order book."""
        return [book.status() for book in self.snapshot_books.copy().values()]

    def status(self) -> dict[str, Any]:
        """The venue as `/api/v1/connections` tells it."""
        is_away = self._state.state is LinkState.NOT_CONFIGURED and not self._finder.away
        now_ns, channels = self._clock.monotonic_ns(), self.subscriptions.copy().values()
        return {
            "venue": self.venue,
            "title": self.title,
            "hint": f"start {self.title}, or set {self.variable} to where it is" if is_away and self.variable else "",
            **stream_status.state_status(self._state),
            **stream_status.address_status(self.address),
            **stream_status.link_status(self.link, self._watchdog.rate_per_s),
            "api_calls": self.api_calls,
            "clock_offset_ms": self.clock_offset.offset_ms(self._clock.now_ms()),
            "budgets": self.budgets(),
            **stream_status.channel_status(channels, now_ns, self.address.source),
            "farms": [],
            "accounts": [],
            **stream_status.incident_status(self.incidents),
        }
