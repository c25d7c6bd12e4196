"""What the server's REST and stream fronts need from a market, be it made or recorded.

Prices, quantities and volumes are whole multiples of 1e-8; times Unix milliseconds.
"""

from typing import NamedTuple, Protocol

Level = tuple[int, int]  # price, quantity


class TradeRow(NamedTuple):
    trade_id: int
    price: int
    quantity: int
    ts_ms: int
    is_buyer_maker: bool


class AggTradeRow(NamedTuple):
    """The fills of one taker order at one price."""

    agg_id: int
    price: int
    quantity: int
    first_id: int
    last_id: int
    ts_ms: int
    is_buyer_maker: bool


class Candle(NamedTuple):
    """`first_id` and `last_id` are -1 in a bar without trades."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    close_ms: int
    quote_volume: int
    trades: int
    taker_volume: int
    taker_quote_volume: int
    first_id: int
    last_id: int


class Depth(NamedTuple):
    """Best price first."""

    last_update_id: int
    bids: list[Level]
    asks: list[Level]


class Outlet(Protocol):
    """Where live frames go: the stream front."""

    def wanted(self, stream: str) -> bool:
        """Whether any client listens to the stream."""

    def publish(self, stream: str, payload: str) -> None:
        """Send an event (JSON without envelope) to the stream's listeners."""

    def publish_recorded(self, stream: str, frame: bytes, payload: bytes) -> None:
        """Send a frame as it was recorded: `frame` to combined connections, its inner `payload` to raw ones."""

    def event_ms(self, now_ms: int) -> int:
        """The time the venue stamps on what it sends (its clock may be made wrong)."""

    async def writable(self) -> None:
        """Return when every listener has room."""

    async def listened(self) -> None:
        """Return when at least one client has a subscription."""


class MarketSource(Protocol):
    """A market behind the server. `streams` None: every stream; else the names there are."""

    symbols: tuple[str, ...]
    streams: tuple[str, ...] | None

    def now_ms(self) -> int: ...

    def candles(self, symbol: str, interval: str, start_ms: int | None, end_ms: int | None, limit: int) -> list[Candle]:
        """Oldest first. With a start the first `limit` bars opening from there on, else the last `limit`."""
        ...

    def trades(self, symbol: str, from_id: int | None, limit: int) -> list[TradeRow]:
        """Oldest first; without an id the latest."""
        ...

    def agg_trades(
        self, symbol: str, from_id: int | None, start_ms: int | None, end_ms: int | None, limit: int
    ) -> list[AggTradeRow]:
        """Oldest first; without id and start the latest (up to the end, if given)."""
        ...

    def depth(self, symbol: str, limit: int) -> Depth: ...

    def depth_at(self, symbol: str, update_id: int | None, limit: int) -> Depth | None:
        """The book as of an update (None: now); None when it is not known any more, or not yet."""
        ...

    def trades_between(self, symbol: str, from_ms: int, to_ms: int, limit: int) -> list[TradeRow]:
        """Trades of [from_ms, to_ms], oldest first, at most `limit`."""
        ...

    def day(self, symbol: str) -> Candle:
        """The last 24 hours as one bar."""
        ...

    def stats(self) -> dict[str, object]: ...

    async def run(self, outlet: Outlet) -> None:
        """Publish live frames until cancelled."""
        ...
