"""One-minute bars of any symbols from ticks."""

import dataclasses
from collections.abc import Iterable

from core.workers.patterns.detection import Bar

MINUTE_MS = 60_000
#: market time after a minute's end for which it waits for late ticks
GRACE_MS = 2_000
#: time by the clock for which a minute was left alone before it closes: under a backlog, market time flies, and batches
#: that are stored side by side come in any order
HOLD_MS = 1_500
#: a symbol without a tick for this long has its minutes closed by the clock
SILENT_MS = 10_000
#: a tick dated farther ahead of the clock would close every minute before it
AHEAD_MS = 60_000
MOST_SYMBOLS = 10_000
#: minutes of a symbol that may be open at once; above it the oldest closes
MOST_OPEN = 2_000


def place_of(ts_ms: int, arrival: int) -> int:
    """What orders ticks: by time, those of one time as they arrived. Trade ids would not do: not every venue's rise."""
    return ts_ms << 24 | arrival & 0xFFFFFF


@dataclasses.dataclass(slots=True)
class _Minute:
    """A bar being built; `first` and `last` are the orders (trade ids, stream places) of its open and close."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    first: int
    last: int
    heard_ms: int

    def merge(self, other: "_Minute") -> None:
        self.high, self.low = max(self.high, other.high), min(self.low, other.low)
        self.volume += other.volume
        self.heard_ms = other.heard_ms
        if other.first < self.first:
            self.open, self.first = other.open, other.first
        if other.last >= self.last:
            self.close, self.last = other.close, other.last


class _Symbol:
    __slots__ = ("closed_ms", "heard_ms", "market_ms", "minutes")

    def __init__(self, partial_ms: int) -> None:
        #: minutes up to this one (its open) are over, or were not seen whole: the first of a symbol never is
        self.closed_ms = partial_ms
        self.market_ms = 0
        self.heard_ms = 0
        #: open of a minute -> its bar
        self.minutes: dict[int, _Minute] = {}


class MinuteBars:
    """Closes a symbol's minute when its own market time has passed it and it is left alone, or when the symbol is silent.

    One thread's own. The minute in which a symbol is first heard of is left out: it was not seen whole.
    """

    def __init__(self) -> None:
        self._symbols: dict[str, _Symbol] = {}
        #: ticks of minutes that were over, of symbols beyond the bound, or dated into the future
        self.late = 0
        self.refused = 0

    def add(self, symbol: str, ts_ms: int, price: float, volume: float, order: int, now_ms: int) -> None:
        """One tick. `order` rises within a symbol: of ticks of one time the smaller came first."""
        self.merge(symbol, ts_ms, (price, price, price, price), volume, (order, order), now_ms)

    def merge(
        self,
        symbol: str,
        ts_ms: int,
        prices: tuple[float, float, float, float],
        volume: float,
        orders: tuple[int, int],
        now_ms: int,
    ) -> None:
        """Ticks of one symbol and minute at once: open, high, low, close; the newest time; the orders of first and last."""
        if ts_ms > now_ms + AHEAD_MS:
            self.refused += 1
            return
        minute_ms = ts_ms - ts_ms % MINUTE_MS
        state = self._symbols.get(symbol)
        if state is None:
            if len(self._symbols) >= MOST_SYMBOLS:
                self.refused += 1
                return
            state = self._symbols[symbol] = _Symbol(minute_ms)
        state.heard_ms = now_ms
        if ts_ms > state.market_ms:
            state.market_ms = ts_ms
        if minute_ms <= state.closed_ms:
            self.late += 1
            return
        part = _Minute(*prices, volume, *orders, now_ms)
        known = state.minutes.get(minute_ms)
        if known is None:
            state.minutes[minute_ms] = part
        else:
            known.merge(part)

    def closed(self, now_ms: int) -> list[tuple[str, Bar]]:
        """The minutes that are over since the last call, oldest first of each symbol."""
        return [(symbol, bar) for symbol, state in self._symbols.items() for bar in self._close(state, now_ms)]

    def _close(self, state: _Symbol, now_ms: int) -> Iterable[Bar]:
        if not state.minutes:
            return
        market_ms = state.market_ms
        if now_ms - state.heard_ms >= SILENT_MS:
            market_ms = max(market_ms, now_ms)
        for minute_ms in sorted(state.minutes):
            minute = state.minutes[minute_ms]
            is_over = minute_ms + MINUTE_MS + GRACE_MS <= market_ms and now_ms >= minute.heard_ms + HOLD_MS
            if not is_over and len(state.minutes) <= MOST_OPEN:
                return
            del state.minutes[minute_ms]
            state.closed_ms = max(state.closed_ms, minute_ms)
            yield Bar(minute_ms, minute.open, minute.high, minute.low, minute.close, minute.volume)
