"""A batch of ticks, checked before it touches any state."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.base.errors import BadInput

DAY_MS = 86_400_000
#: prices within these keep every square, ratio and sum of a window finite
LEAST_PRICE, MOST_PRICE = 1e-12, 1e15
MOST_VOLUME = 1e18
LATEST_MS = 253_402_300_799_999  # the last millisecond of the year 9999


class BadValue(msgspec.Struct, frozen=True):
    """One value that cannot be used: `index` is the tick's place in the batch."""

    index: int
    symbol: str
    field: str
    value: float


class BadTicks(BadInput):
    """Ticks of a batch are unusable; nothing of the batch was taken. Without the rows of `bad` it can be given again."""

    def __init__(self, bad: Sequence[BadValue]) -> None:
        first = bad[0]
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        super().__init__(f"tick {first.index} of {first.symbol}: {first.field} {first.value} is unusable{more}")
        self.bad = tuple(bad)


class Ticks:
    """Columns of a batch in the order of arrival; `high` and `low` are None for plain ticks. `day`: days since 1970, UTC."""

    __slots__ = ("day", "high", "low", "price", "symbols", "volume")

    def __init__(
        self,
        symbols: Sequence[str],
        prices: ArrayLike,
        volumes: ArrayLike,
        ts_ms: ArrayLike,
        highs: ArrayLike | None = None,
        lows: ArrayLike | None = None,
    ) -> None:
        if (highs is None) != (lows is None):
            raise BadInput("highs and lows come together or not at all")
        self.symbols = symbols
        self.price = self._column("prices", prices)
        self.volume = self._column("volumes", volumes)
        self.high = None if highs is None else self._column("highs", highs)
        self.low = None if lows is None else self._column("lows", lows)
        ts = self._column("ts_ms", ts_ms)
        if len(ts) and not self._usable(ts):
            raise BadTicks(list(self._bad(ts)))
        self.day = np.floor_divide(ts, DAY_MS)

    def __len__(self) -> int:
        return len(self.price)

    def part(self, start: int, stop: int) -> "Ticks":
        """A copy of neighbouring ticks."""
        part = Ticks.__new__(Ticks)
        part.symbols = self.symbols[start:stop]
        for name in ("price", "volume", "high", "low", "day"):
            column = getattr(self, name)
            setattr(part, name, None if column is None else column[start:stop])
        return part

    def _column(self, name: str, values: ArrayLike) -> NDArray[np.float64]:
        column: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
        if column.shape != (len(self.symbols),):
            raise BadInput(f"{name} has the shape {column.shape}, not ({len(self.symbols)},)")
        return column

    def _usable(self, ts: NDArray[np.float64]) -> bool:
        """Few passes for the usual case; a NaN fails every comparison."""
        price, volume = self.price, self.volume
        usable: object = (
            price.min(axis=0) >= LEAST_PRICE
            and price.max(axis=0) <= MOST_PRICE
            and volume.min(axis=0) >= 0
            and volume.max(axis=0) <= MOST_VOLUME
            and ts.min(axis=0) >= 0
            and ts.max(axis=0) <= LATEST_MS
        )
        if usable and self.high is not None and self.low is not None:
            usable = (
                self.low.min(axis=0) >= LEAST_PRICE
                and self.high.max(axis=0) <= MOST_PRICE
                and bool(((self.low <= price) & (price <= self.high)).all())
            )
        return bool(usable)

    def _bad(self, ts: NDArray[np.float64]) -> Iterator[BadValue]:
        price = self.price
        checks: list[tuple[str, NDArray[np.float64], NDArray[Any]]] = [
            ("price", price, (price >= LEAST_PRICE) & (price <= MOST_PRICE)),
            ("volume", self.volume, (self.volume >= 0) & (self.volume <= MOST_VOLUME)),
            ("ts_ms", ts, (ts >= 0) & (ts <= LATEST_MS)),
        ]
        if self.high is not None and self.low is not None:
            # a bad price is told as such, not as a range that it is outside of
            known = checks[0][2]
            checks.append(("high", self.high, (self.high <= MOST_PRICE) & ((self.high >= price) | ~known)))
            checks.append(("low", self.low, (self.low >= LEAST_PRICE) & ((self.low <= price) | ~known)))
        for field, column, good in checks:
            for index in np.flatnonzero(~good).tolist():
                yield BadValue(index, self.symbols[index], field, float(column[index]))
