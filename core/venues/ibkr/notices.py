"""What is done about the venue's messages: each code's rule in `codes`, carried out here."""

import logging
from collections import deque
from collections.abc import Callable

from core.base.log import RateLimit
from core.domain.health import Cause, LinkState, Source
from core.venues.ibkr import farms
from core.venues.ibkr.codes import Action, Rule, rule_of
from core.venues.ibkr.desk import Desk
from core.venues.ibkr.line import SymbolLine
from core.venues.ibkr.subscription import Kind, Subscription

logger = logging.getLogger(__name__)

ALL = tuple(Kind)
#: a refusal may be lifted (a permission bought, a slot freed): it is tried again after this long, seconds
_REFUSED_S = 300.0
_LIMIT_S = 60.0
_AGAIN_S = 1.0
#: request ids of our own cancels that are remembered
_CANCELS = 1_000


class Notices:
    """`drop_request(kind, id)` sends a cancel; `route(id)` tells whose request it is; `renew` asks for it anew at once."""

    def __init__(
        self,
        desk: Desk,
        source: Callable[[], Source],
        route: Callable[[int], tuple[SymbolLine, Kind] | None],
        unroute: Callable[[int], None],
        renew: Callable[[SymbolLine, Kind], None],
        hurry: Callable[[], None],
    ) -> None:
        self._desk = desk
        self._source = source
        self._route = route
        self._unroute = unroute
        self._renew = renew
        self._hurry = hurry
        self._limit = RateLimit(60.0)
        self.cancelled: deque[int] = deque(maxlen=_CANCELS)
        self._actions: dict[Action, Callable[[Rule, int, int, str], None]] = {
            Action.NOTE: self._note,
            Action.FARM: self._farm,
            Action.LOST: self._lost,
            Action.RESTORED_LOST: self._restored,
            Action.RESTORED_KEPT: self._restored,
            Action.RESUBSCRIBE: self._resubscribe,
            Action.DEPTH_RESET: self._depth_reset,
            Action.REFUSED: self._refused,
            Action.LIMIT: self._refused,
            Action.DELAYED: self._delayed,
            Action.COMPETING: self._competing,
            Action.PACING: self._pacing,
            Action.NO_DATA: self._no_data,
            Action.UNKNOWN_CANCEL: self._unknown_cancel,
        }

    def heard(self, request_id: int, code: int, text: str) -> None:
        """One message of the venue."""
        rule = rule_of(code, text)
        held = self._limit.passes(f"{code}:{request_id}" if request_id > 0 else f"{code}:{text[-40:]}")
        if held is not None and rule.action not in (Action.IGNORE, Action.FARM):
            logger.info("ibkr: message %d of request %d: %s", code, request_id, text[:300])
        act = self._actions.get(rule.action)
        if act is not None:
            act(rule, request_id, code, text)

    # -- whole venue

    def _note(self, rule: Rule, _id: int, code: int, text: str) -> None:
        self._desk.incidents.note(f"{rule.words or text} ({code})", text, kind=rule.kind)

    def _lost(self, rule: Rule, _id: int, code: int, text: str) -> None:
        """1100, 2110. TWS may repeat it every minute for hours: one incident."""
        desk = self._desk
        now_ns = desk.clock.monotonic_ns()
        desk.lost_ns = now_ns
        desk.began_outage()
        words = f"{rule.words} ({code})"
        if desk.lost:
            return
        desk.lost = words
        kind = Cause.SCHEDULED_RESET if desk.expected() else rule.kind
        desk.incidents.open("connectivity", words, desk.expected() or text, kind=kind)
        for line in desk.lines.values():
            line.interrupted(ALL, words, now_ns)

    def _restored(self, rule: Rule, _id: int, code: int, _text: str) -> None:
        """1101: subscriptions are gone. 1102: they are said to go on, which is believed when their messages come."""
        desk = self._desk
        desk.lost = ""
        desk.incidents.close("connectivity", detail=f"{rule.words} ({code})")
        for line in desk.lines.values():
            if rule.action is Action.RESTORED_LOST:
                for kind in ALL:
                    subscription = line.subscriptions[kind]
                    # one that has not proved itself may have been asked for after the venue had lost the others: left
                    # there, it would be served beside the next one, and a depth would cost a slot
                    if subscription.is_demanded or kind is Kind.DEPTH:
                        self._renew(line, kind)
                    else:
                        self._forget(subscription)
            else:
                self.revive(line, ALL)
        self._hurry()

    def _forget(self, subscription: Subscription) -> None:
        """The venue ended it: there is nothing to cancel."""
        if subscription.request_id is not None:
            self._unroute(subscription.request_id)
            subscription.again(self._desk.clock.monotonic_ns())

    def revive(self, line: SymbolLine, kinds: tuple[Kind, ...]) -> None:
        """These channels are said to go on: demand a message of each. A book of rows cannot prove itself: begun anew."""
        now_ns = self._desk.clock.monotonic_ns()
        for kind in kinds:
            if kind is Kind.DEPTH:
                self._renew(line, kind)
            elif line.subscriptions[kind].is_active:
                line.demand(kind, now_ns)

    def _farm(self, _rule: Rule, _id: int, code: int, text: str) -> None:
        desk = self._desk
        change = desk.farms.notice(code, text)
        if change is None:
            return
        key = f"farm:{change.farm}"
        if change.state == farms.DOWN:
            words = f"{change.kind} farm {change.farm} is down ({code})"
            logger.warning("ibkr: %s", words)
            desk.incidents.open(key, words, "" if change.is_ours else "nothing of ours comes from it", kind=Cause.FARM_DOWN)
        else:
            desk.incidents.close(key)
        if not change.is_ours:
            return
        kinds = tuple(kind for kind in ALL if kind.farm == change.kind)
        for line in desk.lines.values():
            if change.state == farms.DOWN:
                line.interrupted(kinds, f"farm {change.farm} is down", desk.clock.monotonic_ns())
            elif change.was == farms.DOWN:
                self.revive(line, kinds)
                if change.kind == "history":
                    line.flow.retry_now(desk.clock.monotonic_ns())

    def _competing(self, rule: Rule, request_id: int, code: int, text: str) -> None:
        now_ns = self._desk.clock.monotonic_ns()
        words = f"{rule.words} ({code})"
        self._desk.incidents.open("competing", words, text, kind=rule.kind)
        route = self._route(request_id)
        if route is not None:
            line, kind = route
            line.interrupted((kind,), words, now_ns)
            line.subscriptions[kind].demand(now_ns)

    def _pacing(self, rule: Rule, request_id: int, code: int, text: str) -> None:
        desk = self._desk
        words = f"{rule.words} ({code})"
        desk.incidents.open("pacing", words, text, kind=rule.kind)
        if code == 162:
            desk.history.violated()
        self._again(request_id, words, _AGAIN_S)

    # -- one request

    def _resubscribe(self, rule: Rule, request_id: int, code: int, _text: str) -> None:
        self._desk.incidents.note(f"{self._name(request_id)}: {rule.words} ({code})", "subscribed anew", kind=rule.kind)
        self._again(request_id, f"{rule.words} ({code})", 0.0)

    def _again(self, request_id: int, words: str, wait_s: float) -> None:
        """The venue ended a subscription: ask for it again."""
        route = self._route(request_id)
        if route is None:
            return
        line, kind = route
        now_ns = self._desk.clock.monotonic_ns()
        line.interrupted((kind,), words, now_ns)
        self._unroute(request_id)
        line.subscriptions[kind].again(now_ns, wait_s)
        self._hurry()

    def _depth_reset(self, rule: Rule, request_id: int, code: int, _text: str) -> None:
        """317: the book begins anew on the same subscription."""
        route = self._route(request_id)
        if route is None or route[1] is not Kind.DEPTH:
            return
        line = route[0]
        line.depth.reset()
        subscription = line.subscriptions[Kind.DEPTH]
        subscription.demand(self._desk.clock.monotonic_ns())
        subscription.channel.cause = f"{rule.words} ({code})"
        words = f"{line.symbol}: {rule.words} ({code})"
        self._desk.incidents.note(words, "withheld until its rows are back", kind=rule.kind)

    def _refused(self, rule: Rule, request_id: int, code: int, text: str) -> None:
        route = self._route(request_id)
        if route is None:
            return
        line, kind = route
        desk, subscription = self._desk, line.subscriptions[kind]
        self._unroute(request_id)
        now_ns = desk.clock.monotonic_ns()
        words = f"{rule.words} ({code})"
        desk.incidents.note(f"{line.symbol} {kind}: {words}", text, kind=rule.kind)
        if kind is Kind.DEPTH:
            line.depth.reset()
            desk.slots.release(line.symbol)
        if kind is Kind.QUOTES and not subscription.is_top:
            # a market data line may be had where tick-by-tick data may not, be it delayed
            subscription.is_top = True
            subscription.again(now_ns)
            subscription.channel.cause = f"by a market data line: {words}"
            self._hurry()
            return
        subscription.refuse(words, now_ns, _LIMIT_S if rule.action is Action.LIMIT else _REFUSED_S)

    def _delayed(self, rule: Rule, request_id: int, code: int, text: str) -> None:
        """10167: it goes on, late."""
        route = self._route(request_id)
        if route is None:
            return
        line, kind = route
        line.subscriptions[kind].is_delayed = True
        self._desk.incidents.open(f"delayed:{line.symbol}", f"{line.symbol}: {rule.words} ({code})", text, kind=rule.kind)
        self.tell_source(line)

    def tell_source(self, line: SymbolLine) -> None:
        """Mark a symbol DELAYED, or no longer."""
        is_delayed = any(s.is_delayed for s in line.subscriptions.values())
        if not is_delayed:
            self._desk.incidents.close(f"delayed:{line.symbol}")
        self._desk.stream.set_source(line.symbol, Source.DELAYED if is_delayed else self._source())

    def _no_data(self, rule: Rule, request_id: int, code: int, text: str) -> None:
        route = self._route(request_id)
        if route is None:
            return
        line, kind = route
        self._unroute(request_id)
        subscription = line.subscriptions[kind]
        subscription.again(self._desk.clock.monotonic_ns(), _LIMIT_S if subscription.attempts else 2 * _AGAIN_S)
        subscription.channel.cause = f"{rule.words} ({code})"
        if subscription.attempts == 1:
            self._desk.incidents.note(f"{line.symbol} {kind}: {rule.words} ({code})", text, kind=rule.kind)

    def _unknown_cancel(self, _rule: Rule, request_id: int, code: int, text: str) -> None:
        """300, 310, 366, 10147: fine if we cancelled it; else a subscription that we believe in is gone."""
        if request_id in self.cancelled:
            return
        self._desk.incidents.note(f"{self._name(request_id)}: unknown to the venue ({code})", text)
        self._again(request_id, f"unknown to the venue ({code})", _AGAIN_S)

    def _name(self, request_id: int) -> str:
        route = self._route(request_id)
        return f"{route[0].symbol} {route[1]}" if route is not None else f"request {request_id}"

    def proven(self, line: SymbolLine) -> None:
        """A subscription lives again: what it disproves is over."""
        incidents = self._desk.incidents
        if incidents.is_open("competing"):
            subscriptions = (s for one in self._desk.lines.values() for s in one.subscriptions.values())
            if all(s.channel.state is not LinkState.STALE for s in subscriptions):
                incidents.close("competing")
        if line.subscriptions[Kind.BARS_1M].channel.state is LinkState.LIVE:
            incidents.close("pacing")
