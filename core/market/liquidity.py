"""What rested where in the last ten minutes of one symbol: the data of the liquidity heat map.

Every `period_ms` a column is made of the book as it then is and of the trades received since the column before. Prices fall
into bins of `bin` (a power of two times the tick), numbered by `floor(price / bin)`; a column holds the published book
within 0.5 % of its mid, about 144 bins at most. `full()` and `since(last)` answer with a JSON-able dict (the `heat:SYM`
channel):

    {"full": bool,            true: replaces all columns drawn so far; false: these come after them
     "last": int,             number of the newest column; what to give to the next `since`. -1: there is none
     "bin": float,            price per bin; bin n holds the prices from n · bin up to, but without, (n + 1) · bin
     "period_ms": int,
     "scale": {"unit": float, "base": float},   a code c ≥ 1 is the size unit · base^(c − 1), within 5 %; 0: nothing
     "columns": [column…]}    oldest first

    column = {"t": int,            end of its period, Unix ms (our clock), a multiple of period_ms
              "low": int,          number of the first bin of `bids`
              "bids": str,         base64 of one uint8 code a bin, from `low` upwards
              "ask_low": int,      number of the first bin of `asks`
              "asks": str,         the same of the asks, from `ask_low` upwards
              "bid": float, "ask": float,       best prices
              "trades": [[price, quantity, buyer_is_maker]…]}   per bin and side: volume-weighted price, sum, 1 or 0
    column = {"t": int, "hole": str, "trades": […]}    the book was withheld, and why: nothing is known of that period

A bin outside the arrays of a column is not known: the book that is published ends there (0 inside them: known to be empty).
`t` rises from column to column; where it rises by more than one period nothing was recorded (this program stood still):
leave that time empty, and never stretch a column over it. Trades of a column are merged into wider bins where they would be
more than six entries; their quantities always add up.
"""

import base64
import math
from collections import deque
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from core.domain.market import BookView, Level, Origin, Trade
from core.market.book_metrics import mid

PERIOD_MS = 500
#: columns kept: ten minutes
COLUMNS = 1_200
#: how far from its mid a column reaches, as a share of it
REACH = 0.005
#: bins of a column: the first choice has at most so many; one with more is made coarser, with fewer (for a while) finer
CHOSEN_BINS, MOST_BINS, FEWEST_BINS = 128, 144, 40
#: columns in a row that must have too few bins before they are made finer: a book that is just filling is no reason
_PATIENCE = 20
#: trade entries of a column
_MOST_TRADES = 6
#: ratio of two neighbouring size codes; 254 of them span ten decades
BASE = 1.1
_LOG_BASE = math.log(BASE)

Sizes = npt.NDArray[np.float64]
Bins = npt.NDArray[np.int64]


class _Column(msgspec.Struct, frozen=True, gc=False):
    """One period. `hole` says why there is no book; `bids` and `asks` are codes, one byte a bin."""

    number: int
    t: int
    low: int
    bids: bytes
    ask_low: int
    asks: bytes
    bid: float
    ask: float
    trades: tuple[tuple[float, float, int], ...]
    hole: str

    def as_dict(self) -> dict[str, Any]:
        if self.hole:
            return {"t": self.t, "hole": self.hole, "trades": self.trades}
        return {
            "t": self.t,
            "low": self.low,
            "bids": base64.b64encode(self.bids).decode(),
            "ask_low": self.ask_low,
            "asks": base64.b64encode(self.asks).decode(),
            "bid": self.bid,
            "ask": self.ask,
            "trades": self.trades,
        }


class _Grid:
    """Columns that share one bin: replaced as a whole, so that a reader on another thread never sees two bins mixed."""

    __slots__ = ("columns", "factor", "first")

    def __init__(self, factor: int, first: int, columns: deque[_Column]) -> None:
        #: ticks per bin
        self.factor = factor
        #: readers that have no column from this number on need all of them
        self.first = first
        self.columns = columns


