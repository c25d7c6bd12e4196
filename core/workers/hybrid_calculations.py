"""Indicators of many symbols from batches of ticks, whatever the batches' boundaries."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.workers.indicators.batch import OUTPUTS, IndicatorBatch
from core.workers.indicators.config import IndicatorConfig
from core.workers.indicators.state_table import BALANCE, DAY, LAST_PRICE, StateTable
from core.workers.indicators.symbol_state import SymbolState, load, save
from core.workers.indicators.tick_round import TickRound
from core.workers.indicators.tick_run import TickRun
from core.workers.indicators.ticks import Ticks

#: symbols from which on one tick of each is cheaper by arrays than by floats; `benchmarks/indicators.py` measures it
ROUND_WIDTH = 12


class IndicatorGauges(msgspec.Struct, frozen=True):
    """`symbols` of at most `max_symbols` have a state; `evicted` lost theirs to newer ones; `ticks` were taken."""

    symbols: int
    max_symbols: int
    evicted: int
    ticks: int


class HybridCalculations:
    """Nine indicators a tick from a state of constant size per symbol.

    Hybrid: while enough symbols of a batch have a tick left, one tick of each is calculated by array operations;
    what is left (few symbols with many ticks) is calculated in plain floats. Both do the same arithmetic.
    Not thread-safe: one worker owns one instance.
    """

    def __init__(self, config: IndicatorConfig | None = None, *, round_width: int = ROUND_WIDTH) -> None:
        self._table = StateTable(config or IndicatorConfig())
        self._round = TickRound(self._table)
        self._run = TickRun(self._table)
        self._round_width = round_width
        self._ticks = 0

    @property
    def gauges(self) -> IndicatorGauges:
        table = self._table
        return IndicatorGauges(len(table.rows), table.config.max_symbols, table.evicted, self._ticks)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Those with a state, least recently used first."""
        return tuple(self._table.by_use())

    def update(
        self,
        symbols: Sequence[str],
        prices: ArrayLike,
        volumes: ArrayLike,
        ts_ms: ArrayLike,
        *,
        highs: ArrayLike | None = None,
        lows: ArrayLike | None = None,
    ) -> IndicatorBatch:
        """Takes ticks in the order of arrival (Unix ms, UTC); bars come with their highs and lows and the close as price.

        Raises BadTicks, which names every unusable value (NaN, infinite, no positive price, negative volume, a price
        outside its low and high) and BadInput for columns of unequal length; no state has changed then.
        """
        ticks = Ticks(symbols, prices, volumes, ts_ms, highs, lows)
        out = np.empty((len(OUTPUTS), len(ticks)))
        self._take(ticks, out)
        self._ticks += len(ticks)
        return IndicatorBatch(*out)

    def state(self, symbol: str) -> SymbolState:
        """What another worker needs to go on with the symbol. Raises KeyError when it has no state."""
        return save(self._table, symbol)

    def restore(self, state: SymbolState) -> None:
        """Goes on where `state` was taken. Raises BadInput when it has other periods or is damaged."""
        load(self._table, state)

    def _take(self, ticks: Ticks, out: NDArray[np.float64]) -> None:
        symbols = dict.fromkeys(ticks.symbols)
        if len(symbols) > self._table.config.max_symbols:
            half = len(ticks) // 2
            self._take(ticks.part(0, half), out[:, :half])
            self._take(ticks.part(half, len(ticks)), out[:, half:])
        elif len(symbols) == len(ticks):
            rows = self._claim(ticks, ticks.symbols, slice(None))
            if len(rows) >= self._round_width:
                self._round.advance(rows, ticks, slice(None), out)
            else:
                self._advance(ticks, [(row, [place]) for place, row in enumerate(rows.tolist())], out)
        else:
            places: dict[str, list[int]] = {symbol: [] for symbol in symbols}
            for place, symbol in enumerate(ticks.symbols):
                places[symbol].append(place)
            groups = list(places.values())
            rows = self._claim(ticks, list(places), np.array([group[0] for group in groups]))
            self._advance(ticks, list(zip(rows.tolist(), groups, strict=True)), out)

    def _claim(self, ticks: Ticks, symbols: Sequence[str], first: NDArray[np.int64] | slice) -> NDArray[np.int64]:
        """Rows of `symbols`, whose first ticks are at `first`.

        A new symbol's first tick has no change: it is its own predecessor, and its volume begins the balance.
        """
        rows, new = self._table.claim(symbols)
        if len(new):
            fields, begun = self._table.fields, rows[new]
            fields[begun, LAST_PRICE] = ticks.price[first][new]
            fields[begun, BALANCE] = ticks.volume[first][new]
            fields[begun, DAY] = ticks.day[first][new]
        return rows

    def _advance(self, ticks: Ticks, groups: list[tuple[int, list[int]]], out: NDArray[np.float64]) -> None:
        """Each group: a symbol's row and the places of its ticks."""
        done = 0
        while len(groups) >= self._round_width:
            rows = np.array([row for row, _ in groups])
            self._round.advance(rows, ticks, np.array([group[done] for _, group in groups]), out)
            done += 1
            groups = [(row, group) for row, group in groups if len(group) > done]
        if groups:
            self._run.advance([row for row, _ in groups], ticks, [group[done:] for _, group in groups], out)
