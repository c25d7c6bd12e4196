"""One open connection to a TWS: qualifies, subscribes, watches, fills, until the socket is closed."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from core.base.errors import BadInput, VenueUnavailable
from core.base.supervise import Supervisor, end
from core.domain.health import Cause, Source
from core.venues.connector import ORDER_BOOK
from core.venues.ibkr.accounts import Accounts
from core.venues.ibkr.client import IbClient, RequestRefused
from core.venues.ibkr.desk import Desk
from core.venues.ibkr.frames import Delay, Frame, LastTick, check
from core.venues.ibkr.history import TIMEOUT_S, History, duration_of, klines_of
from core.venues.ibkr.hours import TradingHours
from core.venues.ibkr.line import SymbolLine, Value
from core.venues.ibkr.notices import Notices
from core.venues.ibkr.subscription import Kind, Subscription
from core.venues.ibkr.trade_flow import Wanted
from core.venues.ibkr.vigil import Vigil

logger = logging.getLogger(__name__)

_DESK_PERIOD_S = 0.1
_CLOCK_PERIOD_S = 10.0
_ANSWER_S = 5.0
#: a difference of clocks beyond this is an incident
_CLOCK_FAULT_MS = 1_000
#: a contract that could not be qualified is asked for again after this long, seconds
_QUALIFY_AGAIN_S = 30.0
_UNKNOWN_AGAIN_S = 300.0
#: minutes of history asked for after a reconnect, at least
_FEW_ROWS = 30


class Session:
    """What was agreed with the venue on one connection; all of it ends with the socket."""

    def __init__(self, desk: Desk, source: Callable[[], Source]) -> None:
        self._desk = desk
        self.client: IbClient
        self.history: History
        self.accounts: Accounts
        #: request id -> whose it is
        self._routes: dict[int, tuple[SymbolLine, Kind]] = {}
        #: subscriptions to be cancelled: (kind, is top, request id)
        self._cancels: list[tuple[Kind, bool, int]] = []
        self._wake = asyncio.Event()
        self._ask_time = asyncio.Lock()
        self.notices = Notices(desk, source, self._routes.get, self._unroute, self.renew, self._wake.set)
        self.vigil = Vigil(desk, self)
        #: a streamed message came on this connection
        self.is_proven = False
        #: messages for requests that are over
        self.late = 0
        self._dirty_depth: dict[str, SymbolLine] = {}
        self._answers: set[asyncio.Task[None]] = set()

    def use(self, client: IbClient) -> None:
        self.client = client
        self.history = History(client, self._desk)
        self.accounts = Accounts(client)

    async def run(self) -> str:
        """Until the connection is over; gives the cause."""
        supervisor = Supervisor()
        tasks = {
            "desk": self._subscribe_all,
            "clock": self._watch_clock,
            "accounts": self._read_accounts,
            "fills": self._fill_all,
        }
        try:
            for name, task in tasks.items():
                supervisor.start(f"ibkr {name}", task)
            return await asyncio.shield(self.client.closed)
        finally:
            for answer in self._answers:
                answer.cancel()
            await supervisor.close()

    # -- streamed messages

    def normalize(self, frame: Frame, recv_ns: int) -> tuple[SymbolLine, Kind, Value] | None:
        """A frame as a value of its symbol; None for one of a request that is over. Raises BadFrame."""
        route = self._routes.get(frame.request_id)
        if route is None:
            self.late += 1
            return None
        check(frame, self._desk.venue_s())
        line, kind = route
        if isinstance(frame, LastTick):
            self._desk.offset.ticked(frame.second, self._desk.clock.now_ms())
        return line, kind, line.normalize(kind, frame, recv_ns)

    def emit(self, routed: tuple[SymbolLine, Kind, Value]) -> None:
        """Publish a value."""
        line, kind, value = routed
        if isinstance(value, Delay):
            line.subscriptions[kind].is_delayed = value.is_delayed
            self.notices.tell_source(line)
            return
        if kind is Kind.DEPTH and line.depth.is_distrusted:
            self.renew(line, kind)  # rows may be missing before this one
            return
        self._alive(line, kind)
        line.emit(value)
        if kind is Kind.DEPTH:
            self._dirty_depth[line.symbol] = line

    def _alive(self, line: SymbolLine, kind: Kind) -> None:
        self.is_proven = True
        subscription = line.subscriptions[kind]
        if subscription.received(self.client.recv_ns):
            self._desk.incidents.close(f"channel:{subscription.channel.stream}")
            self.notices.proven(line)
            self.vigil.proven()

    def settle(self) -> None:
        """A read of the socket is worked off: books are published, once a read."""
        if not self._dirty_depth:
            return
        now_ns = self._desk.clock.monotonic_ns()
        lines, self._dirty_depth = self._dirty_depth, {}
        for line in lines.values():
            if line.depth.book.is_void:
                self._void(line)
            else:
                line.depth.settle(now_ns, round(self._desk.venue_s() * 1000))

    def _void(self, line: SymbolLine) -> None:
        """A row that cannot be: this book, and this book only, is begun anew."""
        subscription = line.subscriptions[Kind.DEPTH]
        if not subscription.is_active:
            return
        subscription.channel.gaps += 1
        words = f"depth row that cannot be: {line.symbol}"
        key = f"channel:{subscription.channel.stream}"
        self._desk.incidents.open(key, words, "subscribed anew", kind=Cause.SEQUENCE_GAP)
        now_ns = self._desk.clock.monotonic_ns()
        subscription.channel.fault(words, now_ns)
        wait_s = min(0.5 * 2**subscription.attempts, 30.0) if subscription.attempts else 0.0
        self._end(subscription, subscription.again(now_ns, wait_s))
        self._wake.set()

    # -- subscribing

    def _unroute(self, request_id: int) -> None:
        self._routes.pop(request_id, None)

    def renew(self, line: SymbolLine, kind: Kind) -> None:
        """Cancel a subscription and ask for it again, at once."""
        subscription = line.subscriptions[kind]
        if subscription.is_active:
            self._end(subscription, subscription.again(self._desk.clock.monotonic_ns()))
            self._wake.set()

    def _end(self, subscription: Subscription, request_id: int | None) -> None:
        if request_id is not None:
            self._unroute(request_id)
            self._cancels.append((subscription.kind, subscription.is_top, request_id))

    def release(self, line: SymbolLine) -> None:
        """Nobody wants this symbol any more."""
        for subscription in line.subscriptions.values():
            self._end(subscription, subscription.switch_off())
        line.depth.reset()
        self._desk.slots.release(line.symbol)
        self._wake.set()

    def hurry(self) -> None:
        self._wake.set()

    async def _subscribe_all(self) -> None:
        """Bring what is subscribed to what is wanted, for ever, within the budget of messages."""
        await self._desk.messages.spend()
        with contextlib.suppress(ConnectionError):  # it is over, and so is this task in a moment
            self.client.allow_delayed()
        while True:
            with contextlib.suppress(ConnectionError):
                await self._subscribe_and_cancel()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DESK_PERIOD_S):
                    await self._wake.wait()

    async def _subscribe_and_cancel(self) -> None:
        for line in tuple(self._desk.lines.values()):
            await self._qualify(line)
        await self._cancel_all()
        for kind in Kind:
            for line in tuple(self._desk.lines.values()):
                await self._subscribe(line, kind)

    async def _cancel_all(self) -> None:
        while self._cancels:
            kind, is_top, request_id = self._cancels.pop(0)
            await self._desk.messages.spend()
            self.notices.cancelled.append(request_id)
            if kind is Kind.DEPTH:
                self.client.cancel_depth(request_id)
            elif kind is Kind.BARS_5S:
                self.client.cancel_bars(request_id)
            elif kind is Kind.BARS_1M:
                self.client.cancel_history(request_id)
            elif is_top:
                self.client.cancel_top(request_id)
            else:
                self.client.cancel_ticks(request_id)

    async def _qualify(self, line: SymbolLine) -> None:
        now_ns = self._desk.clock.monotonic_ns()
        if line.contract is not None or now_ns < line.qualify_ns:
            return
        await self._desk.messages.spend()
        stock = self.client.stock(line.instrument.venue_symbol or line.symbol, line.instrument.quote)
        key = f"contract:{line.symbol}"
        try:
            details = await self.client.contract_details(stock, _ANSWER_S)
            if not details:
                raise RequestRefused(200, "unknown contract")
        except VenueUnavailable as error:
            is_unknown = isinstance(error, RequestRefused)
            line.problem = f"contract of {line.symbol} not qualified: {error}"
            line.qualify_ns = now_ns + round((_UNKNOWN_AGAIN_S if is_unknown else _QUALIFY_AGAIN_S) * 1e9)
            kind = Cause.NOT_CONFIGURED if is_unknown else Cause.EXCHANGE_LATE
            self._desk.incidents.open(key, line.problem, kind=kind)
            for subscription in line.subscriptions.values():
                subscription.refused = line.problem if is_unknown else ""
            return
        found = details[0]
        # overwriting SMART by the exchange of the listing would cost the other exchanges' data
        found.contract.exchange = "SMART"
        line.contract, line.problem = found.contract, ""
        for subscription in line.subscriptions.values():
            subscription.refused = ""
        line.hours = TradingHours.parse(found.liquidHours, found.timeZoneId)
        self._desk.incidents.close(key)

    async def _subscribe(self, line: SymbolLine, kind: Kind) -> None:
        desk, subscription = self._desk, line.subscriptions[kind]
        now_ns = desk.clock.monotonic_ns()
        if line.contract is None or line.symbol not in desk.lines:
            return
        if kind is Kind.DEPTH and not self._may_have_depth(line, subscription):
            return
        if not subscription.is_due(now_ns) or desk.lost or (kind.farm == "history" and desk.farms.down("history")):
            return
        if kind is Kind.BARS_1M:
            await self._subscribe_minutes(line, subscription)
            return
        await desk.messages.spend()
        ask = {
            Kind.TRADES: self.client.ask_trades,
            Kind.QUOTES: self.client.ask_top if subscription.is_top else self.client.ask_quotes,
            Kind.BARS_5S: self.client.ask_bars,
        }
        if kind is Kind.DEPTH:
            request_id = self.client.ask_depth(line.contract, desk.settings.venues.ibkr.depth_rows)
        else:
            request_id = ask[kind](line.contract)
        self._asked(line, kind, request_id)

    def _asked(self, line: SymbolLine, kind: Kind, request_id: int) -> None:
        self._routes[request_id] = (line, kind)
        line.asked(kind, request_id, self._desk.clock.monotonic_ns())

    def _may_have_depth(self, line: SymbolLine, subscription: Subscription) -> bool:
        """The toggle, then the slots."""
        desk = self._desk
        if not desk.is_enabled(ORDER_BOOK):
            if subscription.is_wanted:
                self._end(subscription, subscription.switch_off())
                line.depth.reset()
                desk.slots.release(line.symbol)
                self._wake.set()
            return False
        if not subscription.is_wanted:
            subscription.is_wanted, subscription.not_before_ns = True, 0
        if subscription.is_active or desk.slots.take(line.symbol):
            return True
        if not subscription.refused:
            words = desk.slots.refusal()
            desk.incidents.note(f"{line.symbol}: no market depth: {words}", kind=Cause.NO_PERMISSION)
            subscription.refuse(words, desk.clock.monotonic_ns(), 0.0)
        return False

    async def _subscribe_minutes(self, line: SymbolLine, subscription: Subscription) -> None:
        """Bars kept up to date: a request for history, so within that budget, and after a reconnect only what is new."""
        desk = self._desk
        line.minutes_asked += 1
        rows = desk.settings.stream.history_rows if line.minutes_asked == 1 else _FEW_ROWS + line.minutes_asked % 60
        duration = duration_of("1m", rows)
        request = ("bars", "1 min", duration)
        if (wait_s := desk.history.wait_s(line.symbol, request)) > 0:
            line.minutes_asked -= line.minutes_asked == 1
            subscription.not_before_ns = desk.clock.monotonic_ns() + round(min(wait_s, 2.0) * 1e9)
            return
        desk.history.take(line.symbol, request)
        await desk.messages.spend()
        request_id, waiting = self.client.ask_history(line.contract, duration, "1 min", keep=True)
        self._asked(line, Kind.BARS_1M, request_id)
        self._answers.add(answer := asyncio.create_task(self._first_minutes(line, request_id, waiting)))
        answer.add_done_callback(self._answers.discard)

    async def _first_minutes(self, line: SymbolLine, request_id: int, waiting: Awaitable[list[Any]]) -> None:
        desk, subscription = self._desk, line.subscriptions[Kind.BARS_1M]
        subscription.awaits_answer = True
        try:
            bars = await self.client.answer(waiting, TIMEOUT_S)
            klines = klines_of(line.symbol, "1m", bars, desk.venue_s() * 1000)
        except RequestRefused:
            return  # its code's rule has seen to it
        except (VenueUnavailable, BadInput) as error:
            if subscription.request_id == request_id:
                self._end(subscription, subscription.again(desk.clock.monotonic_ns(), 5.0))
                subscription.channel.cause = f"no history: {error}"
            return
        finally:
            subscription.awaits_answer = False
        desk.history.answered()
        if subscription.request_id == request_id:
            line.publish_history(klines)
            self._alive(line, Kind.BARS_1M)

    # -- beside

    async def _watch_clock(self) -> None:
        """Measure the venue's clock, and show that the API answers, for ever."""
        while True:
            await self.measure_clock(_ANSWER_S)
            for _ in range(round(_CLOCK_PERIOD_S / _DESK_PERIOD_S)):
                await asyncio.sleep(_DESK_PERIOD_S)
                if self._desk.offset.is_doubtful:
                    break

    async def measure_clock(self, timeout_s: float) -> bool:
        """Ask for the venue's time. False: no answer."""
        desk = self._desk
        async with self._ask_time:
            await desk.messages.spend()
            sent_ms = desk.clock.now_ms()
            try:
                second = await self.client.current_time(timeout_s)
            except VenueUnavailable:
                return False
        desk.offset.answered(second, sent_ms, desk.clock.now_ms())
        offset_ms = desk.offset.ms or 0.0
        if abs(offset_ms) > _CLOCK_FAULT_MS:
            words = f"the venue's clock is {abs(offset_ms) / 1000:.1f} s {'ahead of' if offset_ms > 0 else 'behind'} ours"
            desk.incidents.open("clock", words, kind=Cause.CLOCK)
        else:
            desk.incidents.close("clock")
        return True

    async def _read_accounts(self) -> None:
        while True:
            try:
                await self._desk.messages.spend()
                await self._desk.messages.spend()
                await self.accounts.subscribe(_ANSWER_S)
                return
            except VenueUnavailable as error:
                logger.info("ibkr: accounts not read: %s", error)
                await asyncio.sleep(_QUALIFY_AGAIN_S)

    async def _fill_all(self) -> None:
        """Fetch the trades that are missing, for ever, each symbol by itself."""
        filling: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for line in tuple(self._desk.lines.values()):
                    if line.symbol not in filling or filling[line.symbol].done():
                        now_ns = self._desk.clock.monotonic_ns()
                        wanted = line.flow.wanted(now_ns, self._desk.venue_s())
                        if wanted is not None and line.contract is not None and not self._desk.farms.down("history"):
                            line.flow.asked(now_ns)
                            filling[line.symbol] = asyncio.create_task(self._fill(line, wanted))
                await asyncio.sleep(_DESK_PERIOD_S)
        finally:
            await end(filling.values())

    async def _fill(self, line: SymbolLine, wanted: Wanted) -> None:
        clock, key = self._desk.clock, f"missing:{line.symbol}"
        try:
            ticks = await self.history.trades(line, wanted, line.flow.retries)
        except VenueUnavailable as error:
            line.flow.failed(clock.monotonic_ns())
            words = f"{line.symbol}: trades are missing, history does not give them"
            self._desk.incidents.open(key, words, str(error), kind=Cause.SEQUENCE_GAP)
            return
        line.publish_trades(line.flow.filled_with(wanted, ticks, clock.monotonic_ns()))
        if line.flow.is_joined:
            self._desk.incidents.close(key)
