"""Request weights."""

from core.base.clock import ManualClock
from core.venues.binance.weight_budget import WeightBudget

MINUTE_MS = 60_000


async def test_eighty_percent_of_the_limit_may_be_spent_in_a_minute() -> None:
    clock = ManualClock(now_ms=1_000 * MINUTE_MS)
    budget = WeightBudget(clock, limit=100, share=0.8)
    for _ in range(8):
        assert budget.wait_s(10) == 0
        await budget.spend(10)
    assert budget.wait_s(1) > 59
    clock.advance(60)
    assert budget.wait_s(10) == 0
    assert budget.used == 0


def test_the_venue_s_own_count_wins_when_it_is_higher() -> None:
    """Other programs may share the address."""
    budget = WeightBudget(ManualClock(now_ms=1_000 * MINUTE_MS), limit=100, share=0.8)
    budget.observe(75)
    assert budget.wait_s(5) == 0
    assert budget.wait_s(6) > 0
    budget.observe(10)
    assert budget.used == 75


async def test_a_request_above_the_whole_budget_passes_in_an_empty_minute() -> None:
    """Else it would wait for ever."""
    budget = WeightBudget(ManualClock(now_ms=1_000 * MINUTE_MS), limit=10, share=0.8)
    await budget.spend(50)
    assert budget.used == 50
    assert budget.wait_s(1) > 0
