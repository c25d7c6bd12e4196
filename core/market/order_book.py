"""A venue's order book, kept from one snapshot and all changes after it."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable

from core.domain.market import DepthDiff, DepthSnapshot, Level

#: diffs held while there is no snapshot yet; at ten a second this is a minute and a half
_HELD_DIFFS = 1_000
#: levels kept per side: the most that a snapshot has; one with more is cut back to the lesser figure
_MOST_LEVELS, _KEPT_LEVELS = 6_000, 5_000


class _Side:
    """Price levels of one side. Keys are sorted so that the best is last: most changes are near it, and cheap there.

    A level stays the object it came as until it changes: views of the book share it, so that a book of 200 levels a side
    that is looked at ten times a second costs neither the memory nor the garbage collector 4,000 new objects a second.
    """

    __slots__ = ("_keys", "_levels", "_sign")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[float] = []
        self._levels: dict[float, Level] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def load(self, levels: Iterable[Level]) -> None:
        self._levels = {self._sign * level[0]: level for level in levels if level[1]}
        self._keys = sorted(self._levels)

    def change(self, changed: tuple[Level, ...]) -> None:
        keys, levels, sign = self._keys, self._levels, self._sign
        for level in changed:
            key = sign * level[0]
            if level[1]:
                if key not in levels:
                    insort(keys, key)
                levels[key] = level
            elif levels.pop(key, None) is not None:
                del keys[bisect_left(keys, key)]

    def cut(self, levels: int) -> None:
        """Forget all but the best."""
        for key in self._keys[:-levels]:
            del self._levels[key]
        del self._keys[:-levels]

    def best(self) -> float | None:
        return self._sign * self._keys[-1] if self._keys else None

    def worst(self) -> float | None:
        return self._sign * self._keys[0] if self._keys else None

    def nth(self, number: int) -> float | None:
        """Price of the `number`-th best level, of the worst where there are fewer."""
        return self._sign * self._keys[max(0, len(self._keys) - number)] if self._keys else None

    def top(self, levels: int) -> tuple[Level, ...]:
        return tuple(map(self._levels.__getitem__, self._keys[: -levels - 1 : -1])) if levels > 0 else ()


class OrderBook:
    """Binance's diff-depth rule, on every diff (binance-spot-api-docs, web-socket-streams.md, "How to manage a local order
    book correctly"): hold diffs until the snapshot is there; drop a diff with u ≤ the book's update id; one with
    U > that id + 1 means that events were missed: the book is void until the next snapshot; any other sets its levels to
    the quantities it tells, and the book's update id to u.

    Normally U is the previous u + 1. One that overlaps (U ≤ id ≤ u: another connection cuts its events elsewhere) does no
    harm, since quantities are absolute.
    """

    def __init__(self) -> None:
        self._bids = _Side(1)
        self._asks = _Side(-1)
        self._held: deque[DepthDiff] = deque(maxlen=_HELD_DIFFS)
        #: diffs since `record()`, and the update id of the book then
        self._recorded: list[DepthDiff] | None = None
        self._recorded_after = -1
        self._joined = 0
        self.synced = False
        self.last_update_id = -1
        self.event_ms = 0
        #: diffs applied
        self.updates = 0
        self.gaps = 0
        #: how often a snapshot joined the diffs again, after the first time
        self.resyncs = 0
        #: diffs after which the best bid was not below the best ask
        self.crossed = 0
        #: lowest and highest price between which every level is known: what the last snapshot told. Of levels beyond it
        #: only those are known that changed since
        self.known_range: tuple[float, float] | None = None

    def apply_snapshot(self, snapshot: DepthSnapshot) -> None:
        """Start anew from a snapshot, then apply the held diffs. `synced` tells whether it was recent enough.

        A snapshot older than the book (its id below `last_update_id` while synced) changes nothing.
        """
        if self.synced and snapshot.last_update_id < self.last_update_id:
            return
        self._load(snapshot)
        self.synced = True
        held, self._held = self._held, deque(maxlen=_HELD_DIFFS)
        gaps = self.gaps
        for diff in held:
            self.apply(diff)
        self.gaps = gaps  # a snapshot that was too old is not a loss on the wire
        if self.synced:
            self.resyncs += self._joined > 0
            self._joined += 1

    def apply(self, diff: DepthDiff) -> bool:
        """Change levels. False: the book is not in step with the venue, and needs a (newer) snapshot."""
        if not self.synced:
            self._held.append(diff)
            return False
        if diff.final_id <= self.last_update_id:
            return True
        if diff.first_id > self.last_update_id + 1:
            self.void()
            self.gaps += 1
            self._held.append(diff)
            return False
        self._change(diff)
        self.updates += 1
        self.crossed += self.is_crossed
        if self._recorded is not None:
            self._recorded.append(diff)
            if len(self._recorded) > _HELD_DIFFS:
                self._recorded = None
        return True

    def record(self) -> None:
        """Remember the diffs from now on, for `widen`. To be called before its snapshot is asked for."""
        self._recorded, self._recorded_after = [], self.last_update_id

    def widen(self, snapshot: DepthSnapshot) -> bool:
        """Have the range of a newer snapshot while the book stays in step. False: it is older than `record()`, or the book
        fell out of step since.
        """
        recorded, self._recorded = self._recorded, None
        if recorded is None or not self.synced or snapshot.last_update_id < self._recorded_after:
            return False
        self._load(snapshot)
        for diff in recorded:
            if diff.final_id > self.last_update_id:
                self._change(diff)
        return True

    def _load(self, snapshot: DepthSnapshot) -> None:
        self._bids.load(snapshot.bids)
        self._asks.load(snapshot.asks)
        low, high = self._bids.worst(), self._asks.worst()
        self.known_range = (low, high) if low is not None and high is not None else None
        self.last_update_id = snapshot.last_update_id

    def _change(self, diff: DepthDiff) -> None:
        self._bids.change(diff.bids)
        self._asks.change(diff.asks)
        if len(self._bids) > _MOST_LEVELS or len(self._asks) > _MOST_LEVELS:
            self._cut()
        self.last_update_id = diff.final_id
        self.event_ms = diff.event_ms

    def _cut(self) -> None:
        self._bids.cut(_KEPT_LEVELS)
        self._asks.cut(_KEPT_LEVELS)
        low, high = self._bids.worst(), self._asks.worst()
        if self.known_range is not None and low is not None and high is not None:
            self.known_range = (max(low, self.known_range[0]), min(high, self.known_range[1]))

    def void(self) -> None:
        """The book is wrong: out of step until the next snapshot. Diffs are held from now on."""
        self.synced = False
        self._recorded = None

    def lose(self) -> None:
        """The connection is gone: nothing is known until the next snapshot. Not counted as a gap."""
        self.void()
        self._held.clear()

    @property
    def levels(self) -> tuple[int, int]:
        """How many bid and ask levels are kept."""
        return len(self._bids), len(self._asks)

    @property
    def is_crossed(self) -> bool:
        bid, ask = self._bids.best(), self._asks.best()
        return bid is not None and ask is not None and bid >= ask

    def top(self, levels: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Bids and asks, best first, at most `levels` of each."""
        return self._bids.top(levels), self._asks.top(levels)

    def knows(self, levels: int) -> bool:
        """Whether the top `levels` of both sides lie within the known range, so that no level among them can be missing."""
        low_bid, high_ask = self._bids.nth(levels), self._asks.nth(levels)
        if self.known_range is None or low_bid is None or high_ask is None:
            return False
        return low_bid >= self.known_range[0] and high_ask <= self.known_range[1]
