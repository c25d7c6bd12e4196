"""Keeps one symbol's Level II book, and publishes it only while it can be believed."""

from typing import Any

from core.base.clock import Clock
from core.domain.market import BookView
from core.market.level2_book import Level2Book
from core.stream.rate import RateMeter
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.ibkr.frames import DepthRow

#: the venue does not say when its first rows are all there: a book that is not full is shown when none came for this long
_SETTLE_NS = 250_000_000


class DepthKeeper:
    """Rows in, book views out. Never published: a void book, one with an empty side, or the half of a first picture."""

    def __init__(self, symbol: str, venue: str, rows: int, stream: UnifiedDataStream, clock: Clock) -> None:
        self.symbol = symbol
        self._venue = venue
        self._stream = stream
        self._clock = clock
        self.book = Level2Book(rows)
        self.is_synced = False
        self._is_dirty = False
        #: rows may have been missed, which later ones cannot show
        self.is_distrusted = False
        #: when rows began to come after a clear (monotonic ns); 0: none yet
        self._first_ns = 0
        self._recv_ns = 0
        self._rate = RateMeter()
        self.updates = self.resyncs = 0
        self._pictures = 0

    def on_row(self, row: DepthRow, recv_ns: int) -> bool:
        """False: the row cannot be, the book is void and withheld."""
        self._recv_ns = recv_ns
        self._first_ns = self._first_ns or recv_ns
        self._is_dirty = True
        if self.book.apply(row.position, row.operation, row.side, row.price, row.size):
            return True
        self._withhold()
        return False

    def settle(self, now_ns: int, market_ms: int) -> None:
        """All rows of a read are in: publish what changed."""
        if not self._is_dirty or self.is_distrusted or self.book.is_void or not self.book.has_both_sides:
            return
        if not self.is_synced:
            if not self.book.is_full and now_ns - self._first_ns < _SETTLE_NS:
                return
            self.is_synced = True
            self.resyncs += self._pictures > 0
            self._pictures += 1
        self._is_dirty = False
        self.updates += 1
        self._rate.add(1, now_ns)
        bids, asks = self.book.top()
        if not (bids and asks):
            return
        known = (bids[-1][0], asks[-1][0])
        view = BookView(self.symbol, self.book.changes, bids, asks, market_ms, self._recv_ns, self._venue, known)
        self._stream.publish_book(view)

    def reset(self) -> None:
        """The venue emptied the book, or it is subscribed anew: rows begin at nothing."""
        self._withhold()
        self.is_distrusted = False
        self.book.clear()
        self._first_ns = 0
        self._is_dirty = False

    def distrust(self) -> None:
        """Nothing counts until `reset()`."""
        self._withhold()
        self.is_distrusted = True

    def _withhold(self) -> None:
        if self.is_synced:
            self.is_synced = False
            self._stream.book_lost(self.symbol)

    def status(self, refused: str, is_off: bool, cause: str) -> dict[str, Any]:
        """As `books()` tells it."""
        now_ns = self._clock.monotonic_ns()
        bids, asks = self.book.top() if self.is_synced else ((), ())
        state = "REFUSED" if refused else "OFF" if is_off else "SYNCED" if self.is_synced else "SYNCING"
        return {
            "symbol": self.symbol,
            "venue": self._venue,
            "kind": "level II",
            "state": state,
            "cause": refused or ("switched off" if is_off else "" if self.is_synced else cause),
            "updates": self.updates,
            "updates_per_s": self._rate.per_s(now_ns),
            "gaps": self.book.gaps,
            "resyncs": self.resyncs,
            "crossed": self.book.crossed,
            "last_update_id": self.book.changes,
            "age_ms": max(0, round((now_ns - self._recv_ns) / 1e6)) if self._recv_ns else None,
            "known_range": [bids[-1][0], asks[-1][0]] if bids and asks else None,
            "bid_levels": len(bids),
            "ask_levels": len(asks),
        }
