"""One bar while it can still change."""

from core.domain.market import BarFlag, Kline

#: quantities are summed as whole units of 1e-8 (the finest any venue quotes), so that the sum does not depend on the order
UNITS = 100_000_000
#: a bar with this base takes no more trades: the venue has spoken
FINAL = 1 << 62
#: first id of a bar without a trade
NO_ID = 1 << 62

_PARTIAL = int(BarFlag.PARTIAL)
#: trades remembered for one partial bar
_MEMORY = 20_000


class Partial:
    """What a bar of which we saw only a part needs for being rebased on the venue's own bar."""

    __slots__ = ("floor_id", "forgotten_id", "from_start", "trades")

    def __init__(self, from_start: bool, floor_id: int | None = None) -> None:
        #: partial only because our observation began within it
        self.from_start = from_start
        #: a venue bar covers what we missed when its last trade id is at least this; None: one before our first trade
        self.floor_id = floor_id
        self.forgotten_id = -1
        #: id, price, units
        self.trades: list[tuple[int, float, int]] = []

    def remember(self, trade_id: int, price: float, units: int) -> None:
        self.trades.append((trade_id, price, units))
        if len(self.trades) > _MEMORY:
            oldest = self.trades[: _MEMORY // 2]
            del self.trades[: _MEMORY // 2]
            self.forgotten_id = max(self.forgotten_id, max(oldest)[0])

    def covered_from(self) -> int | None:
        """The least last trade id a venue bar must have to make, with the remembered trades, a whole bar. None: unknown."""
        if self.floor_id is not None:
            return self.floor_id
        return min(self.trades)[0] - 1 if self.trades else None


class Bar:
    """Trades added in any order: open is the price of the smallest trade id, close that of the largest."""

    __slots__ = (
        "base_id",
        "close",
        "count",
        "first_id",
        "flags",
        "high",
        "last_id",
        "low",
        "open",
        "partial",
        "stamp",
        "units",
    )

    def __init__(self, open_ms: int, price: float, partial: Partial | None) -> None:
        """A flat bar at `price`."""
        self.stamp = float(open_ms)
        self.open = self.high = self.low = self.close = price
        self.units = 0
        self.count = 0
        self.first_id = NO_ID
        self.last_id = -1
        #: trades up to this id are in already, by the venue's own bar
        self.base_id = -1
        self.partial = partial
        self.flags = _PARTIAL if partial is not None else 0

    @property
    def row(self) -> tuple[float, float, float, float, float, float]:
        return self.stamp, self.open, self.high, self.low, self.close, self.units / UNITS

    def add(self, trade_id: int, price: float, units: int) -> None:
        if self.count == 0:
            self.open = self.high = self.low = self.close = price
            self.first_id = self.last_id = trade_id
        else:
            if price > self.high:
                self.high = price
            elif price < self.low:
                self.low = price
            if trade_id > self.last_id:
                self.close, self.last_id = price, trade_id
            elif trade_id < self.first_id:
                self.open, self.first_id = price, trade_id
        self.count += 1
        self.units += units

    def take(self, kline: Kline) -> None:
        """Have the venue's numbers instead of ours."""
        self.open, self.high, self.low, self.close = kline.open, kline.high, kline.low, kline.close
        self.units = round(kline.volume * UNITS)
        if kline.last_id >= 0:
            self.first_id, self.last_id = kline.first_id, kline.last_id
            self.count = kline.last_id - kline.first_id + 1
        else:
            # without ids the venue's open stays, and any later trade has the close
            self.first_id, self.last_id, self.count = (-1, -1, 1) if self.units else (NO_ID, -1, 0)

    def finish(self, kline: Kline, flags: int) -> None:
        """Have the venue's closed bar for good."""
        self.take(kline)
        self.base_id, self.partial, self.flags = FINAL, None, flags

    def make_partial(self, partial: Partial) -> None:
        self.partial = partial
        self.flags |= _PARTIAL

    def make_whole(self) -> None:
        self.partial = None
        self.flags &= ~_PARTIAL

    def rebase(self, kline: Kline) -> bool:
        """Take the venue's running bar and add the remembered trades after it. False: it is older than what we know."""
        partial, last_id = self.partial, kline.last_id
        if partial is None or last_id < max(self.base_id, partial.forgotten_id, partial.floor_id or 0, 0):
            return False
        whole_from = partial.covered_from()
        self.take(kline)
        self.base_id = last_id
        partial.trades = [trade for trade in partial.trades if trade[0] > last_id]
        for trade in partial.trades:
            self.add(*trade)
        if whole_from is not None and last_id >= whole_from:
            self.make_whole()
        return True

    def agrees(self, kline: Kline) -> bool:
        """Prices equal exactly, volume within 1e-8 of its size."""
        return (
            self.open == kline.open
            and self.high == kline.high
            and self.low == kline.low
            and self.close == kline.close
            and abs(self.units / UNITS - kline.volume) <= 1e-8 * max(1.0, abs(kline.volume))
        )

    def lacks(self, kline: Kline) -> bool:
        """Whether the venue counted trades that we have not seen (yet); a bar without ids leaves that open."""
        if kline.last_id < 0:
            return True
        return self.count < kline.last_id - kline.first_id + 1
