"""Whether a quiet symbol really had no trade."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.base.clock import ManualClock
from core.base.errors import VenueUnavailable
from core.venues.binance.trade_witness import TradeWitness


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.last_id = 7
        self.fails = False
        self.asked = 0
        self.witness = TradeWitness(self._fetch, self.clock, 10.0)
        self.task = asyncio.create_task(self.witness.run())

    async def _fetch(self, symbol: str) -> int:
        self.asked += 1
        if self.fails:
            raise VenueUnavailable("no answer")
        return self.last_id


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    bench.task.cancel()
    await asyncio.gather(bench.task, return_exceptions=True)


async def test_a_symbol_without_a_newer_trade_is_excused_and_asked_about_once(bench: Bench, wait_until: Any) -> None:
    assert bench.witness.had_nothing_after("SOLUSDT", 7)
    await wait_until(lambda: bench.asked == 1)
    await asyncio.sleep(0.05)
    bench.clock.advance(9)
    assert bench.witness.had_nothing_after("SOLUSDT", 7)
    assert bench.asked == 1
    bench.clock.advance(2)
    bench.witness.had_nothing_after("SOLUSDT", 7)
    await wait_until(lambda: bench.asked == 2)


async def test_a_newer_trade_speaks_for_a_fault(bench: Bench, wait_until: Any) -> None:
    bench.witness.had_nothing_after("SOLUSDT", 6)
    await wait_until(lambda: bench.asked == 1)
    await asyncio.sleep(0.05)
    assert not bench.witness.had_nothing_after("SOLUSDT", 6)


async def test_a_question_that_stays_open_speaks_for_a_fault(bench: Bench, wait_until: Any) -> None:
    bench.fails = True
    assert bench.witness.had_nothing_after("SOLUSDT", 7)
    await wait_until(lambda: bench.asked >= 2)
    bench.clock.advance(11)
    assert not bench.witness.had_nothing_after("SOLUSDT", 7)
    bench.witness.forget("SOLUSDT")
    assert bench.witness.had_nothing_after("SOLUSDT", 7)
