"""Keeps one symbol's order book in step with its venue, and publishes it only while it is."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from core.base.backoff import Backoff
from core.base.clock import Clock
from core.base.errors import BadInput, RetryableError, VenueBanned
from core.domain.market import BookView, DepthDiff, DepthSnapshot
from core.market.order_book import OrderBook
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.connector import ORDER_BOOK, IsEnabled, VenueRefused
from core.venues.incident_log import IncidentLog

logger = logging.getLogger(__name__)

#: a new snapshot after a gap is asked for within this time at random, so that many books never ask together
_JITTER_S = 0.2
#: a venue that refuses snapshots is asked again after this long
_REFUSED_S = 30.0


class BookKeeper:
    """Checks every diff; a gap hides this book, and this book only, until a newer snapshot is joined to the diffs."""

    def __init__(
        self,
        symbol: str,
        stream: UnifiedDataStream,
        snapshot: Callable[[str], Awaitable[DepthSnapshot]],
        levels: int,
        clock: Clock,
        incidents: IncidentLog,
        is_enabled: IsEnabled = lambda toggle: True,
        backoff: Backoff | None = None,
    ) -> None:
        self.symbol = symbol
        self._stream = stream
        self._snapshot = snapshot
        self._levels = levels
        self._clock = clock
        self._incidents = incidents
        self._is_enabled = is_enabled
        self._is_off = False
        self._backoff = backoff or Backoff(base_s=0.1, cap_s=10.0)
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret
        self._wanted = asyncio.Event()
        self._key = f"book:{symbol}"
        #: asked for a snapshot because of a gap, not for the first time on this connection
        self._after_gap = False
        self._recv_ns = 0
        self.book = OrderBook()

    def on_diff(self, diff: DepthDiff) -> bool:
        """Apply and publish. False: the book is out of step, and a snapshot has been asked for. Switched off: forget all."""
        if not self._is_enabled(ORDER_BOOK):
            self._switch_off()
            return True
        self._is_off = False
        was_synced = self.book.synced
        self._recv_ns = diff.recv_ns
        if self.book.apply(diff):
            self._publish()
            return True
        if was_synced:
            self._after_gap = True
            self._stream.book_lost(self.symbol)
            self._incidents.open(self._key, f"depth gap: {self.symbol}", f"before update {diff.first_id}")
        self._wanted.set()
        return False

    def _switch_off(self) -> None:
        if not self._is_off:
            self._is_off = True
            self._wanted.clear()
            self._incidents.close(self._key)
            self.lost()

    def lost(self) -> None:
        """The connection or the channel is gone: nothing is known any more."""
        if self.book.synced:
            self._stream.book_lost(self.symbol)
        self.book.lose()
        self._after_gap = False

    async def run(self) -> None:
        """Fetch snapshots when they are needed, for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if not self.book.synced and not self._is_off:
                await self._resync()

    async def _resync(self) -> None:
        if self._after_gap:
            await asyncio.sleep(self._rng.uniform(0, _JITTER_S))
        try:
            snapshot = await self._snapshot(self.symbol)
        except VenueBanned as error:
            await self._again_in(max(0.1, (error.until_ms - self._clock.now_ms()) / 1000))
            return
        except VenueRefused as error:
            logger.warning("%s: no depth snapshot: %s", self.symbol, error)
            await self._again_in(_REFUSED_S)
            return
        except (RetryableError, BadInput) as error:
            wait_s = self._backoff.next()
            logger.info("%s: no depth snapshot (%s), again in %.1f s", self.symbol, error, wait_s)
            await self._again_in(wait_s)
            return
        self.book.apply_snapshot(snapshot)
        if not self.book.synced:  # older than the diffs we hold
            await self._again_in(self._backoff.next())
            return
        self._backoff.reset()
        self._incidents.close(self._key)
        self._publish()

    async def _again_in(self, seconds: float) -> None:
        self._wanted.set()
        await asyncio.sleep(seconds)

    def _publish(self) -> None:
        bids, asks = self.book.top(self._levels)
        self._stream.publish_book(
            BookView(self.symbol, self.book.last_update_id, bids, asks, self.book.event_ms, self._recv_ns)
        )
