"""Fetches the trades that a symbol's tape is missing."""

import asyncio
import logging

import msgspec

from core.base.backoff import Backoff
from core.base.clock import Clock
from core.base.errors import BadInput, RetryableError, VenueBanned
from core.domain.health import Cause
from core.domain.market import Trade
from core.domain.series import series_of
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.connector import GAP_BACKFILL, History, IsEnabled, VenueRefused
from core.venues.incident_log import IncidentLog
from core.venues.symbol_feed import SymbolFeed

logger = logging.getLogger(__name__)

#: trades asked for at once
_PAGE = 1_000
#: a toggle that is off is asked again after this long
_TOGGLE_POLL_S = 1.0
#: answers without a trade of the gap after which it is given up: the venue may lag behind its own stream
_EMPTY_ANSWERS = 5


class GapFillerStats(msgspec.Struct):
    """Counted since the start."""

    filled_trades: int = 0
    filled_gaps: int = 0
    given_up: int = 0
    last_reason: str = ""


class GapFiller:
    """Fills the gaps of one symbol: oldest first, page by page, again and again until filled or given up with a reason.

    Fetched trades pass through the feed like live ones (origin REST), so that each is published once, whichever way it
    came first. A gap of more than `max_trades`, or one whose trades the venue refuses, is filled from the venue's bars.
    """

    def __init__(
        self,
        feed: SymbolFeed,
        history: History,
        stream: UnifiedDataStream,
        clock: Clock,
        incidents: IncidentLog,
        is_enabled: IsEnabled,
        max_trades: int,
        settle_s: float = 0.15,
        backoff: Backoff | None = None,
    ) -> None:
        """`settle_s`: how long a fresh gap may still close by itself, from a second connection or a late frame."""
        self._feed = feed
        self._history = history
        self._stream = stream
        self._clock = clock
        self._incidents = incidents
        self._is_enabled = is_enabled
        self._max_trades = max_trades
        self._settle_s = settle_s
        self._backoff = backoff or Backoff(base_s=0.25, cap_s=30.0)
        self._wake = asyncio.Event()
        self._key = f"gap:{feed.symbol}"
        self._empty_answers = 0
        #: whether the venue gives old trades by id; None: not tried yet
        self._by_id: bool | None = None
        self.stats = GapFillerStats()

    def notice(self, feed: SymbolFeed) -> None:
        """The feed saw a jump."""
        self._incidents.open(self._key, f"trade gap of {self.missing} ids", feed.symbol, Cause.SEQUENCE_GAP)
        self._wake.set()

    @property
    def missing(self) -> int:
        """Trades missing now."""
        return sum(last - first + 1 for first, last in self._feed.tape.gaps)

    async def run(self) -> None:
        """Wait for gaps and fill them, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(self._settle_s)
            await self._fill_all()

    async def _fill_all(self) -> None:
        started_ns, missing, reason = self._clock.monotonic_ns(), self.missing, ""
        gaps = len(self._feed.tape.gaps)
        while self._feed.tape.gaps:
            if not self._is_enabled(GAP_BACKFILL):
                self._incidents.open(
                    self._key, f"trade gap of {self.missing} ids, back-fill is switched off", self._feed.symbol
                )
                await asyncio.sleep(_TOGGLE_POLL_S)
                continue
            try:
                reason = await self._step() or reason
                self._backoff.reset()
            except VenueBanned as error:
                await asyncio.sleep(max(0.1, (error.until_ms - self._clock.now_ms()) / 1000))
            except (RetryableError, BadInput) as error:
                wait_s = self._backoff.next()
                logger.info("%s: gap fill failed (%s), again in %.1f s", self._feed.symbol, error, wait_s)
                await asyncio.sleep(wait_s)
        took_s = (self._clock.monotonic_ns() - started_ns) / 1e9
        self.stats.filled_gaps += gaps
        if reason:
            how = "filled from bars" if series_of(self._feed.symbol) else "given up"
            cause = f"trade gap of {missing} ids {how}: {reason}"
        elif missing:
            cause = f"trade gap of {missing} ids filled in {took_s:.1f} s"
        else:
            cause = "trade gap closed by itself"
        self._incidents.close(self._key, cause)

    async def _step(self) -> str:
        """One request towards filling the oldest gap. Gives a reason when the gap had to be given up."""
        if self.missing > self._max_trades:
            return await self._give_up(self._feed.tape.gaps, f"longer than {self._max_trades} trades")
        first, last = self._feed.tape.gaps[0]
        try:
            trades = await self._fetch(first, last)
        except VenueRefused as error:
            return await self._give_up([(first, last)], str(error))
        wanted = [t for t in trades if first <= t.trade_id <= last]
        for trade in wanted:
            self._feed.on_trade(trade)
        self.stats.filled_trades += len(wanted)
        if wanted:
            self._empty_answers = 0
            return ""
        self._empty_answers += 1
        if self._empty_answers < _EMPTY_ANSWERS:
            await asyncio.sleep(self._backoff.next(at_most_s=1.0))
            return ""
        self._empty_answers = 0
        return await self._give_up([(first, last)], f"the venue has no trades {first}…{last}")

    async def _fetch(self, first: int, last: int) -> list[Trade]:
        """Trades of a gap; from the venue's latest 1,000 where it wants a key for older ones."""
        if self._by_id is not False:
            try:
                trades = await self._history.trades_from(self._feed.symbol, first, min(_PAGE, last - first + 1))
                self._by_id = True
                return trades
            except VenueRefused as error:
                if self._by_id:
                    raise
                logger.info("%s: trades by id are refused (%s), taking the latest", self._feed.symbol, error)
                self._by_id = False
        trades = await self._history.recent_trades(self._feed.symbol)
        if trades and trades[0].trade_id > first:
            raise VenueRefused(f"trades before {trades[0].trade_id} need an API key")
        return trades

    async def _give_up(self, gaps: list[tuple[int, int]], reason: str) -> str:
        """The bars of the gap are taken from the venue, its trades will not come."""
        gaps = list(gaps)
        from_ms, to_ms = self._feed.span_of(gaps[0][0], gaps[-1][1])
        self._stream.mark_partial(self._feed.symbol, from_ms, to_ms)
        for spec in series_of(self._feed.symbol):
            try:
                klines = await self._history.klines_between(self._feed.symbol, spec.interval, from_ms, to_ms)
            except VenueRefused as error:
                reason = f"{reason}; bars of {spec.interval} refused too: {error}"
                continue
            self._stream.seed(self._feed.symbol, spec.interval, klines)
        for first, last in gaps:
            self._feed.tape.give_up(first, last)
        self.stats.given_up += sum(last - first + 1 for first, last in gaps)
        self.stats.last_reason = reason
        logger.warning("%s: %d missing trades given up: %s", self._feed.symbol, self.stats.given_up, reason)
        return reason
