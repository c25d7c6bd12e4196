"""The one connection manager: one connection per venue, one subscription per symbol and channel, however many consumers."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from core.base.clock import Clock
from core.base.settings import Settings
from core.base.supervise import Supervisor
from core.domain.instrument import INSTRUMENTS
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.binance.connector import BinanceConnector
from core.venues.connector import Connector, IsEnabled
from core.venues.endpoints import Endpoints
from core.venues.link import LinkTimes
from core.venues.symbol_feed import SymbolFeed

logger = logging.getLogger(__name__)

#: how long the start may wait to hear which trades are stored
_STORE_S = 1.0


class CentralizedDataManager:
    """Owns every venue's connector and every symbol's feed.

    `last_trade_id(symbol)`: the newest stored trade, so that what was missed while we were off is fetched too; it may block.
    To be made and run on the engine loop; `connections` and `tickers` may be asked from any thread.
    """

    def __init__(
        self,
        settings: Settings,
        endpoints: Endpoints,
        stream: UnifiedDataStream,
        clock: Clock,
        is_enabled: Callable[[str], bool],
        last_trade_id: Callable[[str], int | None] | None = None,
        times: LinkTimes | None = None,
    ) -> None:
        ask: IsEnabled = is_enabled
        stream.source = endpoints.source
        self._last_trade_id = last_trade_id
        self._most_missed = settings.stream.backfill_max_trades
        self.feeds = {symbol: SymbolFeed(symbol, stream, ask) for symbol in INSTRUMENTS}
        self.binance = BinanceConnector(settings, endpoints, stream, self.feeds, clock, ask, times)
        self._connectors: tuple[Connector, ...] = (self.binance,)

    async def run(self) -> None:
        """Run all venues, until cancelled. Raises the FatalError that ended one."""
        await self._ask_store()
        supervisor = Supervisor()
        try:
            for connector in self._connectors:
                supervisor.start(connector.venue, connector.run)
            raise await supervisor.failed
        finally:
            await supervisor.close()

    async def _ask_store(self) -> None:
        """Tell each feed which trades are stored; a store that does not answer now costs only that."""
        if self._last_trade_id is None:
            return
        try:
            async with asyncio.timeout(_STORE_S):
                for feed in self.feeds.values():
                    feed.resume_after(await asyncio.to_thread(self._last_trade_id, feed.symbol), self._most_missed)
        except Exception as error:  # whatever the store's trouble is, the market goes first
            logger.warning("stored trades are not known, back-fill begins with the live ones: %r", error)

    def connections(self) -> list[dict[str, Any]]:
        """Each venue: state, counters, subscriptions, incidents. Any thread."""
        return [connector.status() for connector in self._connectors]

    def tickers(self) -> dict[str, dict[str, float]]:
        """24 h statistics per symbol. Any thread."""
        return {symbol: ticker for connector in self._connectors for symbol, ticker in connector.tickers().items()}

    def stages(self) -> list[dict[str, object]]:
        """Latencies of a frame's way from the venue to the consumers' mailboxes. Any thread."""
        return self.binance.timings.stages()
