"""Sends subscribers what happened in the market since the last time: ticks, quotes, depth and bars."""

from collections.abc import Callable, Iterator
from heapq import merge
from operator import attrgetter

from core.venues.simulated.tws import messages
from core.venues.simulated.tws.depth import shifting, update_only
from core.venues.simulated.tws.faults import Faults
from core.venues.simulated.tws.history import bar_date
from core.venues.simulated.tws.market import Quote, Rows, StockMarket, Trade
from core.venues.simulated.tws.quote_board import ticks_of
from core.venues.simulated.tws.subscriptions import Subscription, Subscriptions

BAR_MS = 5_000
#: how often level I data are sampled
SAMPLE_MS = 250
#: a feed that fell further behind than this (a suspended machine) goes on at the present
_TOO_LATE_MS = 30_000
#: the number of books kept per symbol, newest last
KEPT_BOOKS = 50
#: the rows that the simulator's own book shows
BOOK_ROWS = 10


class SymbolFeed:
    """One symbol's way to its subscribers. `monotonic` gives the seconds that faults are timed by."""

    def __init__(
        self, market: StockMarket, subscriptions: Subscriptions, faults: Faults, monotonic: Callable[[], float], now_ms: int
    ) -> None:
        self.market = market
        self._symbol = market.stock.symbol
        self._subscriptions = subscriptions
        self._faults = faults
        self._monotonic = monotonic
        self.cursor_ms = now_ms
        #: (step, bids, asks) as they were sent
        self.books: list[tuple[int, Rows, Rows]] = []

    def skip_to(self, now_ms: int) -> None:
        """Leave out what happened meanwhile."""
        self.cursor_ms = now_ms

    def emit(self, now_ms: int) -> list[Trade]:
        """Send what happened by `now_ms`; returns the new trades (for whoever matches orders against them)."""
        if now_ms - self.cursor_ms > _TOO_LATE_MS:
            self.cursor_ms = now_ms - 1
        before, self.cursor_ms = self.cursor_ms, max(now_ms, self.cursor_ms)
        if self.cursor_ms == before:
            return []
        trades = self.market.trades(before + 1, now_ms)
        listeners = self._subscriptions.of(self._symbol)
        ticking = [s for s in listeners if s.family == "ticks"]
        if ticking:
            quotes = self.market.quotes(before + 1, now_ms) if any(s.channel != "trades" for s in ticking) else []
            ticks: Iterator[Trade | Quote] = merge(trades, quotes, key=attrgetter("ts_ms"))
            for tick in ticks:
                self._send_tick(ticking, tick)
        if now_ms // 100 > before // 100:
            self._send_depth([s for s in listeners if s.channel == "depth"], now_ms)
        if now_ms // SAMPLE_MS > before // SAMPLE_MS:
            self._send_level1([s for s in listeners if s.channel == "mktdata"], now_ms)
        for end_ms in range(before // BAR_MS * BAR_MS + BAR_MS, now_ms + 1, BAR_MS):
            self._send_bars([s for s in listeners if s.channel in ("bars", "history")], end_ms)
        return trades

    def _deliver(self, subscription: Subscription, data: bytes) -> None:
        if self._faults.flows(subscription.channel, self._symbol, self._monotonic()):
            subscription.client.send(data)

    def _send_tick(self, listeners: list[Subscription], tick: Trade | Quote) -> None:
        is_trade = isinstance(tick, Trade)
        faults = self._faults
        hit = is_trade and any(s.channel == "trades" for s in listeners)
        if hit and faults.hits_tick("gap", self._symbol):
            return
        times = 2 if hit and faults.hits_tick("duplicate", self._symbol) else 1
        swap = hit and faults.hits_tick("reorder", self._symbol)
        for s in listeners:
            if (s.channel == "trades") != is_trade:
                continue
            data = messages.stream_tick(s.req_id, s.tick_type, tick, s.client.version) * times
            if swap and not s.held:
                s.held = data
                continue
            data, s.held = data + s.held, b""
            self._deliver(s, data)

    def _send_depth(self, listeners: list[Subscription], now_ms: int) -> None:
        if not listeners:
            return
        step, bids, asks = self.market.rows(now_ms, max(BOOK_ROWS, *(s.rows for s in listeners)))
        self._remember(step, bids, asks)
        for s in listeners:
            self.send_book(s, bids[: s.rows], asks[: s.rows])

    def send_book(self, s: Subscription, bids: Rows, asks: Rows) -> None:
        """Bring a client's book from what it has to what stands now."""
        if not self._faults.flows("depth", self._symbol, self._monotonic()):
            return
        manner = update_only if self._faults.update_only else shifting
        for side, old, new in ((messages.BID, s.bids, bids), (messages.ASK, s.asks, asks)):
            for change in manner(old, new):
                s.client.send(messages.depth_row(s.req_id, side, change, s.is_smart, s.client.version))
        s.bids, s.asks = bids, asks

    def _remember(self, step: int, bids: Rows, asks: Rows) -> None:
        self.books.append((step, bids, asks))
        del self.books[:-KEPT_BOOKS]

    def book(self, now_ms: int) -> tuple[int, Rows, Rows]:
        """The newest book that was sent, or the present one where none was lately."""
        if self.books and now_ms // 100 - self.books[-1][0] <= 1:
            return self.books[-1]
        return self.market.rows(now_ms, BOOK_ROWS)

    def _send_level1(self, listeners: list[Subscription], now_ms: int) -> None:
        for s in listeners:
            for data in ticks_of(self.market, s, now_ms):
                self._deliver(s, data)

    def catch_up(self, s: Subscription, since_ms: int) -> None:
        """Send the bar updates that fell due while the history before them was made."""
        for end_ms in range(since_ms // BAR_MS * BAR_MS + BAR_MS, self.cursor_ms + 1, BAR_MS):
            self._send_bars([s], end_ms)

    def _send_bars(self, listeners: list[Subscription], end_ms: int) -> None:
        """Real-time bars of the five seconds that end, and the running bars of histories kept up to date."""
        for s in listeners:
            if s.channel == "bars":
                bar = self.market.bar(end_ms - BAR_MS, BAR_MS, end_ms - 1)
                self._deliver(s, messages.realtime_bar(s.req_id, bar, s.what, s.client.version))
            elif s.size is not None:
                opened = s.size.floor(end_ms - 1)
                bar = self.market.bar(opened, s.size.size_ms, end_ms - 1)
                if bar.trades:
                    date = bar_date(opened, s.size, s.format_date)
                    self._deliver(s, messages.history_update(s.req_id, bar, date, s.what, s.client.version))
