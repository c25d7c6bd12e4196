"""What the stream keeps of one symbol: its newest facts in circular buffers, and how fresh they are."""

from collections import deque
from typing import Any

from core.base.clock import Clock
from core.base.settings import FreshnessConfig
from core.domain.health import Source
from core.domain.instrument import Instrument
from core.domain.market import BookView, Kline, Quote, Trade
from core.stream.quality import FreshnessMonitor
from core.stream.rate import RateMeter

#: newest trades kept per symbol: the tape, and the prices
KEPT_TRADES = 1_000
#: newest book views kept per symbol
KEPT_BOOKS = 200
#: newest bars kept per interval that has no series of its own
KEPT_BARS = 2_000
#: about how many bytes a kept trade, level, place in a view, or bar takes, as `sys.getsizeof` and its floats tell
_TRADE_BYTES, _LEVEL_BYTES, _PLACE_BYTES, _BAR_BYTES = 136, 112, 8, 224

Row = tuple[float, float, float, float, float, float]


class SymbolState:
    """One thread writes; what is read from others is copied first."""

    def __init__(self, instrument: Instrument, source: Source, config: FreshnessConfig, clock: Clock) -> None:
        self.instrument = instrument
        self.source = source
        self.freshness = FreshnessMonitor(config, clock)
        #: largest venue event time seen, Unix ms
        self.market_ms = 0
        self.quote: Quote | None = None
        #: venue -> its book, while that is in step
        self.views: dict[str, BookView] = {}
        self.trades: deque[Trade] = deque(maxlen=KEPT_TRADES)
        self.level2: deque[BookView] = deque(maxlen=KEPT_BOOKS)
        #: interval -> open time -> row, in the order of open times
        self._bars: dict[str, dict[int, Row]] = {}
        self.trade_count = self.quote_count = self.book_count = 0
        self._rate = RateMeter()
        self._clock = clock

    def count(self, now_ns: int) -> None:
        """One update came."""
        self._rate.add(1, now_ns)

    def put_bar(self, kline: Kline) -> None:
        """Keep or amend a bar; one that is older than all kept ones is let go."""
        bars = self._bars.setdefault(kline.interval, {})
        row = (float(kline.open_ms), kline.open, kline.high, kline.low, kline.close, kline.volume)
        is_older = bool(bars) and kline.open_ms not in bars and kline.open_ms < next(reversed(bars))
        bars[kline.open_ms] = row
        if is_older:
            self._bars[kline.interval] = dict(sorted(bars.items())[-KEPT_BARS:])
        elif len(bars) > KEPT_BARS:
            del bars[next(iter(bars))]

    def bars(self, interval: str, limit: int) -> list[list[float]]:
        """The newest `limit` bars, oldest first. Any thread."""
        while True:
            try:
                rows = list(self._bars.get(interval, {}).values())
            except RuntimeError:  # a bar came while we were copying
                continue
            return [list(row) for row in rows[-limit:]] if limit > 0 else []

    @property
    def updates(self) -> int:
        return self.trade_count + self.quote_count + self.book_count

    def price(self) -> float | None:
        """The last trade's, else the middle of the quote."""
        trades, quote = self.trades, self.quote
        if trades:
            return trades[-1].price
        return (quote.bid + quote.ask) / 2 if quote is not None else None

    def nbytes(self) -> int:
        """About how much memory the circular buffers take. Views share the levels that did not change between them."""
        bars = sum(len(rows) for rows in self._bars.copy().values())
        return len(self.trades) * _TRADE_BYTES + self._level2_bytes() + bars * _BAR_BYTES

    def _level2_bytes(self) -> int:
        views = self.level2
        count = len(views)
        if not count:
            return 0
        newest = set(map(id, views[-1].bids + views[-1].asks))
        changed = len(newest.difference(map(id, views[-2].bids + views[-2].asks))) if count > 1 else 0
        return len(newest) * _LEVEL_BYTES + count * (len(newest) * _PLACE_BYTES + changed * _LEVEL_BYTES)

    def summary(self) -> dict[str, Any]:
        """As `UnifiedDataStream.symbols()` tells it. Any thread."""
        state, cause, since_ms = self.freshness.state()
        age_ns = self.freshness.age_ns()
        return {
            "symbol": self.instrument.symbol,
            "venue": self.instrument.venue,
            "kind": self.instrument.kind,
            "source": self.source.value,
            "state": state.value,
            "cause": cause,
            "since_ms": since_ms,
            "age_ms": None if age_ns is None else round(age_ns / 1e6, 1),
            "price": self.price(),
            "updates": self.updates,
            "updates_per_s": self._rate.per_s(self._clock.monotonic_ns()),
            "trades": self.trade_count,
            "quotes": self.quote_count,
            "books": self.book_count,
            "level2_rows": len(self.level2),
            "price_rows": len(self.trades),
            "bytes": self.nbytes(),
        }
