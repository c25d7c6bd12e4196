"""How the market fills orders."""

from dataclasses import replace

import pytest

from core.venues.simulated.tws.market import Row, Trade
from core.venues.simulated.tws.order_request import OrderRequest
from core.venues.simulated.tws.orders import Order, Status, commission_of, fills_of, rejection
from core.venues.simulated.tws.requests import Contract
from core.venues.simulated.tws.stocks import STOCKS

AAPL = STOCKS["AAPL"]
ASKS = (Row(10_001, 100, "ARCA"), Row(10_002, 200, "IEX"), Row(10_005, 400, "BATS"))
BIDS = (Row(10_000, 50, "ARCA"), Row(9_998, 60, "IEX"))
REQUEST = OrderRequest(
    order_id=1, contract=Contract({}, AAPL), action="BUY", quantity=250, order_type="MKT", limit=None, aux=None, tif="DAY",
    parent_id=0, transmit=True, what_if=False, fields={},
)  # fmt: skip


def order(**changes: object) -> Order:
    return Order(33, 1, AAPL, replace(REQUEST, **changes), Status.SUBMITTED)  # type: ignore[arg-type]


def trade(price: int, size: int) -> Trade:
    return Trade(0, price, size, "NYSE")


def shares(one: Order, *, trades: list[Trade] | None = None, takes: bool = True) -> list[tuple[int, int]]:
    return [(fill.price, fill.quantity) for fill in fills_of(one, BIDS, ASKS, trades or [], takes)]


def test_a_market_order_takes_row_after_row() -> None:
    assert shares(order()) == [(10_001, 100), (10_002, 150)]
    assert shares(order(action="SELL", quantity=500)) == [(10_000, 50), (9_998, 60)]


def test_a_limit_order_takes_no_row_beyond_its_limit() -> None:
    assert shares(order(order_type="LMT", limit=100.02, quantity=900)) == [(10_001, 100), (10_002, 200)]
    assert shares(order(order_type="LMT", limit=99.0)) == []


def test_a_resting_order_gets_trades_through_it_whole_and_half_of_those_at_it() -> None:
    resting = order(order_type="LMT", limit=99.99)
    resting.is_resting = True
    assert shares(resting, trades=[trade(9_998, 30), trade(9_999, 31), trade(10_000, 99)]) == [(9_999, 30), (9_999, 15)]
    assert shares(resting, trades=[trade(9_990, 1_000)]) == [(9_999, 250)]
    assert shares(resting, trades=[trade(9_999, 1)]) == [(9_999, 1)]


def test_a_quote_that_crosses_a_resting_order_fills_it_at_its_limit() -> None:
    resting = order(order_type="LMT", limit=100.03)
    resting.is_resting = True
    assert shares(resting) == [(10_003, 100), (10_003, 150)]
    assert shares(resting, takes=False) == []


def test_a_stop_order_sleeps_until_a_trade_reaches_it() -> None:
    stop = order(order_type="STP", aux=100.5, quantity=10)
    assert shares(stop, trades=[trade(10_049, 5)]) == []
    assert stop.waits_for_trigger
    assert shares(stop, trades=[trade(10_050, 5)]) == [(10_001, 10)]
    down = order(action="SELL", order_type="STP LMT", aux=99.5, limit=99.99, quantity=10)
    assert shares(down, trades=[trade(9_951, 5)]) == []
    assert shares(down, trades=[trade(9_950, 5)]) == [(10_000, 10)]


def test_the_least_commission_falls_on_the_first_fill_only() -> None:
    assert commission_of(10, is_first=True) == 1.0
    assert commission_of(10, is_first=False) == 0.05
    assert commission_of(1_000, is_first=True) == 5.0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"contract": Contract({}, None)}, 200),
        ({"action": "HOLD"}, 321),
        ({"order_type": "PEG MID"}, 387),
        ({"tif": "OPG"}, 391),
        ({"quantity": 0.0}, 434),
        ({"quantity": 1.5}, 10242),
        ({"order_type": "LMT", "limit": None}, 110),
        ({"order_type": "LMT", "limit": 100.005}, 110),
        ({"order_type": "STP", "aux": -1.0}, 110),
    ],
)
def test_what_the_venue_does_not_take_is_refused_with_its_code(changes: dict[str, object], code: int) -> None:
    refused = rejection(replace(REQUEST, **changes))  # type: ignore[arg-type]
    assert refused is not None
    assert refused[0] == code


def test_a_plain_order_is_not_refused() -> None:
    assert rejection(REQUEST) is None
    assert rejection(replace(REQUEST, order_type="LMT", limit=100.01)) is None
