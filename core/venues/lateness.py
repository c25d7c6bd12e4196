"""How late frames come, by the venue's own event times. Pure: times are handed in."""

from statistics import median

#: frames a judgement needs
_ENOUGH = 3
#: frames kept of the present look
_KEPT = 64


class Lateness:
    """The typical receive time − event time (ms) of the frames since the last `take`."""

    def __init__(self) -> None:
        self._seen: list[float] = []

    def add(self, late_ms: float) -> None:
        if len(self._seen) < _KEPT:
            self._seen.append(late_ms)

    def take(self) -> float | None:
        """The median since the last call, None when there were too few frames to tell."""
        if len(self._seen) < _ENOUGH:
            return None
        seen, self._seen = self._seen, []
        return median(seen)
