"""The history that stands before the first live bar."""

import asyncio
import logging
from collections.abc import Callable

from core.base.backoff import Backoff
from core.base.clock import Clock
from core.base.errors import BadInput, RetryableError, VenueBanned
from core.domain.series import SeriesSpec
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.connector import History, VenueRefused

logger = logging.getLogger(__name__)

#: live bars wait no longer than this for history that does not come; it is merged when it does
_PATIENCE_S = 3.0


class Backfill:
    """Fetches the latest `rows` bars of each series, side by side, again and again until it has them.

    `on_ready(symbol)` is called once per symbol: when its series are in, or when waiting longer would only delay live data.
    """

    def __init__(
        self,
        series: tuple[SeriesSpec, ...],
        rows: int,
        history: History,
        stream: UnifiedDataStream,
        clock: Clock,
        on_ready: Callable[[str], None],
    ) -> None:
        self._history = history
        self._rows = rows
        self._stream = stream
        self._clock = clock
        self._on_ready = on_ready
        self._series = series
        #: series that are not in yet, by name
        self._missing = dict.fromkeys(s.name for s in series)
        self._untried = {s.name: s.symbol for s in series}
        self._waiting = dict.fromkeys(s.symbol for s in series)
        #: why the last attempt failed
        self.trouble = ""

    @property
    def pending(self) -> str:
        """What is still missing, as a cause; empty when all is in."""
        missing = list(self._missing)
        if not missing:
            return ""
        trouble = f" ({self.trouble})" if self.trouble else ""
        return f"fetching history of {', '.join(missing)}{trouble}"

    async def run(self) -> None:
        """Returns when every series is in, or refused for good."""
        async with asyncio.TaskGroup() as group:
            patience = group.create_task(self._lose_patience())
            fetches = [group.create_task(self._fetch(spec)) for spec in self._series if spec.name in self._missing]
            await asyncio.gather(*fetches)
            patience.cancel()

    async def _lose_patience(self) -> None:
        await asyncio.sleep(_PATIENCE_S)
        for symbol in list(self._waiting):
            self._ready(symbol)

    async def _fetch(self, spec: SeriesSpec) -> None:
        backoff = Backoff(base_s=0.25, cap_s=30.0)
        while spec.name in self._missing:
            wait_s = 0.0
            try:
                klines = await self._history.klines(spec.symbol, spec.interval, self._rows)
                self._stream.seed(spec.symbol, spec.interval, klines)
                del self._missing[spec.name]
            except VenueRefused as error:
                logger.warning("history of %s is refused: %s", spec.name, error)
                del self._missing[spec.name]
            except VenueBanned as error:
                self.trouble, wait_s = str(error), max(0.1, (error.until_ms - self._clock.now_ms()) / 1000)
            except (RetryableError, BadInput) as error:
                self.trouble, wait_s = str(error), backoff.next()
                logger.info("history of %s failed (%s), again in %.1f s", spec.name, error, wait_s)
            self._untried.pop(spec.name, None)
            if spec.symbol not in self._untried.values():
                self._ready(spec.symbol)
            await asyncio.sleep(wait_s)

    def _ready(self, symbol: str) -> None:
        if symbol in self._waiting:
            del self._waiting[symbol]
            self._on_ready(symbol)
