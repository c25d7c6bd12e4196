"""Interactive Brokers: one connection to a TWS or Gateway for all stocks, kept up for ever."""

import asyncio
import logging
from typing import Any

from core.base.backoff import Backoff
from core.base.clock import Clock
from core.base.codec import to_json
from core.base.errors import VenueUnavailable
from core.base.settings import Settings
from core.base.supervise import Supervisor
from core.domain.health import Cause, LinkState, Source
from core.domain.instrument import Instrument, instruments_of
from core.domain.market import Kline
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.bad_frames import BadFrame, BadFrames
from core.venues.connector import Address, IsEnabled, Locate, Tap
from core.venues.ibkr import library
from core.venues.ibkr.accounts import kind_of
from core.venues.ibkr.budgets import DepthSlots, HistoryBudget, RollingBudget
from core.venues.ibkr.client import ClientIdInUse, IbClient
from core.venues.ibkr.clock_offset import ClockOffset
from core.venues.ibkr.desk import Desk
from core.venues.ibkr.farms import Farms
from core.venues.ibkr.frames import Frame
from core.venues.ibkr.hours import ResetWindow
from core.venues.ibkr.line import SymbolLine, Value
from core.venues.ibkr.report import report
from core.venues.ibkr.session import Session
from core.venues.ibkr.subscription import Kind
from core.venues.incident_log import IncidentLog
from core.venues.link import LinkTimes
from core.venues.venue_state import VenueFacts, VenueState

logger = logging.getLogger(__name__)

NOT_IN_REPLAY = "not part of a replay"
HINT = (
    "Start TWS or IB Gateway, enable “ActiveX and Socket Clients” in its API settings (ports: TWS 7497 paper, 7496 live; "
    "Gateway 4002 paper, 4001 live), or set IBKR_HOST and IBKR_PORT."
)
#: where nothing ever answered, it is looked again this often, seconds
_QUIET_S = 15.0
_RESUME_POLL_S = 0.02
_RATE_NS = 1_000_000_000
_UNSETTLED = (LinkState.CONNECTING, LinkState.SYNCING, LinkState.RECONNECTING)


