"""The simulated TWS: its listener, its clients, its market, and what a request goes to."""

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine

from core.base.clock import Clock
from core.base.errors import FatalError
from core.venues.simulated.tws import layouts, messages
from core.venues.simulated.tws.account import Account
from core.venues.simulated.tws.account_desk import AccountDesk
from core.venues.simulated.tws.client import Client, greeting
from core.venues.simulated.tws.faults import DEFINITION_FARM, HISTORY_FARM, MARKET_FARM, Faults, farm_notice
from core.venues.simulated.tws.feed import SymbolFeed
from core.venues.simulated.tws.limits import NAMED_RATE, HistoryPacing, MessageRate
from core.venues.simulated.tws.market import StockMarket
from core.venues.simulated.tws.market_desk import MarketDesk
from core.venues.simulated.tws.order_desk import OrderDesk
from core.venues.simulated.tws.order_request import read_order
from core.venues.simulated.tws.requests import Ask, Request, read_request
from core.venues.simulated.tws.stocks import STOCKS
from core.venues.simulated.tws.subscriptions import Subscriptions
from core.venues.simulated.tws.wire import Cursor, Malformed, encode

logger = logging.getLogger(__name__)

ACCOUNT = "SIM1234567"
_TICK_S = 0.02
#: how often account values are told when nothing is traded
_REFRESH_S = 60.0


