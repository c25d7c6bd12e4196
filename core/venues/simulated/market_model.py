"""One symbol's made market: every candle, order and trade of any moment is a pure function of seed, rate and time."""

from collections import OrderedDict

import numpy as np

from core.venues.simulated.bars import MEAN_FILLS, Bars, Shape, aggregate, concatenate, divide
from core.venues.simulated.daily_path import DAYS, FIRST_DAY, daily_bars, shared_normal
from core.venues.simulated.instruments import SymbolSpec
from core.venues.simulated.intervals import DAY, HOUR, MINUTE, SECOND
from core.venues.simulated.model_trades import Orders, TradeMaker, Trades
from core.venues.simulated.noise import Floats, Ints, derive_key, exponential, uniform

#: base candles from long to short, and how many of the next shorter one make one
LEVELS = (DAY, HOUR, MINUTE, SECOND)
_PARENT = {HOUR: DAY, MINUTE: HOUR, SECOND: MINUTE}
#: divisions kept per level, least recently used out first; a minute's seconds take 5 kB
_KEPT = {HOUR: 2_500, MINUTE: 800, SECOND: 1_500}
_KEPT_TRADE_BLOCKS = 40
#: about how many orders a block of trades may have
_BLOCK_ORDERS = 20_000
_DIVISORS = (60, 30, 20, 15, 12, 10, 6, 5, 4, 3, 2, 1)


