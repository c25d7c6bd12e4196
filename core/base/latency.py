"""Latency histograms: cheap to record, mergeable, with percentiles good to 3 %."""

import bisect
import operator

from core.base.clock import Clock

#: sub-buckets of each power of two; 32 of them bound the relative error by 1/32
_SUB_BITS = 5
_SUB = 1 << _SUB_BITS
_BUCKETS = (64 - _SUB_BITS) * _SUB


class LatencyHistogram:
    """Log-linear histogram of nanoseconds, after HdrHistogram (Tene, 2012): relative error ≤ 1/32, about 15 kB."""

    __slots__ = ("_counts", "count", "max_ns", "total_ns")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self.count = 0
        self.total_ns = 0
        self.max_ns = 0

    def record(self, ns: int, times: int = 1) -> None:
        """Count a duration, `times` over; a negative one (clock trouble) counts as 0."""
        if ns < 0:
            ns = 0
        shift = ns.bit_length() - _SUB_BITS - 1
        index = (shift << _SUB_BITS) + (ns >> shift) if shift > 0 else ns
        self._counts[index] += times
        self.count += times
        self.total_ns += ns * times
        if ns > self.max_ns:
            self.max_ns = ns

    def percentile(self, q: float) -> float:
        """The q-th percentile (0–100) in nanoseconds, 0 when nothing was recorded."""
        return self._percentiles((q,))[0]

    def _filled(self) -> list[tuple[int, int]]:
        """(bucket, count) of the buckets that have any: few of them, so that what follows is cheap."""
        return [(index, count) for index, count in enumerate(self._counts) if count]

    def _percentiles(self, qs: tuple[float, ...]) -> list[float]:
        """Ascending percentiles in one pass."""
        found: list[float] = []
        wanted = iter(qs)
        rank = next(wanted) / 100 * self.count
        seen = 0
        for index, count in self._filled():
            seen += count
            while seen >= rank:
                found.append(min(float(_upper_edge(index)), float(self.max_ns)))
                if len(found) == len(qs):
                    return found
                rank = next(wanted) / 100 * self.count
        return found + [float(self.max_ns)] * (len(qs) - len(found))

    def summary_us(self) -> dict[str, float]:
        """p50, p95, p99 and max in microseconds."""
        p50, p95, p99 = self._percentiles((50, 95, 99))
        return {
            "p50": round(p50 / 1e3, 1),
            "p95": round(p95 / 1e3, 1),
            "p99": round(p99 / 1e3, 1),
            "max": round(self.max_ns / 1e3, 1),
        }

    def buckets_us(self, edges_us: tuple[float, ...]) -> list[int]:
        """Counts per interval between `edges_us` (ascending); the last bucket takes all above. For drawing."""
        counts = [0] * (len(edges_us) + 1)
        for index, count in self._filled():
            counts[bisect.bisect_left(edges_us, _upper_edge(index) / 1e3)] += count
        return counts

    def buckets(self) -> list[tuple[int, int]]:
        """(upper edge in ns, count) of the buckets that have any, ascending: enough to add up several processes'."""
        return [(_upper_edge(index), count) for index, count in self._filled()]

    def plus(self, other: "LatencyHistogram") -> "LatencyHistogram":
        """Both together, as a new histogram."""
        both = LatencyHistogram()
        both._counts = list(map(operator.add, self._counts, other._counts))
        both.count, both.total_ns = self.count + other.count, self.total_ns + other.total_ns
        both.max_ns = max(self.max_ns, other.max_ns)
        return both


class RollingLatency:
    """The latencies of the last half to one minute: what happened at the start must not be told for ever.

    Two histograms take turns; each lives for twice `half_s`. Written by one thread, read by any.
    """

    __slots__ = ("_clock", "_current", "_half_ns", "_previous", "_since_ns")

    def __init__(self, clock: Clock, half_s: float = 30.0) -> None:
        self._clock = clock
        self._half_ns = round(half_s * 1e9)
        self._since_ns = clock.monotonic_ns()
        self._current, self._previous = LatencyHistogram(), LatencyHistogram()

    def record(self, ns: int, times: int = 1, now_ns: int | None = None) -> None:
        """Count a duration; `now_ns` spares asking the clock."""
        self._turn(self._clock.monotonic_ns() if now_ns is None else now_ns)
        self._current.record(ns, times)

    def seen(self) -> LatencyHistogram:
        """A histogram of what is remembered just now."""
        self._turn(self._clock.monotonic_ns())
        return self._previous.plus(self._current)

    def _turn(self, now_ns: int) -> None:
        age_ns = now_ns - self._since_ns
        if age_ns >= self._half_ns:
            # after a whole silent minute the other half is too old as well
            self._previous = self._current if age_ns < 2 * self._half_ns else LatencyHistogram()
            self._current, self._since_ns = LatencyHistogram(), now_ns


def _upper_edge(index: int) -> int:
    """The largest nanosecond value that falls into a bucket."""
    shift = (index >> _SUB_BITS) - 1
    if shift <= 0:
        return index
    mantissa = index - (shift << _SUB_BITS)
    return ((mantissa + 1) << shift) - 1
