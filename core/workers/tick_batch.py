"""A batch of ticks as the writer and the shards take it: pure."""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from core.storage.tick_tables import GREEK_ROW, TICK_ROW, Packed
from core.workers.entries import Decoded, entry_key
from core.workers.symbol_book import Key, KnownSymbol
from core.workers.tick import Tick, event_keys
from core.workers.valuation import OptionInput, Valued, value

_NAN = float("nan")
NO_GREEKS = np.zeros(0, GREEK_ROW)
#: a tick as it stands in a shard's stream; `entry` gives the order
SHARD_ROW = np.dtype([("entry", "<i8"), ("symbol_id", "<i4"), ("ts", "<i8"), ("price", "<f8"), ("volume", "<f8")])


class TickBatch(msgspec.Struct, frozen=True):
    """`ticks` (TICK_ROW) of which `options` (their places) are options; `shards`: each tick's shard."""

    ticks: Packed
    shards: npt.NDArray[np.int8]
    options: list[int]
    inputs: list[OptionInput]


def key_of(tick: Tick) -> Key:
    return tick.venue, tick.symbol


def build(decoded: Decoded, symbols: Sequence[KnownSymbol]) -> TickBatch:
    """The rows of decoded ticks, whose symbols are `symbols`, place by place."""
    ticks = decoded.ticks
    rows = np.empty(len(ticks), TICK_ROW)
    rows["symbol_id"] = [symbol.id for symbol in symbols]
    rows["ts"] = [tick.ts_ms for tick in ticks]
    rows["event_key"] = event_keys(ticks)
    rows["entry"] = [entry_key(entry.id) for entry in decoded.entries]
    rows["price"] = [tick.price for tick in ticks]
    rows["volume"] = [tick.volume for tick in ticks]
    rows["bid"] = [_NAN if tick.bid is None else tick.bid for tick in ticks]
    rows["ask"] = [_NAN if tick.ask is None else tick.ask for tick in ticks]
    options, inputs = [], []
    for place, symbol in enumerate(symbols):
        if symbol.option is not None:
            options.append(place)
            inputs.append(_input(ticks[place], symbol))
    return TickBatch(rows, np.array([symbol.shard for symbol in symbols], np.int8), options, inputs)


def _input(tick: Tick, symbol: KnownSymbol) -> OptionInput:
    assert symbol.option is not None
    return OptionInput(
        symbol.option, tick.ts_ms, tick.price, tick.underlying_price, tick.rate, tick.dividend, tick.volatility
    )


def greeks_of(batch: TickBatch) -> Packed:
    """GREEK_ROW of the batch's options."""
    if not batch.options:
        return NO_GREEKS
    valued: Valued = value(batch.inputs)
    rows = np.empty(len(valued), GREEK_ROW)
    for name in ("symbol_id", "ts", "event_key"):
        rows[name] = batch.ticks[name][batch.options]
    rows["volatility_state"] = valued.state
    rows["implied_volatility"] = valued.volatility
    for name in ("price", "delta", "gamma", "vega", "theta", "rho", "vanna", "vomma", "underlying_price", "years"):
        rows[name] = getattr(valued, name)
    return rows


def pack(batch: TickBatch, leave_out: Sequence[int]) -> dict[int, bytes]:
    """The batch for its shards, but for the ticks at `leave_out`; shard -> packed rows."""
    kept = np.ones(len(batch.ticks), np.bool_)
    kept[list(leave_out)] = False
    rows = np.empty(len(batch.ticks), SHARD_ROW)
    for name in ("entry", "symbol_id", "ts", "price", "volume"):
        rows[name] = batch.ticks[name]
    packed = {}
    for shard in np.unique(batch.shards[kept]).tolist():
        packed[int(shard)] = rows[kept & (batch.shards == shard)].tobytes()
    return packed


def unpack(packed: Sequence[bytes]) -> Packed:
    """The rows of several entries of a shard's stream, in the order of the tick stream."""
    rows = np.frombuffer(b"".join(packed), SHARD_ROW)
    return rows[np.argsort(rows["entry"], kind="stable")]
