"""Keeps one symbol's order book in step with its venue, and publishes it only while it is."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

from core.base.backoff import Backoff
from core.base.clock import Clock
from core.base.errors import BadInput, RetryableError, VenueBanned
from core.domain.health import Cause
from core.domain.market import BookView, DepthDiff, DepthSnapshot
from core.market.order_book import OrderBook
from core.stream.rate import RateMeter
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.connector import ORDER_BOOK, IsEnabled, VenueRefused
from core.venues.incident_log import IncidentLog

logger = logging.getLogger(__name__)

#: a new snapshot after a loss is asked for within this time at random, so that many books never ask together
_JITTER_S = 0.2
#: a venue that refuses snapshots is asked again after this long
_REFUSED_S = 30.0
#: a book crossed for longer than this is wrong, whatever its ids say
_CROSSED_NS = 1_000_000_000
#: a book that outgrew the range of its snapshot asks for another one, at most so often
_WIDEN_NS = 10_000_000_000

_FIRST = "waiting for the first snapshot"


class BookKeeper:
    """Checks every diff; a gap hides this book, and this book only, until a newer snapshot is joined to the diffs.

    A crossed book is hidden too; one that stays crossed is fetched anew. When prices have moved so far that levels among
    the published ones may be missing, the known range is widened by a fresh snapshot, while the book stays in step.
    """

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
        venue: str = "binance",
    ) -> None:
        self.symbol = symbol
        self._venue = venue
        self._stream = stream
        self._snapshot = snapshot
        self._levels = levels
        self._clock = clock
        self._incidents = incidents
        self._is_enabled = is_enabled
        self._is_off = self._is_let_go = False
        self._backoff = backoff or Backoff(base_s=0.1, cap_s=10.0)
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret
        self._wanted = asyncio.Event()
        self._key = f"book:{symbol}"
        #: why it is not in step
        self._cause = _FIRST
        self._is_refused = False
        self._crossed_ns: int | None = None
        self._snapshot_ns = clock.monotonic_ns()
        self._recv_ns = 0
        self._rate = RateMeter()
        self.book = OrderBook()

    def on_diff(self, diff: DepthDiff) -> bool:
        """Apply and publish. False: the book is out of step, and a snapshot has been asked for. Switched off: forget all."""
        if not self._is_enabled(ORDER_BOOK):
            self._switch_off()
            return True
        self._is_off = False
        was_synced = self.book.synced
        now_ns = self._recv_ns = diff.recv_ns or self._clock.monotonic_ns()
        self._rate.add(1, now_ns)
        if self.book.apply(diff):
            if self.book.is_crossed:
                return self._on_crossed(now_ns)
            self._crossed_ns = None
            self._publish()
            if now_ns - self._snapshot_ns > _WIDEN_NS and not self.book.knows(self._levels):
                self._snapshot_ns = now_ns
                self._wanted.set()
            return True
        if was_synced:
            self._withhold(f"depth gap: {self.symbol}", f"before update {diff.first_id}", Cause.SEQUENCE_GAP)
        self._wanted.set()
        return False

    def _on_crossed(self, now_ns: int) -> bool:
        """Its ids follow each other, and yet its best bid is not below its best ask: hidden, and soon fetched anew."""
        if self._crossed_ns is None:
            self._crossed_ns = now_ns
            self._stream.book_lost(self.symbol, self._venue)
        if now_ns - self._crossed_ns <= _CROSSED_NS:
            return True
        self._crossed_ns = None
        self.book.void()
        self._withhold(f"book crossed: {self.symbol}", f"at update {self.book.last_update_id}", Cause.BAD_FRAMES)
        self._wanted.set()
        return False

    def _withhold(self, cause: str, detail: str, kind: Cause) -> None:
        self._cause = f"{cause} {detail}"
        self._crossed_ns = None
        self._stream.book_lost(self.symbol, self._venue)
        self._incidents.open(self._key, cause, detail, kind=kind)

    def _switch_off(self) -> None:
        if not self._is_off:
            self._is_off = True
            self._wanted.clear()
            self._incidents.close(self._key)
            self.lost("switched off")

    def lost(self, cause: str = "connection lost") -> None:
        """The connection or the channel is gone: nothing is known any more."""
        if self.book.synced:
            self._stream.book_lost(self.symbol, self._venue)
        self.book.lose()
        self._cause = cause
        self._crossed_ns = None

    def let_go(self) -> None:
        """The symbol is not subscribed any more: a snapshot that is on its way shows nothing."""
        self._is_let_go = True
        self.lost("not subscribed")
        self._stream.book_lost(self.symbol, self._venue)

    async def run(self) -> None:
        """Fetch snapshots when they are needed, for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self._is_off:
                continue
            if self.book.synced:
                await self._widen()
            else:
                await self._resync()

    async def _resync(self) -> None:
        if self._cause != _FIRST:
            await asyncio.sleep(self._rng.uniform(0, _JITTER_S))
        try:
            snapshot = await self._snapshot(self.symbol)
        except VenueBanned as error:
            self._cause = str(error)
            await self._again_in(max(0.1, (error.until_ms - self._clock.now_ms()) / 1000))
            return
        except VenueRefused as error:
            logger.warning("%s: no depth snapshot: %s", self.symbol, error)
            self._cause, self._is_refused = str(error), True
            await self._again_in(_REFUSED_S)
            return
        except (RetryableError, BadInput) as error:
            wait_s = self._backoff.next()
            self._cause = f"no snapshot: {error}"
            logger.info("%s: no depth snapshot (%s), again in %.1f s", self.symbol, error, wait_s)
            await self._again_in(wait_s)
            return
        self._is_refused = False
        if self._is_off or self._is_let_go:
            return
        self.book.apply_snapshot(snapshot)
        if self.book.is_crossed:
            self.book.void()
        if not self.book.synced:  # older than the diffs we hold, or wrong in itself
            await self._again_in(self._backoff.next())
            return
        self._backoff.reset()
        self._snapshot_ns = self._clock.monotonic_ns()
        self._incidents.close(self._key)
        self._publish()

    async def _widen(self) -> None:
        """Ask for a snapshot of a book that is in step; without an answer its range stays as it is until the next time."""
        self.book.record()
        try:
            snapshot = await self._snapshot(self.symbol)
        except (RetryableError, BadInput, VenueRefused) as error:
            logger.info("%s: known range not widened: %s", self.symbol, error)
            return
        if not self._is_let_go and self.book.widen(snapshot) and not self.book.is_crossed:
            self._publish()

    async def _again_in(self, seconds: float) -> None:
        self._wanted.set()
        await asyncio.sleep(seconds)

    def _publish(self) -> None:
        bids, asks = self.book.top(self._levels)
        self._stream.publish_book(
            BookView(
                self.symbol, self.book.last_update_id, bids, asks, self.book.event_ms, self._recv_ns, self._venue,
                self.book.known_range,
            )
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        """Integrity of the book, as `Connector.books()` tells it. Any thread."""
        book, now_ns = self.book, self._clock.monotonic_ns()
        is_crossed = self._crossed_ns is not None
        if self._is_off:
            state = "OFF"
        elif self._is_refused:
            state = "REFUSED"
        else:
            state = "SYNCED" if book.synced and not is_crossed else "SYNCING"
        bids, asks = book.levels
        return {
            "symbol": self.symbol,
            "venue": self._venue,
            "kind": "diff depth",
            "state": state,
            "cause": "" if state == "SYNCED" else "best bid above best ask" if book.synced else self._cause,
            "updates": book.updates,
            "updates_per_s": self._rate.per_s(now_ns),
            "gaps": book.gaps,
            "resyncs": book.resyncs,
            "crossed": book.crossed,
            "last_update_id": book.last_update_id,
            "age_ms": round(max(0, now_ns - self._recv_ns) / 1e6, 1) if self._recv_ns else None,
            "known_range": list(book.known_range) if book.known_range is not None else None,
            "bid_levels": bids,
            "ask_levels": asks,
        }
