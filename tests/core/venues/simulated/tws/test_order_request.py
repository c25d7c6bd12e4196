"""placeOrder as the client libraries write it, for every server version, and as recorded."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.venues.simulated.tws.order_request import read_order
from core.venues.simulated.tws.wire import Cursor, Malformed

try:
    import ib_async as ibx
    from ib_async.client import Client
    from ib_async.order import PriceCondition, TimeCondition
except ImportError:
    ibx = pytest.importorskip("ib_insync")
    from ib_insync.client import Client
    from ib_insync.order import PriceCondition, TimeCondition

#: those that the installed library speaks
VERSIONS = [v for v in (157, 158, 160, 162, 163, 166, 169, 170, 176, 177, 178) if v <= Client.MaxClientVersion]


def written(order: Any, contract: Any, version: int) -> list[str]:
    """The fields that the library sends for an order."""
    sent: list[str] = []
    client = Client.__new__(Client)
    client.serverVersion = lambda: version
    client.isConnected = lambda: True
    client.sendMsg = sent.append
    Client.placeOrder(client, 17, contract, order)
    return sent[0].split("\0")[:-1]


def read(fields: list[str], version: int) -> Any:
    cursor = Cursor(fields, version)
    assert cursor.integer() == 3
    return read_order(cursor)


STOCK = ibx.Stock("AAPL", "SMART", "USD", conId=265598)
BAG = ibx.Contract(
    secType="BAG", symbol="AAPL", exchange="SMART", currency="USD",
    comboLegs=[ibx.ComboLeg(1, 1, "BUY", "SMART"), ibx.ComboLeg(2, 1, "SELL", "SMART")],
)  # fmt: skip
CONDITIONS = [PriceCondition(conId=1, exch="SMART", price=5.0), TimeCondition(time="20261121 10:00:00")]
PEGGED = ibx.Order(action="BUY", totalQuantity=10, orderType="PEG BEST", competeAgainstBestOffset=float("inf"))
ORDERS = {
    "limit": (STOCK, ibx.LimitOrder("BUY", 10, 190.5)),
    "market": (STOCK, ibx.MarketOrder("SELL", 7)),
    "stop limit": (STOCK, ibx.StopLimitOrder("SELL", 7, 180.0, 181.0)),
    "algo": (
        STOCK,
        ibx.LimitOrder("BUY", 10, 190.5, algoStrategy="Twap", algoParams=[ibx.TagValue("a", "b")]),
    ),
    "scale": (STOCK, ibx.LimitOrder("BUY", 10, 190.5, scaleInitLevelSize=1, scaleSubsLevelSize=1, scalePriceIncrement=0.5)),
    "hedge": (STOCK, ibx.LimitOrder("BUY", 10, 190.5, hedgeType="P", hedgeParam="2")),
    "delta neutral": (STOCK, ibx.LimitOrder("BUY", 10, 190.5, deltaNeutralOrderType="None")),
    "conditions": (STOCK, ibx.LimitOrder("BUY", 10, 190.5, conditions=CONDITIONS)),
    "pegged to a benchmark": (STOCK, ibx.Order(action="BUY", totalQuantity=10, orderType="PEG BENCH", lmtPrice=1.0)),
    "pegged to the middle": (STOCK, ibx.Order(action="BUY", totalQuantity=10, orderType="PEG MID", lmtPrice=1.0)),
    "pegged to the best": (STOCK, PEGGED),
    "combination": (BAG, ibx.LimitOrder("BUY", 10, 190.5, smartComboRoutingParams=[ibx.TagValue("Safe", "1")])),
    "what if": (STOCK, ibx.LimitOrder("BUY", 10, 190.5, whatIf=True)),
    "child, not transmitted": (STOCK, ibx.LimitOrder("BUY", 10, 190.5, parentId=16, transmit=False, orderRef="a|b")),
}  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ORDERS)
def test_an_order_of_the_library_is_read_to_its_last_field(name: str, version: int) -> None:
    contract, order = ORDERS[name]
    request = read(written(order, contract, version), version)
    assert request.order_id == 17
    assert (request.action, request.quantity, request.order_type) == (order.action, order.totalQuantity, order.orderType)
    assert request.what_if is order.whatIf
    assert (request.parent_id, request.transmit) == (order.parentId, order.transmit)
    assert request.fields["orderRef"] == order.orderRef
    if order.orderType in ("LMT", "STP LMT"):
        assert request.limit == order.lmtPrice
    if order.orderType == "STP LMT":
        assert request.aux == order.auxPrice
    if contract is STOCK:
        assert request.contract.stock.symbol == "AAPL"


def test_a_plain_limit_order_has_the_known_number_of_fields() -> None:
    known = {176: 115, 178: 114}
    sizes = {v: len(written(ibx.LimitOrder("BUY", 10, 190.5), STOCK, v)) for v in VERSIONS if v in known}
    assert sizes.items() <= known.items()
    assert 176 in sizes


def test_a_field_too_few_or_too_many_is_malformed() -> None:
    fields = written(ibx.LimitOrder("BUY", 10, 190.5), STOCK, 176)
    with pytest.raises(Malformed, match="ends after"):
        read(fields[:-1], 176)
    with pytest.raises(Malformed, match="1 fields are left"):
        read([*fields, "x"], 176)


def test_recorded_orders_of_another_client_are_read(shared_data: Path) -> None:
    lines = (shared_data / "ib/rust-ibapi/text_messages_v2.11.4.jsonl").read_text().splitlines()
    messages = [json.loads(line)["message"].replace("\0", "|").split("|")[:-1] for line in lines]
    orders = [fields for fields in messages if fields[0] == "3" and len(fields) > 100]
    read_ok = []
    for fields in orders:
        request = read(fields, 163)
        contract = request.contract.fields
        named = contract["symbol"] or contract["localSymbol"]
        read_ok.append((named, request.action, request.quantity, request.order_type))
    assert ("TSLA", "BUY", 100.0, "MKT") in read_ok
    assert ("FGBL MAR 23", "BUY", 10.0, "LMT") in read_ok
    assert ("WTI", "SELL", 150.0, "MKT") in read_ok
    assert len(read_ok) == len(orders) >= 4
