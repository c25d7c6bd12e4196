"""One symbol's way from its venue into the stream: sequence first, then publish."""

import asyncio
from collections import deque
from collections.abc import Callable

from core.domain.market import Kline, Quote, Trade
from core.market.tape import Tape
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.connector import BAR_RECONCILIATION, IsEnabled

#: messages held back until the history is in; above it the feed is congested and the link stops reading
_HELD = 50_000
#: of which so many are published at once; with their bars they are a quarter of what a consumer's mailbox holds
_PORTION, _BREATH_S = 500, 0.001
#: gaps of which the time span is remembered
_SPANS = 1_000


class SymbolFeed:
    """Sequences the trades of one symbol (no duplicate passes, a jump is a gap), keeps its market time, and publishes.

    Until `flow()` everything that makes bars is held back, so that history comes before it; then `run` publishes it before
    anything newer. A symbol without series has no history to wait for.
    """

    def __init__(
        self,
        symbol: str,
        stream: UnifiedDataStream,
        is_enabled: IsEnabled,
        on_gap: Callable[["SymbolFeed"], None] = lambda feed: None,
    ) -> None:
        self.symbol = symbol
        self._stream = stream
        self._is_enabled = is_enabled
        self.on_gap = on_gap
        shared = stream.adapter.tapes.get(symbol)
        #: the symbol's trade ids; the gap filler works it off. Of a symbol with series it is the stream's own record,
        #: which `publish_trade` keeps; of any other one we keep it here
        self.tape = shared if shared is not None else Tape()
        self._is_ours = shared is None
        #: largest event time seen (venue's Unix ms)
        self.market_ms = 0
        #: last trade id that the venue's own bars spoke of
        self.venue_last_id = -1
        #: missing first id -> market time (from, to) in which the gap lies; oldest first
        self._spans: dict[int, tuple[int, int]] = {}
        self._held: deque[Trade | Kline] | None = None if self._is_ours else deque()
        self._may_flow = asyncio.Event()
        self._stored_id: int | None = None
        self._at_most = 0
        self._last_ts_ms = 0
        self._last_update_id = 0
        #: interval -> event time of the newest kline
        self._kline_ms: dict[str, int] = {}
        #: trades of the gaps found so far
        self.missed = 0

    @property
    def congested(self) -> bool:
        return self._held is not None and len(self._held) >= _HELD

    @property
    def is_flowing(self) -> bool:
        return self._held is None

    def resume_after(self, trade_id: int | None, at_most: int) -> None:
        """Trades up to `trade_id` are stored: those between it and the first live one are a gap, unless above `at_most`."""
        self._stored_id = trade_id
        self._at_most = at_most

    def flow(self) -> None:
        """History is in (or cannot be had now): hold nothing from now on but what comes behind what is held."""
        self._may_flow.set()
        if not self._held:
            self._held = None

    async def run(self) -> None:
        """Once it may flow, publish what was held back, at a pace at which every consumer keeps up; then return."""
        await self._may_flow.wait()
        while self._held:
            for _ in range(min(len(self._held), _PORTION)):
                message = self._held.popleft()
                if isinstance(message, Trade):
                    self._pass_trade(message)
                else:
                    self._publish_kline(message)
            await asyncio.sleep(_BREATH_S)
            await self._stream.drained()
        self._held = None

    def reconnected(self) -> None:
        """Another connection: what orders quotes and klines begins anew."""
        self._last_update_id = 0
        self._kline_ms.clear()

    def on_trade(self, trade: Trade) -> None:
        """Publish a trade once, live or from REST, and note the gap it shows."""
        if self._held is not None:
            self._held.append(trade)
        else:
            self._pass_trade(trade)

    def _pass_trade(self, trade: Trade) -> None:
        tape, trade_id = self.tape, trade.trade_id
        last = tape.last_id
        if last is None:
            last = self._prime(trade_id)
        if self._is_ours and not tape.accept(trade_id):
            return
        if not self._stream.publish_trade(trade):
            return
        if last is not None and trade_id > last + 1:
            self._note_gap(last + 1, trade_id - 1, trade.ts_ms)
        if trade.ts_ms > self.market_ms:
            self.market_ms = trade.ts_ms
        if trade_id > (last or 0):
            self._last_ts_ms = trade.ts_ms

    def on_quote(self, quote: Quote) -> None:
        if quote.update_id > self._last_update_id:
            self._last_update_id = quote.update_id
            self._stream.publish_quote(quote)

    def on_kline(self, kline: Kline) -> None:
        """The venue's own bar; one older than the newest of its interval comes from a second connection, and is dropped."""
        if kline.event_ms < self._kline_ms.get(kline.interval, 0):
            return
        self._kline_ms[kline.interval] = kline.event_ms
        self.venue_last_id = max(self.venue_last_id, kline.last_id)
        if self._held is not None:
            self._held.append(kline)
            return
        self._publish_kline(kline)

    def on_time(self, event_ms: int, recv_ns: int) -> None:
        """Any other frame of the symbol that carries a venue time."""
        if self._held is None:
            self._advance(event_ms, recv_ns)

    def span_of(self, first: int, last: int) -> tuple[int, int]:
        """Market time (from, to) around the missing ids; what is not known any more is taken from the oldest known."""
        inside = [span for start, span in self._spans.items() if start <= last]
        if not inside:
            return self._last_ts_ms, self.market_ms
        starts = [start for start in self._spans if start <= first]
        return (self._spans[starts[-1]] if starts else inside[0])[0], inside[-1][1]

    def _publish_kline(self, kline: Kline) -> None:
        self._advance(kline.event_ms, kline.recv_ns)
        if not kline.closed or self._is_enabled(BAR_RECONCILIATION):
            self._stream.publish_kline(kline)

    def _advance(self, event_ms: int, recv_ns: int) -> None:
        if event_ms > self.market_ms:
            self.market_ms = event_ms
            self._stream.advance(self.symbol, event_ms, recv_ns)

    def _prime(self, first_live: int) -> int | None:
        """Let the tape begin at what is stored, when the way from there to the first live trade is not too long."""
        stored = self._stored_id
        if stored is None or not 0 < first_live - stored - 1 <= self._at_most:
            return None
        self.tape.accept(stored)
        return stored

    def _note_gap(self, first: int, last: int, ts_ms: int) -> None:
        self.missed += last - first + 1
        self._spans[first] = (self._last_ts_ms or ts_ms, ts_ms)
        if len(self._spans) > _SPANS:
            del self._spans[next(iter(self._spans))]
        self.on_gap(self)
