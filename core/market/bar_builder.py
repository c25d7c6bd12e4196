"""Bars of one series from trades, in any order, reconciled with the venue's own."""

from collections.abc import Sequence

from core.domain.market import BarFlag, BarUpdate, Kline, Origin, Trade
from core.domain.series import SeriesSpec
from core.market.bar import FINAL, UNITS, Bar, Partial

#: market time after a bar's end at which it counts as closed without the venue's word, and for which a venue's bar
#: waits for trades that it has and we have not
GRACE_MS = 2_000

_NEVER = 1 << 62
#: every combination of flags, made once: combining enum members costs more than all the rest of a trade
_FLAGS = tuple(BarFlag(bits) for bits in range(32))
_CLOSED, _FROM_REST, _CORRECTED, _RECONCILED = 1, 2, 4, 8


class BarBuilder:
    """Builds the bars of one series; commutative: the same trades give the same bars in whatever order they come.

    A second without a trade has a flat bar at the close before it. Time is the venue's: bars open and close by the
    largest event time seen, never by our clock. A trade id must be applied once only (`Tape` sees to that).
    Every method returns the bars that changed, oldest first, each once, as they now stand.
    """

    def __init__(self, spec: SeriesSpec, keep: int = 4_000) -> None:
        """`keep`: how many recent bars can still be amended."""
        self.spec = spec
        self._name = spec.name
        self._step = spec.step_ms
        self._keep = keep
        #: bar number (open time / step) -> bar; numbers from _first to _last without a hole
        self._bars: dict[int, Bar] = {}
        self._first = self._last = 0
        #: the oldest bar that may not be closed yet
        self._open_from = 0
        self._evicted = False
        self._seeded = False
        self._market_ms = -1
        #: earliest market time observed: bars that opened later were seen whole, but for gaps
        self._live_from = _NEVER
        #: market time at which something opens, closes or falls due
        self._due_ms = 0
        #: closed venue bars that wait for our trades: bar number -> (bar, market time until which)
        self._pending: dict[int, tuple[Kline, int]] = {}
        self._changed: set[int] = set()
        #: updates of bars that were evicted while they changed
        self._out: list[BarUpdate] = []
        #: closed bars that differed from the venue's, and that agreed with it
        self.differences = 0
        self.reconciled = 0
        #: trades for a bar that was over already, and trades or bars too old to be applied
        self.late = 0
        self.dropped = 0
        #: bars taken from REST after the first seed
        self.filled = 0

    def apply(self, trade: Trade) -> list[BarUpdate]:
        """Add one trade."""
        ts = trade.ts_ms
        if ts > self._market_ms:
            self._market_ms = ts
            if ts >= self._due_ms:
                self._turn()
        number = ts // self._step
        bar = self._bars.get(number) or self._place(number, trade.price)
        if bar is None:
            self.dropped += 1
            return self._emit(trade.recv_ns) if self._changed else []
        if ts < self._live_from:
            self._observe(ts)
        is_late = number != self._last
        if is_late:
            self.late += 1
        trade_id = trade.trade_id
        if trade_id <= bar.base_id:
            return self._emit(trade.recv_ns) if self._changed else []
        units = round(trade.quantity * UNITS)
        bar.add(trade_id, trade.price, units)
        if bar.partial is not None:
            bar.partial.remember(trade_id, trade.price, units)
        if is_late:
            self._spread(number)
        if self._pending and number in self._pending:
            self._settle(number, due=False)
        if self._changed:
            self._changed.add(number)
            return self._emit(trade.recv_ns)
        # the same as _emit: one trade changes one bar nearly always
        row = (bar.stamp, bar.open, bar.high, bar.low, bar.close, bar.units / UNITS)
        return [BarUpdate(self._name, row, _FLAGS[bar.flags], trade.recv_ns)]

    def advance(self, market_ms: int, recv_ns: int = 0) -> list[BarUpdate]:
        """Let market time pass: close bars that are over, open the one containing `market_ms` (flat).

        A jump farther than the series' capacity restarts the series: older rows would fall out of it anyway.
        """
        self._move(market_ms)
        return self._emit(recv_ns) if self._changed or self._out else []

    def seed(self, klines: Sequence[Kline]) -> list[BarUpdate]:
        """Take history by REST, oldest first. Holes in it become flat rows; the last bar may still be running.

        Seeding again merges: bars that are missing, PARTIAL, or have less volume than the venue's closed bar are
        replaced and flagged FROM_REST; whole bars built from trades stay.
        """
        flag = _FROM_REST if self._seeded else 0
        previous: int | None = None
        for kline in klines:
            number = kline.open_ms // self._step
            if previous is None or number > previous:
                self._seed_one(kline, number, previous, flag)
                previous = number
        if previous is not None:
            self._seeded = True
            self._open_from = self._first
            self._turn()
        return self._emit(0)

    def reconcile(self, kline: Kline) -> list[BarUpdate]:
        """Take note of the venue's own bar.

        Closed: compared with ours; a different one replaces it and counts, but waits `GRACE_MS` for trades that are still
        on their way. Running: a PARTIAL bar of ours is rebased on it; otherwise it is ignored.
        """
        if kline.origin is Origin.STREAM:
            self._move(kline.event_ms)
        number = kline.open_ms // self._step
        if self._bars and number > self._last:
            self._extend(number, None)
        bar = self._bars.get(number) or self._place(number, kline.open)
        if bar is None:
            self.dropped += 1
        elif kline.closed:
            self._reconcile_closed(number, bar, kline)
        elif bar.base_id != FINAL and kline.last_id >= 0 and bar.rebase(kline):
            self._changed.add(number)
            self._spread(number)
        return self._emit(kline.recv_ns)

    def mark_partial(self, from_ms: int, to_ms: int) -> list[BarUpdate]:
        """Say that trades between these market times (inclusive) are missing for good: a gap that could not be filled."""
        newest_id = max((bar.last_id for bar in self._bars.values()), default=-1)
        for number in range(max(from_ms // self._step, self._first), min(to_ms // self._step, self._last) + 1):
            bar = self._bars.get(number)
            if bar is None or bar.base_id == FINAL:
                continue
            if number in self._pending:
                kline, _ = self._pending.pop(number)
                self._finish(number, bar, kline, _CLOSED | _RECONCILED)
                self.reconciled += 1
            else:
                bar.make_partial(Partial(from_start=False, floor_id=newest_id))
                self._changed.add(number)
        return self._emit(0)

    # -- time

    def _move(self, market_ms: int) -> None:
        if market_ms > self._market_ms:
            self._market_ms = market_ms
            if market_ms >= self._due_ms:
                self._turn()
        if market_ms < self._live_from:
            self._observe(market_ms)

    def _turn(self) -> None:
        """Do what market time has brought, and find when the next thing falls due."""
        if not self._bars:
            return
        market, step = self._market_ms, self._step
        if market // step > self._last:
            self._extend(market // step, None)
        while self._open_from <= self._last and (self._open_from + 1) * step + GRACE_MS <= market:
            bar = self._bars[self._open_from]
            if not bar.flags & _CLOSED:
                bar.flags |= _CLOSED
                self._changed.add(self._open_from)
            self._open_from += 1
        for number in [number for number, (_, until) in self._pending.items() if until <= market]:
            self._settle(number, due=True)
        waits = [until for _, until in self._pending.values()]
        self._due_ms = min((self._last + 1) * step, (self._open_from + 1) * step + GRACE_MS, *waits)

    def _observe(self, market_ms: int) -> None:
        """Observation reaches further back than was known: bars after it were seen from their start after all."""
        before, self._live_from = self._live_from, market_ms
        if not self._bars:
            return
        for number in range(max(market_ms // self._step + 1, self._first), min(before // self._step, self._last) + 1):
            bar = self._bars[number]
            if bar.partial is not None and bar.partial.from_start:
                bar.make_whole()
                self._changed.add(number)

    # -- bars

    def _new(self, number: int, price: float) -> Bar:
        """A flat bar, PARTIAL when observation began within it or later."""
        open_ms = number * self._step
        bar = Bar(open_ms, price, Partial(from_start=True) if open_ms <= self._live_from else None)
        self._bars[number] = bar
        self._changed.add(number)
        return bar

    def _place(self, number: int, price: float) -> Bar | None:
        """Make room for a bar that is the first, or before the first. None: too old."""
        if not self._bars:
            self._first = self._last = self._open_from = number
            self._new(number, price)
            self._turn()
            return self._bars.get(number)
        if self._seeded or self._evicted or number > self._last or self._last - number >= self._keep:
            return None
        for missing in range(number, self._first):
            self._new(missing, price)
        self._first = self._open_from = number
        self._turn()
        return self._bars[number]

    def _extend(self, number: int, partial: Partial | None) -> None:
        """Flat bars up to `number`. `partial`: what to mark them with, instead of judging by when observation began."""
        start = self._last + 1
        if number - self._last > self.spec.capacity:
            start = number - self.spec.capacity + 1
        price = self._bars[self._last].close
        if start > self._last + 1:
            self._evict(self._last)
            self._first = self._open_from = start
        for missing in range(start, number + 1):
            bar = self._new(missing, price)
            if partial is not None:
                bar.make_partial(Partial(from_start=False))
        self._last = number
        self._evict(number - self._keep)

    def _evict(self, up_to: int) -> None:
        """Let go of bars up to a number. Those that changed are told first, and closed if they are over."""
        while self._first <= up_to:
            number = self._first
            bar = self._bars[number]
            if not bar.flags & _CLOSED and (number + 1) * self._step + GRACE_MS <= self._market_ms:
                bar.flags |= _CLOSED
                self._changed.add(number)
            if number in self._changed:
                self._changed.discard(number)
                self._out.append(self._update(number, 0))
            del self._bars[number]
            self._pending.pop(number, None)
            self._first += 1
            self._evicted = True
        self._open_from = max(self._open_from, self._first)

    def _spread(self, number: int) -> None:
        """Flat bars after `number` follow its close."""
        close = self._bars[number].close
        for later in range(number + 1, self._last + 1):
            bar = self._bars[later]
            if bar.count or bar.base_id == FINAL or bar.close == close:
                return
            bar.open = bar.high = bar.low = bar.close = close
            self._changed.add(later)

    def _update(self, number: int, recv_ns: int) -> BarUpdate:
        bar = self._bars[number]
        return BarUpdate(self._name, bar.row, _FLAGS[bar.flags], recv_ns)

    def _emit(self, recv_ns: int) -> list[BarUpdate]:
        updates, self._out = self._out, []
        for number in sorted(self._changed):
            updates.append(self._update(number, recv_ns))
        self._changed.clear()
        return updates

    # -- the venue's own bars

    def _finish(self, number: int, bar: Bar, kline: Kline, flags: int) -> None:
        bar.finish(kline, flags)
        self._pending.pop(number, None)
        self._changed.add(number)
        self._spread(number)

    def _reconcile_closed(self, number: int, bar: Bar, kline: Kline) -> None:
        if bar.base_id == FINAL:
            if not bar.flags & (_RECONCILED | _CORRECTED) and not bar.agrees(kline):
                self._finish(number, bar, kline, bar.flags)  # REST had told it before it was quite over
        elif bar.partial is not None:
            self._finish(number, bar, kline, _CLOSED | _RECONCILED)
            self.reconciled += 1
        else:
            until = max((number + 1) * self._step, self._market_ms) + GRACE_MS
            self._pending.setdefault(number, (kline, until))
            self._due_ms = min(self._due_ms, until)
            self._settle(number, due=False)

    def _settle(self, number: int, due: bool) -> None:
        """Compare a whole bar with the venue's closed one, unless trades may still be on their way."""
        bar, (kline, _) = self._bars[number], self._pending[number]
        if bar.agrees(kline):
            self._finish(number, bar, kline, _CLOSED | _RECONCILED)
            self.reconciled += 1
        elif due or not bar.lacks(kline):
            self._finish(number, bar, kline, _CLOSED | _CORRECTED)
            self.differences += 1

    def _seed_one(self, kline: Kline, number: int, previous: int | None, flag: int) -> None:
        if not self._bars:
            self._first = self._last = self._open_from = number
            self._new(number, kline.open)
        elif number > self._last:
            # a hole before the first kline is ours and unknown; one between klines is the venue's, and flat
            self._extend(number, Partial(from_start=False))
        elif number < self._first:
            if self._evicted or self._last - number >= self._keep:
                self.dropped += 1
                return
            for missing in range(number, self._first):
                self._new(missing, kline.close).make_partial(Partial(from_start=False))
            self._first = number
        if previous is not None:
            self._flatten(previous + 1, number, flag)
        self._merge(number, self._bars[number], kline, flag)

    def _flatten(self, start: int, end: int, flag: int) -> None:
        """The venue has no bars from `start` to before `end`: what we made up in between is right as it is."""
        for number in range(max(start, self._first), end):
            bar = self._bars[number]
            if bar.partial is not None and not bar.count:
                bar.make_whole()
                bar.flags |= _CLOSED | flag
                bar.base_id = FINAL
                self._changed.add(number)

    def _merge(self, number: int, bar: Bar, kline: Kline, flag: int) -> None:
        if bar.base_id == FINAL:
            return
        if not kline.closed:
            if bar.partial is not None and bar.base_id < 0:
                bar.take(kline)
                bar.partial.from_start = False
                self._changed.add(number)
                self._spread(number)
        elif bar.partial is None and bar.agrees(kline):
            self._finish(number, bar, kline, _CLOSED | _RECONCILED)
            self.reconciled += 1
        elif bar.partial is not None or round(kline.volume * UNITS) > bar.units:
            self._finish(number, bar, kline, _CLOSED | flag)
            self.filled += flag > 0
