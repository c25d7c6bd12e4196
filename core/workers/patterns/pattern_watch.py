"""Pattern detection of all symbols, whichever processor runs: closed minutes in, detections kept and stored."""

import collections
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from core.base.clock import Clock
from core.base.errors import StorageUnavailable
from core.base.log import RateLimit
from core.storage.pattern_store import PatternStore
from core.workers.patterns.detection import Bar, Detection
from core.workers.patterns.detector import Detector
from core.workers.patterns.price_patterns import PatternConfig

logger = logging.getLogger(__name__)

#: minutes that wait for the thread, detections that wait for Postgres, detections kept for pages
QUEUE, UNSTORED, RECENT = 50_000, 20_000, 2_000
_STORE_AT_ONCE = 500
_RETRY_S = 2.0
_RETENTION_EVERY_S = 3_600.0
_DAY_MS = 86_400_000

#: symbol -> its closed minutes before now, oldest first; called once a symbol, on the thread
History = Callable[[str], Sequence[Bar]]


class PatternWatch:
    """Takes minutes from several feeds: of two bars of one symbol and minute the first is taken, the other ignored.

    The app's own stream feeds it always; the standard pipeline adds the symbols that others publish. So detection goes on
    while processors are switched, and sees each minute once.
    """

    def __init__(
        self, store: PatternStore, clock: Clock, history: History, retention_days: int, config: PatternConfig | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._history = history
        self._retention_days = retention_days
        self._config = config or PatternConfig()
        self._queue: collections.deque[tuple[str, Bar]] = collections.deque()
        self._detectors: dict[str, Detector] = {}
        self._recent: collections.deque[Detection] = collections.deque(maxlen=RECENT)
        self._unstored: collections.deque[Detection] = collections.deque(maxlen=UNSTORED)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._next_attempt = self._next_retention = 0.0
        self._limit_log = RateLimit()
        self._last_error = ""
        self._bars = self._found = self._stored = self._dropped = 0

    # -- any thread

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="patterns", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Detect and store what waits, within `timeout_s`."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        self._store.close()

    def offer(self, bars: Sequence[tuple[str, Bar]]) -> None:
        """Closed minutes, oldest first of each symbol. Never blocks; above the bound they are dropped and counted."""
        room = max(0, QUEUE - len(self._queue))
        self._dropped += max(0, len(bars) - room)
        if bars and room:
            self._queue.extend(bars[:room])
            self._wake.set()

    def recent(self, limit: int, symbol: str | None = None) -> list[dict[str, Any]]:
        """Detections kept in memory, newest first: symbol, ts_ms, kind, name, direction, strength, price, reason."""
        found = [d for d in list(self._recent) if symbol is None or d.symbol == symbol]
        found.sort(key=lambda detection: detection.ts_ms, reverse=True)
        return [msgspec.structs.asdict(detection) for detection in found[:limit]]

    def newest(self, limit: int, symbol: str | None = None) -> list[dict[str, Any]]:
        """The stored ones, newest first, those of earlier runs included; while Postgres is away, those in memory."""
        try:
            return self._store.newest(limit, symbol)
        except StorageUnavailable:
            return self.recent(limit, symbol)

    def stats(self) -> dict[str, Any]:
        """`bars` looked at, detections `found` and `stored`, those `waiting` for Postgres, minutes `dropped`."""
        return {
            "symbols": len(self._detectors),
            "bars": self._bars,
            "found": self._found,
            "stored": self._stored,
            "waiting": len(self._unstored),
            "queue": len(self._queue),
            "dropped": self._dropped,
            "last_error": self._last_error or None,
        }

    # -- the thread

    def _run(self) -> None:
        while True:
            is_last = self._stopping.is_set()
            try:
                self._detect()
                self._keep()
            except Exception as error:
                self._fail(error)
                logger.exception("pattern detection")
            if is_last:
                return
            self._wake.wait(_RETRY_S if self._unstored else None)
            self._wake.clear()

    def _detect(self) -> None:
        while self._queue:
            symbol, bar = self._queue.popleft()
            detector = self._detectors.get(symbol)
            bars: list[Bar] = []
            if detector is None:
                detector = self._detectors[symbol] = Detector(symbol, self._config)
                bars += [past for past in self._history(symbol) if past.ts_ms < bar.ts_ms]
            while self._queue and self._queue[0][0] == symbol:
                bars.append(bar)
                bar = self._queue.popleft()[1]
            bars.append(bar)
            found = detector.take(bars)
            self._bars += len(bars)
            self._found += len(found)
            self._recent.extend(found)
            self._dropped += max(0, len(self._unstored) + len(found) - UNSTORED)
            self._unstored.extend(found)

    def _keep(self) -> None:
        """Store what waits; when Postgres is away it waits on."""
        now = time.monotonic()
        if now < self._next_attempt and not self._stopping.is_set():
            return
        try:
            while self._unstored:
                batch = [self._unstored[place] for place in range(min(_STORE_AT_ONCE, len(self._unstored)))]
                self._stored += self._store.add([msgspec.structs.astuple(detection) for detection in batch])
                for _ in batch:
                    self._unstored.popleft()
            if self._retention_days > 0 and now >= self._next_retention:
                self._next_retention = now + _RETENTION_EVERY_S
                self._store.drop_before(self._clock.now_ms() - self._retention_days * _DAY_MS)
            self._last_error = ""
        except StorageUnavailable as error:
            self._next_attempt = now + _RETRY_S
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._last_error = str(error)
        if self._limit_log.passes("patterns") is not None:
            logger.warning("patterns: %s", error)
