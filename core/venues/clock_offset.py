"""How far a venue's clock is from ours, from the times in its messages. Pure: times are handed in."""

from collections import deque

_SPAN_MS = 1_000
#: spans of a second that count
_SPANS = 4


class ClockOffset:
    """The largest (venue's time − ours at receipt) of the last seconds: the message that was on its way shortest.

    It is low by that shortest way and by whatever the venue holds messages back; a venue clock that is ahead shows at once,
    one that is behind within four seconds.
    """

    def __init__(self) -> None:
        #: (span number, largest difference in it), oldest first
        self._spans: deque[tuple[int, float]] = deque(maxlen=_SPANS)

    def note(self, venue_ms: int, now_ms: int) -> None:
        """A message stamped `venue_ms` came at `now_ms` (both Unix ms)."""
        span, difference = now_ms // _SPAN_MS, float(venue_ms - now_ms)
        if self._spans and self._spans[-1][0] == span:
            self._spans[-1] = (span, max(self._spans[-1][1], difference))
        else:
            self._spans.append((span, difference))

    def offset_ms(self, now_ms: int) -> float | None:
        """Venue's clock − ours, None when no message told it of late. Any thread."""
        since = now_ms // _SPAN_MS - _SPANS
        return max((difference for span, difference in self._spans.copy() if span > since), default=None)
