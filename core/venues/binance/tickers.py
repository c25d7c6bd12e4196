"""The venue's 24 h statistics, asked for now and then."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from core.base.errors import BadInput, RetryableError
from core.venues.binance.rest import BinanceRest
from core.venues.connector import VenueRefused

logger = logging.getLogger(__name__)

_PERIOD_S = 30.0
_RETRY_S = 5.0


class Tickers:
    """`known`: symbol -> statistics; empty until the venue has told them."""

    def __init__(self, rest: BinanceRest, symbols: Callable[[], Iterable[str]]) -> None:
        self._rest = rest
        self._symbols = symbols
        self.known: dict[str, dict[str, float]] = {}

    async def run(self) -> None:
        """Ask for ever; a venue that has none is asked once."""
        while True:
            try:
                self.known = {symbol: await self._rest.ticker(symbol) for symbol in tuple(self._symbols())}
                await asyncio.sleep(_PERIOD_S)
            except (RetryableError, BadInput) as error:
                logger.info("binance: no 24 h statistics: %s", error)
                await asyncio.sleep(_RETRY_S)
            except VenueRefused as error:
                logger.info("binance: has no 24 h statistics: %s", error)
                return
