"""Watches one connection: silence of a subscription, of the socket, and what each of them means."""

import asyncio
from typing import TYPE_CHECKING

from core.domain.health import Cause, LinkState
from core.venues.ibkr.desk import Desk
from core.venues.ibkr.line import MARKET_CLOSED, SymbolLine
from core.venues.ibkr.subscription import Kind, Subscription

if TYPE_CHECKING:
    from core.venues.ibkr.session import Session

#: a silence this many times as long as the longest of the last 64 is no thin market: where trades come at random, it has
#: odds of one in a million
_THIN_GAPS = 3
#: so many five-second bars with trades, of which we got none, are proof that our subscription is dead
_SILENT_BARS = 1
#: subscriptions that all were asked for so often in vain need another connection
_VAIN = 3
#: after 1100, data that still come this much later show that TWS is connected
_REVIVED_NS = 2_000_000_000
#: bad frames are told at most this often
_BAD_FRAMES_NS = 10_000_000_000


class Vigil:
    """Decides at each look; never rests, whatever the venue says of itself."""

    def __init__(self, desk: Desk, session: "Session") -> None:
        self._desk = desk
        self._session = session
        self._silence_s = desk.settings.venues.ibkr.silence_s
        self._messages = 0
        #: when the last whole message came, and how many bytes had come by then
        self._message_ns = desk.clock.monotonic_ns()
        self._bytes = 0
        self._probe: asyncio.Task[None] | None = None
        self._vain = _VAIN
        self._bad, self._tell_bad_ns = desk.bad.total, 0
        self._seen: dict[str, tuple[int, int]] = {}

    def stop(self) -> None:
        if self._probe is not None:
            self._probe.cancel()

    def proven(self) -> None:
        """A subscription lives (again)."""
        self._vain = _VAIN

    def look(self, now_ns: int, is_held_up: bool) -> None:
        """One round. `is_held_up`: silence was our own doing (a blocked loop, a paused link)."""
        self._count_messages(now_ns, is_held_up)
        for line in self._desk.lines.values():
            self._look_at_trades(line, now_ns)
            line.depth.settle(now_ns, round(self._desk.venue_s() * 1000))
            for subscription in line.subscriptions.values():
                if subscription.is_active:
                    if is_held_up:
                        subscription.postpone(now_ns)
                    else:
                        self._look_at(line, subscription, now_ns)
        self._tell_bad_frames(now_ns)
        self._look_at_all()

    def _tell_bad_frames(self, now_ns: int) -> None:
        """Messages that could not be used, told as one incident for many."""
        bad = self._desk.bad
        if bad.total > self._bad and now_ns >= self._tell_bad_ns:
            kinds = ", ".join(f"{count} {kind}" for kind, count in bad.kinds.items())
            words = f"{bad.total - self._bad} messages that cannot be used"
            self._desk.incidents.note(words, f"so far: {kinds}", kind=Cause.BAD_FRAMES)
            self._bad, self._tell_bad_ns = bad.total, now_ns + _BAD_FRAMES_NS

    def _count_messages(self, now_ns: int, is_held_up: bool) -> None:
        """No whole message for half of what is allowed: ask for the time; no answer to that: give the socket up."""
        client = self._session.client
        if client.messages != self._messages or is_held_up:
            self._messages, self._message_ns, self._bytes = client.messages, now_ns, client.bytes
        silent_s = (now_ns - self._message_ns) / 1e9
        if silent_s > self._silence_s / 2 and (self._probe is None or self._probe.done()):
            self._probe = asyncio.create_task(self._ask_for_life(self._messages))

    async def _ask_for_life(self, messages: int) -> None:
        client = self._session.client
        if await self._session.measure_clock(max(0.5, self._silence_s * 0.4)) or client.messages != messages:
            return
        silent_s = (self._desk.clock.monotonic_ns() - self._message_ns) / 1e9
        if client.bytes > self._bytes:
            client.drop(f"bad frame: {client.bytes - self._bytes} bytes without a whole message in {silent_s:.1f} s")
        else:
            client.drop(f"server silent for {silent_s:.1f} s, the time request was not answered")

    def _look_at_trades(self, line: SymbolLine, now_ns: int) -> None:
        flow = line.flow
        flow.has_bars = line.subscriptions[Kind.BARS_5S].channel.state is LinkState.LIVE
        line.publish_trades(flow.look(now_ns))
        seen = self._seen.get(line.symbol, (0, 0))
        incidents = self._desk.incidents
        if flow.mismatches > seen[0]:
            line.subscriptions[Kind.TRADES].channel.gaps += 1
            incidents.note(
                f"{line.symbol}: trades do not add up to the venue's five-second bar", "fetched from history",
                kind=Cause.SEQUENCE_GAP,
            )  # fmt: skip
        if flow.duplicates > seen[1]:
            incidents.note(f"{line.symbol}: {flow.duplicates - seen[1]} trades told twice, dropped", kind=Cause.SEQUENCE_GAP)
        self._seen[line.symbol] = (flow.mismatches, flow.duplicates)

    def _look_at(self, line: SymbolLine, subscription: Subscription, now_ns: int) -> None:
        desk = self._desk
        channel = subscription.channel
        age_s = channel.age_s(now_ns)
        if desk.lost or desk.farms.down(subscription.kind.farm):
            if desk.lost and age_s is not None and now_ns - round(age_s * 1e9) > desk.lost_ns + _REVIVED_NS:
                desk.lost = ""
                desk.incidents.close("connectivity", detail="data flow again, although the venue did not say so")
                for one in desk.lines.values():
                    self._session.notices.revive(one, tuple(Kind))
                return
            subscription.postpone(now_ns)
            return
        if line.hours.is_closed(round(desk.venue_s() * 1000)):
            if age_s is None or age_s > self._silence_s:
                subscription.excuse = MARKET_CLOSED
            subscription.postpone(now_ns)
            return
        if subscription.excuse == MARKET_CLOSED:
            subscription.excuse = ""
            subscription.postpone(now_ns)
        if subscription.is_demanded:
            if subscription.is_overdue(now_ns) and not self._is_thin(line, subscription, age_s):
                self._fault(line, subscription, now_ns, f"no message of {channel.stream} after it was subscribed")
            return
        silent_s = channel.silent_for_s(now_ns)
        is_dead = subscription.kind is Kind.TRADES and line.flow.silent_bars >= _SILENT_BARS
        if (silent_s is None and not is_dead) or channel.state is not LinkState.LIVE:
            return
        if silent_s is not None and not is_dead and self._is_thin(line, subscription, silent_s):
            subscription.excuse = f"thin market: nothing for {silent_s:.0f} s"
            return
        words = f"channel silent: {channel.stream} for {silent_s or age_s or 0.0:.1f} s"
        self._fault(line, subscription, now_ns, words)

    def _is_thin(self, line: SymbolLine, subscription: Subscription, silent_s: float | None) -> bool:
        """A silence like others of this channel; or no trade although quotes flow, and the bars know of none either."""
        longest_s = subscription.longest_gap_s()
        is_usual = longest_s is not None and silent_s is not None and silent_s < _THIN_GAPS * longest_s
        if subscription.kind is not Kind.TRADES:
            return is_usual and not subscription.is_demanded
        quotes = line.subscriptions[Kind.QUOTES]
        if quotes.channel.state is not LinkState.LIVE:
            return False
        if quotes.channel.silent_for_s(self._desk.clock.monotonic_ns()) is not None or line.flow.silent_bars >= _SILENT_BARS:
            return False
        return longest_s is None or silent_s is None or is_usual

    def _fault(self, line: SymbolLine, subscription: Subscription, now_ns: int, words: str) -> None:
        """The API lives, this subscription does not: ask for it anew."""
        channel = subscription.channel
        channel.fault(words, now_ns)
        self._desk.incidents.open(f"channel:{channel.stream}", words, "subscribed anew", kind=Cause.EXCHANGE_LATE)
        if subscription.kind is Kind.DEPTH:
            line.depth.distrust()
        line.flow.silent_bars = 0
        self._session.renew(line, subscription.kind)

    def _look_at_all(self) -> None:
        """Everything asked for again and again in vain, although the API answers: another connection may help."""
        subscriptions = (s for line in self._desk.lines.values() for s in line.subscriptions.values())
        active = [s for s in subscriptions if s.is_wanted and not s.refused]
        if active and all(s.attempts >= self._vain for s in active):
            self._vain += 1
            self._session.client.drop("no subscription brings anything, although the API answers")
