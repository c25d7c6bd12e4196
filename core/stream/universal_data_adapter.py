"""Any source in, the five series out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.base.clock import Clock
from core.domain.market import BarFlag, BarUpdate, Kline, Trade
from core.domain.series import SERIES, series_for, series_of
from core.domain.snapshot import UniversalDataStream
from core.market.bar_builder import BarBuilder
from core.market.tape import Tape
from core.stream import windows
from core.stream.shared_data_buffer import SharedDataBuffer

_NOTABLE = int(BarFlag.FROM_REST | BarFlag.CORRECTED | BarFlag.PARTIAL)
#: flag bits -> those bits when they make a row worth telling, else 0
_TOLD = tuple(bits if bits & _NOTABLE else 0 for bits in range(32))


class UniversalDataAdapter:
    """Turns trades and klines of any venue into the five series. One thread writes; buffers may be read by any.

    Trades pass the symbol's `Tape` (duplicates end there), then change the bars of each of its series, which are written to
    the series' `SharedDataBuffer`. Every method that writes returns the bars that changed.
    """

    validate = staticmethod(windows.validate)
    window_for_cnn = staticmethod(windows.window_for_cnn)
    window_for_rl = staticmethod(windows.window_for_rl)
    window_for_transformer = staticmethod(windows.window_for_transformer)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.buffers: dict[str, SharedDataBuffer] = {
            s.name: SharedDataBuffer(s.capacity, s.step_ms) for s in SERIES.values()
        }
        self.builders: dict[str, BarBuilder] = {s.name: BarBuilder(s) for s in SERIES.values()}
        self.tapes: dict[str, Tape] = {symbol: Tape() for symbol in dict.fromkeys(s.symbol for s in SERIES.values())}
        self._by_symbol = {symbol: tuple(self.builders[s.name] for s in series_of(symbol)) for symbol in self.tapes}
        #: series -> timestamp -> flags, of rows that are not plain
        self._flags: dict[str, dict[int, int]] = {name: {} for name in SERIES}

    def seed(self, symbol: str, interval: str, klines: Sequence[Kline]) -> list[BarUpdate]:
        """History by REST, oldest first. A series that is not ours changes nothing."""
        spec = series_for(symbol, interval)
        return self._store(self.builders[spec.name].seed(klines)) if spec is not None else []

    def on_trade(self, trade: Trade) -> list[BarUpdate] | None:
        """None: a duplicate, or a symbol of which we keep no series."""
        tape = self.tapes.get(trade.symbol)
        if tape is None or not tape.accept(trade.trade_id):
            return None
        updates: list[BarUpdate] = []
        for builder in self._by_symbol[trade.symbol]:
            updates += builder.apply(trade)
        return self._store(updates)

    def on_kline(self, kline: Kline) -> list[BarUpdate]:
        """The venue's own bar, running or closed."""
        spec = series_for(kline.symbol, kline.interval)
        return self._store(self.builders[spec.name].reconcile(kline)) if spec is not None else []

    def advance(self, symbol: str, market_ms: int, recv_ns: int = 0) -> list[BarUpdate]:
        """Market time of a symbol, Unix ms."""
        updates: list[BarUpdate] = []
        for builder in self._by_symbol.get(symbol, ()):
            updates += builder.advance(market_ms, recv_ns)
        return self._store(updates) if updates else updates

    def mark_partial(self, symbol: str, from_ms: int, to_ms: int) -> list[BarUpdate]:
        """Trades of a symbol between two market times are missing for good."""
        updates = [update for builder in self._by_symbol.get(symbol, ()) for update in builder.mark_partial(from_ms, to_ms)]
        return self._store(updates)

    def _store(self, updates: list[BarUpdate]) -> list[BarUpdate]:
        buffers, flags = self.buffers, self._flags
        for update in updates:
            name, row = update.series, update.row
            buffer = buffers[name]
            if not buffer.amend(row):
                if row[0] < buffer.first_timestamp:
                    # older than the first: all such rows at once, for they come oldest first
                    first = buffer.first_timestamp
                    buffer.prepend([older.row for older in updates if older.series == name and older.row[0] < first])
                else:
                    buffer.put(row)
            told = _TOLD[update.flags]
            # a float finds the integer key it equals
            if flags[name].get(row[0], 0) != told:  # type: ignore[call-overload]
                self._tell(name, int(row[0]), told)
        return updates

    def _tell(self, name: str, timestamp: int, told: int) -> None:
        flags, first = self._flags[name], self.buffers[name].first_timestamp
        if not told:
            del flags[timestamp]
            return
        flags[timestamp] = told
        # rows leave the buffer oldest first, and most were told of in that order
        while (oldest := next(iter(flags), first)) < first:
            del flags[oldest]

    def flags(self, name: str, since_ms: int = 0) -> dict[int, int]:
        """Timestamp -> `BarFlag` bits of rows from `since_ms` on that are gap fills by REST, corrected, or partial."""
        since_ms = max(since_ms, self.buffers[name].first_timestamp)
        return {timestamp: bits for timestamp, bits in sorted(_items(self._flags[name])) if timestamp >= since_ms}

    def partial_rows(self, name: str) -> int:
        """Rows in the buffer of which only a part of the trades was seen."""
        first = self.buffers[name].first_timestamp
        return sum(1 for timestamp, bits in _items(self._flags[name]) if bits & BarFlag.PARTIAL and timestamp >= first)

    def snapshot(self, metadata: Mapping[str, Any] | None = None) -> UniversalDataStream:
        """The five series as they stand: read-only views, nothing copied."""
        views = {name: buffer.window(buffer.capacity) for name, buffer in self.buffers.items()}
        return UniversalDataStream(**views, timestamp=self._clock.now_ms(), metadata=dict(metadata or {}))


def _items(flags: dict[int, int]) -> Iterable[tuple[int, int]]:
    """A dict's items while another thread may be changing it."""
    while True:
        try:
            return list(flags.items())
        except RuntimeError:
            continue
