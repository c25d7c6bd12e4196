"""Bars that are over and still PARTIAL are asked for again, until the venue has told them."""

import asyncio
import logging

from core.base.errors import BadInput, RetryableError
from core.domain.market import BarFlag
from core.domain.series import SeriesSpec
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.connector import GAP_BACKFILL, History, IsEnabled, VenueRefused

logger = logging.getLogger(__name__)

PERIOD_S = 2.0
#: the venue's own closed bar comes by the stream within this time of market; only then is REST asked
PATIENCE_MS = 5_000


class Repair:
    """Looks every two seconds for partial bars whose end is `PATIENCE_MS` past, and seeds the venue's own in their place.

    They are the bars in which we came or in which a gap could not be filled, when the connection was lost before the
    venue's closed bar could mend them.
    """

    def __init__(
        self, series: tuple[SeriesSpec, ...], history: History, stream: UnifiedDataStream, is_enabled: IsEnabled
    ) -> None:
        self._series = series
        self._history = history
        self._stream = stream
        self._is_enabled = is_enabled
        #: bars that were mended
        self.repaired = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            if not self._is_enabled(GAP_BACKFILL):
                continue
            for spec in self._series:
                if partial := self.overdue(spec):
                    await self._mend(spec, partial)

    def overdue(self, spec: SeriesSpec) -> list[int]:
        """Open times (ms) of the bars to mend, oldest first."""
        last = self._stream.adapter.buffers[spec.name].last_timestamp
        until = self._stream.market_ms(spec.symbol) - PATIENCE_MS - spec.step_ms
        flags = self._stream.flags(spec.name)
        return [stamp for stamp, bits in flags.items() if bits & BarFlag.PARTIAL and stamp < last and stamp <= until]

    async def _mend(self, spec: SeriesSpec, partial: list[int]) -> None:
        # one bar more: the last of an answer counts as running, for REST does not say whether it is
        to_ms = partial[-1] + 2 * spec.step_ms - 1
        try:
            klines = await self._history.klines_between(spec.symbol, spec.interval, partial[0], to_ms)
        except (RetryableError, BadInput, VenueRefused) as error:
            logger.info("%s: %d partial bars not mended yet: %s", spec.name, len(partial), error)
            return
        self._stream.seed(spec.symbol, spec.interval, [k for k in klines if k.closed])
        self.repaired += len(partial) - len(self.overdue(spec))
