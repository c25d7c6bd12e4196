"""One stock's trades without ids: joined to history after each break, audited by the venue's own five-second bars. Pure."""

import msgspec

from core.market.second_trades import SecondTrades, Tick, by_second, overlap

_S_NS = 1_000_000_000
#: the second of the first live trade is over when this much time has passed since it came, and history has it
_SETTLE_NS = round(1.3 * _S_NS)
#: live trades wait for history at most this long; then they flow, and history is merged when it comes
_HOLD_NS = 5 * _S_NS
#: without a live trade for this long, what history has is taken meanwhile
_QUIET_NS = 4 * _S_NS
#: such a request goes up to this many seconds ago: later ones may not be over
_LAG_S = 2
#: the wait after an answer that was none, or that lacked what we have; it doubles up to the second
_RETRY_NS, _MOST_RETRY_NS = 1 * _S_NS, 30 * _S_NS
#: answers that may lack held trades before history is believed and they are taken for duplicates
_DOUBTS = 2
#: live trades held while history is fetched; beyond it they flow
_MOST_HELD = 20_000
BAR_S = 5
#: a bar is compared this long after it came: trades on the same socket may follow it
_AUDIT_NS = round(0.4 * _S_NS)
#: a bar that came earlier than this after the subscription may tell of trades before it (5 s, and some for its way)
_OWN_BAR_NS = round(5.5 * _S_NS)
#: a trade like another of its second waits this long for a bar to vouch for it, then history is asked
_TWIN_NS = 7 * _S_NS
#: bars that differ although history does not, in a row, until bars are held to count otherwise than trades
_FRUITLESS = 3

#: a trade's id, and the trade
Named = tuple[int, Tick]


class Wanted(msgspec.Struct, frozen=True):
    """Seconds to be fetched from history, both included."""

    first: int
    last: int


class _Bar(msgspec.Struct, frozen=True):
    open_s: int
    count: int
    volume: float
    at_ns: int


