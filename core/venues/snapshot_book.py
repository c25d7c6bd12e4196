"""One symbol's order book where the venue sends whole books: each replaces the last, none outlives its connection."""

from typing import Any

from core.base.clock import Clock
from core.domain.market import BookView
from core.stream.rate import RateMeter
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.connector import ORDER_BOOK, IsEnabled
from core.venues.rising_order import RisingOrder


class SnapshotBook:
    """Publishes each book that is newer than the last and not crossed; a lost or silent channel withholds it."""

    kind = "snapshots"

    def __init__(self, symbol: str, venue: str, stream: UnifiedDataStream, clock: Clock, is_enabled: IsEnabled) -> None:
        self._symbol = symbol
        self._venue = venue
        self._stream = stream
        self._clock = clock
        self._is_enabled = is_enabled
        self._view: BookView | None = None
        self._rate = RateMeter()
        self._recv_ns = 0
        self._order = RisingOrder()
        self.state, self.cause = "SYNCING", "waiting for the first book"
        #: times the book was lost after it was there
        self.gaps = 0
        self.updates = self.resyncs = self.crossed = self.outdated = 0
        #: `last_update_id` of the newest book on this connection
        self.last_update_id = 0

    def apply(self, view: BookView) -> bool:
        """True when it was published."""
        if not self._is_enabled(ORDER_BOOK):
            if self.state != "OFF":
                self._withhold("OFF", "switched off")
            return False
        if not self._order.accept(view.last_update_id):
            self.outdated += 1
            return False
        self.last_update_id = view.last_update_id
        if view.bids and view.asks and view.bids[0][0] >= view.asks[0][0]:
            self.crossed += 1
            self._lose("the venue's book is crossed")
            return False
        if self.state != "SYNCED":
            self.resyncs += self.updates > 0
            self.state, self.cause = "SYNCED", ""
        self.updates += 1
        self._rate.add(1, view.recv_ns)
        self._recv_ns = view.recv_ns
        self._view = view
        self._stream.publish_book(view)
        return True

    def lost(self, cause: str) -> None:
        """The connection or the channel is gone: nothing is known any more, and ids may begin anew."""
        self.last_update_id = 0
        self._order = RisingOrder()
        self._lose(cause)

    def _lose(self, cause: str) -> None:
        self.gaps += self.state == "SYNCED"
        if self.state != "OFF":
            self._withhold("SYNCING", cause)

    def _withhold(self, state: str, cause: str) -> None:
        self.state, self.cause = state, cause
        if self._view is not None:
            self._view = None
            self._stream.book_lost(self._symbol, self._venue)

    def status(self) -> dict[str, Any]:
        """As `Connector.books()` tells it. Any thread."""
        view, now_ns = self._view, self._clock.monotonic_ns()
        is_known = view is not None and bool(view.bids) and bool(view.asks)
        return {
            "symbol": self._symbol,
            "venue": self._venue,
            "kind": self.kind,
            "state": self.state,
            "cause": self.cause,
            "updates": self.updates,
            "updates_per_s": self._rate.per_s(now_ns),
            "gaps": self.gaps,
            "resyncs": self.resyncs,
            "crossed": self.crossed,
            "last_update_id": self.last_update_id,
            "age_ms": max(0, round((now_ns - self._recv_ns) / 1e6)) if self._recv_ns else None,
            "known_range": [view.bids[-1][0], view.asks[-1][0]] if view is not None and is_known else None,
            "bid_levels": len(view.bids) if view is not None else 0,
            "ask_levels": len(view.asks) if view is not None else 0,
        }