class IbkrConnector:
    """All on the engine loop; `status`, `tickers` and `books` may be asked from any thread."""

    venue = "ibkr"

    def __init__(
        self,
        settings: Settings,
        locate: Locate,
        stream: UnifiedDataStream,
        clock: Clock,
        is_enabled: IsEnabled,
        times: LinkTimes | None = None,
    ) -> None:
        config = settings.venues.ibkr
        self._settings = settings
        self._locate = locate
        self._clock = clock
        self._times = times or LinkTimes()
        #: whoever records may be put here at any time
        self.tap: Tap | None = None
        self.desk = Desk(
            settings,
            stream,
            clock,
            is_enabled,
            incidents=IncidentLog(self.venue, clock),
            bad=BadFrames(self.venue),
            farms=Farms(clock),
            slots=DepthSlots(config.depth_slots),
            messages=RollingBudget(clock, config.messages_per_s, 1.0),
            history=HistoryBudget(clock, config.history_per_10min),
            offset=ClockOffset(),
            reset=ResetWindow(config.reset_at, config.reset_minutes),
        )
        self.state = VenueState(clock)
        self.address: Address | None = None
        self.session: Session | None = None
        self.source = Source.LIVE
        self.hint = ""
        self.transport = "TWS API"
        self.accounts: list[dict[str, Any]] = []
        self.api_calls = self.messages = self.backlog = self.connects = 0
        self.rate_per_s = 0.0
        self._library: Any = None
        self._link, self._link_cause = LinkState.CONNECTING, ""
        self._not_configured = ""
        self._lost_ns = clock.monotonic_ns()
        self._backoff = Backoff(cap_s=30.0)
        self._counted = (0, 0)
        self._looked_ns = self._rated_ns = clock.monotonic_ns()
        self._rated_messages = 0
        self._resuming: asyncio.Task[None] | None = None
        self._was_expected = False
        for instrument in instruments_of(self.venue):
            self.subscribe(instrument)

    # -- symbols

    def subscribe(self, instrument: Instrument) -> None:
        """Bring a symbol in: one subscription per channel, whoever asks how often."""
        if instrument.symbol in self.desk.lines:
            return
        self.desk.stream.add_instrument(instrument)
        line = SymbolLine(instrument, self._settings, self.desk.stream, self._clock)
        self.desk.lines[instrument.symbol] = line
        self.desk.stream.set_source(instrument.symbol, self.source)
        if self.session is not None:
            self.session.hurry()

    def unsubscribe(self, symbol: str) -> None:
        """Let a symbol go; an unknown one changes nothing."""
        line = self.desk.lines.pop(symbol, None)
        if line is None:
            return
        if self.session is not None:
            self.session.release(line)
        line.tell_link("nobody wants it")

    # -- running

    async def run(self) -> None:
        """All tasks of the venue, until cancelled. Raises the FatalError that ended one of them."""
        supervisor = Supervisor()
        try:
            supervisor.start(f"{self.venue} watch", self._watch)
            supervisor.start(f"{self.venue} connect", self.connect)
            raise await supervisor.failed
        finally:
            if self._resuming is not None:
                self._resuming.cancel()
            await supervisor.close()

    async def connect(self) -> None:
        """Keep the one connection up, for ever."""
        while True:
            wait_s = await self._connect_once()
            self._refresh()
            await asyncio.sleep(wait_s)

    async def _connect_once(self) -> float:
        """Find the venue, connect, serve until the connection is over; gives the seconds to wait before the next attempt."""
        try:
            self.address = await self._locate()
            if self.address is None:
                return self._stays_away(NOT_IN_REPLAY, "")
            self._library = self._library or await library.load()
            session = await self._open(self.address)
        except ClientIdInUse:
            words = f"client id {self._settings.ibkr_client_id} is in use by another program"
            return self._failed(words, Cause.COMPETING_SESSION)
        except TimeoutError:
            return self._failed(f"no API handshake within {self._times.connect_s:g} s")
        except OSError as error:
            if not self.connects and self.address is not None and self.address.source is not Source.SIMULATED:
                return self._stays_away(f"no TWS or Gateway answers at {self.address.url}", HINT)
            refused = isinstance(error, ConnectionRefusedError)
            return self._failed("connection refused" if refused else f"connect failed: {error}")
        except VenueUnavailable as error:
            return self._failed(str(error))
        return await self._serve(session)

    async def _open(self, address: Address) -> Session:
        host, _, port = address.url.rpartition(":")
        session = Session(self.desk, lambda: self.source)
        client = IbClient(
            self._library, self._clock, self._on_frame, self._on_read, session.notices.heard, self._on_undecodable
        )  # fmt: skip
        session.use(client)
        # the first frames may come in the same read as the end of the handshake
        self.session = session
        try:
            await client.open(host, int(port), self._settings.ibkr_client_id, self._times.connect_s)
        except BaseException:
            self.session = None
            self._counted = (self._counted[0] + client.sent, self._counted[1] + client.messages)
            raise
        return session

    async def _serve(self, session: Session) -> float:
        client = session.client
        self.connects += 1
        self._not_configured = self.hint = ""
        self.transport = f"TWS API {client.server_version}, {self._library.__name__} {self._library.__version__}"
        is_simulated = any(kind_of(account) == "simulated" for account in client.accounts)
        self.source = Source.SIMULATED if is_simulated or self.address is None else self.address.source
        for symbol in self.desk.lines:
            self.desk.stream.set_source(symbol, self.source)
        self._link, self._link_cause = LinkState.SYNCING, "connected, waiting for the first message"
        self._looked_ns = self._clock.monotonic_ns()
        cause = "stopped"
        try:
            cause = await session.run()
        finally:
            session.vigil.stop()
            if client.is_open:
                client.drop("stopped")
            self._closed(session, cause)
        return self._failed(cause, Cause.BAD_FRAMES if cause.startswith("bad frame") else Cause.NETWORK)

    def _closed(self, session: Session, cause: str) -> None:
        client = session.client
        self._counted = (self._counted[0] + client.sent, self._counted[1] + client.messages)
        self.session = None
        desk = self.desk
        if session.is_proven:
            self._backoff.reset()
        if self._link is LinkState.LIVE:
            self._lost_ns = self._clock.monotonic_ns()
        desk.began_outage()
        desk.lost = ""
        for farm in desk.farms.status():
            desk.incidents.close(f"farm:{farm['farm']}")
        desk.farms.clear()
        for key in ("connectivity", "competing", "pacing"):
            desk.incidents.close(key)
        for line in desk.lines.values():
            line.disconnected(cause)
            desk.slots.release(line.symbol)
            for subscription in line.subscriptions.values():
                desk.incidents.close(f"channel:{subscription.channel.stream}")

    def _stays_away(self, words: str, hint: str) -> float:
        """Nothing to connect to: no fault, and looked for quietly."""
        self._not_configured, self.hint = words, hint
        return _QUIET_S

    def _failed(self, cause: str, kind: Cause = Cause.NETWORK) -> float:
        """A connect failed, or a connection is over."""
        desk = self.desk
        self._link, self._link_cause = LinkState.RECONNECTING, cause
        self._not_configured = self.hint = ""
        desk.began_outage()
        if not desk.incidents.is_open("link"):
            logger.warning("%s: %s", self.venue, cause)
        kind = Cause.SCHEDULED_RESET if desk.expected() else kind
        desk.incidents.open("link", cause, desk.expected(), kind=kind)
        # short after a short outage, so that the end of a restart is not slept through
        return self._backoff.next(at_most_s=max(1.0, (self._clock.monotonic_ns() - self._lost_ns) / 5e9))

    # -- frames: normalize, emit

    def _on_frame(self, frame: Frame) -> None:
        session = self.session
        if session is None:
            return
        try:
            routed = self.normalize(frame, session.client.recv_ns)
            if routed is not None:
                self.emit(routed)
        except Exception as error:  # one bad message must not cost the connection
            self.desk.bad.count(error)

    def normalize(self, frame: Frame, recv_ns: int) -> tuple[SymbolLine, Kind, Value] | None:
        """A streamed message as a value of its symbol; None for one that nobody asked for any more. Raises BadFrame."""
        return self.session.normalize(frame, recv_ns) if self.session is not None else None

    def emit(self, value: tuple[SymbolLine, Kind, Value]) -> None:
        """Publish a value."""
        if self.session is not None:
            if self.tap is not None:
                self._record(value, self.tap)
            self.session.emit(value)
            if self._link is LinkState.SYNCING:
                self._link, self._link_cause = LinkState.LIVE, ""
                self.desk.incidents.close("link")
                self._refresh()

    def _record(self, value: tuple[SymbolLine, Kind, Value], tap: Tap) -> None:
        """An event as a line of a recording: its own protocol is not one of texts."""
        line, kind, event = value
        told = {"venue": self.venue, "kind": kind, "symbol": line.symbol, "event": type(event).__name__, "value": event}
        tap(self.venue, self._clock.now_ms() * 1_000_000, to_json(told))

    def _on_undecodable(self, text: str) -> None:
        self.desk.bad.count(BadFrame("undecodable", text))

    def _on_read(self) -> None:
        session = self.session
        if session is None:
            return
        session.settle()
        if not session.client.is_paused and self.desk.stream.congested:
            session.client.pause()
            self._resuming = asyncio.create_task(self._resume_when_clear(session.client))

    async def _resume_when_clear(self, client: IbClient) -> None:
        while self.desk.stream.congested:  # noqa: ASYNC110 - the answer may come from any thread
            await asyncio.sleep(_RESUME_POLL_S)
        client.resume()

    # -- state

    async def _watch(self) -> None:
        period_s = min(0.25, self._settings.venues.ibkr.silence_s / 8)
        while True:
            await asyncio.sleep(period_s)
            now_ns = self._clock.monotonic_ns()
            lag_s = (now_ns - self._looked_ns) / 1e9 - period_s
            late = lag_s > 2 * period_s + 0.5
            self._looked_ns = now_ns
            if late:
                self.desk.incidents.note("our loop was blocked", f"for {lag_s:.1f} s", kind=Cause.LOOP_BLOCKED)
            if self.session is not None and self._link in (LinkState.SYNCING, LinkState.LIVE):
                self.session.vigil.look(now_ns, late or self.session.client.is_paused)
                self.accounts = self.session.accounts.status()
            self._measure(now_ns)
            self._refresh()

    def _measure(self, now_ns: int) -> None:
        sent, received = self._counted
        if self.session is not None:
            sent, received = sent + self.session.client.sent, received + self.session.client.messages
        self.api_calls, self.messages = sent, received
        self.backlog = self.session.client.backlog if self.session is not None else 0
        if now_ns - self._rated_ns < _RATE_NS:
            return
        self.rate_per_s = round((received - self._rated_messages) * 1e9 / (now_ns - self._rated_ns), 1)
        self._rated_messages, self._rated_ns = received, now_ns
        for line in self.desk.lines.values():
            for subscription in line.subscriptions.values():
                subscription.channel.measure_rate(now_ns)

    def _refresh(self) -> None:
        """Decide the venue's state anew, and tell the stream what changed."""
        desk = self.desk
        lines = tuple(desk.lines.values())
        subscriptions = [s for line in lines for s in line.subscriptions.values() if s.is_wanted and not s.refused]
        silent = desk.lost or next((s.channel.cause for s in subscriptions if s.channel.state is LinkState.STALE), "")
        unproven = [s.channel.stream for s in subscriptions if s.channel.state in _UNSETTLED and not s.excuse]
        pending = next(filter(None, (line.flow.pending for line in lines)), "")
        syncing = f"waiting for the first message of {', '.join(unproven)}" if unproven else pending
        expected = desk.expected()
        self._escalate(expected)
        facts = VenueFacts(
            self._link,
            self._link_cause,
            silent=silent,
            syncing=syncing,
            not_configured=self._not_configured,
            expected=expected,
        )
        if self.state.update(facts):
            logger.info("%s: %s %s", self.venue, self.state.state, self.state.cause)
        if self.state.state is LinkState.LIVE:
            desk.outage_ms = 0
        trouble = desk.lost if self._link in (LinkState.SYNCING, LinkState.LIVE) else self._link_cause
        down = self._not_configured or (trouble and (expected or trouble))
        for line in lines:
            line.tell_link(down)

    def _escalate(self, expected: str) -> None:
        """An outage that has lasted longer than expected is a fault."""
        incidents = self.desk.incidents
        if self._was_expected and not expected and self.desk.outage_ms:
            for key in ("link", "connectivity"):
                if incidents.is_open(key):
                    incidents.open(key, "the nightly reset did not end in time", self._link_cause, kind=Cause.VENUE_DOWN)
        self._was_expected = bool(expected)

    # -- what others ask

    async def klines(self, symbol: str, interval: str, rows: int) -> list[Kline]:
        """The newest bars, oldest first. Raises VenueUnavailable, VenueRefused or BadInput."""
        line, session = self.desk.lines.get(symbol), self.session
        if line is None or session is None or line.contract is None:
            raise VenueUnavailable(f"{symbol}: {self.state.cause or 'not connected'}")
        return await session.history.klines(line, interval, rows)

    def books(self) -> list[dict[str, Any]]:
        """Integrity of each order book. Any thread."""
        told = []
        for line in tuple(self.desk.lines.values()):
            subscription = line.subscriptions[Kind.DEPTH]
            cause = subscription.channel.cause or self.state.cause
            told.append(line.depth.status(subscription.refused, not subscription.is_wanted, cause))
        return told

    def status(self) -> dict[str, Any]:
        """The venue as `/api/v1/connections` tells it. Any thread."""
        return report(self, self.desk, self._settings)

    def tickers(self) -> dict[str, dict[str, float]]:
        """None: the venue tells no 24 h statistics of stocks."""
        return {}
