"""Latency histograms: cheap to record, mergeable, with percentiles good to 3 %."""

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
        if not self.count:
            return 0.0
        rank, seen = q / 100 * self.count, 0
        for index, count in enumerate(self._counts):
            seen += count
            if count and seen >= rank:
                return min(float(_upper_edge(index)), float(self.max_ns))
        return float(self.max_ns)

    def summary_us(self) -> dict[str, float]:
        """p50, p95, p99 and max in microseconds."""
        return {
            "p50": round(self.percentile(50) / 1e3, 1),
            "p95": round(self.percentile(95) / 1e3, 1),
            "p99": round(self.percentile(99) / 1e3, 1),
            "max": round(self.max_ns / 1e3, 1),
        }

    def buckets_us(self, edges_us: tuple[float, ...]) -> list[int]:
        """Counts per interval between `edges_us` (ascending); the last bucket takes all above. For drawing."""
        counts = [0] * (len(edges_us) + 1)
        for index, count in enumerate(self._counts):
            if count:
                value = _upper_edge(index) / 1e3
                counts[next((i for i, edge in enumerate(edges_us) if value <= edge), len(edges_us))] += count
        return counts

    def clear(self) -> None:
        self._counts = [0] * _BUCKETS
        self.count = self.total_ns = self.max_ns = 0


def _upper_edge(index: int) -> int:
    """The largest nanosecond value that falls into a bucket."""
    shift = (index >> _SUB_BITS) - 1
    if shift <= 0:
        return index
    mantissa = index - (shift << _SUB_BITS)
    return ((mantissa + 1) << shift) - 1
