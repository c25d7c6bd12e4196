"""Market facts, as every venue's frames are normalised to.

Times named `*_ms` are the venue's own, Unix milliseconds UTC, kept as they came. `recv_ns` is the clock's monotonic
nanoseconds at which the frame was read here (0 for what did not come from a live socket): it serves latency, never order.
"""

import enum

import msgspec


class Origin(enum.IntEnum):
    """How a fact reached us."""

    STREAM = 0
    REST = 1


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One trade. `trade_id` rises by exactly one per symbol; quantity in base currency, price in quote currency."""

    symbol: str
    trade_id: int
    price: float
    quantity: float
    ts_ms: int
    is_buyer_maker: bool
    recv_ns: int = 0
    origin: Origin = Origin.STREAM


class Quote(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask. `update_id` is the venue's book update the quote belongs to."""

    symbol: str
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    update_id: int
    recv_ns: int = 0


class Kline(msgspec.Struct, frozen=True, gc=False):
    """The venue's own bar. `first_id`/`last_id` are trade ids (-1: the bar has no trade, or the source does not say)."""

    symbol: str
    interval: str
    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    first_id: int
    last_id: int
    closed: bool
    event_ms: int
    recv_ns: int = 0
    origin: Origin = Origin.STREAM


Level = tuple[float, float]  # price, size


class DepthDiff(msgspec.Struct, frozen=True, gc=False):
    """Changed price levels between book updates `first_id` (U) and `final_id` (u); size 0 removes the level."""

    symbol: str
    first_id: int
    final_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    event_ms: int
    recv_ns: int = 0


class DepthSnapshot(msgspec.Struct, frozen=True, gc=False):
    """The whole known book by REST, best price first, as of book update `last_update_id`."""

    symbol: str
    last_update_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class BookView(msgspec.Struct, frozen=True, gc=False):
    """The published top of a synced book of one venue, best first. Never published while the book is unsynced.

    `known_range`: lowest and highest price of which the venue told us the whole; beyond it levels may be missing.
    """

    symbol: str
    last_update_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    event_ms: int
    recv_ns: int = 0
    venue: str = ""
    known_range: tuple[float, float] | None = None


class ConsolidatedBook(msgspec.Struct, frozen=True, gc=False):
    """All synced books of one symbol as one (`cob`), best first, with its measures.

    `sources` are the venues in it. `spread` in quote currency, `imbalance` −1 (all asks) … 1 (all bids) over the top 10
    levels, `depth` holds (k in basis points of the mid, bid size, ask size within k). None: one side is empty.
    """

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    sources: tuple[str, ...]
    mid: float | None
    spread: float | None
    microprice: float | None
    imbalance: float | None
    depth: tuple[tuple[float, float, float], ...]
    event_ms: int
    recv_ns: int = 0


class BarFlag(enum.IntFlag):
    """Where a bar's numbers come from, for tinting charts and for quality counts."""

    NONE = 0
    CLOSED = 1
    FROM_REST = 2
    #: built from trades, then replaced because the venue's own bar differed
    CORRECTED = 4
    #: the venue's own bar agreed
    RECONCILED = 8
    #: we saw only a part of its trades (start of a replay, an unfilled gap)
    PARTIAL = 16


class BarUpdate(msgspec.Struct, frozen=True, gc=False):
    """One row of a series as it now stands: `row` is (timestamp, open, high, low, close, volume)."""

    series: str
    row: tuple[float, float, float, float, float, float]
    flags: BarFlag
    recv_ns: int = 0
