"""Where the market of the five series is: live, simulated or replayed; and the process of the latter two."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from core.base.errors import FatalError
from core.base.settings import Settings
from core.domain.health import Source
from core.venues.endpoints import Endpoints, choose_endpoints
from core.venues.venue_process import VenueProcess


class MarketFinder:
    """`find()` once, `stop()` at the end; both block."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: VenueProcess | None = None

    def find(self) -> Endpoints:
        """The endpoints to use; a simulated venue runs when it returns. Raises FatalError with one clear line."""
        mode = self._settings.market
        if mode == "replay":
            speed = self._settings.speed
            files = [str(path) for path in self._settings.replay]
            pace = "as fast as it goes" if speed == 0 else f"×{speed:g}"
            return self._simulate(Source.REPLAY, pace, ["--replay", *files, "--speed", f"{speed:g}"])
        if mode == "simulated":
            return self._simulate(Source.SIMULATED, "seeded market model", [])
        if mode == "live":
            live = asyncio.run(choose_endpoints(self._settings))
            if live is None:
                raise FatalError("no Binance endpoint answered within 2 s (--market live)")
            return live
        # a simulated venue takes a moment to start: it does so while the live ones get their 2 s to answer
        with ThreadPoolExecutor(1, thread_name_prefix="standby") as pool:
            standby = pool.submit(self._simulate, Source.SIMULATED, "no live venue answered", [])
            live = asyncio.run(choose_endpoints(self._settings))
            simulated = standby.result()
        if live is None:
            return simulated
        self.stop()
        return live

    def _simulate(self, source: Source, detail: str, arguments: list[str]) -> Endpoints:
        self._process = VenueProcess(arguments, restart=source is Source.SIMULATED)
        hello = self._process.start()
        address = f"127.0.0.1:{hello.port}"
        return Endpoints(
            rest=f"http://{address}",
            stream=f"ws://{address}",
            ws_api=f"ws://{address}/ws-api/v3",
            source=source,
            detail=detail,
            streams=tuple(hello.streams) if hello.streams is not None else None,
        )

    def stop(self) -> None:
        """End the simulated venue, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()
