"""Which trades of a symbol we have, by their ids."""

from bisect import bisect_right


class Tape:
    """Knows which trade ids were seen, as one range less the gaps in it.

    A venue numbers a symbol's trades without holes, so a jump is a loss and a repeat is a duplicate. Memory is bounded
    by `max_gaps`: the oldest gap beyond it is given up (`forgotten` counts them), and its trades then count as seen.
    """

    def __init__(self, max_gaps: int = 1_000) -> None:
        self._max_gaps = max_gaps
        #: missing ids as inclusive [first, last], oldest first
        self.gaps: list[tuple[int, int]] = []
        self.first_id: int | None = None
        self.last_id: int | None = None
        self.accepted = 0
        self.duplicates = 0
        #: accepted out of order: they filled a gap, or came from before the first
        self.late = 0
        self.forgotten = 0

    def accept(self, trade_id: int) -> bool:
        """Take note of a trade. False: it was seen before."""
        last = self.last_id
        if last is None:
            self.first_id = self.last_id = trade_id
        elif trade_id == last + 1:
            self.last_id = trade_id
        elif trade_id > last:
            self._open_gap(len(self.gaps), last + 1, trade_id - 1)
            self.last_id = trade_id
        elif not self._accept_late(trade_id):
            self.duplicates += 1
            return False
        self.accepted += 1
        return True

    def give_up(self, first: int, last: int) -> None:
        """Stop missing the ids from `first` to `last`: they cannot be had, or came another way."""
        kept: list[tuple[int, int]] = []
        for low, high in self.gaps:
            kept += [part for part in ((low, min(high, first - 1)), (max(low, last + 1), high)) if part[0] <= part[1]]
        self.gaps = kept

    def _accept_late(self, trade_id: int) -> bool:
        first = self.first_id
        if first is not None and trade_id < first:
            self.first_id = trade_id
            if trade_id < first - 1:
                self._open_gap(0, trade_id + 1, first - 1)
            self.late += 1
            return True
        at = bisect_right(self.gaps, (trade_id, float("inf"))) - 1
        if at < 0 or self.gaps[at][1] < trade_id:
            return False
        low, high = self.gaps[at]
        self.gaps[at : at + 1] = [part for part in ((low, trade_id - 1), (trade_id + 1, high)) if part[0] <= part[1]]
        self._bound()
        self.late += 1
        return True

    def _open_gap(self, at: int, first: int, last: int) -> None:
        self.gaps.insert(at, (first, last))
        self._bound()

    def _bound(self) -> None:
        excess = len(self.gaps) - self._max_gaps
        if excess > 0:
            del self.gaps[:excess]
            self.forgotten += excess
