"""A venue's order book, kept from one snapshot and all changes after it."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable

from core.domain.market import DepthDiff, DepthSnapshot, Level

#: diffs held while there is no snapshot yet; at ten a second this is a minute and a half
_HELD_DIFFS = 1_000


class _Side:
    """Price levels of one side. Keys are sorted so that the best is last: most changes are near it, and cheap there."""

    __slots__ = ("_keys", "_sign", "_sizes")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[float] = []
        self._sizes: dict[float, float] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def load(self, levels: Iterable[Level]) -> None:
        self._sizes = {self._sign * price: size for price, size in levels if size}
        self._keys = sorted(self._sizes)

    def change(self, levels: tuple[Level, ...]) -> None:
        keys, sizes, sign = self._keys, self._sizes, self._sign
        for price, size in levels:
            key = sign * price
            if size:
                if key not in sizes:
                    insort(keys, key)
                sizes[key] = size
            elif sizes.pop(key, None) is not None:
                del keys[bisect_left(keys, key)]

    def best(self) -> float | None:
        return self._sign * self._keys[-1] if self._keys else None

    def worst(self) -> float | None:
        return self._sign * self._keys[0] if self._keys else None

    def top(self, levels: int) -> tuple[Level, ...]:
        keys, sizes, sign = self._keys, self._sizes, self._sign
        return tuple((sign * key, sizes[key]) for key in keys[: -levels - 1 : -1]) if levels > 0 else ()


class OrderBook:
    """Binance's diff-depth rule, on every diff (developers.binance.com, "How to manage a local order book correctly"):
    hold diffs until the snapshot is there, drop those with u ≤ lastUpdateId, the first one applied must have
    U ≤ lastUpdateId + 1 ≤ u, and each later one U == previous u + 1. Anything else is a gap: the book is void until the
    next snapshot.
    """

    def __init__(self) -> None:
        self._bids = _Side(1)
        self._asks = _Side(-1)
        self._held: deque[DepthDiff] = deque(maxlen=_HELD_DIFFS)
        self._first_applied = False
        self._snapshots = 0
        self.synced = False
        self.last_update_id = -1
        self.event_ms = 0
        self.gaps = 0
        #: snapshots applied after the first
        self.resyncs = 0
        #: diffs after which the best bid was not below the best ask
        self.crossed = 0
        #: lowest and highest price of which the last snapshot knew; beyond them only changes are known
        self.known_range: tuple[float, float] | None = None

    def apply_snapshot(self, snapshot: DepthSnapshot) -> None:
        """Start anew from a snapshot, then apply the held diffs. `synced` tells whether it was recent enough.

        A snapshot older than the book (its id below `last_update_id` while synced) changes nothing.
        """
        if self.synced and snapshot.last_update_id < self.last_update_id:
            return
        self._bids.load(snapshot.bids)
        self._asks.load(snapshot.asks)
        low, high = self._bids.worst(), self._asks.worst()
        self.known_range = (low, high) if low is not None and high is not None else None
        self.last_update_id = snapshot.last_update_id
        self._first_applied = False
        self.resyncs += self._snapshots > 0
        self._snapshots += 1
        self.synced = True
        held, self._held = self._held, deque(maxlen=_HELD_DIFFS)
        gaps = self.gaps
        for diff in held:
            self.apply(diff)
        self.gaps = gaps  # a snapshot that was too old is not a loss on the wire

    def apply(self, diff: DepthDiff) -> bool:
        """Change levels. False: the book is not in step with the venue, and needs a (newer) snapshot."""
        if not self.synced:
            self._held.append(diff)
            return False
        last = self.last_update_id
        if diff.final_id <= last:
            return True
        if diff.first_id != last + 1 and (self._first_applied or diff.first_id > last + 1):
            self.synced = False
            self.gaps += 1
            self._held.append(diff)
            return False
        self._bids.change(diff.bids)
        self._asks.change(diff.asks)
        self._first_applied = True
        self.last_update_id = diff.final_id
        self.event_ms = diff.event_ms
        self.crossed += self.is_crossed
        return True

    def lose(self) -> None:
        """The connection is gone: nothing is known until the next snapshot. Not counted as a gap."""
        self.synced = False
        self._held.clear()

    @property
    def is_crossed(self) -> bool:
        bid, ask = self._bids.best(), self._asks.best()
        return bid is not None and ask is not None and bid >= ask

    def top(self, levels: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Bids and asks, best first, at most `levels` of each."""
        return self._bids.top(levels), self._asks.top(levels)

    def knows(self, levels: int) -> bool:
        """Whether the top `levels` of both sides lie within the known range, so that no level among them can be missing."""
        if self.known_range is None:
            return False
        bids, asks = self.top(levels)
        low, high = self.known_range
        return bool(bids and asks) and bids[-1][0] >= low and asks[-1][0] <= high
