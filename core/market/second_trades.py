"""Trades of a venue that numbers none and times them in whole seconds: which of them we have, and what they are called."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

#: ids of one second: a trade's id is its second × this + its ordinal in the second
IDS_PER_SECOND = 100_000
#: how many of the newest seconds with trades are remembered
_KEPT_SECONDS = 1_800


class Tick(msgspec.Struct, frozen=True, gc=False):
    """A trade as the venue tells it: epoch second, price, size. `recv_ns` is 0 for one out of history.

    `place`: where it was done and under which conditions, as far as the venue says so of live ones.
    """

    second: int
    price: float
    size: float
    recv_ns: int = 0
    place: str = ""

    @property
    def key(self) -> tuple[float, float]:
        """All that tells two trades of one second apart, live or out of history."""
        return self.price, self.size

    def repeats(self, before: "Tick | None") -> bool:
        """Whether it says the same as the one before it in every respect but its arrival."""
        return before is not None and self.second == before.second and self.key == before.key and self.place == before.place


class SecondTrades:
    """One symbol's known trades by second. The same trades in the same order always get the same ids.

    Within a second trades are a multiset of (price, size): what history has more than we do is missing here.
    """

    def __init__(self) -> None:
        #: second -> its known trades, oldest second first
        self._seconds: dict[int, list[Tick]] = {}

    @property
    def last_second(self) -> int | None:
        """The newest second with a known trade."""
        return max(self._seconds, default=None)

    def add(self, tick: Tick) -> int:
        """Note a trade; gives its id. Raises ValueError when its second has no id left."""
        known = self._seconds.setdefault(tick.second, [])
        if len(known) >= IDS_PER_SECOND:
            raise ValueError(f"more than {IDS_PER_SECOND:,} trades in second {tick.second}")
        known.append(tick)
        if len(self._seconds) > _KEPT_SECONDS:
            del self._seconds[min(self._seconds)]
        return tick.second * IDS_PER_SECOND + len(known) - 1

    def has_twin(self, tick: Tick) -> bool:
        """Whether a trade like it (same second, price, size) is known: it may be the same one told twice."""
        return any(known.key == tick.key for known in self._seconds.get(tick.second, ()))

    def missing(self, second: int, whole: Iterable[Tick]) -> list[Tick]:
        """What of the `whole` second is not known here, in its order there."""
        known = Counter(tick.key for tick in self._seconds.get(second, ()))
        lacking = []
        for tick in whole:
            if known[tick.key]:
                known[tick.key] -= 1
            else:
                lacking.append(tick)
        return lacking

    def totals(self, first: int, last: int) -> tuple[int, float]:
        """Number and volume of the known trades from second `first` to `last`, both included."""
        ticks = [tick for second in range(first, last + 1) for tick in self._seconds.get(second, ())]
        return len(ticks), sum(tick.size for tick in ticks)


def by_second(ticks: Sequence[Tick]) -> dict[int, list[Tick]]:
    """Second -> its trades in their order, oldest second first."""
    seconds: dict[int, list[Tick]] = {}
    for tick in ticks:
        seconds.setdefault(tick.second, []).append(tick)
    return dict(sorted(seconds.items()))


def overlap(some: Iterable[Tick], others: Iterable[Tick]) -> int:
    """How many trades of one second the two have in common."""
    common = Counter(tick.key for tick in some) & Counter(tick.key for tick in others)
    return common.total()
