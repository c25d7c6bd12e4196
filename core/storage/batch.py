"""A batch of facts to store: built from the stream's messages, checked, kept as packed rows."""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from core.base.errors import BadInput
from core.domain.market import BarUpdate, Trade

#: row layouts; `name` indexes the batch's names. They are also the spool's format: change them only with a new version
TRADE_ROW = np.dtype(
    [
        ("name", "<u2"),
        ("trade_id", "<i8"),
        ("ts_ms", "<i8"),
        ("price", "<f8"),
        ("quantity", "<f8"),
        ("is_buyer_maker", "?"),
        ("origin", "u1"),
    ]
)
BAR_ROW = np.dtype(
    [
        ("name", "<u2"),
        ("ts_ms", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),
        ("flags", "<u2"),
    ]
)
_VERSION = 1
#: 2000-01-01 UTC: no venue of ours is older, and a time before it is a fault of the source
_EARLIEST_MS = 946_684_800_000
_DAY_MS = 86_400_000
_LONGEST_NAME = 32

Packed = npt.NDArray[np.void]
Message = Trade | BarUpdate


class _Wire(msgspec.Struct, array_like=True):
    version: int
    names: list[str]
    trades: bytes
    bars: bytes


class Batch(msgspec.Struct, frozen=True, eq=False):
    """Trades and closed bars in the order they came. `names` are symbols (of trades) and series names (of bars)."""

    names: tuple[str, ...]
    trades: Packed
    bars: Packed

    @property
    def rows(self) -> int:
        return len(self.trades) + len(self.bars)

    def halves(self) -> tuple["Batch", "Batch"]:
        """The batch cut in two, order kept; for finding the row that a database refuses."""
        middle = self.rows // 2
        cut = max(0, middle - len(self.trades))
        return (
            Batch(self.names, self.trades[:middle], self.bars[:cut]),
            Batch(self.names, self.trades[middle:], self.bars[cut:]),
        )

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(_Wire(_VERSION, list(self.names), self.trades.tobytes(), self.bars.tobytes()))

    @staticmethod
    def from_bytes(data: bytes) -> "Batch":
        """Raises BadInput on what `to_bytes` did not make."""
        try:
            wire = msgspec.msgpack.decode(data, type=_Wire)
            if wire.version != _VERSION:
                raise BadInput(f"a batch of version {wire.version}")
            return Batch(tuple(wire.names), np.frombuffer(wire.trades, TRADE_ROW), np.frombuffer(wire.bars, BAR_ROW))
        except (msgspec.DecodeError, ValueError) as error:
            raise BadInput(f"not a batch: {error}") from error


class Rejected(msgspec.Struct):
    """How many rows were unusable."""

    trades: int = 0
    bars: int = 0


def batch_of(messages: Sequence[Message], now_ms: int) -> tuple[Batch, Rejected]:
    """The messages as a batch, without those that are not numbers, not positive, or not of a possible time."""
    names: dict[str, int] = {}
    rejected = Rejected()
    trade_messages = [m for m in messages if type(m) is Trade]
    bar_messages = [m for m in messages if type(m) is BarUpdate]
    trades = np.concatenate([np.empty(0, TRADE_ROW), *_pack_trades(trade_messages, names)])
    bars = np.concatenate([np.empty(0, BAR_ROW), *_pack_bars(bar_messages, names)])
    trades, bars = trades[_sound_trades(trades, names, now_ms)], bars[_sound_bars(bars, names, now_ms)]
    rejected.trades = len(trade_messages) - len(trades)
    rejected.bars = len(bar_messages) - len(bars)
    return Batch(tuple(names), trades, bars), rejected


def merge(batches: Sequence[Batch]) -> Batch:
    """Several batches as one, order kept."""
    if len(batches) == 1:
        return batches[0]
    names: dict[str, int] = {}
    trades: list[Packed] = []
    bars: list[Packed] = []
    for batch in batches:
        renamed = np.array([names.setdefault(name, len(names)) for name in batch.names], "<u2")
        for rows, merged in ((batch.trades, trades), (batch.bars, bars)):
            copy = rows.copy()
            if len(copy):
                copy["name"] = renamed[copy["name"]]
            merged.append(copy)
    return Batch(tuple(names), np.concatenate(trades), np.concatenate(bars))


def _pack_trades(messages: list[Trade], names: dict[str, int]) -> list[Packed]:
    """Column by column: list comprehensions let other threads run, one big conversion of tuples would not."""
    if not messages:
        return []
    try:
        rows = np.empty(len(messages), TRADE_ROW)
        rows["name"] = [names.setdefault(m.symbol, len(names)) for m in messages]
        rows["trade_id"] = [m.trade_id for m in messages]
        rows["ts_ms"] = [m.ts_ms for m in messages]
        rows["price"] = [m.price for m in messages]
        rows["quantity"] = [m.quantity for m in messages]
        rows["is_buyer_maker"] = [m.is_buyer_maker for m in messages]
        rows["origin"] = [int(m.origin) for m in messages]
        return [rows]
    except (TypeError, ValueError, OverflowError):
        if len(messages) == 1:
            return []
        middle = len(messages) // 2
        return _pack_trades(messages[:middle], names) + _pack_trades(messages[middle:], names)


def _pack_bars(messages: list[BarUpdate], names: dict[str, int]) -> list[Packed]:
    if not messages:
        return []
    try:
        rows = np.empty(len(messages), BAR_ROW)
        rows["name"] = [names.setdefault(m.series, len(names)) for m in messages]
        rows["ts_ms"] = [int(m.row[0]) for m in messages]
        for column, field in enumerate(("open", "high", "low", "close", "volume"), 1):
            rows[field] = [m.row[column] for m in messages]
        rows["flags"] = [int(m.flags) for m in messages]
        return [rows]
    except (TypeError, ValueError, OverflowError, IndexError):
        if len(messages) == 1:
            return []
        middle = len(messages) // 2
        return _pack_bars(messages[:middle], names) + _pack_bars(messages[middle:], names)


def _sound_trades(rows: Packed, names: dict[str, int], now_ms: int) -> npt.NDArray[np.bool_]:
    price, quantity = rows["price"], rows["quantity"]
    sound = _sound_common(rows, names, now_ms) & (rows["trade_id"] >= 0)
    sound &= np.isfinite(price) & (price > 0) & np.isfinite(quantity) & (quantity >= 0)
    return np.asarray(sound, np.bool_)


def _sound_bars(rows: Packed, names: dict[str, int], now_ms: int) -> npt.NDArray[np.bool_]:
    sound = _sound_common(rows, names, now_ms) & np.isfinite(rows["volume"]) & (rows["volume"] >= 0)
    for field in ("open", "high", "low", "close"):
        sound &= np.isfinite(rows[field]) & (rows[field] > 0)
    return np.asarray(sound, np.bool_)


def _sound_common(rows: Packed, names: dict[str, int], now_ms: int) -> npt.NDArray[np.bool_]:
    nameable = np.array([_is_name(name) for name in names] or [False], np.bool_)
    ts_ms = rows["ts_ms"]
    return np.asarray(nameable[rows["name"]] & (ts_ms >= _EARLIEST_MS) & (ts_ms <= now_ms + _DAY_MS), np.bool_)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable()
