"""All that one stock is to us: its contract, its subscriptions, its trades, quote, book and bars."""

from typing import Any

import msgspec

from core.base.clock import Clock
from core.base.settings import Settings
from core.domain.health import LinkState
from core.domain.instrument import Instrument
from core.domain.market import Kline, Origin, Quote, Trade
from core.market.second_trades import Tick
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.ibkr.depth_keeper import DepthKeeper
from core.venues.ibkr.frames import PRICES, SIZES, BarTick, Delay, DepthRow, Frame, LastTick, QuoteTick, TopTick
from core.venues.ibkr.hours import TradingHours
from core.venues.ibkr.subscription import Kind, Subscription
from core.venues.ibkr.trade_flow import BAR_S, Named, TradeFlow

_MINUTE_MS = 60_000


class SecondsBar(msgspec.Struct, frozen=True):
    """A five-second bar, and how many trades are in it (below 1: not told)."""

    kline: Kline
    count: int


#: what a frame means: a domain value, or what only its line understands
Value = Tick | Quote | Kline | SecondsBar | DepthRow | TopTick | Delay


class SymbolLine:
    """One symbol. `normalize` makes domain values of its frames, `emit` publishes them."""

    def __init__(self, instrument: Instrument, settings: Settings, stream: UnifiedDataStream, clock: Clock) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self._stream = stream
        self._clock = clock
        #: the qualified contract of the client library, None until then
        self.contract: Any = None
        #: why it could not be had
        self.problem = ""
        self.qualify_ns = 0
        self.hours = TradingHours()
        #: how often minutes were asked for: each time for other ones, so that none is an identical request
        self.minutes_asked = 0
        silence_s = settings.venues.ibkr.silence_s
        self.subscriptions = {kind: Subscription(kind, self.symbol, silence_s) for kind in Kind}
        self.flow = TradeFlow()
        self.depth = DepthKeeper(self.symbol, instrument.venue, settings.venues.ibkr.depth_rows, stream, clock)
        self._quote = {"bid": 0.0, "bid_size": 0.0, "ask": 0.0, "ask_size": 0.0}
        self._quotes = 0
        self._minute: Kline | None = None
        #: what the stream was told of the link last
        self._told: tuple[bool, str] | None = None

    # -- normalize

    def normalize(self, kind: Kind, frame: Frame, recv_ns: int) -> Value:
        """A frame that was checked, as a value."""
        if isinstance(frame, LastTick):
            return Tick(frame.second, frame.price, frame.size, recv_ns, frame.place)
        if isinstance(frame, QuoteTick):
            return self._new_quote(frame.bid, frame.bid_size, frame.ask, frame.ask_size, recv_ns)
        if isinstance(frame, BarTick):
            kline = self._kline(kind, frame, recv_ns)
            return SecondsBar(kline, frame.count) if kind is Kind.BARS_5S else kline
        return frame

    def _new_quote(self, bid: float, bid_size: float, ask: float, ask_size: float, recv_ns: int) -> Quote:
        self._quotes += 1
        return Quote(self.symbol, bid, bid_size, ask, ask_size, self._quotes, recv_ns)

    def _kline(self, kind: Kind, bar: BarTick, recv_ns: int) -> Kline:
        is_seconds = kind is Kind.BARS_5S
        open_ms = bar.second * 1000
        length_ms = BAR_S * 1000 if is_seconds else _MINUTE_MS
        event_ms = open_ms + length_ms if is_seconds else max(open_ms, self._stream.market_ms(self.symbol))
        return Kline(
            self.symbol, "5s" if is_seconds else "1m", open_ms, bar.open, bar.high, bar.low, bar.close, max(bar.volume, 0.0),
            -1, -1, is_seconds, event_ms, recv_ns,
        )  # fmt: skip

    # -- emit

    def emit(self, value: Value) -> None:
        """Publish a value. A row that makes the book void withholds it: see `depth.book.is_void`."""
        if isinstance(value, Tick):
            self.publish_trades(self.flow.on_tick(value, value.recv_ns or self._clock.monotonic_ns()))
        elif isinstance(value, Quote):
            self._publish_quote(value)
        elif isinstance(value, DepthRow):
            self.depth.on_row(value, self._clock.monotonic_ns())
        elif isinstance(value, SecondsBar):
            bar = value.kline
            self._stream.publish_kline(bar)
            self.flow.on_bar(bar.open_ms // 1000, value.count, bar.volume, self._clock.monotonic_ns())
        elif isinstance(value, Kline):
            self._publish_minute(value)
        elif isinstance(value, TopTick):
            self._on_top(value)

    def publish_trades(self, named: list[Named]) -> None:
        """Trades with their ids, live (with the time they came) or out of history."""
        for trade_id, tick in named:
            origin = Origin.STREAM if tick.recv_ns else Origin.REST
            is_sold, ts_ms = self._is_sold(tick.price), tick.second * 1000
            trade = Trade(self.symbol, trade_id, tick.price, tick.size, ts_ms, is_sold, tick.recv_ns, origin)
            self._stream.publish_trade(trade)

    def _is_sold(self, price: float) -> bool:
        """The venue does not say who came to whom: below the middle of the quote, the seller did (Lee and Ready, 1991)."""
        bid, ask = self._quote["bid"], self._quote["ask"]
        return bool(bid > 0 and ask > 0 and price < (bid + ask) / 2)

    def _on_top(self, tick: TopTick) -> None:
        side = PRICES.get(tick.tick_type)
        if side is not None and tick.price is not None:
            self._quote[side] = tick.price
            self._quote[f"{side}_size"] = tick.size
        elif tick.tick_type in SIZES:
            self._quote[SIZES[tick.tick_type]] = tick.size
        else:
            return
        q = self._quote
        now_ns = self._clock.monotonic_ns()
        self._publish_quote(self._new_quote(q["bid"], q["bid_size"], q["ask"], q["ask_size"], now_ns))

    def _publish_quote(self, quote: Quote) -> None:
        self._quote = {"bid": quote.bid, "bid_size": quote.bid_size, "ask": quote.ask, "ask_size": quote.ask_size}
        if quote.bid > 0 and quote.ask > 0:
            self._stream.publish_quote(quote)

    def _publish_minute(self, bar: Kline) -> None:
        """A running minute that is followed by the next is over."""
        before, self._minute = self._minute, bar
        if before is not None and before.open_ms < bar.open_ms:
            self._stream.publish_kline(closed(before))
        self._stream.publish_kline(bar)

    def publish_history(self, bars: list[Kline]) -> None:
        """Minutes out of history, oldest first; the last one may be running."""
        for bar in bars:
            self._stream.publish_kline(bar)
        self._minute = bars[-1] if bars else None

    # -- links

    def interrupted(self, kinds: tuple[Kind, ...], cause: str, now_ns: int) -> None:
        """What comes by these channels is stale from now on, and must prove itself."""
        for kind in kinds:
            subscription = self.subscriptions[kind]
            if subscription.is_active:
                subscription.channel.fault(cause, now_ns)
        if Kind.DEPTH in kinds:
            self.depth.distrust()

    def asked(self, kind: Kind, request_id: int, now_ns: int) -> None:
        """A channel was subscribed (again)."""
        self.subscriptions[kind].asked(request_id, now_ns)
        self._begin(kind, now_ns)

    def demand(self, kind: Kind, now_ns: int) -> None:
        """A channel is said to go on: its next message is the proof."""
        self.subscriptions[kind].demand(now_ns)
        self._begin(kind, now_ns)

    def _begin(self, kind: Kind, now_ns: int) -> None:
        if kind is Kind.TRADES:
            self.flow.opened(now_ns)
        elif kind is Kind.DEPTH:
            self.depth.reset()

    def disconnected(self, cause: str) -> None:
        for subscription in self.subscriptions.values():
            subscription.disconnected(cause)
        self.depth.reset()
        self.flow.broken()
        self.flow.has_bars = False

    def tell_link(self, down: str) -> None:
        """Tell the stream whether this symbol's facts flow; `down`: why the whole connection does not bring any."""
        told = (False, down) if down else self._link()
        if told != self._told:
            self._told = told
            self._stream.set_link(self.symbol, *told)

    def _link(self) -> tuple[bool, str]:
        if self.problem:
            return False, self.problem
        trades, quotes = self.subscriptions[Kind.TRADES], self.subscriptions[Kind.QUOTES]
        decisive = quotes if trades.refused else trades
        if decisive.refused:
            return False, decisive.refused
        if decisive.excuse == MARKET_CLOSED:
            return False, MARKET_CLOSED
        if decisive.channel.state is LinkState.LIVE:
            return True, ""
        if decisive.channel.state is LinkState.SYNCING:
            return self._told if self._told is not None else (False, "subscribed, waiting for the first message")
        return False, decisive.channel.cause or "not subscribed yet"


#: nothing can be expected
MARKET_CLOSED = "market closed"


def closed(bar: Kline) -> Kline:
    return Kline(
        bar.symbol, bar.interval, bar.open_ms, bar.open, bar.high, bar.low, bar.close, bar.volume, -1, -1, True,
        bar.open_ms + _MINUTE_MS, bar.recv_ns, bar.origin,
    )  # fmt: skip
