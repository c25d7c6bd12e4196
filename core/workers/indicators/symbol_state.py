"""One symbol's state as plain data, so that another worker can go on with it."""

import math

import msgspec
import numpy as np

from core.base.errors import BadInput
from core.workers.indicators.config import IndicatorConfig
from core.workers.indicators.state_table import FIELD_COUNT, LAST_PRICE, StateTable
from core.workers.indicators.ticks import LEAST_PRICE, MOST_PRICE


class SymbolState(msgspec.Struct, frozen=True):
    """Everything that the next tick's indicators depend on. Windows are oldest first."""

    symbol: str
    config: IndicatorConfig
    count: int
    fields: tuple[float, ...]
    prices: tuple[float, ...]
    squared_returns: tuple[float, ...]
    volumes: tuple[float, ...]


def save(table: StateTable, symbol: str) -> SymbolState:
    """Raises KeyError for a symbol that has no state."""
    row = table.rows[symbol]
    prices, squares, volumes = (tuple(table.window(row, ring).tolist()) for ring in range(3))
    fields = tuple(table.fields[row].tolist())
    return SymbolState(symbol, table.config, int(table.counts[row]), fields, prices, squares, volumes)


def load(table: StateTable, state: SymbolState) -> None:
    """Replaces what the table knows of the symbol. Raises BadInput when the state cannot be one of this table's."""
    windows = (state.prices, state.squared_returns, state.volumes)
    _check(table, state, windows)
    row = int(table.claim((state.symbol,))[0][0])
    table.fields[row] = state.fields
    table.counts[row] = state.count
    for ring, values in enumerate(windows):
        table.set_window(row, ring, np.array(values))


def _check(table: StateTable, state: SymbolState, windows: tuple[tuple[float, ...], ...]) -> None:
    ours = msgspec.structs.replace(table.config, max_symbols=state.config.max_symbols)
    if state.config != ours:
        raise BadInput(f"state of {state.symbol}: its periods are not this worker's")
    lengths = [min(state.count, width) for width in table.widths]
    if state.count < 1 or len(state.fields) != FIELD_COUNT or [len(w) for w in windows] != lengths:
        raise BadInput(f"state of {state.symbol}: its lengths do not fit its count {state.count}")
    if not all(map(math.isfinite, (*state.fields, *state.prices, *state.squared_returns, *state.volumes))):
        raise BadInput(f"state of {state.symbol}: not every value is finite")
    if not LEAST_PRICE <= state.fields[LAST_PRICE] <= MOST_PRICE:
        raise BadInput(f"state of {state.symbol}: its last price {state.fields[LAST_PRICE]} is none")
