"""Rates without a timer."""

_SECOND_NS = 1_000_000_000


class RateMeter:
    """Events per second over a sliding second: the running second's count, and the share of the last that still falls in."""

    __slots__ = ("_before", "_now", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._now = self._before = 0

    def add(self, count: int, now_ns: int) -> None:
        second = now_ns // _SECOND_NS
        if second != self._second:
            self._before = self._now if second == self._second + 1 else 0
            self._now = 0
            self._second = second
        self._now += count

    def per_s(self, now_ns: int) -> float:
        second, into = divmod(now_ns, _SECOND_NS)
        elapsed = second - self._second
        if elapsed > 1:
            return 0.0
        now, before = (self._now, self._before) if elapsed == 0 else (0, self._now)
        return round(now + before * (1 - into / _SECOND_NS), 1)
