"""Kline intervals: where a bar of each begins. All times Unix milliseconds, UTC."""

from datetime import UTC, datetime

import numpy as np

from core.venues.simulated.noise import Ints

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
MONTH = "1M"

FIXED_MS = {
    "1s": SECOND,
    "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE,
    "1h": HOUR, "2h": 2 * HOUR, "4h": 4 * HOUR, "6h": 6 * HOUR, "8h": 8 * HOUR, "12h": 12 * HOUR,
    "1d": DAY, "3d": 3 * DAY, "1w": 7 * DAY,
}  # fmt: skip
INTERVALS = (*FIXED_MS, MONTH)
#: weeks begin on Monday; the epoch was a Thursday
_OFFSET_MS = {"1w": 4 * DAY}


def base_ms(interval: str) -> int:
    """The longest of second, minute, hour and day that the interval is a whole number of."""
    step = FIXED_MS.get(interval, DAY)
    return next(base for base in (DAY, HOUR, MINUTE, SECOND) if step % base == 0)


def floor_open(interval: str, at_ms: int) -> int:
    """When the bar that contains `at_ms` opened."""
    if interval == MONTH:
        moment = datetime.fromtimestamp(at_ms / 1000, UTC)
        return _month_ms(moment.year * 12 + moment.month - 1)
    step, offset = FIXED_MS[interval], _OFFSET_MS.get(interval, 0)
    return (at_ms - offset) // step * step + offset


def shifted_open(interval: str, open_ms: int, bars: int) -> int:
    """The open of the bar `bars` after (before, if negative) the one opened at `open_ms`."""
    if interval == MONTH:
        moment = datetime.fromtimestamp(open_ms / 1000, UTC)
        return _month_ms(moment.year * 12 + moment.month - 1 + bars)
    return open_ms + bars * FIXED_MS[interval]


def bar_opens(interval: str, first_open_ms: int, last_open_ms: int) -> Ints:
    """All opens from the first to the last, both included."""
    if interval == MONTH:
        opens = []
        open_ms = first_open_ms
        while open_ms <= last_open_ms:
            opens.append(open_ms)
            open_ms = shifted_open(MONTH, open_ms, 1)
        return np.array(opens, np.int64)
    return np.arange(first_open_ms, last_open_ms + 1, FIXED_MS[interval], dtype=np.int64)


def page_of_opens(
    interval: str, earliest_ms: int, latest_ms: int, start_ms: int | None, end_ms: int | None, limit: int
) -> Ints:
    """Opens a klines request asks for: with a start the first `limit` from there on, else the last `limit`.

    `earliest_ms` and `latest_ms` bound what exists; bars are chosen by their open time.
    """
    first = floor_open(interval, earliest_ms)
    last = floor_open(interval, min(latest_ms, end_ms) if end_ms is not None else latest_ms)
    if start_ms is not None:
        wanted = floor_open(interval, start_ms)
        first = max(first, wanted if wanted == start_ms else shifted_open(interval, wanted, 1))
        last = min(last, shifted_open(interval, first, limit - 1))
    else:
        first = max(first, shifted_open(interval, last, 1 - limit))
    return bar_opens(interval, first, last)


def _month_ms(months: int) -> int:
    return int(datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC).timestamp()) * 1000
