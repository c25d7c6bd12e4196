"""Answers clients' questions about contracts, live data and history."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping

from core.venues.simulated.tws import history, layouts, messages, times
from core.venues.simulated.tws.client import Client
from core.venues.simulated.tws.faults import DEFINITION_FARM, HISTORY_FARM, Faults
from core.venues.simulated.tws.feed import SymbolFeed
from core.venues.simulated.tws.limits import HistoryPacing
from core.venues.simulated.tws.quote_board import ticks_of
from core.venues.simulated.tws.requests import Ask, Request
from core.venues.simulated.tws.stocks import STOCKS, Stock
from core.venues.simulated.tws.subscriptions import Subscription, Subscriptions
from core.venues.simulated.tws.wire import Malformed, Value, encode

CHANNEL_OF_TICK = {"Last": "trades", "AllLast": "trades", "BidAsk": "quotes", "MidPoint": "midpoint"}
COMPETING = "No market data during competing live session"
#: market data types of clients that take delayed data
_DELAYED = (3, 4)
#: what the venue says when a channel may not be had
_REFUSALS = {"mktdata": 354, "depth": 354, "trades": 10189, "quotes": 10189, "midpoint": 10189, "bars": 420, "history": 162}
_REFUSAL_TEXTS = {
    354: "Requested market data is not subscribed.",
    420: "Invalid Real-time Query:No market data permissions for NASDAQ STK",
    162: "Historical Market Data Service error message:No market data permissions for NASDAQ STK",
    10089: "Requested market data requires additional subscription for API. See link in the connections dialog.",
    10090: "Part of requested market data is not subscribed. Subscription-independent ticks are still active.",
    10168: "Requested market data is not subscribed. Delayed market data is not enabled.",
    10186: "Requested market data is not subscribed. Delayed market data is not enabled.",
    10189: "Failed to request tick-by-tick data: No market data permissions for NASDAQ STK",
}  # fmt: skip
#: cancel → (family, code and text when there is nothing to cancel)
_CANCELS = {
    Ask.CANCEL_MKT_DATA: ("mktdata", 300, "Can't find EId with tickerId:"),
    Ask.CANCEL_DEPTH: ("depth", 310, "Can't find the subscribed market depth with tickerId:"),
    Ask.CANCEL_TICK_BY_TICK: ("ticks", 300, "Can't find EId with tickerId:"),
    Ask.CANCEL_REALTIME_BARS: ("bars", 300, "Can't find EId with tickerId:"),
    Ask.CANCEL_HISTORY: ("history", 366, "No historical data query found for ticker id:"),
}
_Handler = Callable[[Client, Request, Stock], None]


class MarketDesk:
    """`now_ms` gives the market's time. `depth_slots`, `tick_slots`: subscriptions a client may have of each."""

    def __init__(
        self, feeds: Mapping[str, SymbolFeed], subscriptions: Subscriptions, faults: Faults, pacing: HistoryPacing,
        now_ms: Callable[[], int], depth_slots: int, tick_slots: int,
    ) -> None:  # fmt: skip
        self._feeds = feeds
        self._subscriptions = subscriptions
        self._faults = faults
        self._pacing = pacing
        self._now_ms = now_ms
        self._depth_slots = depth_slots
        self._tick_slots = tick_slots
        self._data_types: dict[Client, int] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._with_contract: dict[Ask, _Handler] = {
            Ask.CONTRACT_DETAILS: self._contract_details,
            Ask.MKT_DATA: self._market_data,
            Ask.DEPTH: self._depth,
            Ask.TICK_BY_TICK: self._tick_by_tick,
            Ask.REALTIME_BARS: self._realtime_bars,
            Ask.HISTORY: self._history,
            Ask.HEAD_TIMESTAMP: self._head,
            Ask.HISTORICAL_TICKS: self._historical_ticks,
        }

    def handle(self, client: Client, request: Request) -> bool:
        """Answer a request; False when it is not of this desk. Raises Malformed."""
        if request.ask in _CANCELS:
            self._cancel(client, request)
        elif request.ask is Ask.MARKET_DATA_TYPE:
            self._data_types[client] = request.integer("type")
        elif request.ask is Ask.DEPTH_EXCHANGES:
            client.send(messages.depth_exchanges(client.version))
        elif request.ask in self._with_contract and request.contract is not None:
            if request.contract.stock is None:
                self._error(client, request, 200, "No security definition has been found for the request")
            else:
                self._with_contract[request.ask](client, request, request.contract.stock)
        else:
            return request.ask is Ask.CANCEL_HEAD_TIMESTAMP
        return True

    def forget(self, client: Client) -> None:
        """A client is gone."""
        self._data_types.pop(client, None)
        self._subscriptions.forget(client)

    def stop(self) -> None:
        for task in self._running:
            task.cancel()

    def _error(self, client: Client, request: Request, code: int, text: str) -> None:
        client.send(messages.error(request.req_id, code, text, client.version))

    def _cancel(self, client: Client, request: Request) -> None:
        family, code, text = _CANCELS[request.ask]
        if self._subscriptions.remove(client, family, request.req_id) is None:
            self._error(client, request, code, f"{text}{request.req_id}")
        elif family == "history":
            text = f"Historical Market Data Service error message:API historical data query cancelled: {request.req_id}"
            self._error(client, request, 162, text)

    def _contract_details(self, client: Client, request: Request, stock: Stock) -> None:
        if self._faults.farm_is_down(DEFINITION_FARM) or request.contract is None:
            return
        is_open = not self._faults.is_closed
        exchange = request.contract.exchange
        now, version = self._now_ms(), client.version
        client.send(messages.contract_details(request.req_id, stock, exchange, now, is_open, version))
        client.send(messages.of_id(layouts.CONTRACT_DETAILS_END, request.req_id, version))

    def _subscribe(self, client: Client, request: Request, stock: Stock, family: str, channel: str) -> Subscription | None:
        """A new subscription, not yet in force; None when it was refused."""
        if self._subscriptions.find(client, family, request.req_id) is not None:
            self._error(client, request, 102, "Duplicate ticker ID")
            return None
        refusal = self._faults.refusal(channel, stock.symbol)
        if self._faults.is_delayed and channel not in ("mktdata", "history"):
            refusal = 0
        if refusal is not None:
            self._refuse(client, request.req_id, channel, refusal)
            return None
        if self._faults.is_competing and channel != "history":
            self._error(client, request, 10197, COMPETING)
        return Subscription(client, family, channel, request.req_id, stock.symbol)

    def _refuse(self, client: Client, req_id: int, channel: str, code: int) -> None:
        code = code or _REFUSALS[channel]
        client.send(messages.error(req_id, code, _REFUSAL_TEXTS.get(code, "No market data permissions"), client.version))

    def revoke(self, channel: str, symbol: str, code: int) -> None:
        """End the subscriptions that are no longer permitted."""
        for s in self._subscriptions:
            if (s.channel == channel) and symbol in ("", s.symbol):
                self._subscriptions.remove(s.client, s.family, s.req_id)
                self._refuse(s.client, s.req_id, channel, code)

    def _market_data(self, client: Client, request: Request, stock: Stock) -> None:
        s = self._subscribe(client, request, stock, "mktdata", "mktdata")
        if s is None:
            return
        s.rt_volume = "233" in request.values["generics"].split(",")
        s.is_snapshot = request.flag("snapshot")
        if self._faults.is_delayed:
            if self._data_types.get(client, 1) not in _DELAYED:
                self._refuse(client, s.req_id, "mktdata", 10168)
                return
            self.tell_delayed(s)
        version = client.version
        client.send(encode(layouts.TICK_REQUEST_PARAMETERS, version, reqId=s.req_id, minTick="0.01", bboExchange="9c0001"))
        if not s.is_delayed:
            client.send(encode(layouts.MARKET_DATA_TYPE, client.version, reqId=s.req_id, type=1))
        self._subscriptions.add(s)
        if self._faults.flows("mktdata", s.symbol, asyncio.get_running_loop().time()):
            for data in ticks_of(self._feeds[s.symbol].market, s, self._now_ms()):
                client.send(data)
        if s.is_snapshot:
            self._subscriptions.remove(client, "mktdata", s.req_id)
            client.send(messages.of_id(layouts.SNAPSHOT_END, s.req_id, client.version))

    def delay_all(self) -> None:
        """Live data are no longer permitted: quotes come late where the client wants that, everything else ends."""
        for s in self._subscriptions:
            if s.channel == "mktdata" and self._data_types.get(s.client, 1) in _DELAYED:
                self.tell_delayed(s)
            elif s.channel != "history":
                self._subscriptions.remove(s.client, s.family, s.req_id)
                self._refuse(s.client, s.req_id, s.channel, 10168 if s.channel == "mktdata" else 0)

    def tell_delayed(self, s: Subscription) -> None:
        """From now on the client gets delayed data."""
        s.is_delayed = True
        s.sent.clear()
        text = "Requested market data is not subscribed. Displaying delayed market data."
        s.client.send(messages.error(s.req_id, 10167, text, s.client.version))
        s.client.send(encode(layouts.MARKET_DATA_TYPE, s.client.version, reqId=s.req_id, type=3))

    def tell_live(self, s: Subscription) -> None:
        """The delay is over."""
        s.is_delayed = False
        s.sent.clear()
        s.client.send(encode(layouts.MARKET_DATA_TYPE, s.client.version, reqId=s.req_id, type=1))

    def _depth(self, client: Client, request: Request, stock: Stock) -> None:
        rows = request.integer("rows")
        if self._subscriptions.count(client, "depth") >= self._depth_slots:
            text = f"Max number ({self._depth_slots}) of market depth requests has been reached"
            self._error(client, request, 309, text)
            return
        s = self._subscribe(client, request, stock, "depth", "depth")
        if s is None:
            return
        s.rows, s.is_smart = min(max(rows, 1), 60), request.flag("isSmartDepth")
        self._subscriptions.add(s)
        feed = self._feeds[s.symbol]
        if not self._faults.is_closed:
            _, bids, asks = feed.market.rows(feed.cursor_ms, s.rows)
            feed.send_book(s, bids, asks)

    def reset_depth(self, s: Subscription) -> None:
        """The venue empties a book and begins it anew."""
        text = "Market depth data has been RESET. Please empty deep book contents before applying any new entries."
        s.client.send(messages.error(s.req_id, 317, text, s.client.version))
        s.bids = s.asks = ()

    def _tick_by_tick(self, client: Client, request: Request, stock: Stock) -> None:
        tick_type = request.values["tickType"]
        if tick_type not in CHANNEL_OF_TICK:
            raise Malformed(f"Failed to request tick-by-tick data: {tick_type[:20]!r}")
        if self._subscriptions.count(client, "ticks") >= self._tick_slots:
            self._error(client, request, 10190, "Max number of tick-by-tick requests has been reached")
            return
        s = self._subscribe(client, request, stock, "ticks", CHANNEL_OF_TICK[tick_type])
        if s is None:
            return
        s.tick_type = tick_type
        self._subscriptions.add(s)
        feed = self._feeds[s.symbol]
        if s.channel != "trades" and self._faults.flows(s.channel, s.symbol, asyncio.get_running_loop().time()):
            client.send(messages.stream_tick(s.req_id, tick_type, feed.market.quote_at(feed.cursor_ms), client.version))

    def _realtime_bars(self, client: Client, request: Request, stock: Stock) -> None:
        if request.integer("barSize") != 5 or request.values["what"] not in history.WHATS:
            self._error(client, request, 420, "Invalid Real-time Query:only 5 second bars are available")
            return
        s = self._subscribe(client, request, stock, "bars", "bars")
        if s is not None:
            s.what = request.values["what"]
            self._subscriptions.add(s)

    def _admitted(self, client: Client, request: Request) -> bool:
        """Whether a historical request may go; says why not."""
        service = "Historical Market Data Service error message:"
        if self._faults.farm_is_down(HISTORY_FARM):
            self._error(client, request, 162, f"{service}HMDS server disconnect occurred. Attempting reconnection")
        elif self._faults.takes("pacing") or not self._pacing.admit(request.key, asyncio.get_running_loop().time()):
            self._error(client, request, 162, f"{service}Historical data request pacing violation")
        elif self._faults.takes("no_data"):
            self._error(client, request, 162, f"{service}HMDS query returned no data: {_name_of(request)}")
        else:
            return not self._faults.is_cut
        return False

    def _history(self, client: Client, request: Request, stock: Stock) -> None:
        size, duration = (
            history.parse_bar_size(request.values["barSize"]),
            history.parse_duration(request.values["duration"]),
        )
        end_ms, what = times.parse(request.values["end"]), request.values["what"]
        keep = request.flag("keepUpToDate")
        if what not in history.WHATS or duration // size.size_ms > history.MAX_BARS or (keep and end_ms is not None):
            raise Malformed(f"Error validating request: {duration // 1000} s of {request.values['barSize']} {what[:20]}")
        if not self._admitted(client, request):
            return
        s = self._subscribe(client, request, stock, "history", "history")
        if s is None:
            return
        s.size, s.what, s.format_date = size, what, request.integer("formatDate")
        self._run(self._send_history(s, request, duration, end_ms))

    async def _send_history(self, s: Subscription, request: Request, duration_ms: int, end_ms: int | None) -> None:
        """Make the bars some at a time; what is kept up to date goes on from the market time of the answer."""
        assert s.size is not None
        feed = self._feeds[s.symbol]
        until = feed.cursor_ms if end_ms is None else min(end_ms - 1, feed.cursor_ms)
        rows: list[dict[str, Value]] = []
        for bars in history.bars_of(feed.market, s.size, until - duration_ms + 1, until):
            rows += [history.bar_values(bar, history.bar_date(bar.open_ms, s.size, s.format_date), s.what) for bar in bars]
            await asyncio.sleep(0)
        if not rows:
            self._error(s.client, request, 162, "Historical Market Data Service error message:HMDS query returned no data")
            return
        start, end = times.local_text(until - duration_ms), times.local_text(until)
        s.client.send(history.history_frame(s.req_id, start, end, rows, s.client.version))
        if request.flag("keepUpToDate") and s.client.transport is not None:
            self._subscriptions.add(s)
            feed.catch_up(s, until)

    def _head(self, client: Client, request: Request, stock: Stock) -> None:
        if not self._admitted(client, request):
            return
        first = self._feeds[stock.symbol].market.first_ms
        time = str(first // 1000) if request.values["formatDate"] == "2" else times.utc_text(first)
        client.send(encode(layouts.HEAD_TIMESTAMP, client.version, reqId=request.req_id, time=time))

    def _historical_ticks(self, client: Client, request: Request, stock: Stock) -> None:
        span = times.parse(request.values["start"]), times.parse(request.values["end"])
        feed, what, count = self._feeds[stock.symbol], request.values["what"], request.integer("count")
        if self._admitted(client, request):
            now, version = feed.cursor_ms, client.version
            client.send(history.ticks_frame(feed.market, request.req_id, what, span, count, now, version))

    def _run(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)


def _name_of(request: Request) -> str:
    contract = request.contract
    symbol = contract.stock.symbol if contract is not None and contract.stock is not None else ""
    return f"{symbol}@SMART {request.values['what'].title()}" if symbol in STOCKS else "unknown"
