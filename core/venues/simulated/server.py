"""One aiohttp server with the venue's REST, its streams and the control API on one port."""

import asyncio

from aiohttp import web

from core.base.clock import Clock
from core.base.errors import FatalError
from core.venues.simulated.binance_rest import Rest
from core.venues.simulated.binance_streams import StreamRules, Streams
from core.venues.simulated.control import Control
from core.venues.simulated.faults import Faults
from core.venues.simulated.source import MarketSource


class VenueServer:
    """Serves a market source until stopped."""

    def __init__(self, source: MarketSource, clock: Clock, rules: StreamRules) -> None:
        self._source = source
        self._faults = Faults()
        self.streams = Streams(self._faults, rules)
        self._rest = Rest(source, self._faults, clock)
        control = Control(source, self.streams, self._rest, self._faults)
        app = web.Application()
        app.add_routes([*self._rest.routes(), *self.streams.routes(), *control.routes()])
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
        self._market: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises FatalError when the address cannot be had."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise FatalError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        self._market = asyncio.create_task(self._source.run(self.streams), name="market")
        return int(self._runner.addresses[0][1])

    async def ended(self) -> None:
        """Returns never while the market runs; raises what ended it."""
        if self._market is not None:
            await self._market

    async def stop(self) -> None:
        if self._market is not None:
            self._market.cancel()
            await asyncio.gather(self._market, return_exceptions=True)
        self.streams.abort_all("shutdown")
        await self._runner.cleanup()