class Venue:
    """One TWS. `rate` multiplies trades and volume of a normal day."""

    def __init__(
        self, clock: Clock, seed: int = 1, rate: float = 1.0, depth_slots: int = 3, tick_slots: int = 6,
        positions: tuple[tuple[str, int, float], ...] = (),
    ) -> None:  # fmt: skip
        self._clock = clock
        self.faults = Faults()
        self.subscriptions = Subscriptions()
        self.pacing = HistoryPacing()
        self._stopped_ms = 0
        now = clock.now_ms()
        self.markets = {symbol: StockMarket(stock, seed, rate) for symbol, stock in STOCKS.items()}
        self.feeds = {
            symbol: SymbolFeed(market, self.subscriptions, self.faults, self._monotonic, now)
            for symbol, market in self.markets.items()
        }
        account = Account(ACCOUNT)
        for symbol, quantity, average in positions:
            account.set_position(symbol, quantity, average)
        self.accounts = AccountDesk(account, self._price, self.market_ms)
        self.orders = OrderDesk(self.markets, self.accounts, self.faults, self.market_ms)
        self.desk = MarketDesk(
            self.feeds, self.subscriptions, self.faults, self.pacing, self.market_ms, depth_slots, tick_slots
        )
        self.clients: dict[Client, MessageRate] = {}
        self.connects = self.refusals = 0
        self.starts_by_client_id: Counter[int] = Counter()
        self.received_by_type: Counter[str] = Counter()
        self._listener: asyncio.Server | None = None
        self._address = ("127.0.0.1", 0)
        self._tasks: set[asyncio.Task[None]] = set()

    # time

    def now_ms(self) -> int:
        """The venue's clock, which a fault may have set wrong."""
        return self._clock.now_ms() + self.faults.skew_ms

    def market_ms(self) -> int:
        """Up to when the market has happened: now, but for a market that stands still."""
        if self.faults.is_paused or self.faults.is_closed:
            self._stopped_ms = self._stopped_ms or self.now_ms()
            return self._stopped_ms
        self._stopped_ms = 0
        return self.now_ms()

    def _monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def _price(self, symbol: str) -> float:
        return self.markets[symbol].last_trade(self.market_ms()).price / 100

    # the listener

    async def start(self, host: str, port: int) -> int:
        """Listen and run the market; returns the port. Raises FatalError when the address cannot be had."""
        self._address = (host, port)
        await self._listen()
        assert self._listener is not None
        self._address = (host, int(self._listener.sockets[0].getsockname()[1]))
        self.run(self._run_market())
        return self._address[1]

    async def _listen(self) -> None:
        host, port = self._address
        try:
            self._listener = await asyncio.get_running_loop().create_server(lambda: Client(self), host, port)
        except OSError as error:
            raise FatalError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error

    async def refuse(self, seconds: float) -> None:
        """Take no connection for so long; those there are stay."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        await asyncio.sleep(seconds)
        await self._listen()

    def run(self, work: Coroutine[object, object, None]) -> None:
        """Run something beside, as long as the venue."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        self.desk.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        for client in list(self.clients):
            client.abort("shutdown")
        await asyncio.sleep(0)

    async def _run_market(self) -> None:
        refreshed = self._monotonic()
        while True:
            now = self.market_ms()
            for symbol, feed in self.feeds.items():
                trades = feed.emit(now)
                self.orders.match(symbol, trades, now)
            if self._monotonic() - refreshed > _REFRESH_S:
                refreshed = self._monotonic()
                self.accounts.refresh()
            await asyncio.sleep(_TICK_S)

    # clients

    def accept(self, client: Client) -> bool:
        self.clients[client] = MessageRate()
        self.connects += 1
        client.set_delay(self.faults.delay_s)
        return True

    def lost(self, client: Client) -> None:
        self.clients.pop(client, None)
        self.desk.forget(client)
        self.accounts.forget(client)
        self.orders.forget(client)

    def received(self, client: Client, cursor: Cursor) -> None:
        """One message of a client."""
        rate = self.clients.get(client)
        if rate is None:
            return
        if not rate.count(self._monotonic()):
            text = f"Max rate of messages per second has been exceeded:max={NAMED_RATE} rec={len(cursor.fields)}"
            client.send(messages.error(-1, 100, text, client.version))
            if rate.is_over:
                client.close("too many messages")
                return
        try:
            self._dispatch(client, cursor)
        except Malformed as error:
            req_id = _id_of(cursor.fields)
            client.send(messages.error(req_id, 321, f"Error validating request:{error}", client.version))

    def _dispatch(self, client: Client, cursor: Cursor) -> None:
        if cursor.fields[:1] == [str(int(Ask.PLACE_ORDER))]:
            self.received_by_type[Ask.PLACE_ORDER.name] += 1
            cursor.integer()
            self.orders.place(client, read_order(cursor))
            return
        request = read_request(cursor)
        self.received_by_type[request.ask.name] += 1
        if request.ask is Ask.START_API:
            self._start_api(client, request.req_id)
        elif client.client_id < 0:
            client.send(messages.error(request.req_id, 504, "Not connected", client.version))
        elif request.ask is Ask.CURRENT_TIME:
            client.send(encode(layouts.CURRENT_TIME, client.version, time=self.now_ms() // 1000))
        else:
            self._hand_over(client, request)

    def _hand_over(self, client: Client, request: Request) -> None:
        for desk in (self.desk, self.accounts, self.orders):
            if desk.handle(client, request):
                return

    def _start_api(self, client: Client, client_id: int) -> None:
        holder = next((c for c in self.clients if c.client_id == client_id and c is not client), None)
        if self.faults.takes("client_id_in_use") or (holder is not None and (not holder.frozen or holder.holds_id)):
            text = "Unable to connect as the client id is already in use. Retry with a unique client id."
            client.send(messages.error(-1, 326, text, client.version))
            client.close("client id in use")
            self.refusals += 1
            return
        if holder is not None:
            holder.abort("its client id was taken over")
        client.client_id = client_id
        self.starts_by_client_id[client_id] += 1
        for data in greeting(ACCOUNT, self.orders.attach(client), client.version):
            client.send(data)
        for farm in (MARKET_FARM, HISTORY_FARM, DEFINITION_FARM):
            code, text = farm_notice(farm, "broken" if self.faults.farm_is_down(farm) else "OK")
            client.send(messages.error(-1, code, text, client.version))

    def broadcast(self, code: int, text: str, req_id: int = -1) -> None:
        """Tell every client."""
        for client in self.started():
            client.send(messages.error(req_id, code, text, client.version))

    def started(self) -> list[Client]:
        """Clients that are past startApi."""
        return [client for client in self.clients if client.client_id >= 0]


def _id_of(fields: list[str]) -> int:
    """The request's id as far as it can be told: the second or third field."""
    versioned = fields[:1] and fields[0] in {str(int(a)) for a in (1, 4, 9, 10, 50, 62, 7)}
    text = fields[2 if versioned else 1] if len(fields) > 2 else ""
    return int(text) if text.isdigit() else -1
