"""Which trades came already, for venues whose ids are unique but in no order. Pure."""

from collections import deque


class SeenTrades:
    """The ids of one symbol's newest `most` trades; the oldest are forgotten first."""

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._order: deque[int] = deque()
        self._ids: set[int] = set()
        self.accepted = 0
        self.duplicates = 0

    def accept(self, trade_id: int) -> bool:
        """Note an id. False: it is known."""
        if trade_id in self._ids:
            self.duplicates += 1
            return False
        self._ids.add(trade_id)
        self._order.append(trade_id)
        self.accepted += 1
        if len(self._order) > self._most:
            self._ids.discard(self._order.popleft())
        return True

    def __contains__(self, trade_id: int) -> bool:
        return trade_id in self._ids

    def __len__(self) -> int:
        return len(self._order)