class TradeFlow:
    """Says of each trade whether it is to be published now, and which seconds are to be fetched.

    Times are monotonic ns, but seconds are the venue's. A break opens a hole at the last known second. It ends with the
    second of the first live trade after the break: of that second we may have missed the beginning, of later ones nothing.
    Live trades are held until history has filled the hole, so that they keep their order and their ids.

    Where bars come too, each second is audited: a bar that our trades do not add up to opens a hole. A trade that repeats
    the one just before it word for word may be the same one told twice, and waits for the bar of its five seconds. Like
    trades further apart are common (a fifth of a liquid stock's) and flow; but once history shows that the venue told one
    twice in that way, every trade like another of its second waits, for the rest of the subscription.
    """

    def __init__(self) -> None:
        self.known = SecondTrades()
        self._from: int | None = None
        self._to: int | None = None
        #: subscribed, and no live trade yet
        self._awaits_first = False
        #: the hole was opened by a bar
        self._is_repair = False
        self._opened_ns = self._first_ns = self._ask_ns = 0
        #: None: live trades flow
        self._held: list[Tick] | None = None
        self._twins: list[Tick] = []
        #: the live trade before
        self._last: Tick | None = None
        self._is_wary = False
        self._bars: list[_Bar] = []
        #: nothing was missed live from this second on
        self._whole_from: int | None = None
        self._failures = self._doubts = self._fruitless = 0
        #: bars come
        self.has_bars = False
        #: bars in a row that had trades where we got none
        self.silent_bars = 0
        #: filled from history; told twice by the venue; bars that our trades did not add up to
        self.filled = self.duplicates = self.mismatches = 0

    def broken(self) -> None:
        """No trade comes any more: all from the last known one on are missing, and what was undecided is to be fetched."""
        edges = [twin.second for twin in self._twins]
        edges += [second for second in (self._from, self.known.last_second) if second is not None]
        self._from = min(edges, default=None)
        self._twins.clear()
        self._bars.clear()
        self._to, self._whole_from = None, None

    def opened(self, now_ns: int) -> None:
        """Trades are subscribed (again)."""
        self.broken()
        self._awaits_first, self._opened_ns = True, now_ns
        self._held, self._is_repair, self._is_wary = [], False, False
        self._ask_ns = self._failures = self._doubts = self.silent_bars = 0

    @property
    def pending(self) -> str:
        """What is being waited for, in words."""
        return "trades since the break are being fetched" if self._held is not None and self._to is not None else ""

    @property
    def is_joined(self) -> bool:
        """Whether live trades flow, and nothing is known to be missing."""
        return self._from is None and self._held is None

    @property
    def holds(self) -> bool:
        """Whether live trades wait for history."""
        return self._held is not None

    def is_decided(self, second: int) -> bool:
        """Whether all trades up to a second are known, and none of them may have been told twice."""
        return self.is_joined and all(twin.second > second for twin in self._twins)

    @property
    def retries(self) -> int:
        """How often the present hole was asked for in vain."""
        return self._failures + self._doubts

    @property
    def _is_audited(self) -> bool:
        return self.has_bars and self._fruitless < _FRUITLESS

    # -- live

    def on_tick(self, tick: Tick, now_ns: int) -> list[Named]:
        """A live trade; gives those to publish now."""
        self.silent_bars = 0
        if self._awaits_first:
            self._awaits_first = False
            self._first_ns, self._to = now_ns, tick.second
            self._whole_from = tick.second
            self._from = tick.second if self._from is None else min(self._from, tick.second)
            self._ask_ns = now_ns + _SETTLE_NS
        if self._held is None:
            return self._flow(tick)
        self._held.append(tick)
        return self._release() if len(self._held) > _MOST_HELD else []

    def on_bar(self, open_s: int, count: int, volume: float, now_ns: int) -> None:
        """The venue's bar of the five seconds from `open_s` on; a count below 1 means that it does not say."""
        self._bars.append(_Bar(open_s, count, volume, now_ns))

    def _flow(self, tick: Tick) -> list[Named]:
        before, self._last = self._last, tick
        if self._is_audited and (self.known.has_twin(tick) if self._is_wary else tick.repeats(before)):
            self._twins.append(tick)
            return []
        return [self._name(tick)]

    def _name(self, tick: Tick) -> Named:
        return self.known.add(tick), tick

    def _release(self) -> list[Named]:
        held, self._held = self._held or [], None
        return [named for tick in held for named in self._flow(tick)]

    # -- time

    def look(self, now_ns: int) -> list[Named]:
        """What time alone decides: gives trades to publish now."""
        out: list[Named] = []
        if self._held is not None and self._to is not None and now_ns - self._first_ns > _HOLD_NS:
            out += self._release()
        while self._bars and now_ns - self._bars[0].at_ns >= _AUDIT_NS:
            out += self._audit(self._bars.pop(0), now_ns)
        return out + self._look_at_twins(now_ns)

    def _look_at_twins(self, now_ns: int) -> list[Named]:
        """Those that no bar has decided in time are looked up in history; without bars each is believed."""
        if not self._is_audited:
            twins, self._twins = self._twins, []
            return [self._name(twin) for twin in twins]
        late = [
            twin.second for twin in self._twins if now_ns - twin.recv_ns > _TWIN_NS and not self._is_asked_for(twin.second)
        ]
        if late:
            self._repair(min(late), max(late), now_ns)
        return []

    def _is_asked_for(self, second: int) -> bool:
        return self._from is not None and self._to is not None and self._from <= second <= self._to

    def _audit(self, bar: _Bar, now_ns: int) -> list[Named]:
        first, last = bar.open_s, bar.open_s + BAR_S - 1
        is_ours = self._awaits_first and bar.at_ns - self._opened_ns > _OWN_BAR_NS
        if is_ours or (self._whole_from is not None and self._held is None and first > self._whole_from):
            count, volume = self.known.totals(first, last)
            self.silent_bars = self.silent_bars + 1 if bar.volume > 0 and not count else 0
        if not self._is_audited or self._held is not None or self._whole_from is None or first < self._whole_from:
            return []
        if self._from is not None and self._to is not None and self._from <= last and first <= self._to:
            return []
        count, volume = self.known.totals(first, last)
        twins = [twin for twin in self._twins if first <= twin.second <= last]
        if _agrees(bar, count + len(twins), volume + sum(twin.size for twin in twins)):
            self._twins = [twin for twin in self._twins if twin not in twins]
            self._fruitless = 0
            return [self._name(twin) for twin in twins]
        if _agrees(bar, count, volume):
            self._twins = [twin for twin in self._twins if twin not in twins]
            self.duplicates += len(twins)
            return []
        self.mismatches += 1
        self._repair(first, last, now_ns)
        return []

    def _repair(self, first: int, last: int, now_ns: int) -> None:
        if self._from is None or self._to is None:
            self._from, self._to, self._is_repair = first, last, True
            self._ask_ns, self._failures = now_ns, 0
        else:
            self._from, self._to = min(self._from, first), max(self._to, last)

    def wanted(self, now_ns: int, venue_s: float) -> Wanted | None:
        """The seconds to ask history for now, None when there is nothing to ask. `venue_s`: the venue's epoch seconds."""
        if self._from is None or now_ns < self._ask_ns:
            return None
        if self._to is not None:
            return Wanted(self._from, self._to)
        last = int(venue_s) - _LAG_S
        return Wanted(self._from, last) if now_ns - self._opened_ns > _QUIET_NS and last >= self._from else None

    # -- history

    def asked(self, now_ns: int) -> None:
        """A request is under way; no other is wanted until it is answered."""
        self._ask_ns = now_ns + 3_600 * _S_NS

    def failed(self, now_ns: int) -> None:
        """History did not answer."""
        self._ask_ns = now_ns + min(_RETRY_NS << min(self._failures, 6), _MOST_RETRY_NS)
        self._failures += 1

    def retry_now(self, now_ns: int) -> None:
        """History is back after a failure."""
        if self._failures:
            self._failures, self._ask_ns = 0, now_ns

    def filled_with(self, asked: Wanted, ticks: list[Tick], now_ns: int) -> list[Named]:
        """History of the asked seconds, in order; gives what is to be published now."""
        if self._from is None or asked.first > self._from:
            return []  # another break came meanwhile, and asks for more
        seconds = by_second([tick for tick in ticks if asked.first <= tick.second <= asked.last])
        held = by_second([tick for tick in self._held or () if tick.second <= asked.last])
        lacking = sum(len(known) - overlap(known, seconds.get(second, ())) for second, known in held.items())
        if lacking and self._doubts < _DOUBTS:
            self._doubts += 1
            self._ask_ns = now_ns + _RETRY_NS
            return []
        self.duplicates += lacking
        out: list[Named] = []
        changes = lacking
        for second in sorted(
            seconds.keys() | {twin.second for twin in self._twins if asked.first <= twin.second <= asked.last}
        ):
            self._doubt(second, seconds.get(second, []))
            missing = self.known.missing(second, seconds.get(second, ()))
            twins = [twin for twin in self._twins if twin.second == second]
            self._twins = [twin for twin in self._twins if twin.second != second]
            mine = overlap(missing, held.get(second, ())) + overlap(missing, twins)
            self.duplicates += len(twins) - overlap(twins, missing)
            self.filled += len(missing) - mine
            changes += len(missing) + len(twins)
            out += [self._name(tick) for tick in _with_arrival(missing, [*held.get(second, ()), *twins])]
        self._close(asked, changes, now_ns)
        if self._held is not None and self._to is None and self._from is None:
            self._held = [tick for tick in self._held if tick.second > asked.last]
            out += self._release()
        return out

    def _doubt(self, second: int, whole: list[Tick]) -> None:
        """Be wary when a repair shows that we published more of a second than there was."""
        if self._is_repair and len(whole) < self.known.totals(second, second)[0]:
            self._is_wary = True

    def _close(self, asked: Wanted, changes: int, now_ns: int) -> None:
        """The hole is filled up to what was asked."""
        self._failures = self._doubts = 0
        if self._is_repair:
            self._fruitless = 0 if changes else self._fruitless + 1
        if self._to is None:
            self._from = max(asked.first, self.known.last_second or asked.first)
            self._ask_ns = now_ns + _MOST_RETRY_NS
        elif asked.last >= self._to:
            self._from = self._to = None
            self._is_repair = False
        else:
            self._from, self._ask_ns = asked.last + 1, now_ns


def _agrees(bar: _Bar, count: int, volume: float) -> bool:
    return (bar.count < 1 or bar.count == count) and abs(bar.volume - volume) < 0.5


def _with_arrival(ticks: list[Tick], live: list[Tick]) -> list[Tick]:
    """The ticks, each as it came live where it did, so that its latency is known."""
    left = list(live)
    found = []
    for tick in ticks:
        came = next((t for t in left if t.key == tick.key), None)
        if came is not None:
            left.remove(came)
        found.append(came or tick)
    return found
