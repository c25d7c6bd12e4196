"""Takes orders, keeps them, matches them against the market, and tells their clients what became of them."""

from collections.abc import Callable, Mapping, Sequence

from core.venues.simulated.tws import layouts, messages, order_messages, times
from core.venues.simulated.tws.account import INITIAL_MARGIN, MAINTENANCE_MARGIN
from core.venues.simulated.tws.account_desk import AccountDesk
from core.venues.simulated.tws.client import Client
from core.venues.simulated.tws.faults import Faults
from core.venues.simulated.tws.market import StockMarket, Trade
from core.venues.simulated.tws.order_request import OrderRequest
from core.venues.simulated.tws.orders import DONE, Execution, Fill, Order, Status, commission_of, fills_of, rejection
from core.venues.simulated.tws.requests import Ask, Request
from core.venues.simulated.tws.wire import Value, encode

_BOOK_ROWS = 20
#: completed orders that are remembered, oldest forgotten first
_KEPT_DONE = 1_000


class OrderDesk:
    """All orders of all clients; they outlive the connection that placed them."""

    def __init__(
        self, markets: Mapping[str, StockMarket], accounts: AccountDesk, faults: Faults, now_ms: Callable[[], int]
    ) -> None:
        self._markets = markets
        self._accounts = accounts
        self._faults = faults
        self._now_ms = now_ms
        self._orders: dict[tuple[int, int], Order] = {}
        self._clients: dict[int, Client] = {}
        self._next_ids: dict[int, int] = {}
        self._next_perm = now_ms() // 1000
        self._taken_at: dict[str, int] = {}

    @property
    def account(self) -> str:
        return self._accounts.account.name

    def attach(self, client: Client) -> int:
        """A client has started; returns its next valid order id."""
        self._clients[client.client_id] = client
        return self._next_ids.get(client.client_id, 1)

    def forget(self, client: Client) -> None:
        """A client is gone; its orders stay."""
        if self._clients.get(client.client_id) is client:
            del self._clients[client.client_id]

    def handle(self, client: Client, request: Request) -> bool:
        """Answer a request; False when it is not of this desk."""
        match request.ask:
            case Ask.CANCEL_ORDER:
                self._cancel(client, request.req_id)
            case Ask.GLOBAL_CANCEL:
                for order in [o for o in self._orders.values() if o.is_live or o.status is Status.STAGED]:
                    self._end(order)
            case Ask.OPEN_ORDERS | Ask.ALL_OPEN_ORDERS:
                self._send_open(client, everyone=request.ask is Ask.ALL_OPEN_ORDERS)
            case Ask.COMPLETED_ORDERS:
                for order in self._orders.values():
                    if order.status in DONE:
                        client.send(order_messages.completed_order(order, self.account, client.version))
                client.send(encode(layouts.COMPLETED_ORDERS_END, client.version))
            case Ask.EXECUTIONS:
                self._send_executions(client, request)
            case Ask.IDS:
                next_id = self._next_ids.get(client.client_id, 1)
                client.send(encode(layouts.NEXT_VALID_ID, client.version, orderId=next_id))
            case _:
                return request.ask in (Ask.AUTO_OPEN_ORDERS, Ask.LOG_LEVEL)
        return True

    def place(self, client: Client, request: OrderRequest) -> None:
        """Take a new order, or the change of one that is there."""
        known = self._orders.get((client.client_id, request.order_id))
        refused = rejection(request)
        if refused is None and known is not None and known.status in DONE:
            refused = (104, "Can't modify a filled order.") if known.status is Status.FILLED else (103, "Duplicate order id")
        if refused is not None or request.contract.stock is None:
            code, text = refused or (200, "No security definition has been found for the request")
            client.send(messages.error(request.order_id, code, text, client.version))
            return
        self._next_ids[client.client_id] = max(self._next_ids.get(client.client_id, 1), request.order_id + 1)
        order = Order(client.client_id, self._perm_id(), request.contract.stock, request)
        if request.what_if:
            client.send(order_messages.open_order(order, self.account, client.version, self._margins(order)))
        elif known is not None:
            self._modify(known, request)
        elif self._may_be_paid(client, order) and self._has_parent(client, order):
            self._orders[client.client_id, request.order_id] = order
            if request.transmit:
                self._transmit(order)

    def match(self, symbol: str, trades: Sequence[Trade], now_ms: int) -> None:
        """Fill what the market fills: `trades` are those since the last time."""
        live = [o for o in self._orders.values() if o.stock.symbol == symbol and o.is_live and not o.is_held]
        if not live or self._faults.is_closed or self._faults.is_cut:
            return
        step, bids, asks = self._markets[symbol].rows(now_ms, _BOOK_ROWS)
        takes = self._taken_at.get(symbol) != step
        self._taken_at[symbol] = step
        filled = False
        for order in live:
            if not order.is_live:
                continue
            fills = fills_of(order, bids, asks, trades, takes)
            for fill in fills:
                self._fill(order, fill, now_ms)
            filled = filled or bool(fills)
            order.is_resting = not order.waits_for_trigger
            if order.request.tif == "IOC" and order.is_live:
                self._end(order)
        if filled:
            self._accounts.changed()

    def _perm_id(self) -> int:
        self._next_perm += 1
        return self._next_perm

    def _may_be_paid(self, client: Client, order: Order) -> bool:
        values = self._accounts.values()
        price = (order.limit or self._markets[order.stock.symbol].last_trade(self._now_ms()).price) / 100
        held = self._accounts.account.positions.get(order.stock.symbol)
        closes = abs(held.quantity) if held is not None and (held.quantity > 0) != order.is_buy else 0
        opens = order.quantity - closes
        if price * max(opens, 0) * INITIAL_MARGIN <= values["AvailableFunds"]:
            return True
        text = (
            "Order rejected - reason:We are unable to accept your order. Your Available Funds are insufficient to cover the "
            f"initial margin: {price * opens * INITIAL_MARGIN:.2f} USD."
        )
        client.send(messages.error(order.order_id, 201, text, client.version))
        return False

    def _has_parent(self, client: Client, order: Order) -> bool:
        """A child waits for its parent, which must be there."""
        if not order.request.parent_id:
            return True
        parent = self._orders.get((client.client_id, order.request.parent_id))
        if parent is None or parent.status in (Status.CANCELLED, Status.INACTIVE):
            text = f"Can't find order with id ={order.request.parent_id}"
            client.send(messages.error(order.order_id, 135, text, client.version))
            return False
        order.is_held = parent.status is not Status.FILLED
        return True

    def _family(self, order: Order) -> list[Order]:
        """The order, its parent, and their children, parent first."""
        top = order.request.parent_id or order.order_id
        return [
            o for (owner, order_id), o in self._orders.items()
            if owner == order.client_id and (order_id == top or o.request.parent_id == top)
        ]  # fmt: skip

    def _transmit(self, order: Order) -> None:
        """Send an order, and those of its family that waited for it, to the market."""
        staged = [o for o in self._family(order) if o.status is Status.STAGED]
        for each in staged:
            waits = each.is_held or each.waits_for_trigger or self._faults.is_closed
            each.status = Status.PRE_SUBMITTED if waits else Status.SUBMITTED
            self._tell(each)
            if self._faults.is_closed:
                text = "Order Message:\nWarning: your order will not be placed at the exchange until the market opens"
                self._error(each, 399, text)

    def _modify(self, order: Order, request: OrderRequest) -> None:
        if request.quantity < order.filled:
            self._error(order, 201, "Order rejected - reason:The quantity is below what is filled already")
            return
        order.request = request
        order.is_resting = False
        if order.status is Status.STAGED:
            if request.transmit:
                self._transmit(order)
            return
        self._tell(order)

    def _cancel(self, client: Client, order_id: int) -> None:
        order = self._orders.get((client.client_id, order_id))
        if order is None:
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            client.send(messages.error(order_id, 10147, text, client.version))
        elif order.status in DONE:
            text = f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status}."
            client.send(messages.error(order_id, 10148, text, client.version))
        else:
            self._end(order)

    def _end(self, order: Order) -> None:
        """Cancel an order and the children that wait for it."""
        order.status = Status.CANCELLED
        order.completed_ms = self._now_ms()
        client = self._clients.get(order.client_id)
        if client is not None:
            client.send(order_messages.order_status(order, client.version))
        self._error(order, 202, "Order Canceled - reason:")
        for child in self._family(order):
            if child.request.parent_id == order.order_id and child.status not in DONE:
                self._end(child)

    def _fill(self, order: Order, fill: Fill, now_ms: int) -> None:
        signed = fill.quantity if order.is_buy else -fill.quantity
        commission = commission_of(fill.quantity, not order.executions)
        realized = self._accounts.account.fill(order.stock.symbol, signed, fill.price / 100, commission)
        order.filled += fill.quantity
        order.cost += fill.quantity * fill.price / 100
        order.status = Status.FILLED if not order.remaining else Status.SUBMITTED
        exec_id = f"{order.perm_id:08x}.{now_ms // 1000:08x}.{len(order.executions) + 1:02d}.01"
        done = Execution(exec_id, now_ms, fill, order.filled, order.average, commission, realized)
        order.executions.append(done)
        client = self._clients.get(order.client_id)
        if client is not None:
            client.send(order_messages.execution(-1, order, done, self.account, client.version))
            self._tell(order)
            client.send(order_messages.commission(done, client.version))
        if order.status is Status.FILLED:
            self._completed(order, now_ms)

    def _completed(self, order: Order, now_ms: int) -> None:
        """A filled parent frees its children; a filled child cancels the others."""
        order.completed_ms = now_ms
        for other in self._family(order):
            if other is order or other.status in DONE:
                continue
            if other.request.parent_id == order.order_id:
                other.is_held = False
                if other.status is Status.PRE_SUBMITTED and not other.waits_for_trigger:
                    other.status = Status.SUBMITTED
                self._tell(other)
            elif order.request.parent_id and other.request.parent_id == order.request.parent_id:
                self._end(other)
        done = [key for key, o in self._orders.items() if o.status in DONE]
        for key in done[:-_KEPT_DONE]:
            del self._orders[key]

    def _tell(self, order: Order) -> None:
        client = self._clients.get(order.client_id)
        if client is not None:
            client.send(order_messages.open_order(order, self.account, client.version))
            client.send(order_messages.order_status(order, client.version))

    def _error(self, order: Order, code: int, text: str) -> None:
        client = self._clients.get(order.client_id)
        if client is not None:
            client.send(messages.error(order.order_id, code, text, client.version))

    def _send_open(self, client: Client, everyone: bool) -> None:
        for order in self._orders.values():
            if order.is_live and (everyone or order.client_id == client.client_id):
                client.send(order_messages.open_order(order, self.account, client.version))
                client.send(order_messages.order_status(order, client.version))
        client.send(encode(layouts.OPEN_ORDER_END, client.version))

    def _send_executions(self, client: Client, request: Request) -> None:
        wanted_client, symbol = request.integer("clientId"), request.values["symbol"]
        side, since = request.values["side"], times.parse(request.values["time"]) or 0
        for order in self._orders.values():
            if wanted_client not in (0, order.client_id) or symbol not in ("", order.stock.symbol):
                continue
            if side and (side in ("BUY", "BOT")) != order.is_buy:
                continue
            for done in order.executions:
                if done.at_ms >= since:
                    client.send(order_messages.execution(request.req_id, order, done, self.account, client.version))
                    client.send(order_messages.commission(done, client.version))
        client.send(messages.of_id(layouts.EXECUTION_END, request.req_id, client.version))

    def _margins(self, order: Order) -> dict[str, Value]:
        """What an order would do to the account."""
        now = self._accounts.values()
        price = (order.limit or self._markets[order.stock.symbol].last_trade(self._now_ms()).price) / 100
        worth = price * order.quantity
        initial, maintenance = worth * INITIAL_MARGIN, worth * MAINTENANCE_MARGIN
        commission = commission_of(order.quantity, is_first=True)
        equity = now["EquityWithLoanValue"]
        return {
            "initMarginBefore": round(now["InitMarginReq"], 2), "maintMarginBefore": round(now["MaintMarginReq"], 2),
            "equityWithLoanBefore": round(equity, 2), "initMarginChange": round(initial, 2),
            "maintMarginChange": round(maintenance, 2), "equityWithLoanChange": -commission,
            "initMarginAfter": round(now["InitMarginReq"] + initial, 2),
            "maintMarginAfter": round(now["MaintMarginReq"] + maintenance, 2),
            "equityWithLoanAfter": round(equity - commission, 2),
            "commission": commission, "minCommission": commission, "maxCommission": commission,
        }  # fmt: skip
