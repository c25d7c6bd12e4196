"""What a replay has shown of one symbol so far: its trades as columns, and the book rebuilt from the recorded diffs.

Frames are kept undecoded until somebody asks (or many have gathered), so that a replay without REST calls costs nothing.
"""

from collections import deque

import msgspec
import numpy as np

from core.venues.simulated.intervals import FIXED_MS, page_of_opens, shifted_open
from core.venues.simulated.noise import Ints, Mask
from core.venues.simulated.source import AggTradeRow, Candle, Depth, TradeRow
from core.venues.simulated.wire import E8, parse_decimal

#: undecoded frames kept at most
_PENDING = 2_000


class _Trade(msgspec.Struct, gc=False):
    t: int
    p: str
    q: str
    T: int
    m: bool
    E: int


#: above any price
_NO_LIMIT = 1 << 62


class _Diff(msgspec.Struct, gc=False):
    E: int
    U: int
    u: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


_trade = msgspec.json.Decoder(_Trade)
_diff = msgspec.json.Decoder(_Diff)


class TradeHistory:
    """Trades in order of id, each once. Columns grow by doubling: 33 bytes a trade."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        self._columns: Ints = np.zeros((4, 1_024), np.int64)
        self._makers: Mask = np.zeros(1_024, np.bool_)
        self._count = 0
        self.event_ms = 0

    def add(self, payload: bytes) -> None:
        self._pending.append(payload)
        if len(self._pending) >= _PENDING:
            self.settle()

    def settle(self) -> None:
        """Decode what has gathered. A payload that is no trade is passed over."""
        pending, self._pending = self._pending, []
        for payload in pending:
            try:
                raw = _trade.decode(payload)
                price, quantity = parse_decimal(raw.p), parse_decimal(raw.q)
            except (msgspec.DecodeError, ValueError):
                continue
            self.event_ms = max(self.event_ms, raw.E)
            if self._count and raw.t <= self._columns[0, self._count - 1]:
                continue
            if self._count == self._columns.shape[1]:
                self._columns = np.concatenate((self._columns, np.zeros_like(self._columns)), axis=1)
                self._makers = np.concatenate((self._makers, np.zeros_like(self._makers)))
            self._columns[:, self._count] = (raw.t, price, quantity, raw.T)
            self._makers[self._count] = raw.m
            self._count += 1

    @property
    def ids(self) -> Ints:
        self.settle()
        return self._columns[0, : self._count]

    @property
    def times(self) -> Ints:
        self.settle()
        return self._columns[3, : self._count]

    def rows(self, start: int, stop: int) -> list[TradeRow]:
        ids, price, quantity, times = (column[start:stop].tolist() for column in self._columns[:, : self._count])
        return list(map(TradeRow, ids, price, quantity, times, self._makers[: self._count][start:stop].tolist()))

    def page(self, from_id: int | None, limit: int) -> list[TradeRow]:
        ids = self.ids
        start = max(len(ids) - limit, 0) if from_id is None else int(np.searchsorted(ids, from_id))
        return self.rows(start, start + limit)

    def between(self, from_ms: int, to_ms: int, limit: int) -> list[TradeRow]:
        """Trades of [from_ms, to_ms], oldest first, at most `limit`."""
        times = self.times
        start, stop = int(np.searchsorted(times, from_ms)), int(np.searchsorted(times, to_ms, side="right"))
        return self.rows(start, min(stop, start + limit))

    def agg_page(self, from_id: int | None, start_ms: int | None, end_ms: int | None, limit: int) -> list[AggTradeRow]:
        """A recording does not tell which fills were one order's: each trade is its own, under its own id."""
        times = self.times
        stop = int(np.searchsorted(times, end_ms, side="right")) if end_ms is not None else len(times)
        if from_id is not None:
            start = int(np.searchsorted(self.ids, from_id))
        elif start_ms is not None:
            start = int(np.searchsorted(times, start_ms))
        else:
            start = max(stop - limit, 0)
        rows = self.rows(start, min(start + limit, stop))
        return [
            AggTradeRow(t.trade_id, t.price, t.quantity, t.trade_id, t.trade_id, t.ts_ms, t.is_buyer_maker) for t in rows
        ]

    def candles(self, interval: str, start_ms: int | None, end_ms: int | None, limit: int, now_ms: int) -> list[Candle]:
        times = self.times
        if not len(times):
            return []
        opens = page_of_opens(interval, int(times[0]), max(now_ms, int(times[-1])), start_ms, end_ms, limit)
        if not len(opens):
            return []
        ends = np.append(opens[1:], shifted_open(interval, int(opens[-1]), 1))
        edges = np.searchsorted(times, np.append(opens, ends[-1]))
        bounds = zip(opens.tolist(), ends.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        return [self.candle(open_ms, end - 1, start, stop) for open_ms, end, start, stop in bounds]

    def candle(self, open_ms: int, close_ms: int, start: int, stop: int) -> Candle:
        """The bar of the trades in rows [start, stop); flat at the last price before where there are none."""
        if stop <= start:
            last = int(self._columns[1, start - 1]) if start else 0
            return Candle(open_ms, last, last, last, last, 0, close_ms, 0, 0, 0, 0, -1, -1)
        ids, price, quantity, _ = self._columns[:, start:stop]
        buys = ~self._makers[start:stop]
        quote = price.astype(np.float64) * quantity / E8
        return Candle(
            open_ms, int(price[0]), int(price.max()), int(price.min()), int(price[-1]), int(quantity.sum()), close_ms,
            round(float(quote.sum())), stop - start, int(quantity[buys].sum()), round(float(quote[buys].sum())),
            int(ids[0]), int(ids[-1]),
        )  # fmt: skip

    def day(self, now_ms: int) -> Candle:
        times = self.times
        first_ms = now_ms - FIXED_MS["1d"]
        return self.candle(first_ms, now_ms, int(np.searchsorted(times, first_ms)), len(times))


class BookHistory:
    """The book as of the last diff shown, by the venue's rule: a snapshot, then every diff that ends after it.

    Until the recorded snapshot has been reached, the book is that snapshot. Where diffs are missing in the recording, it
    stays as of the last one before, until a newer recorded snapshot has been reached. Levels beyond those of the snapshot
    are left out: only those that changed since are known of them.
    """

    def __init__(self, snapshot: Depth | None) -> None:
        self._first = snapshot
        self._pending: list[bytes] = []
        #: diffs shown before a snapshot that they need: the newest of them may end after it
        self._early: deque[Depth] = deque(maxlen=_PENDING)
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        #: the lowest bid and the highest ask of the snapshot
        self._known = (0, _NO_LIMIT)
        self._last_id = 0
        self._reached = snapshot is None
        self.event_ms = 0

    def add(self, payload: bytes) -> None:
        self._pending.append(payload)
        if len(self._pending) >= _PENDING:
            self.settle()

    def snapshot(self, depth: Depth) -> None:
        """A recorded snapshot has been reached; one that is older than the book is of no use."""
        self.settle()
        if not self._reached or depth.last_update_id > self._last_id:
            self._bids, self._asks = dict(depth.bids), dict(depth.asks)
            self._known = (min(self._bids, default=0), max(self._asks, default=_NO_LIMIT))
            self._last_id = depth.last_update_id
        self._reached = True
        for diff in self._early:
            self._apply(diff)
        self._early.clear()

    def settle(self) -> None:
        """Decode what has gathered. A payload that is no diff is passed over."""
        pending, self._pending = self._pending, []
        for payload in pending:
            try:
                raw = _diff.decode(payload)
                sides = [[(parse_decimal(p), parse_decimal(q)) for p, q in side] for side in (raw.b, raw.a)]
            except (msgspec.DecodeError, ValueError):
                continue
            self.event_ms = max(self.event_ms, raw.E)
            if self._reached and 0 < self._last_id < raw.U - 1:
                self._first, self._reached = None, False
            if self._reached:
                self._apply(Depth(raw.u, *sides))
            else:
                self._early.append(Depth(raw.u, *sides))

    def _apply(self, diff: Depth) -> None:
        if diff.last_update_id <= self._last_id:
            return
        self._last_id = diff.last_update_id
        for book, side in ((self._bids, diff.bids), (self._asks, diff.asks)):
            for price, quantity in side:
                if quantity:
                    book[price] = quantity
                else:
                    book.pop(price, None)

    def depth(self, limit: int) -> Depth:
        self.settle()
        if not self._reached and self._first is not None:
            return Depth(self._first.last_update_id, self._first.bids[:limit], self._first.asks[:limit])
        low, high = self._known
        bids = sorted(((price, size) for price, size in self._bids.items() if price >= low), reverse=True)
        asks = sorted((price, size) for price, size in self._asks.items() if price <= high)
        return Depth(self._last_id, bids[:limit], asks[:limit])
