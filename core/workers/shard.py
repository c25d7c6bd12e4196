"""One shard's indicators between two transactions: pure."""

from collections.abc import Sequence

import msgspec
import numpy as np

from core.base.errors import BadInput
from core.storage.tick_tables import INDICATOR_NAMES, INDICATOR_ROW, Packed
from core.storage.tick_writer import ShardRows
from core.workers.hybrid_calculations import HybridCalculations
from core.workers.indicators.config import IndicatorConfig
from core.workers.indicators.symbol_state import SymbolState
from core.workers.indicators.ticks import BadTicks

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SymbolState).decode


class Shard:
    """What its owner has in memory. `position`: the last entry taken; `stored`: the last one that Postgres knows of."""

    def __init__(
        self, number: int, epoch: int, position: str, states: Sequence[tuple[int, bytes]], config: IndicatorConfig
    ) -> None:
        self.number = number
        self.epoch = epoch
        self.position = self.stored = position
        self.late = 0
        self.refused = 0
        self._calculations = HybridCalculations(config)
        #: the rows since the last transaction, the newest of a symbol and second last
        self._rows: list[Packed] = []
        self._last_entry = 0
        self._names: dict[int, str] = {}
        for _, state in states:
            try:
                self._calculations.restore(_decode(state))
            except (BadInput, msgspec.DecodeError):
                self.refused += 1  # of other periods, or damaged: the symbol begins anew

    @property
    def rows(self) -> int:
        """Rows that wait for a transaction."""
        return sum(map(len, self._rows))

    def take(self, ticks: Packed, position: str) -> None:
        """Calculate with ticks (SHARD_ROW, in order) that come up to an entry."""
        self.position = position
        if not len(ticks):
            return
        self.late += int(ticks["entry"][0] < self._last_entry)
        self._last_entry = max(self._last_entry, int(ticks["entry"][-1]))
        ids = ticks["symbol_id"].tolist()
        names = [self._names.get(number) or self._name(number) for number in ids]
        try:
            values = self._calculations.update(names, ticks["price"], ticks["volume"], ticks["ts"])
        except BadTicks as error:
            self.refused += len(error.bad)
            self.take(np.delete(ticks, [bad.index for bad in error.bad]), position)
            return
        last = last_of_each(ticks)
        rows = np.empty(len(last), INDICATOR_ROW)
        rows["symbol_id"] = ticks["symbol_id"][last]
        rows["ts"] = ticks["ts"][last] // 1_000 * 1_000
        for name in INDICATOR_NAMES:
            rows[name] = getattr(values, name)[last]
        self._rows.append(rows)

    def _name(self, number: int) -> str:
        name = self._names[number] = str(number)
        return name

    def unstored(self) -> ShardRows:
        """What a transaction has to bring to Postgres."""
        rows = np.concatenate(self._rows) if self._rows else np.zeros(0, INDICATOR_ROW)
        rows = rows[last_of_each(rows)]
        changed = np.unique(rows["symbol_id"]).tolist()
        states = {number: _encode(self._calculations.state(str(number))) for number in changed}
        return ShardRows(self.number, self.epoch, self.position, rows, states)

    def has_stored(self, rows: ShardRows) -> None:
        """The transaction is through."""
        self._rows = []
        self.stored = rows.position


def last_of_each(rows: Packed) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Places of the last row of each symbol and second, in order."""
    keys = rows["symbol_id"].astype(np.int64) << 32 | rows["ts"] // 1_000
    _, from_end = np.unique(keys[::-1], return_index=True)
    return np.sort(len(rows) - 1 - from_end)