class LiquidityHistory:
    """Columns of one symbol. One thread writes (`on_*`, `lose`, `tick`); any may read (`full`, `since`)."""

    def __init__(self, tick_size: float, lot_size: float, period_ms: int = PERIOD_MS, columns: int = COLUMNS) -> None:
        self._tick = tick_size
        self._unit = lot_size
        self._period_ms = period_ms
        self._decimals = max(0, math.ceil(-math.log10(tick_size)))
        self._view: BookView | None = None
        self._cause = "no order book yet"
        self._count = 0
        self._fine_for = 0
        self._trades: dict[tuple[int, bool], tuple[float, float]] = {}
        self._trade_factor = 1
        self._grid = _Grid(0, 0, deque(maxlen=columns))

    def on_book(self, view: BookView) -> None:
        """The book as it now is."""
        self._view = view

    def lose(self, cause: str) -> None:
        """The book is withheld from now on: columns are holes until the next `on_book`."""
        self._view, self._cause = None, cause

    def on_trade(self, trade: Trade) -> None:
        """A trade that happened just now; one that a gap was filled with is not drawn."""
        if trade.origin is Origin.STREAM:
            self._add_trade(round(trade.price / self._tick) // self._trade_factor, trade)
            while len(self._trades) > _MOST_TRADES:
                self._merge_trades()

    def tick(self, now_ms: int) -> bool:
        """Make the column of the period that ends at or before `now_ms` (our clock). False: it was made already."""
        t = now_ms - now_ms % self._period_ms
        columns = self._grid.columns
        if columns and columns[-1].t == t:
            return False
        if columns and columns[-1].t > t:
            self._turn_back(t)
        view = self._view
        hole = self._cause if view is None else "" if view.bids and view.asks else "one side of the book is empty"
        if view is not None and not hole:
            self._fit(view)
            column = self._column(t, view)
        else:
            column = _Column(self._count, t, 0, b"", 0, b"", 0.0, 0.0, self._take_trades(), hole)
        self._count += 1
        self._grid.columns.append(column)
        return True

    # -- reading: any thread

    def full(self) -> dict[str, Any]:
        """All columns kept: see the head of this file."""
        grid = self._grid
        return self._answer(grid, grid.columns.copy(), True)

    def since(self, last: int) -> dict[str, Any]:
        """The columns after number `last`; all of them when what the reader has cannot be continued."""
        grid = self._grid
        columns = grid.columns.copy()
        if last < grid.first or not columns or not columns[0].number - 1 <= last <= columns[-1].number:
            return self._answer(grid, columns, True)
        while columns and columns[0].number <= last:
            columns.popleft()
        return self._answer(grid, columns, False, last)

    def _answer(self, grid: _Grid, columns: deque[_Column], full: bool, last: int = -1) -> dict[str, Any]:
        return {
            "full": full,
            "last": columns[-1].number if columns else last,
            "bin": round(self._tick * max(1, grid.factor), 12),
            "period_ms": self._period_ms,
            "scale": {"unit": self._unit, "base": BASE},
            "columns": [column.as_dict() for column in columns],
        }

    # -- columns

    def _column(self, t: int, view: BookView) -> _Column:
        centre = mid(view.bids, view.asks) or 0.0
        low, high = centre * (1 - REACH), centre * (1 + REACH)
        if view.known_range is not None:
            low, high = max(low, view.known_range[0]), min(high, view.known_range[1])
        bid_low, bids = self._side(view.bids, low, high)
        ask_low, asks = self._side(view.asks, low, high)
        trades = self._take_trades()
        return _Column(
            self._count, t, bid_low, bids, ask_low, asks, view.bids[0][0], view.asks[0][0], trades, ""
        )  # fmt: skip

    def _side(self, levels: tuple[Level, ...], low: float, high: float) -> tuple[int, bytes]:
        """Number of the first bin, and the codes of the bins from there, of what lies between two prices."""
        table: Sizes = np.array(levels)
        table = table[(table[:, 0] >= low) & (table[:, 0] <= high)]
        if not len(table):
            return 0, b""
        bins: Bins = np.rint(table[:, 0] / self._tick).astype(np.int64) // self._grid.factor
        first = int(np.min(bins))
        return first, _encode(_sums(bins - first, table[:, 1]), self._unit)

    # -- bins

    def _fit(self, view: BookView) -> None:
        """Choose the bin by what is published of the book: fine where little is known, coarse where much."""
        centre = mid(view.bids, view.asks) or 0.0
        span = min(view.asks[-1][0], centre * (1 + REACH)) - max(view.bids[-1][0], centre * (1 - REACH))
        # both sides round outwards
        bins = span / self._tick + 2
        factor = self._grid.factor
        if factor == 0:
            factor = _factor_for(bins)
            columns = self._grid.columns
            self._grid = _Grid(factor, 0, columns)
            return
        self._fine_for = self._fine_for + 1 if factor > 1 and bins / factor < FEWEST_BINS else 0
        if bins / factor > MOST_BINS - 2 or self._fine_for > _PATIENCE:
            self._fine_for = 0
            self._rebin(_factor_for(bins))

    def _rebin(self, factor: int) -> None:
        """Turn all columns to another bin: sizes add up exactly (but for their codes), or are spread evenly."""
        old = self._grid
        columns = (_rebinned(column, old.factor, factor, self._unit) for column in old.columns)
        self._grid = _Grid(factor, self._count, deque(columns, maxlen=old.columns.maxlen))

    def _turn_back(self, t: int) -> None:
        """Our clock was set back: what it called later is forgotten."""
        old = self._grid
        columns = (column for column in old.columns if column.t < t)
        self._grid = _Grid(old.factor, self._count, deque(columns, maxlen=old.columns.maxlen))

    # -- trades

    def _add_trade(self, number: int, trade: Trade) -> None:
        key = (number, trade.is_buyer_maker)
        value, quantity = self._trades.get(key, (0.0, 0.0))
        self._trades[key] = (value + trade.price * trade.quantity, quantity + trade.quantity)

    def _merge_trades(self) -> None:
        """Twice as wide bins."""
        self._trade_factor *= 2
        merged: dict[tuple[int, bool], tuple[float, float]] = {}
        for (number, side), (value, quantity) in self._trades.items():
            key = (number // 2, side)
            known = merged.get(key, (0.0, 0.0))
            merged[key] = (known[0] + value, known[1] + quantity)
        self._trades = merged

    def _take_trades(self) -> tuple[tuple[float, float, int], ...]:
        taken, self._trades = self._trades, {}
        self._trade_factor = max(1, self._grid.factor)
        return tuple(
            (round(value / quantity, self._decimals), float(f"{quantity:.6g}"), int(side))
            for (_, side), (value, quantity) in sorted(taken.items())
            if quantity > 0
        )


def _factor_for(bins: float) -> int:
    """Ticks per bin for a book that spans so many ticks."""
    factor = 1
    while bins / factor > CHOSEN_BINS:
        factor *= 2
    return factor


def _sums(bins: Bins, sizes: Sizes) -> Sizes:
    """Sizes summed by bin."""
    return np.bincount(bins, weights=sizes).astype(np.float64, copy=False)


def _encode(sizes: Sizes, unit: float) -> bytes:
    """Codes of sizes; any size above 0 has one above 0."""
    codes = np.zeros(len(sizes), np.uint8)
    there = sizes > 0
    codes[there] = np.clip(np.rint(np.log(sizes[there] / unit) / _LOG_BASE) + 1, 1, 255)
    return codes.tobytes()


def _decode(codes: bytes, unit: float) -> Sizes:
    steps = np.frombuffer(codes, np.uint8).astype(np.float64)
    return np.where(steps > 0, unit * BASE ** (steps - 1), 0.0)


def _rebinned(column: _Column, old: int, new: int, unit: float) -> _Column:
    low, bids = _rebinned_side(column.low, column.bids, old, new, unit)
    ask_low, asks = _rebinned_side(column.ask_low, column.asks, old, new, unit)
    return msgspec.structs.replace(column, low=low, bids=bids, ask_low=ask_low, asks=asks)


def _rebinned_side(low: int, codes: bytes, old: int, new: int, unit: float) -> tuple[int, bytes]:
    """Both factors are powers of two, so that bins nest."""
    if not codes:
        return 0, b""
    sizes = _decode(codes, unit)
    if new < old:
        parts = old // new
        return low * parts, _encode(np.repeat(sizes / parts, parts), unit)
    bins: Bins = (low + np.arange(len(sizes))) // (new // old)
    return int(bins[0]), _encode(_sums(bins - bins[0], sizes), unit)
