"""The simulated account's bookkeeping."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.venues.simulated.tws.account import INITIAL_CASH, Account


def test_buying_and_selling_realises_the_difference_less_commission() -> None:
    account = Account("SIM1")
    assert account.fill("AAPL", 100, 200.0, 1.0) is None
    assert account.fill("AAPL", 100, 210.0, 1.0) is None
    assert account.positions["AAPL"].average == 205.0
    assert account.fill("AAPL", -50, 215.0, 1.0) == pytest.approx(50 * 10 - 1)
    assert account.positions["AAPL"].quantity == 150
    assert account.cash == pytest.approx(INITIAL_CASH - 20_000 - 21_000 + 50 * 215 - 3)


def test_a_sale_beyond_the_position_turns_it_short_at_the_new_price() -> None:
    account = Account("SIM1")
    account.fill("AAPL", 10, 100.0, 0.0)
    assert account.fill("AAPL", -25, 110.0, 0.0) == pytest.approx(100.0)
    assert (account.positions["AAPL"].quantity, account.positions["AAPL"].average) == (-15, 110.0)
    assert account.fill("AAPL", 15, 100.0, 0.0) == pytest.approx(150.0)
    assert (account.positions["AAPL"].quantity, account.positions["AAPL"].average) == (0, 0.0)


fills = st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(100, 300), st.integers(0, 3)), max_size=30)


@given(fills=fills, price=st.integers(100, 300))
def test_worth_changes_by_what_is_realised_and_unrealised(fills: list[tuple[int, int, int]], price: int) -> None:
    account = Account("SIM1")
    opening = 0.0
    for quantity, at, commission in fills:
        if account.fill("AAPL", quantity, float(at), float(commission)) is None:
            opening += commission
    values = account.values({"AAPL": float(price)})
    gained = values["RealizedPnL"] + values["UnrealizedPnL"] - opening
    assert values["NetLiquidation"] == pytest.approx(INITIAL_CASH + gained)
    assert values["AvailableFunds"] == pytest.approx(values["NetLiquidation"] - values["InitMarginReq"])
