"""What the manager needs of a venue, and what a venue needs of the manager."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from core.base.errors import QuintetError
from core.domain.health import Source
from core.domain.instrument import Instrument
from core.domain.market import DepthSnapshot, Kline, Trade

#: asks for a toggle by its key, each time anew
IsEnabled = Callable[[str], bool]

#: is given every frame as it came, before anything is made of it: venue, receive time (Unix ns), bytes
Tap = Callable[[str, int, bytes], None]

#: toggles of this layer
GAP_BACKFILL = "gap_backfill"
BAR_RECONCILIATION = "bar_reconciliation"
ORDER_BOOK = "order_book"


class Address(msgspec.Struct, frozen=True):
    """Where a venue is: `url` is `host:port` for a TWS socket, else `http(s)://…`. `detail` is a line for people."""

    url: str
    source: Source
    detail: str = ""


#: finds out where a venue is, before each connect; it may take its time (a simulated venue that is just starting).
#: None: the venue is not to be used now (a replay has only what was recorded)
Locate = Callable[[], Awaitable[Address | None]]


class VenueRefused(QuintetError):
    """The venue will never answer this request as it is: a key is missing, or a parameter is wrong."""


class Connector(Protocol):
    """An adapter to one venue: `connect()`, `normalize()`, `emit()`, for as long as `run()` runs.

    Everything runs on the engine loop; `status`, `tickers` and `books` may be asked from any thread.
    """

    venue: str

    @property
    def api_calls(self) -> int:
        """REST requests and subscription messages sent so far. Any thread."""

    async def run(self) -> None:
        """Connect, back-fill, flow, watch, and recover, until cancelled. Raises FatalError only."""

    async def connect(self) -> None:
        """Keep the venue's connection up, for ever."""

    def normalize(self, frame: Any, recv_ns: int) -> Any:
        """A frame as a domain value. Raises BadFrame."""

    def emit(self, value: Any) -> None:
        """Hand a domain value on to the feed of its symbol."""

    def subscribe(self, instrument: Instrument) -> None:
        """Bring a symbol in: one subscription per channel, whoever asks how often."""

    def unsubscribe(self, symbol: str) -> None:
        """Let a symbol go."""

    async def klines(self, symbol: str, interval: str, rows: int) -> list[Kline]:
        """History, oldest first. Raises VenueUnavailable, VenueBanned, VenueRefused or BadInput."""

    def books(self) -> list[dict[str, Any]]:
        """Integrity of each order book: see docs/architecture.md."""

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
