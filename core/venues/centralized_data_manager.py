"""The one connection manager: one connection per venue, one subscription per symbol and channel, however many consumers."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from core.base.clock import Clock
from core.base.settings import Settings
from core.base.supervise import Supervisor
from core.domain.instrument import INSTRUMENTS, Instrument, instruments_of
from core.domain.market import BookView, Kline
from core.domain.series import series_of
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.binance.connector import BinanceConnector
from core.venues.connector import Connector, IsEnabled, Locate
from core.venues.endpoints import Endpoints
from core.venues.link import LinkTimes
from core.venues.registry import VENUES
from core.venues.request_cache import RequestCache
from core.venues.sharing import Sharing
from core.venues.symbol_feed import SymbolFeed

logger = logging.getLogger(__name__)

#: how long the start may wait to hear which trades are stored
_STORE_S = 1.0


class CentralizedDataManager:
    """Owns every venue's connector and every symbol's feed. Consumers ask it, never a venue.

    `last_trade_id(symbol)`: the newest stored trade, so that what was missed while we were off is fetched too; it may block.
    `locate`: venue -> where it is, for the venues beside Binance that are to be used. To be made and run on the engine
    loop; all but `run` and `history` may be called from any thread.
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
        locate: Mapping[str, Locate] | None = None,
    ) -> None:
        ask: IsEnabled = is_enabled
        stream.source = endpoints.source
        self._stream = stream
        self._last_trade_id = last_trade_id
        self._most_missed = settings.stream.backfill_max_trades
        self.feeds = {i.symbol: SymbolFeed(i.symbol, stream, ask) for i in instruments_of("binance")}
        self.binance = BinanceConnector(settings, endpoints, stream, self.feeds, clock, ask, times)
        others = {
            venue: VENUES[venue].make()(settings, where, stream, clock, ask)
            for venue, where in (locate or {}).items()
            if VENUES[venue].is_on(settings)
        }
        #: venue -> connector
        self.connectors: dict[str, Connector] = {"binance": self.binance, **others}
        self._sharing = Sharing()
        self._cache = RequestCache(clock)
        self._reads = self._empty_reads = 0
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Run all venues, until cancelled. Raises the FatalError that ended one."""
        await self._ask_store()
        supervisor = Supervisor()
        try:
            for connector in self.connectors.values():
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

    # -- sharing

    def subscribe(self, symbol: str, consumer: str, instrument: Instrument | None = None) -> None:
        """Let `consumer` have a symbol. The first costs one subscription per channel of the symbol, the others nothing.

        `instrument` describes a symbol that is not among `INSTRUMENTS`. Raises KeyError naming a symbol that nobody
        described, or one of a venue that is not in use. Takes effect on the engine loop.
        """
        wanted = instrument or self._stream.instruments.get(symbol) or INSTRUMENTS.get(symbol)
        if wanted is None:
            raise KeyError(f"{symbol}: no instrument of that name is known")
        if wanted.venue not in self.connectors:
            raise KeyError(f"{symbol}: its venue {wanted.venue} is not in use")
        self._on_loop(lambda: self._join(wanted, consumer))

    def unsubscribe(self, symbol: str, consumer: str) -> None:
        """`consumer` has done with a symbol. With its last one a symbol leaves its venue, unless a series is made of it."""
        self._on_loop(lambda: self._leave(symbol, consumer))

    def _on_loop(self, call: Callable[[], None]) -> None:
        try:
            is_here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            is_here = False
        if is_here:
            call()
        else:
            self._loop.call_soon_threadsafe(call)

    def _join(self, instrument: Instrument, consumer: str) -> None:
        if self._sharing.join(instrument.symbol, consumer):
            self.connectors[instrument.venue].subscribe(instrument)

    def _leave(self, symbol: str, consumer: str) -> None:
        instrument = self._stream.instruments.get(symbol)
        if self._sharing.leave(symbol, consumer) and instrument is not None and not series_of(symbol):
            self.connectors[instrument.venue].unsubscribe(symbol)

    def latest(self, symbol: str) -> dict[str, Any]:
        """What is known of a symbol now: quote, book, last trade and price, each None when it is not; no venue is asked."""
        trades = self._stream.trades(symbol, 1)
        quote, book = self._stream.quote(symbol), self._stream.book(symbol)
        self._reads += 1
        self._empty_reads += quote is None and book is None and not trades
        return {"symbol": symbol, "quote": quote, "book": book, "trade": trades[-1] if trades else None}

    def level2(self, symbol: str, n: int = 200) -> list[BookView]:
        """The newest `n` book views, oldest first, from the shared buffer."""
        self._reads += 1
        views = self._stream.level2(symbol, n)
        self._empty_reads += not views
        return views

    def prices(self, symbol: str, n: int = 200) -> list[list[float]]:
        """The newest `n` prices, oldest first, from the shared buffer: [venue time in Unix ms, price, quantity]."""
        self._reads += 1
        prices = self._stream.prices(symbol, n)
        self._empty_reads += not prices
        return prices

    async def history(self, symbol: str, interval: str, rows: int) -> list[Kline]:
        """The newest `rows` bars of a symbol, oldest first; the venue is asked once per bar, whoever asks how often.

        Raises KeyError for a symbol that has not joined, VenueUnavailable, VenueBanned, VenueRefused or BadInput.
        """
        connector = self.connectors[self._stream.instruments[symbol].venue]
        return await self._cache.get((symbol, interval, rows), lambda: connector.klines(symbol, interval, rows))

    # -- what it looks like: any thread

    def connections(self) -> list[dict[str, Any]]:
        """Each venue: state, counters, budgets, subscriptions, incidents."""
        return [connector.status() for connector in self.connectors.values()]

    def books(self) -> list[dict[str, Any]]:
        """The integrity of each order book."""
        return [book for connector in self.connectors.values() for book in connector.books()]

    def tickers(self) -> dict[str, dict[str, float]]:
        """24 h statistics per symbol."""
        return {symbol: ticker for connector in self.connectors.values() for symbol, ticker in connector.tickers().items()}

    def statistics(self) -> dict[str, Any]:
        """What sharing saves: updates, API calls, subscriptions, subscribers, the cache, memory, and each symbol."""
        symbols = self._stream.symbols()
        cache = self._cache.stats()
        hits, misses = cache["hits"] + self._reads - self._empty_reads, cache["misses"] + self._empty_reads
        return {
            "total_updates": sum(s["updates"] for s in symbols),
            "updates_per_s": round(sum(s["updates_per_s"] for s in symbols), 1),
            "api_calls": sum(connector.api_calls for connector in self.connectors.values()),
            "connections": sum(bool(c["subscriptions"]) and c["state"] == "LIVE" for c in self.connections()),
            "subscriptions": sum(len(c["subscriptions"]) for c in self.connections()),
            "subscribers": self._sharing.subscribers,
            "registrations": self._sharing.registrations,
            "active_symbols": sum(s["state"] == "LIVE" for s in symbols),
            "cache": {
                "hits": hits,
                "misses": misses,
                "hit_rate": round(hits / (hits + misses), 4) if hits + misses else None,
                "entries": cache["entries"] + len(symbols),
            },
            "memory": {
                "level_ii_history": sum(s["level2_rows"] for s in symbols),
                "price_history": sum(s["price_rows"] for s in symbols),
                "bytes": sum(s["bytes"] for s in symbols) + cache["bytes"],
            },
            "symbols": [s | {"subscribers": self._sharing.listeners(s["symbol"])} for s in symbols],
        }

    def stages(self) -> list[dict[str, object]]:
        """Latencies of a frame's way from the venue to the consumers' mailboxes."""
        return self.binance.timings.stages()
