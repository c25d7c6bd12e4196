"""Where Interactive Brokers and Hyperliquid are: configured, at their usual address, or simulated."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from core.base.errors import FatalError, VenueUnavailable
from core.base.settings import Settings, is_loopback
from core.domain.health import Source
from core.venues.connector import Address, Locate
from core.venues.simulated_status import simulated_status
from core.venues.venue_process import VenueHello, VenueProcess

#: TWS's port for paper accounts (interactivebrokers.github.io/tws-api/initial_setup.html)
IBKR_HOST, IBKR_PORT = "127.0.0.1", 7497
HYPERLIQUID_URL = "https://api.hyperliquid.xyz"
_PROBE_S = 0.3


class Locators:
    """Finds each venue when its connector asks, and owns the simulated ones that stand in.

    `market` is what the five series come from: beside a live market nothing is simulated, beside a replay nothing else is
    used. `calm` is awaited before a simulated venue is started, so that it does not slow the start of what is looked at.
    """

    def __init__(self, settings: Settings, market: Source, calm: Callable[[], Awaitable[None]]) -> None:
        self._settings = settings
        self._market = market
        self._calm = calm
        self._lock = threading.Lock()
        #: venue -> its simulated process and what it said
        self._processes: dict[str, tuple[VenueProcess, VenueHello]] = {}
        self._stopped = False

    def locate(self) -> dict[str, Locate]:
        """Venue -> finder."""
        return {"ibkr": self.ibkr, "hyperliquid": self.hyperliquid}

    async def ibkr(self) -> Address | None:
        """`host:port` of a TWS or Gateway. What stands behind a configured one, it says itself by its account."""
        settings = self._settings
        if self._market is Source.REPLAY:
            return None
        host, port = settings.ibkr_host or IBKR_HOST, settings.ibkr_port or IBKR_PORT
        is_named = settings.ibkr_host is not None or settings.ibkr_port is not None
        if is_named or self._market is Source.LIVE or (settings.market == "auto" and await _answers(host, port)):
            return Address(f"{host}:{port}", Source.LIVE, f"TWS or Gateway at {host}:{port}")
        hello = await self._simulated("tws", "ibkr")
        return Address(f"127.0.0.1:{hello.port}", Source.SIMULATED, "simulated TWS") if hello is not None else None

    async def hyperliquid(self) -> Address | None:
        """`http(s)://…` of Hyperliquid's API."""
        if self._market is Source.REPLAY:
            return None
        url = self._settings.hyperliquid_url
        if url:
            url = url.rstrip("/")
            is_ours = is_loopback(urlsplit(url).hostname or "") and await simulated_status(url) is not None
            return Address(url, Source.SIMULATED if is_ours else Source.LIVE, urlsplit(url).netloc)
        if self._market is Source.LIVE:
            return Address(HYPERLIQUID_URL, Source.LIVE, "api.hyperliquid.xyz")
        hello = await self._simulated("hyperliquid", "hyperliquid")
        return Address(f"http://127.0.0.1:{hello.port}", Source.SIMULATED, "simulated") if hello is not None else None

    async def _simulated(self, module: str, venue: str) -> VenueHello | None:
        """Start the stand-in once; None when we are being stopped meanwhile. Raises VenueUnavailable: ask again later."""
        if venue not in self._processes:
            await self._calm()
            try:
                await asyncio.to_thread(self._start, module, venue)
            except FatalError as error:  # a stand-in that does not start must not end the rest
                raise VenueUnavailable(str(error)) from error
        known = self._processes.get(venue)
        return known[1] if known is not None else None

    def _start(self, module: str, venue: str) -> None:
        process = VenueProcess([], restart=True, venue=module)
        hello = process.start()
        with self._lock:
            if not self._stopped:
                self._processes[venue] = (process, hello)
                return
        process.stop()

    def controls(self) -> dict[str, str]:
        """Venue -> `http://…` of the simulated one's control, for tests and for whoever wants to see it misbehave."""
        return {
            venue: f"http://127.0.0.1:{hello.control_port or hello.port}" for venue, (_, hello) in self._processes.items()
        }

    def stop(self) -> None:
        """End the simulated venues. Any thread."""
        with self._lock:
            self._stopped = True
            processes = [process for process, _ in self._processes.values()]
        for process in processes:
            process.stop()


async def _answers(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PROBE_S):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
        return True
    return False
