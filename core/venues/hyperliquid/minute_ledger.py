"""Do we have every trade? Our count per minute against the venue's own candle. Pure.

Trade ids of this venue are in no order, so that a missing one leaves no trace; its candles tell how many trades and how much
volume a minute had. A candle and the trades it counts come as different messages, in any order, so one comparison proves
only equality: a difference is sure when the minute is over, or when two candles with different counts show the same and the
candles of this venue have been seen to come after their trades.
"""

from typing import NamedTuple

MINUTE_MS = 60_000
#: running candles that agreed, less two for each that did after all, before they are believed; and the most that count
_TRUST, _MOST_TRUST = 5, 12


class Missing(NamedTuple):
    """Trades that the venue counts and we have not, and their volume (base currency)."""

    trades: int
    volume: float


class _Minute:
    __slots__ = ("base_trades", "base_volume", "difference", "shown_at", "trades", "venue_trades", "venue_volume", "volume")

    def __init__(self) -> None:
        self.trades = 0
        self.volume = 0.0
        #: what is not expected of us: before we came, or declared missing
        self.base_trades = 0
        self.base_volume = 0.0
        self.venue_trades = -1
        self.venue_volume = 0.0
        #: what the last candle showed, and its count when it showed that first
        self.difference: Missing | None = None
        self.shown_at = -1


class MinuteLedger:
    """One symbol's trades by minute; the newest `keep` minutes."""

    def __init__(self, lot_size: float, keep: int = 240) -> None:
        self._half_lot = lot_size / 2
        self._keep = keep
        self._minutes: dict[int, _Minute] = {}
        #: the minute in which we came; what it had before is learned from its candles
        self._first: int | None = None
        self._learning = True
        #: we lost the venue before the first minute had a candle: nothing can be said of it
        self._blind = False
        #: how well running candles agreed with our count so far
        self._trust = 0

    def on_trade(self, ts_ms: int, quantity: float) -> None:
        """A trade that had not been counted."""
        minute = self._of(ts_ms // MINUTE_MS * MINUTE_MS)
        minute.trades += 1
        minute.volume += quantity

    def on_candle(self, open_ms: int, trades: int, volume: float, final: bool = False) -> Missing | None:
        """The venue's count. What is surely missing, Missing(0, 0) when nothing is, None when that is not known yet."""
        minute = self._of(open_ms)
        if trades < minute.venue_trades:  # an older candle that comes late
            return None
        counted, minute.venue_trades, minute.venue_volume = minute.venue_trades, trades, volume
        before, minute.difference = minute.difference, None
        short, lacking = self._difference(minute)
        tolerance = self._tolerance(volume)
        if abs(lacking) <= tolerance or (final and lacking < 0):
            if counted not in (-1, trades):
                # a difference that went away by itself was of trades on their way
                self._trust = max(0, min(_MOST_TRUST, self._trust + (1 if before is None else -2)))
                self._learning &= open_ms != self._first
            return Missing(0, 0.0)
        if open_ms == self._first and (self._learning or self._blind):
            self.excuse(open_ms, Missing(short, lacking))
            return None
        is_same = before is not None and before.trades == short and abs(before.volume - lacking) <= tolerance
        minute.difference = Missing(short, lacking)
        if is_same and minute.shown_at == trades and not final:
            return None
        minute.shown_at = trades
        is_sure = final or (is_same and self.is_trusted)
        return Missing(max(1, short), lacking) if is_sure and lacking > 0 else None

    def excuse(self, open_ms: int, missing: Missing) -> None:
        """Expect no more what is missing."""
        minute = self._of(open_ms)
        minute.base_trades += missing.trades
        minute.base_volume += missing.volume
        minute.difference = None

    def stop_learning(self) -> None:
        """Trades may be missed from now on: what the first minute had before us is taken as learned."""
        if self._learning and self._first is not None:
            self._blind = self._of(self._first).venue_trades < 0
        self._learning = False

    @property
    def is_learning(self) -> bool:
        """Whether it is not sure yet how many trades the first minute had before we came."""
        return self._learning

    @property
    def is_trusted(self) -> bool:
        """Whether candles have been seen to follow the trades that they count, so that a running one may speak of a loss.

        Where they come first, a trade on its way looks like a missing one, and only minutes that are over are judged."""
        return self._trust >= _TRUST

    @property
    def is_level(self) -> bool:
        """Whether the newest candle knows of no trade that we have not, and we of none that it has not."""
        return bool(self._minutes) and self.level_at(max(self._minutes))

    def level_at(self, open_ms: int) -> bool:
        """Whether our count of a minute is that of its newest candle."""
        minute = self._minutes.get(open_ms)
        if minute is None or minute.venue_trades < 0:
            return False
        return abs(self._difference(minute)[1]) <= self._tolerance(minute.venue_volume)

    def knows(self, open_ms: int) -> bool:
        """Whether the minute is one that we saw or should have seen."""
        return self._first is not None and open_ms >= self._first

    def _difference(self, minute: _Minute) -> tuple[int, float]:
        return (
            minute.venue_trades - minute.trades - minute.base_trades,
            minute.venue_volume - minute.volume - minute.base_volume,
        )

    def _tolerance(self, volume: float) -> float:
        """Sums of floats, ours and the venue's, differ in their last digits."""
        return self._half_lot + volume * 1e-12

    def _of(self, open_ms: int) -> _Minute:
        if self._first is None:
            self._first = open_ms
        minute = self._minutes.get(open_ms)
        if minute is None:
            minute = self._minutes[open_ms] = _Minute()
            if len(self._minutes) > self._keep:
                del self._minutes[min(self._minutes)]
        return minute
