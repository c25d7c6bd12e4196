"""What the server tells about orders, as frames. Pure."""

from core.venues.simulated.tws import layouts, times
from core.venues.simulated.tws.market import price_text
from core.venues.simulated.tws.orders import Execution, Order
from core.venues.simulated.tws.wire import UNSET_DOUBLE, Value, encode

#: fields of the request that are told again as they came, where they were set
_ECHOED = (
    "action", "totalQuantity", "orderType", "lmtPrice", "auxPrice", "tif", "ocaGroup", "openClose", "origin", "orderRef",
    "outsideRth", "hidden", "discretionaryAmt", "goodAfterTime", "goodTillDate", "displaySize", "ocaType", "parentId",
    "triggerMethod", "trailStopPrice", "trailingPercent", "allOrNone", "modelCode", "minQty",
)  # fmt: skip
_NOT_COMPLETED = frozenset({"parentId"})


def _contract(order: Order) -> dict[str, Value]:
    contract = order.stock.contract()
    del contract["primaryExchange"]
    return contract | {"exchange": order.request.contract.exchange or "SMART"}


def _echo(order: Order) -> dict[str, Value]:
    return {name: order.request.fields[name] for name in _ECHOED if order.request.fields.get(name)}


def open_order(order: Order, account: str, version: int, margins: dict[str, Value] | None = None) -> bytes:
    """The order as it stands; with margins the answer to a what-if."""
    values: dict[str, Value] = {
        "orderId": order.order_id,
        "account": account,
        "clientId": order.client_id,
        "permId": order.perm_id,
        "status": order.status.value,
    }
    if margins is not None:
        values |= margins | {"whatIf": True, "commissionCurrency": "USD", "status": "PreSubmitted"}
    return encode(layouts.OPEN_ORDER, version, **_contract(order) | _echo(order) | values)


def completed_order(order: Order, account: str, version: int) -> bytes:
    echoed = {name: value for name, value in _echo(order).items() if name not in _NOT_COMPLETED}
    values: dict[str, Value] = {
        "account": account,
        "permId": order.perm_id,
        "status": order.status.value,
        "filledQuantity": order.filled,
        "completedTime": times.local_text(order.completed_ms),
        "completedStatus": f"Filled Size: {order.filled}" if order.filled == order.quantity else "Cancelled by Trader",
    }
    return encode(layouts.COMPLETED_ORDER, version, **_contract(order) | echoed | values)


def order_status(order: Order, version: int) -> bytes:
    last = order.executions[-1].fill.price / 100 if order.executions else 0.0
    return encode(
        layouts.ORDER_STATUS, version, orderId=order.order_id, status=order.status.value, filled=order.filled,
        remaining=order.remaining, avgFillPrice=round(order.average, 8), permId=order.perm_id,
        parentId=order.request.parent_id, lastFillPrice=last, clientId=order.client_id,
        whyHeld="child,trigger" if order.is_held else "",
    )  # fmt: skip


def execution(req_id: int, order: Order, done: Execution, account: str, version: int) -> bytes:
    """A fill: live with `req_id` -1, or as the answer to a question."""
    return encode(
        layouts.EXECUTION, version, **_contract(order) | {"exchange": done.fill.venue}, reqId=req_id, orderId=order.order_id,
        execId=done.exec_id, time=times.local_text(done.at_ms), account=account, venue=done.fill.venue,
        side="BOT" if order.is_buy else "SLD", shares=done.fill.quantity, price=price_text(done.fill.price),
        permId=order.perm_id, clientId=order.client_id, cumQty=done.cumulative, avgPrice=round(done.average, 8),
        orderRef=order.request.fields["orderRef"], lastLiquidity=1 if done.fill.adds_liquidity else 2,
    )  # fmt: skip


def commission(done: Execution, version: int) -> bytes:
    realized = UNSET_DOUBLE if done.realized is None else round(done.realized, 4)
    return encode(layouts.COMMISSION, version, execId=done.exec_id, commission=done.commission, realizedPNL=realized)
