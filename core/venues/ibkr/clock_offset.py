"""The venue's clock against ours, from times that are whole seconds."""


class ClockOffset:
    """The venue's clock minus ours, in ms, by narrowing bounds.

    A venue time T told in whole seconds is true between T and T + 1 s: each answer to `reqCurrentTime` bounds the offset on
    both sides, each tick from below. Bounds that contradict each other mean that a clock was set: the newest holds.
    """

    def __init__(self) -> None:
        self._low: float | None = None
        self._high: float | None = None
        #: a tick contradicted the bounds: the time is to be asked for again
        self.is_doubtful = False

    def answered(self, second: int, sent_ms: int, received_ms: int) -> None:
        """`reqCurrentTime` sent and answered at our times gave the venue's `second`."""
        low, high = second * 1000 - received_ms, second * 1000 + 1000 - sent_ms
        if self._low is not None and self._high is not None and max(low, self._low) <= min(high, self._high):
            low, high = max(low, int(self._low)), min(high, int(self._high))
        self._low, self._high = low, high
        self.is_doubtful = False

    def ticked(self, second: int, received_ms: int) -> None:
        """A tick with the venue's `second` came at our time."""
        low = second * 1000 - received_ms
        if self._low is None or self._high is None or low <= self._low:
            return
        if low > self._high:
            self.is_doubtful = True
        else:
            self._low = low

    def forget(self) -> None:
        self._low = self._high = None
        self.is_doubtful = False

    @property
    def ms(self) -> float | None:
        """Venue's clock − ours; None before the first answer."""
        if self._low is None or self._high is None:
            return None
        return round((self._low + self._high) / 2, 1)
