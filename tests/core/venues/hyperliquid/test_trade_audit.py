"""The audit over minutes that end: what cannot be waited for on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.base.clock import SystemClock
from core.base.errors import VenueUnavailable
from core.domain.health import Cause
from core.domain.market import Kline, Origin, Trade
from core.venues.hyperliquid.trade_audit import TradeAudit
from core.venues.hyperliquid.wire import VenueCandle
from core.venues.incident_log import IncidentLog
from tests.patience import PATIENCE

MINUTE = 60_000
T0 = 1_764_835_560_000
SYMBOL = "ETH-PERP"


class Market:
    """What the venue knows, and what of it reached us."""

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self.seen: set[int] = set()
        self.bars: list[Kline] = []
        self.gaps = 0
        self.memory = 10_000
        self.failures = 0
        self.disabled: set[str] = set()
        self.asked = {"trades": 0, "candles": 0}
        self.incidents = IncidentLog("hyperliquid", SystemClock())
        self.audit = TradeAudit(
            SYMBOL, 0.001, self.recent, self.candles, self.accept, lambda c: self.bars.append(c.kline), self.note_gap,
            SystemClock(), self.incidents, lambda key: key not in self.disabled,
        )  # fmt: skip

    def note_gap(self) -> None:
        self.gaps += 1

    def accept(self, trade: Trade) -> bool:
        if trade.trade_id in self.seen:
            return False
        self.seen.add(trade.trade_id)
        self.audit.on_trade(trade)
        return True

    async def recent(self) -> list[Trade]:
        self.asked["trades"] += 1
        if self.failures:
            self.failures -= 1
            raise VenueUnavailable("not now")
        return self.trades[-self.memory :]

    async def candles(self, from_ms: int, to_ms: int) -> list[VenueCandle]:
        self.asked["candles"] += 1
        opens = range(from_ms // MINUTE * MINUTE, to_ms + 1, MINUTE)
        return [self.candle(open_ms, open_ms + MINUTE <= self.trades[-1].ts_ms) for open_ms in opens]

    def candle(self, open_ms: int, closed: bool = False) -> VenueCandle:
        """The venue's bar of a minute as it stands."""
        inside = [t for t in self.trades if open_ms <= t.ts_ms < open_ms + MINUTE]
        volume = sum(t.quantity for t in inside)
        return VenueCandle(
            SYMBOL, Kline(SYMBOL, "1m", open_ms, 1, 1, 1, 1, volume, -1, -1, closed, open_ms, 0, Origin.REST), len(inside)
        )

    def trade(self, ts_ms: int, arrives: bool = True) -> None:
        """A trade happens, and, unless it is lost, reaches us with its candle."""
        number = len(self.trades)
        self.trades.append(Trade(SYMBOL, (number * 7_919) % 1_000_003, 1.0, 0.5 + number % 3, ts_ms, False))
        if arrives:
            self.accept(self.trades[-1])
            self.audit.on_live_candle(self.candle(ts_ms // MINUTE * MINUTE))

    @property
    def told(self) -> list[str]:
        return [i.detail for i in self.incidents.snapshot() if i.kind is Cause.SEQUENCE_GAP]


@pytest.fixture
async def market() -> AsyncIterator[Market]:
    """Two minutes of a stream without fault, so that the second is known whole and candles are trusted."""
    market = Market()
    for ts_ms in range(T0, T0 + 2 * MINUTE, 5_000):
        market.trade(ts_ms)
    task = asyncio.create_task(market.audit.run())
    yield market
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def until_settled(market: Market) -> Any:
    """The market goes on until nothing is in doubt."""

    async def settled() -> None:
        async with asyncio.timeout(8 * PATIENCE):
            while not market.audit.is_settled:
                await asyncio.sleep(0.02)
                market.trade(market.trades[-1].ts_ms + 50)

    return settled


async def test_a_stream_without_fault_costs_no_request(market: Market) -> None:
    for ts_ms in range(T0 + 2 * MINUTE, T0 + 5 * MINUTE, 5_000):
        market.trade(ts_ms)
        await asyncio.sleep(0)
    assert market.audit.is_settled
    assert market.asked == {"trades": 0, "candles": 0}
    assert market.told == []


async def test_an_outage_over_several_minutes_is_filled_and_its_bars_are_fetched(market: Market, until_settled: Any) -> None:
    market.audit.lost()
    for ts_ms in range(T0 + 2 * MINUTE, T0 + 4 * MINUTE, 5_000):
        market.trade(ts_ms, arrives=False)
    market.trade(T0 + 4 * MINUTE + 10_000)
    market.audit.resumed()
    await until_settled()
    assert market.audit.recovered == 24
    assert market.audit.missing == 0
    assert len(market.seen) == len(market.trades)
    assert [bar.open_ms for bar in market.bars] == [T0 + m * MINUTE for m in (2, 3)]
    assert market.gaps == 1
    assert len(market.told) == 1


async def test_what_the_venue_forgot_is_declared_exactly_minute_by_minute(market: Market, until_settled: Any) -> None:
    market.memory = 5
    market.audit.lost()
    for ts_ms in range(T0 + 2 * MINUTE, T0 + 4 * MINUTE, 5_000):
        market.trade(ts_ms, arrives=False)
    for i in range(3):
        market.trade(T0 + 4 * MINUTE + 10_000 + i)
    market.audit.resumed()
    await until_settled()
    assert market.audit.missing == len(market.trades) - len(market.seen) > 15
    assert market.audit.missing + market.audit.recovered == 24
    assert market.told == [text for text in market.told if f"{market.audit.missing} trades are missing for good" in text]
    assert market.gaps == 1


async def test_trades_of_before_we_came_are_not_taken_for_a_gap(market: Market, until_settled: Any) -> None:
    before = [Trade(SYMBOL, 2_000_000 + i, 1.0, 1.0, T0 - 30_000 + i * 1_000, False) for i in range(20)]
    market.trades[:0] = before
    market.audit.lost()
    market.trade(T0 + 2 * MINUTE, arrives=False)
    market.trade(T0 + 2 * MINUTE + 1_000)
    market.audit.resumed()
    await until_settled()
    assert market.audit.recovered == 1
    assert not market.seen & {trade.trade_id for trade in before}


async def test_an_outage_without_a_trade_is_no_gap(market: Market, until_settled: Any) -> None:
    market.audit.lost()
    market.trade(T0 + 2 * MINUTE + 1_000)
    market.audit.resumed()
    await until_settled()
    assert (market.audit.recovered, market.audit.missing, market.gaps, market.told) == (0, 0, 0, [])


async def test_a_minute_that_ended_short_is_filled_once_its_successor_runs(market: Market, until_settled: Any) -> None:
    market.trade(T0 + 2 * MINUTE + 1_000)
    market.trade(T0 + 2 * MINUTE + 59_000, arrives=False)
    market.audit.on_live_candle(market.candle(T0 + 2 * MINUTE))
    market.trade(T0 + 3 * MINUTE + 5_000)
    assert not market.audit.is_settled
    await until_settled()
    assert market.audit.recovered == 1
    assert len(market.seen) == len(market.trades)
    assert market.gaps == 1


async def test_a_venue_that_fails_is_asked_again(market: Market, until_settled: Any) -> None:
    market.failures = 2
    market.audit.lost()
    market.trade(T0 + 2 * MINUTE, arrives=False)
    market.trade(T0 + 2 * MINUTE + 1_000)
    market.audit.resumed()
    await until_settled()
    assert market.asked["trades"] == 3
    assert market.audit.recovered == 1


async def test_with_back_fill_switched_off_nothing_is_fetched_but_all_is_declared(
    market: Market, until_settled: Any
) -> None:
    market.disabled.add("gap_backfill")
    market.audit.lost()
    for i in range(4):
        market.trade(T0 + 2 * MINUTE + i, arrives=False)
    market.trade(T0 + 3 * MINUTE + 10_000)
    market.audit.resumed()
    await until_settled()
    assert market.asked["trades"] == 0
    assert (market.audit.recovered, market.audit.missing) == (0, 4)


async def test_a_second_loss_while_the_first_is_in_doubt_is_part_of_it(market: Market, until_settled: Any) -> None:
    market.failures = 1
    market.audit.lost()
    market.trade(T0 + 2 * MINUTE, arrives=False)
    market.trade(T0 + 2 * MINUTE + 100)
    market.audit.resumed()
    await asyncio.sleep(0)
    market.audit.lost()
    market.trade(T0 + 2 * MINUTE + 200, arrives=False)
    market.trade(T0 + 2 * MINUTE + 300)
    market.audit.resumed()
    await until_settled()
    assert market.audit.recovered == 2
    assert len(market.seen) == len(market.trades)
