"""Makes sure that no trade of one symbol is missing: fills from the venue's latest trades, proves by its candles, or says
exactly how many are gone."""

import asyncio
import contextlib
import datetime
import logging
from collections.abc import Awaitable, Callable

from core.base.backoff import Backoff
from core.base.clock import Clock
from core.base.errors import BadInput, RetryableError, VenueBanned
from core.domain.market import Trade
from core.venues.causes import Signals, decide_cause
from core.venues.connector import GAP_BACKFILL, IsEnabled, VenueRefused
from core.venues.hyperliquid.minute_ledger import MINUTE_MS, MinuteLedger, Missing
from core.venues.hyperliquid.wire import VenueCandle
from core.venues.incident_log import IncidentLog

logger = logging.getLogger(__name__)

#: the venue's candle of a minute is asked for this long after its end (market time)
_SETTLED_MS = 1_500
#: least time between two looks at the latest trades: each costs 20 of 1,200 a minute and more
_FILL_S = 4.0
_PATIENCE_S = 1.0
#: minutes back that can be checked: the venue keeps 5,000 candles
_MOST_MINUTES = 4_000

#: (from_ms, to_ms) -> the venue's minutes
FetchCandles = Callable[[int, int], Awaitable[list[VenueCandle]]]


class TradeAudit:
    """Hears of every trade and candle of one symbol. A minute is in doubt when the channel was lost in it, or when the
    venue surely counts more than we have; it is until the candle agrees, or what is missing was declared."""

    def __init__(
        self,
        symbol: str,
        lot_size: float,
        fetch_trades: Callable[[], Awaitable[list[Trade]]],
        fetch_candles: FetchCandles,
        accept: Callable[[Trade], bool],
        on_candle: Callable[[VenueCandle], None],
        on_gap: Callable[[], None],
        clock: Clock,
        incidents: IncidentLog,
        is_enabled: IsEnabled,
    ) -> None:
        """`accept(trade)`: publish a trade once, False when it is known; `on_candle` gets candles by REST, `on_gap()` is
        told of each gap that was found, filled or not."""
        self._symbol = symbol
        self._fetch_trades = fetch_trades
        self._fetch_candles = fetch_candles
        self._accept = accept
        self._on_candle = on_candle
        self._on_gap = on_gap
        self._clock = clock
        self._incidents = incidents
        self._is_enabled = is_enabled
        self._key = f"gap:{symbol}"
        self.ledger = MinuteLedger(lot_size)
        #: minutes in doubt, by open time
        self._doubts: dict[int, None] = {}
        #: from the first doubt until its end was told
        self._is_doubtful = False
        self._is_closed = False
        #: time of the last trade before the channel was lost, 0 when it was not
        self._lost_ms = 0
        self._last_ms = 0
        #: time of the first trade that came
        self._began_ms = 0
        #: open time of the newest candle
        self._open_ms = 0
        #: the latest trades were asked for since the doubt arose
        self._is_filled = False
        self._wake = asyncio.Event()
        self._filled_ns = 0
        self._backoff = Backoff(base_s=0.25, cap_s=10.0)
        self._recovered = self._absent = 0
        #: trades by REST that had been missed, and trades that are missing for good, since the start
        self.recovered = self.missing = 0

    @property
    def is_settled(self) -> bool:
        """Nothing is in doubt, and what was has been told."""
        return not self._is_doubtful and not self._lost_ms

    # -- what happens

    def on_trade(self, trade: Trade) -> None:
        """A trade that was accepted, live or by REST."""
        self.ledger.on_trade(trade.ts_ms, trade.quantity)
        self._last_ms = max(self._last_ms, trade.ts_ms)
        self._began_ms = self._began_ms or trade.ts_ms

    def on_live_candle(self, candle: VenueCandle) -> None:
        """A running candle."""
        open_ms = candle.kline.open_ms
        if open_ms > self._open_ms:
            before, self._open_ms = self._open_ms, open_ms
            if before and not self.ledger.level_at(before):
                self._doubt(before)
        missing = self.ledger.on_candle(open_ms, candle.trades, candle.kline.volume)
        if missing is None:
            return
        if missing.trades == 0:
            if self._is_filled or not self._lost_ms:
                self._settle(open_ms)
        elif open_ms in self._doubts and self._is_filled:
            self._declare(open_ms, missing)
        elif open_ms not in self._doubts and not self._lost_ms:
            self._doubt(open_ms)

    def lost(self) -> None:
        """The trades' channel is lost: what happens from the last trade on may be missed."""
        self.ledger.stop_learning()
        if not self._lost_ms and self._last_ms:
            self._lost_ms = self._last_ms
        self._is_filled = False

    def resumed(self) -> None:
        """The channel proved itself again."""
        if self._lost_ms:
            self._is_filled = False
            self._filled_ns = 0
            self._doubt(self._lost_ms // MINUTE_MS * MINUTE_MS)

    def close(self) -> None:
        """The symbol is let go."""
        self._is_closed = True
        self._wake.set()

    def _doubt(self, open_ms: int) -> None:
        if not self.ledger.knows(open_ms):
            return
        if not self._is_doubtful:
            self._is_doubtful, self._recovered, self._absent = True, 0, 0
        self._doubts[open_ms] = None
        self._wake.set()

    def _settle(self, open_ms: int) -> None:
        if open_ms in self._doubts:
            del self._doubts[open_ms]
            self._wake.set()

    def _declare(self, open_ms: int, missing: Missing) -> None:
        self.ledger.excuse(open_ms, missing)
        self._absent += missing.trades
        self.missing += missing.trades
        self._settle(open_ms)

    # -- answering it

    async def run(self) -> None:
        """Work off the doubts, until closed."""
        while not self._is_closed:
            await self._wake.wait()
            self._wake.clear()
            while self._doubts and not self._is_closed:
                await self._step()
                if self._doubts:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_PATIENCE_S):
                            await self._wake.wait()
                    self._wake.clear()
            if self._is_doubtful and not self._doubts:
                self._conclude()

    async def _step(self) -> None:
        """One look at the venue's latest trades, and at the candles of those minutes in doubt that are over."""
        try:
            if not self._is_filled and self._may_fill():
                await self._fill()
            if self._is_filled:
                await self._check_closed()
            self._backoff.reset()
        except VenueBanned as error:
            await asyncio.sleep(max(0.1, (error.until_ms - self._clock.now_ms()) / 1000))
        except (RetryableError, BadInput, VenueRefused) as error:
            wait_s = self._backoff.next()
            logger.info("%s: missing trades not looked for (%s), again in %.1f s", self._symbol, error, wait_s)
            await asyncio.sleep(wait_s)

    def _may_fill(self) -> bool:
        return not self._filled_ns or (self._clock.monotonic_ns() - self._filled_ns) / 1e9 >= _FILL_S

    async def _fill(self) -> None:
        from_ms = self._lost_ms
        if self._is_enabled(GAP_BACKFILL):
            trades = await self._fetch_trades()
            # the oldest may be of our own time before: then the window reaches over the whole gap
            is_joined = bool(from_ms) and bool(trades) and trades[0].ts_ms < from_ms
            # what happened before we came is no gap, and its minute does not expect it
            since_ms = max(self._began_ms, from_ms or min(self._doubts, default=0))
            fresh = sum(self._accept(trade) for trade in trades if trade.ts_ms >= since_ms)
            self._recovered += fresh
            self.recovered += fresh
        else:
            is_joined = False
        self._filled_ns = self._clock.monotonic_ns()
        self._is_filled, self._lost_ms = True, 0
        if from_ms:
            self._doubt_since(from_ms, is_joined)

    def _doubt_since(self, from_ms: int, is_joined: bool) -> None:
        """All minutes since the loss; of a gap that is filled only those that are over, for their bars' sake."""
        current = max(self._open_ms, self._last_ms // MINUTE_MS * MINUTE_MS)
        first = max(from_ms // MINUTE_MS * MINUTE_MS, current - _MOST_MINUTES * MINUTE_MS)
        for open_ms in range(first, current + 1, MINUTE_MS):
            is_whole = is_joined and (open_ms == current or self.ledger.level_at(open_ms))
            if is_whole:
                self._doubts.pop(open_ms, None)
            elif self.ledger.knows(open_ms):
                self._doubts[open_ms] = None

    async def _check_closed(self) -> None:
        """The venue's last word on minutes that are over."""
        over_ms = max(self._last_ms, self._open_ms) - MINUTE_MS - _SETTLED_MS
        closed = [open_ms for open_ms in self._doubts if open_ms <= over_ms]
        if not closed:
            return
        for candle in await self._fetch_candles(min(closed), max(closed) + MINUTE_MS - 1):
            kline = candle.kline
            if kline.open_ms not in self._doubts or not kline.closed:
                continue
            missing = self.ledger.on_candle(kline.open_ms, candle.trades, kline.volume, final=True)
            self._on_candle(candle)
            if missing is not None and missing.trades:
                self._declare(kline.open_ms, missing)
            self._settle(kline.open_ms)

    def _conclude(self) -> None:
        """Say what became of it. A doubt that proved unfounded is no incident."""
        self._is_filled = self._is_doubtful = False
        if not self._recovered and not self._absent:
            return
        self._on_gap()
        kind = decide_cause(Signals(sequence_gap=True))
        filled = f"{self._recovered} trades fetched, " if self._recovered else ""
        verdict = f"{self._absent} trades are missing for good" if self._absent else "none missing by the venue's candles"
        if self._absent:
            logger.warning("%s: %d trades are missing for good", self._symbol, self._absent)
        at = datetime.datetime.fromtimestamp(self._last_ms / 1000, tz=datetime.UTC)
        self._incidents.note(f"trade gap: {self._symbol}", f"{filled}{verdict} (checked at {at:%H:%M:%S} UTC)", kind)