class SymbolModel:
    """Candles and trades of one symbol. Times in Unix ms, prices in ticks, volumes in lots."""

    def __init__(self, spec: SymbolSpec, seed: int, rate: float = 1.0) -> None:
        self.spec = spec
        self._seed = seed
        self._days = daily_bars(seed, spec, rate)
        self._divisions: dict[int, OrderedDict[int, Bars]] = {level: OrderedDict() for level in _KEPT}
        self._maker = TradeMaker(seed, spec.symbol)
        per_second = spec.orders_per_day * rate / 86_400
        self.block_seconds = next((d for d in _DIVISORS if d * per_second <= _BLOCK_ORDERS), 1)
        self._blocks: OrderedDict[int, tuple[Orders, Trades]] = OrderedDict()

    @property
    def first_ms(self) -> int:
        return FIRST_DAY * DAY

    def bars(self, level: int, first: int, last: int) -> Bars:
        """Candles of a base level from index `first` to `last` (both included), cut to what exists."""
        first, last = max(first, self.first_ms // level), min(last, (FIRST_DAY + DAYS) * DAY // level - 1)
        if level == DAY:
            return self._days.take(first - FIRST_DAY, last - FIRST_DAY + 1)
        per = _PARENT[level] // level
        parents = range(first // per, last // per + 1)
        found = concatenate(self._divided(level, parents))
        offset = first - parents.start * per
        return found.take(offset, offset + last - first + 1)

    def bars_until(self, level: int, first: int, until_ms: int) -> Bars:
        """Candles from index `first` on as they stand at `until_ms`: the last one has what happened up to then."""
        current = until_ms // level
        if first >= current:
            return self._running(level, current, until_ms)
        return concatenate([self.bars(level, first, current - 1), self._running(level, current, until_ms)])

    def _running(self, level: int, index: int, until_ms: int) -> Bars:
        if level == SECOND:
            return self._running_second(index, until_ms)
        shorter = LEVELS[LEVELS.index(level) + 1]
        parts = self.bars_until(shorter, index * (level // shorter), until_ms)
        return aggregate(parts, np.zeros(1, np.int64), np.array([index]))

    def _running_second(self, index: int, until_ms: int) -> Bars:
        whole = self.bars(SECOND, index, index)
        orders, trades = self.block(index)
        start, stop = (int(i) for i in np.searchsorted(orders.ts_ms, (index * SECOND, until_ms + 1)))
        if start == stop:
            flat = whole.previous
            none = np.zeros(1, np.int64)
            return Bars(whole.index, flat, flat, flat, flat, flat, none, none, whole.first_order)
        price = orders.price[start:stop]
        first, end = (int(i) for i in np.searchsorted(trades.order, (start, stop)))
        lots, count = trades.lots[first:end].sum(), np.array([stop - start])
        o, h, lo, c, v = (np.array([x], np.int64) for x in (price[0], np.max(price), np.min(price), price[-1], lots))
        return Bars(whole.index, o, h, lo, c, whole.previous, v, count, whole.first_order)

    def _divided(self, level: int, parents: range) -> list[Bars]:
        kept = self._divisions[level]
        missing = [p for p in parents if p not in kept]
        made: dict[int, Bars] = {}
        for run in _runs(missing):
            made |= self._divide(level, run)
        found = [made.get(p) or kept[p] for p in parents]
        for parent in parents:
            if parent in kept:
                kept.move_to_end(parent)
        kept.update(made)
        while len(kept) > _KEPT[level]:
            kept.popitem(last=False)
        return found

    def _divide(self, level: int, run: range) -> dict[int, Bars]:
        per = _PARENT[level] // level
        parents = self.bars(_PARENT[level], run.start, run.stop - 1)
        children = (parents.index[:, None] * per + np.arange(per)).astype(np.int64)
        bars = divide(parents, self._shape(level, parents.index, children))
        first = int(parents.index[0])
        # copies, so that a kept minute does not keep alive all that was made with it
        return {first + i: bars.take(i * per, (i + 1) * per).copy() for i in range(len(parents))}

    def _shape(self, level: int, parents: Ints, children: Ints) -> Shape:
        def key(purpose: str) -> int:
            return derive_key(self._seed, self.spec.symbol, level, purpose)

        return Shape(
            activity=self._activity(level, children),
            volume=np.exp(0.3 * shared_normal(self._seed, self.spec.walk, f"volume-{level}", children)),
            steps=shared_normal(self._seed, self.spec.walk, f"steps-{level}", children),
            up=np.abs(shared_normal(self._seed, self.spec.walk, f"up-{level}", children)),
            down=np.abs(shared_normal(self._seed, self.spec.walk, f"down-{level}", children)),
            anchor=np.floor(uniform(key("anchor"), parents) * children.shape[1]).astype(np.int64),
        )

    def _activity(self, level: int, children: Ints) -> Floats:
        if level == SECOND:
            return exponential(derive_key(self._seed, self.spec.symbol, level, "activity"), children)
        busy = np.exp(0.3 * shared_normal(self._seed, self.spec.walk, f"activity-{level}", children))
        if level == HOUR:  # Europe's afternoon and America's morning are busiest
            busy = busy * (1.0 + 0.35 * np.sin((children % 24 - 9) / 24 * 2 * np.pi))
        return busy

    def block(self, second: int) -> tuple[Orders, Trades]:
        """Orders and trades of the block that contains the second, always made whole: the same sums, the same bits."""
        number = second // self.block_seconds
        block = self._blocks.get(number)
        if block is None:
            first = number * self.block_seconds
            block = self._maker.make(self.bars(SECOND, first, first + self.block_seconds - 1))
            self._blocks[number] = block
            if len(self._blocks) > _KEPT_TRADE_BLOCKS:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(number)
        return block

    def second_of_order(self, order: int) -> int | None:
        """The second in which a taker order came; None beyond the model's days."""
        if order < 0 or order >= int(self._days.first_order[-1] + self._days.orders[-1]):
            return None
        bars = self._days
        for level in LEVELS[1:]:
            row = int(np.searchsorted(bars.first_order, order, side="right")) - 1
            per = _PARENT[level] // level
            first = int(bars.index[row]) * per
            bars = self.bars(level, first, first + per - 1)
        return int(bars.index[int(np.searchsorted(bars.first_order, order, side="right")) - 1])

    def expected_trades(self, seconds: int) -> int:
        """About how many trades a stretch of seconds has."""
        return int(float(self._days.orders.mean()) * MEAN_FILLS * seconds / 86_400)


def _runs(numbers: list[int]) -> list[range]:
    """Consecutive numbers, grouped."""
    runs: list[range] = []
    for number in numbers:
        if runs and runs[-1].stop == number:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return runs
