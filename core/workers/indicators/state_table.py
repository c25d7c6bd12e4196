"""The states of all symbols in a few arrays: one row a symbol."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.workers.indicators.config import IndicatorConfig
from core.workers.indicators.schedule import Schedule

Rows = NDArray[np.int64]
#: columns of `StateTable.fields`; the seven smoothed means stand in the order of `Schedule.gains`
EMA, FAST, SLOW, RISE, FALL, TRUE_RANGE, SIGNAL, LAST_PRICE, BALANCE, TURNOVER, VOLUME, DAY = range(12)
FIELD_COUNT = 12


class StateTable:
    """Rows are given to symbols as they come; a full table takes the least recently used symbols' (counted in `evicted`).

    `fields`: (rows, 12) see the names above. `counts`: ticks seen. `used`: number of the last batch that used the row.
    `rings`: (rows, widths summed): the last prices, squared log returns and volumes, each a ring whose next place is
    `counts` modulo its width.
    """

    def __init__(self, config: IndicatorConfig) -> None:
        self.config = config
        self.schedule = Schedule(config)
        self.widths = (config.bollinger, config.realised_volatility, config.volume_ratio)
        self.starts = (0, self.widths[0], self.widths[0] + self.widths[1])
        self.fields = np.zeros((config.max_symbols, FIELD_COUNT))
        self.counts = np.zeros(config.max_symbols, dtype=np.int64)
        self.rings = np.zeros((config.max_symbols, sum(self.widths)))
        self.used = np.zeros(config.max_symbols, dtype=np.int64)
        self.rows: dict[str, int] = {}
        self.evicted = 0
        self._owners: list[str] = []
        self._batch = 0

    def claim(self, symbols: Sequence[str]) -> tuple[Rows, Rows]:
        """The rows of different symbols, at most as many as there are rows, now used last; and where in them new ones are.

        A new row counts no tick yet, and its ring and fields are zero.
        """
        self._batch += 1
        known = self.rows
        found = np.array([known.get(symbol, -1) for symbol in symbols], dtype=np.int64)
        new = np.flatnonzero(found < 0)
        if len(new):
            self.used[found[found >= 0]] = self._batch
            for place, row in zip(new.tolist(), self._empty_rows(len(new)), strict=True):
                found[place] = known[symbols[place]] = row
                self._owners[row] = symbols[place]
        self.used[found] = self._batch
        return found, new

    def by_use(self) -> list[str]:
        """Symbols with a row, least recently used first."""
        return [self._owners[row] for row in np.argsort(self.used[: len(self._owners)], kind="stable").tolist()]

    def _empty_rows(self, count: int) -> list[int]:
        if not count:
            return []
        size = len(self._owners)
        fresh = min(count, self.config.max_symbols - size)
        rows = list(range(size, size + fresh))
        self._owners += [""] * fresh
        if count > fresh:
            stale = count - fresh
            oldest: list[int] = np.argpartition(self.used[:size], stale - 1)[:stale].tolist()
            for row in oldest:
                del self.rows[self._owners[row]]
            self.evicted += stale
            rows += oldest
        self.fields[rows] = 0
        self.counts[rows] = 0
        self.rings[rows] = 0
        return rows

    def window(self, row: int, ring: int) -> NDArray[np.float64]:
        """A ring's values, oldest first; fewer than its width while the symbol is young."""
        start, width, count = self.starts[ring], self.widths[ring], int(self.counts[row])
        values = self.rings[row, start : start + width]
        return np.roll(values, -(count % width)) if count >= width else values[:count].copy()

    def set_window(self, row: int, ring: int, values: NDArray[np.float64]) -> None:
        """The inverse of `window`; `counts` of the row must be set before."""
        start, width, count = self.starts[ring], self.widths[ring], int(self.counts[row])
        self.rings[row, start + (np.arange(count - len(values), count) % width)] = values
