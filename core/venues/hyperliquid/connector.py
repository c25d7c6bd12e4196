"""Hyperliquid's perpetuals: trades, books, quotes and one-minute candles on one WebSocket, history and repairs by REST."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from core.base.clock import Clock
from core.base.codec import to_json
from core.base.errors import BadInput, RetryableError, VenueBanned
from core.base.settings import Settings
from core.base.supervise import Supervisor
from core.domain.health import LinkState
from core.domain.instrument import Instrument
from core.domain.market import BookView, Kline, Quote, Trade
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.causes import Signals, decide_cause
from core.venues.channel import Channel
from core.venues.channel_spec import ChannelSpec
from core.venues.connector import IsEnabled, Locate, VenueRefused
from core.venues.hyperliquid.rest import INTERVALS_MS, MOST_CANDLES, HyperliquidRest
from core.venues.hyperliquid.trade_audit import TradeAudit
from core.venues.hyperliquid.weight_window import LIMIT_PER_MINUTE
from core.venues.hyperliquid.wire import FUTURE_MS, Acknowledged, Pong, Refused, VenueCandle, parse_frame, tell_apart
from core.venues.link import LinkTimes
from core.venues.stream_connector import StreamConnector
from core.venues.stream_status import budget

logger = logging.getLogger(__name__)

#: bars of history that a symbol begins with
_HISTORY_ROWS = 500
_TICKER_PERIOD_S = 60.0
_DAY_MS = 86_400_000
#: a silent channel is not excused for longer
_EXCUSED_S = 60.0


class HyperliquidConnector(StreamConnector):
    """Trade ids are in no order: after a loss, and minute by minute, the venue's candles prove that none is missing."""

    venue = "hyperliquid"
    title = "Hyperliquid"
    variable = "HYPERLIQUID_URL"
    channels = (
        ChannelSpec("trades", Trade),
        ChannelSpec("l2Book", BookView),
        ChannelSpec("bbo", Quote, patience=2),
        ChannelSpec("candle", VenueCandle, patience=2),
    )
    #: docs, "Rate limits and user limits"
    most_subscriptions = 1_000
    messages_per_minute = 2_000
    connects_per_minute = 30
    #: a connection to which nothing was sent for 60 s is closed (docs, "Timeouts and heartbeats")
    ping_s = 20.0

    def __init__(
        self,
        settings: Settings,
        locate: Locate,
        stream: UnifiedDataStream,
        clock: Clock,
        is_enabled: IsEnabled,
        times: LinkTimes | None = None,
    ) -> None:
        #: coin -> symbol
        self._symbols: dict[str, str] = {}
        self.audits: dict[str, TradeAudit] = {}
        self.rest = HyperliquidRest(self._symbols, clock)
        self.rest.on_ban = self._on_ban
        self._tickers: dict[str, dict[str, float]] = {}
        #: runs the audits while we run, and how many it was given
        self._auditors: Supervisor | None = None
        self._started = 0
        #: subscriptions that a renewal's new connection has not acknowledged yet
        self._unproven = 0
        self._latest_ms = clock.now_ms() + FUTURE_MS
        self._candles: dict[str, VenueCandle] = {}
        self._opened = asyncio.Event()
        super().__init__(settings, locate, stream, clock, is_enabled, times)

    # -- what this venue is

    def silence_s(self, settings: Settings) -> float:
        return settings.venues.hyperliquid.silence_s

    def request(self, channel: str, instrument: Instrument, wanted: bool) -> bytes:
        subscription = {"type": channel, "coin": instrument.venue_symbol}
        if channel == "candle":
            subscription["interval"] = "1m"
        return to_json({"method": "subscribe" if wanted else "unsubscribe", "subscription": subscription})

    def ping(self) -> bytes:
        return b'{"method":"ping"}'

    def normalize(self, frame: Any, recv_ns: int) -> Sequence[Any]:
        said = parse_frame(frame, self._symbols, recv_ns, self._latest_ms)
        if isinstance(said, tuple):
            return said
        if isinstance(said, Refused):
            self._on_refusal(said.text)
        return ()

    def emit(self, value: Any) -> None:
        if isinstance(value, Trade):
            self._accept(value)
        elif isinstance(value, VenueCandle):
            self._on_candle(value)
        else:
            if isinstance(value, BookView):
                self.clock_offset.note(value.event_ms, self._clock.now_ms())
            super().emit(value)

    def _accept(self, trade: Trade) -> bool:
        """Publish a trade that is new."""
        is_new = self.accept_trade(trade)
        if is_new:
            self.audits[trade.symbol].on_trade(trade)
        return is_new

    def _on_candle(self, candle: VenueCandle) -> None:
        known = self._candles.get(candle.symbol)
        if known is not None and (candle.kline.open_ms, candle.trades) < (known.kline.open_ms, known.trades):
            return
        self._candles[candle.symbol] = candle
        self.audits[candle.symbol].on_live_candle(candle)
        self._stream.publish_kline(candle.kline)

    def excuse(self, channel: Channel) -> bool:
        """No trade is no fault while the candles know of none that we lack; no candle or quote while nothing moved."""
        others = {"trades": "candle", "candle": "trades", "bbo": "l2Book"}
        other = self.subscriptions.get(f"{channel.symbol}@{others.get(channel.name, '')}")
        if other is None or other.state is not LinkState.LIVE or channel.state is LinkState.STALE:
            return False
        age_s = other.age_s(self._clock.monotonic_ns())
        if age_s is None or age_s > _EXCUSED_S:
            return False
        if channel.name == "bbo":
            quote, book = self._stream.quote(channel.symbol), self._stream.book(channel.symbol)
            return quote is not None and book is not None and (quote.bid, quote.ask) == (book.bids[0][0], book.asks[0][0])
        ledger = self.audits[channel.symbol].ledger
        return ledger.is_level and not ledger.is_learning

    def proves(self, frame: bytes) -> bool:
        said = parse_frame(frame, self._symbols, 0, self._latest_ms)
        self._unproven -= isinstance(said, Acknowledged)
        return self._unproven <= 0 and not isinstance(said, Pong)

    def banned(self) -> str:
        return "REST rate limited (429)" if self.rest.is_banned else ""

    def budgets(self) -> list[dict[str, Any]]:
        weight = budget("weight", self.rest.window.used, LIMIT_PER_MINUTE, "weight", "1 min", "REST requests")
        return [weight, *super().budgets()]

    @property
    def api_calls(self) -> int:
        """REST requests, and messages sent to the venue, so far; pings aside."""
        return super().api_calls + self.rest.requests

    # -- symbols

    def subscribe(self, instrument: Instrument) -> None:
        symbol, coin = instrument.symbol, instrument.venue_symbol
        if symbol in self.audits:
            return
        self._symbols[coin] = symbol

        async def fetch_candles(from_ms: int, to_ms: int) -> list[VenueCandle]:
            return await self.rest.candles(coin, "1m", from_ms, to_ms)

        self.audits[symbol] = TradeAudit(
            symbol, instrument.lot_size, lambda: self.rest.recent_trades(coin), fetch_candles, self._accept,
            lambda candle: self._stream.publish_kline(candle.kline), lambda: self._on_gap(symbol), self._clock,
            self.incidents, self._is_enabled,
        )  # fmt: skip
        super().subscribe(instrument)
        if self._auditors is not None:
            self._start_audit(self._auditors, symbol)

    def unsubscribe(self, symbol: str) -> None:
        instrument = self._instruments.get(symbol)
        super().unsubscribe(symbol)
        if instrument is not None:
            self.audits.pop(symbol).close()
            del self._symbols[instrument.venue_symbol]
            self._candles.pop(symbol, None)
            self._tickers.pop(symbol, None)

    def _start_audit(self, auditors: Supervisor, symbol: str) -> None:
        """A symbol that comes back may find its former audit still ending: names are given once."""
        self._started += 1
        audit = self.audits[symbol]
        auditors.start(f"{self.venue} audit {symbol} {self._started}", audit.run)
        auditors.start(f"{self.venue} history {symbol} {self._started}", lambda: self._load_history(symbol))

    # -- tasks

    def tasks(self) -> dict[str, Callable[[], Any]]:
        return {"tickers": self._watch_tickers, "audits": self._run_audits}

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            self.rest.close()

    async def _run_audits(self) -> None:
        """Each symbol's history and audit, for as long as it is subscribed."""
        await self._opened.wait()
        self._auditors = Supervisor()
        try:
            for symbol in self.audits:
                self._start_audit(self._auditors, symbol)
            raise await self._auditors.failed
        finally:
            auditors, self._auditors = self._auditors, None
            await auditors.close()

    async def _load_history(self, symbol: str) -> None:
        """The bars before the first live one; asked for again until they are here."""
        klines: list[Kline] = []
        while not klines and symbol in self.audits:
            try:
                klines = await self.klines(symbol, "1m", _HISTORY_ROWS)
            except VenueBanned as error:
                await asyncio.sleep(max(0.1, (error.until_ms - self._clock.now_ms()) / 1000))
            except (RetryableError, BadInput) as error:
                logger.info("%s: no history of %s: %s", self.venue, symbol, error)
                await asyncio.sleep(5.0)
            except VenueRefused as error:
                logger.warning("%s: history of %s is refused: %s", self.venue, symbol, error)
                return
        for kline in klines:
            if kline.closed:
                self._stream.publish_kline(kline)

    async def _watch_tickers(self) -> None:
        """24 h statistics, from the venue's hours: its own summary has neither high nor low."""
        await self._opened.wait()
        while True:
            try:
                for symbol in tuple(self._instruments):
                    self._tickers[symbol] = _day(await self.klines(symbol, "1h", 24), self._clock.now_ms())
            except (RetryableError, BadInput, VenueRefused) as error:
                logger.info("%s: no 24 h statistics: %s", self.venue, error)
            await asyncio.sleep(_TICKER_PERIOD_S)

    async def klines(self, symbol: str, interval: str, rows: int) -> list[Kline]:
        """The last `rows` bars, oldest first, at most the venue's 5,000; the last is running."""
        instrument, step_ms = self._instruments.get(symbol), INTERVALS_MS.get(interval)
        if instrument is None or step_ms is None:
            raise VenueRefused(f"no bars of {interval} of {symbol}")
        now_ms = self._clock.now_ms()
        from_ms = now_ms - (min(rows, MOST_CANDLES) - 1) * step_ms
        candles = await self.rest.candles(instrument.venue_symbol, interval, from_ms, now_ms)
        return [candle.kline for candle in candles][-rows:]

    def tickers(self) -> dict[str, dict[str, float]]:
        return self._tickers.copy()

    # -- what happens

    async def _find(self) -> None:
        await super()._find()
        self.rest.point_to(self.address.url)

    def _on_link(self, state: LinkState, cause: str) -> None:
        if state is LinkState.SYNCING:
            self._opened.set()
        elif state in (LinkState.RECONNECTING, LinkState.BANNED):
            self._candles.clear()
        super()._on_link(state, cause)

    def on_channel(self, channel: Channel, is_live: bool) -> None:
        """A channel was lost or proved itself (again)."""
        audit = self.audits.get(channel.symbol)
        if channel.name == "trades" and audit is not None:
            if is_live:
                audit.resumed()
            else:
                audit.lost()

    def _subscribe_all(self, send: Callable[[bytes], None]) -> None:
        self._unproven = len(self.subscriptions)
        super()._subscribe_all(send)

    def _refresh(self) -> None:
        self._latest_ms = self._clock.now_ms() + FUTURE_MS
        if not self.rest.is_banned:
            self.incidents.close("ban")
        super()._refresh()

    def _on_gap(self, symbol: str) -> None:
        self.subscriptions[f"{symbol}@trades"].gaps += 1

    def _on_refusal(self, text: str) -> None:
        if text.startswith("Already "):  # what we asked for twice, to be sure
            return
        name, coin = tell_apart(text)
        channel = self.subscriptions.get(f"{self._symbols.get(coin, '')}@{name}")
        if channel is not None:
            self.refuse(channel, text)
        else:
            self.incidents.note("request refused on the stream", text, decide_cause(Signals(bad_frames=True)))

    def _on_ban(self) -> None:
        wait_s = (self.rest.banned_until_ms - self._clock.now_ms()) / 1000
        cause = f"REST rate limited (429) for {wait_s:.0f} s"
        self.incidents.open("ban", cause, kind=decide_cause(Signals(http_status=429)))
        logger.warning("%s: %s", self.venue, cause)
        self._refresh()


def _day(hours: Sequence[Kline], now_ms: int) -> dict[str, float]:
    """24 h statistics from hourly bars, oldest first; the turnover is an estimate by each hour's typical price."""
    if not hours:
        raise BadInput("no hours of the last day")
    return {
        "open": hours[0].open,
        "high": max(k.high for k in hours),
        "low": min(k.low for k in hours),
        "volume": sum(k.volume for k in hours),
        "quote_volume": sum(k.volume * (k.high + k.low + k.close) / 3 for k in hours),
        "at_ms": float(now_ms),
    }
