"""Reads placeOrder: a message whose length depends on what its fields say, so it takes a cursor. Pure."""

from dataclasses import dataclass

from core.venues.simulated.tws import layouts
from core.venues.simulated.tws.requests import Contract, read_contract
from core.venues.simulated.tws.wire import Cursor, Malformed, number

#: fields after the id of each kind of condition: price, time, margin, execution, volume, percent change
_CONDITION_FIELDS = {1: 6, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5}
_INFINITE = "Infinite"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order as a client wants it. Prices in dollars, None where not set; `fields` has every plain field by name."""

    order_id: int
    contract: Contract
    action: str
    quantity: float
    order_type: str
    limit: float | None
    aux: float | None
    tif: str
    parent_id: int
    transmit: bool
    what_if: bool
    fields: dict[str, str]


def read_order(cursor: Cursor) -> OrderRequest:
    """The order of a placeOrder message whose id was read. Raises Malformed, also when fields are left over."""
    order_id = cursor.integer()
    contract = read_contract(cursor)
    fields = cursor.read(layouts.ORDER_HEAD)
    if contract.fields["secType"] == "BAG":
        _skip_combo(cursor)
    fields |= cursor.read(layouts.ORDER_MIDDLE)
    if fields["deltaNeutralOrderType"]:
        fields |= cursor.read(layouts.ORDER_DELTA_NEUTRAL)
    fields |= cursor.read(layouts.ORDER_TRAIL_SCALE)
    if (number(fields["scalePriceIncrement"]) or 0) > 0:
        fields |= cursor.read(layouts.ORDER_SCALE)
    fields |= cursor.read(layouts.ORDER_HEDGE)
    if fields["hedgeType"]:
        fields["hedgeParam"] = cursor.string()
    fields |= cursor.read(layouts.ORDER_CLEARING)
    if cursor.flag():  # a delta-neutral contract
        _skip(cursor, 3)
    fields["algoStrategy"] = cursor.string()
    if fields["algoStrategy"]:
        _skip(cursor, 2 * cursor.integer())
    fields |= cursor.read(layouts.ORDER_ALGO_END)
    if fields["orderType"] in ("PEG BENCH", "PEGBENCH"):
        fields |= cursor.read(layouts.ORDER_PEG_BENCH)
    _skip_conditions(cursor)
    fields |= cursor.read(layouts.ORDER_TAIL)
    if cursor.version >= 170:
        _skip_pegged(cursor, contract, fields["orderType"])
    if cursor.left:
        raise Malformed(f"{cursor.left} fields are left after an order of {len(cursor.fields)} fields")
    return _order(order_id, contract, fields)


def _order(order_id: int, contract: Contract, fields: dict[str, str]) -> OrderRequest:
    quantity = number(fields["totalQuantity"])
    try:
        parent = int(fields["parentId"] or 0)
    except ValueError:
        raise Malformed(f"parentId is not an integer: {fields['parentId'][:40]!r}") from None
    return OrderRequest(
        order_id=order_id,
        contract=contract,
        action=fields["action"],
        quantity=quantity or 0.0,
        order_type=fields["orderType"],
        limit=number(fields["lmtPrice"]),
        aux=number(fields["auxPrice"]),
        tif=fields["tif"] or "DAY",
        parent_id=parent,
        transmit=fields["transmit"] == "1",
        what_if=fields["whatIf"] == "1",
        fields=fields,
    )


def _skip(cursor: Cursor, count: int) -> None:
    for _ in range(count):
        cursor.string()


def _skip_combo(cursor: Cursor) -> None:
    for _ in range(cursor.integer()):
        cursor.read(layouts.ORDER_COMBO_LEG)
    _skip(cursor, cursor.integer())
    _skip(cursor, 2 * cursor.integer())


def _skip_conditions(cursor: Cursor) -> None:
    count = cursor.integer()
    for _ in range(count):
        kind = cursor.integer()
        if kind not in _CONDITION_FIELDS:
            raise Malformed(f"unknown order condition {kind}")
        _skip(cursor, _CONDITION_FIELDS[kind])
    if count:
        _skip(cursor, 2)


def _skip_pegged(cursor: Cursor, contract: Contract, order_type: str) -> None:
    if contract.exchange == "IBKRATS":
        _skip(cursor, 1)
    if order_type in ("PEG BEST", "PEGBEST"):
        _skip(cursor, 1)
        if cursor.string() == _INFINITE:
            _skip(cursor, 2)
    elif order_type in ("PEG MID", "PEGMID"):
        _skip(cursor, 2)
