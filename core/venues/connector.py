"""What the manager needs of a venue, and what a venue needs of the manager."""

from collections.abc import Callable
from typing import Any, Protocol

from core.base.errors import QuintetError
from core.domain.market import DepthSnapshot, Kline, Trade

#: asks for a toggle by its key, each time anew
IsEnabled = Callable[[str], bool]

#: toggles of this layer
GAP_BACKFILL = "gap_backfill"
BAR_RECONCILIATION = "bar_reconciliation"
ORDER_BOOK = "order_book"


class VenueRefused(QuintetError):
    """The venue will never answer this request as it is: a key is missing, or a parameter is wrong."""


class Connector(Protocol):
    """An adapter to one venue: `connect()`, `normalize()`, `emit()`, for as long as `run()` runs."""

    venue: str

    async def run(self) -> None:
        """Connect, back-fill, flow, watch, and recover, until cancelled. Raises FatalError only."""

    async def connect(self) -> None:
        """Keep the venue's connection up, for ever."""

    def normalize(self, frame: bytes, recv_ns: int) -> Any:
        """A frame as a domain value. Raises BadFrame."""

    def emit(self, value: Any) -> None:
        """Hand a domain value on to the feed of its symbol."""

    def status(self) -> dict[str, Any]:
        """The venue as `/api/v1/connections` tells it. Any thread."""

    def tickers(self) -> dict[str, dict[str, float]]:
        """The venue's 24 h statistics per symbol. Any thread."""


class History(Protocol):
    """A venue's past, as back-filling needs it. Raises VenueUnavailable, VenueBanned, VenueRefused or BadInput."""

    async def klines(self, symbol: str, interval: str, rows: int) -> list[Kline]: ...
    async def klines_between(self, symbol: str, interval: str, from_ms: int, to_ms: int) -> list[Kline]: ...
    async def trades_from(self, symbol: str, first_id: int, limit: int) -> list[Trade]: ...
    async def recent_trades(self, symbol: str) -> list[Trade]: ...
    async def depth(self, symbol: str) -> DepthSnapshot: ...
