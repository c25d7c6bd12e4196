"""All symbols of Binance that are subscribed now, and the streams they share one connection for."""

import asyncio
from collections.abc import Callable, Iterable

from core.base.supervise import Supervisor
from core.venues.binance.symbol_desk import SymbolDesk
from core.venues.binance.wire import Parser, parser_for
from core.venues.book_keeper import BookKeeper
from core.venues.channel import Channel
from core.venues.symbol_feed import SymbolFeed


class SymbolDesks:
    """Symbols come and go while the connection stays. Engine loop only, but for `symbols` and `keepers`."""

    def __init__(self, make: Callable[[SymbolFeed], SymbolDesk]) -> None:
        self._make = make
        #: symbol -> all that it has
        self.by_symbol: dict[str, SymbolDesk] = {}
        #: stream name -> channel, of all symbols
        self.channels: dict[str, Channel] = {}
        #: stream name as in the frame -> channel and parser
        self.routes: dict[bytes, tuple[Channel, Parser]] = {}
        self._changed = asyncio.Event()

    def __contains__(self, symbol: str) -> bool:
        return symbol in self.by_symbol

    def seat(self, feed: SymbolFeed) -> SymbolDesk:
        """Make place for a symbol."""
        desk = self._make(feed)
        self.by_symbol[feed.symbol] = desk
        self.channels |= desk.channels
        self.routes |= {name.encode(): (channel, parser_for(name)) for name, channel in desk.channels.items()}
        self._changed.set()
        return desk

    def unseat(self, symbol: str) -> SymbolDesk:
        """Take a symbol away. Raises KeyError for an unknown one."""
        desk = self.by_symbol.pop(symbol)
        for name in desk.channels:
            del self.channels[name], self.routes[name.encode()]
        self._changed.set()
        return desk

    async def run(self, supervisor: Supervisor, prefix: str) -> None:
        """Run what each symbol needs for as long as it stays."""
        #: task -> whose
        running: dict[str, SymbolDesk] = {}
        while True:
            self._changed.clear()
            wanted = {f"{prefix} {name}": desk for desk in self.by_symbol.values() for name in desk.tasks()}
            for name, desk in list(running.items()):
                if wanted.get(name) is not desk:
                    await supervisor.stop(name)
                    del running[name]
            for name, desk in wanted.items():
                if name not in running:
                    supervisor.start(name, desk.tasks()[name.removeprefix(f"{prefix} ")])
                    running[name] = desk
            await self._changed.wait()

    @property
    def congested(self) -> bool:
        return any(desk.feed.congested for desk in self.by_symbol.values())

    def reconnected(self, now_ns: int) -> None:
        """Another connection is open, with every channel on it."""
        for desk in self.by_symbol.values():
            desk.feed.reconnected()
        for channel in self.channels.values():
            channel.connected(now_ns)

    def lost(self) -> None:
        """The connection is gone: no book is known any more."""
        for keeper in self.keepers():
            keeper.lost()

    def symbols(self) -> Iterable[str]:
        return self.by_symbol.copy()

    def keepers(self) -> list[BookKeeper]:
        """Who keeps the books. Any thread."""
        return [desk.book for desk in self.by_symbol.copy().values() if desk.book is not None]
