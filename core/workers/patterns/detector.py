"""All patterns of one symbol's newest bars."""

from collections import deque
from collections.abc import Sequence

import polars as pl

from core.workers.patterns.candlesticks import LOOKBACK, candlesticks
from core.workers.patterns.detection import Bar, Detection, frame_of
from core.workers.patterns.price_patterns import PatternConfig, breakouts, gaps, reversals, volume_spikes

#: closed bars kept of each symbol
KEEP = 240


def detect(symbol: str, frame: pl.DataFrame, first: int, config: PatternConfig) -> list[Detection]:
    """The patterns completed by row `first` or later, by time. Earlier rows are what they are compared with."""
    if first >= frame.height:
        return []
    # nothing is looked for farther back than this
    start = max(0, first - max(config.period, config.run + 1, LOOKBACK) - 1)
    frame = frame.slice(start)
    since = frame["ts_ms"][first - start]
    found = [
        detection
        for find in (breakouts, volume_spikes, reversals, gaps)
        for detection in find(symbol, frame, config)
        if detection.ts_ms >= since
    ]
    found += candlesticks(symbol, frame, first - start)
    return sorted(found, key=lambda detection: detection.ts_ms)


class Detector:
    """One symbol's bars and what was found in them. The same bars in any portions give the same detections."""

    def __init__(self, symbol: str, config: PatternConfig) -> None:
        self._symbol = symbol
        self._config = config
        self._bars: deque[Bar] = deque(maxlen=KEEP)

    @property
    def last_ms(self) -> int:
        """The open of the newest bar, -1 without any."""
        return self._bars[-1].ts_ms if self._bars else -1

    def take(self, bars: Sequence[Bar]) -> list[Detection]:
        """Add closed bars, oldest first. Those without a trade, or not newer than the newest known, change nothing."""
        fresh: list[Bar] = []
        for bar in bars:
            if bar.volume > 0 and bar.ts_ms > (fresh[-1].ts_ms if fresh else self.last_ms):
                fresh.append(bar)
        if not fresh:
            return []
        known = list(self._bars)
        self._bars.extend(fresh)
        return detect(self._symbol, frame_of(known + fresh), len(known), self._config)
