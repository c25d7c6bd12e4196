"""A symbol's feed: order of history and live data, sequence, market time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from core.base.clock import SystemClock
from core.base.settings import StreamConfig
from core.domain.instrument import Instrument
from core.domain.market import Kline, Quote, Trade
from core.stream.messages import DataType, Message, Policy
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.symbol_feed import SymbolFeed

START_MS = 1_723_161_255_000


def trade(trade_id: int) -> Trade:
    return Trade("ETHUSDT", trade_id, 2000.0, 1.0, START_MS + trade_id * 100, False, 1)


def kline(event_ms: int, interval: str = "1m", closed: bool = False, last_id: int = 5) -> Kline:
    open_ms = event_ms - event_ms % 60_000
    return Kline("ETHUSDT", interval, open_ms, 2.0, 2.0, 2.0, 2.0, 1.0, 1, last_id, closed, event_ms)


class Bench:
    def __init__(self) -> None:
        self.stream = UnifiedDataStream(StreamConfig(), SystemClock())
        self.subscription = self.stream.register_consumer(
            "t", [DataType.TICKS, DataType.COB], policy=Policy.LOSSLESS, bound=200_000
        )
        self.enabled = True
        self.gaps: list[list[tuple[int, int]]] = []
        self.feed = SymbolFeed(
            "ETHUSDT", self.stream, lambda key: self.enabled, lambda feed: self.gaps.append(list(feed.tape.gaps))
        )
        self.klines: list[Kline] = []
        self.stream.publish_kline = self.klines.append  # type: ignore[method-assign, assignment]

    def ids(self) -> list[int]:
        return [m.trade_id for m in self.subscription.drain() if isinstance(m, Trade)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_trades_are_held_until_history_is_in_and_keep_their_order(bench: Bench) -> None:
    for trade_id in (1, 2, 3):
        bench.feed.on_trade(trade(trade_id))
    assert bench.ids() == []
    bench.feed.flow()
    bench.feed.on_trade(trade(4))
    await bench.feed.run()
    bench.feed.on_trade(trade(5))
    assert bench.ids() == [1, 2, 3, 4, 5]


async def test_what_was_held_never_costs_a_consumer_a_message(bench: Bench) -> None:
    got: list[int] = []

    async def take(messages: Sequence[Message]) -> None:
        got.extend(m.trade_id for m in messages if isinstance(m, Trade))

    bench.stream.attach()
    bench.stream.register_consumer("model", [DataType.TICKS, DataType.OHLCV], take, bound=10_000)
    for trade_id in range(1, 20_001):
        bench.feed.on_trade(trade(trade_id))
    bench.feed.flow()
    run = asyncio.create_task(bench.feed.run())
    await asyncio.sleep(0)
    bench.feed.on_trade(trade(20_001))
    await run
    assert [consumer["dropped"] for consumer in bench.stream.consumers()] == [0, 0]
    await bench.stream.close()
    assert got == list(range(1, 20_002))


async def test_too_many_held_trades_ask_the_link_to_read_no_more(bench: Bench) -> None:
    for trade_id in range(1, 50_001):
        assert not bench.feed.congested
        bench.feed.on_trade(trade(trade_id))
    assert bench.feed.congested
    bench.feed.flow()
    await bench.feed.run()
    assert not bench.feed.congested
    assert bench.ids() == list(range(1, 50_001))


def test_a_duplicate_is_dropped_and_a_jump_is_told(bench: Bench) -> None:
    bench.feed.flow()
    for trade_id in (1, 2, 2, 1, 6, 6):
        bench.feed.on_trade(trade(trade_id))
    assert bench.ids() == [1, 2, 6]
    assert bench.gaps == [[(3, 5)]]
    assert bench.feed.span_of(3, 5) == (START_MS + 200, START_MS + 600)


@pytest.mark.parametrize(
    ("stored", "gaps"),
    [(None, []), (96, [[(97, 99)]]), (99, []), (100, []), (5_000, []), (10, [])],
)
def test_the_gap_since_the_last_stored_trade_is_told_when_it_is_short(
    bench: Bench, stored: int | None, gaps: list[Any]
) -> None:
    """A stored id at or above the live one comes from another market: it says nothing."""
    bench.feed.resume_after(stored, 50)
    bench.feed.flow()
    bench.feed.on_trade(trade(100))
    bench.feed.on_trade(trade(101))
    assert bench.gaps == gaps
    assert bench.ids() == [100, 101]


def test_a_quote_of_the_slower_of_two_connections_is_dropped(bench: Bench) -> None:
    for update_id in (5, 6, 5, 6, 7):
        bench.feed.on_quote(Quote("ETHUSDT", 1.0, 1.0, 2.0, 1.0, update_id))
    quotes = [m.update_id for m in bench.subscription.drain() if isinstance(m, Quote)]
    assert quotes == [5, 6, 7]
    bench.feed.reconnected()
    bench.feed.on_quote(Quote("ETHUSDT", 1.0, 1.0, 2.0, 1.0, 1))
    assert [m.update_id for m in bench.subscription.drain() if isinstance(m, Quote)] == [1]


def test_an_older_kline_is_dropped_and_closed_ones_only_pass_while_reconciliation_is_on(bench: Bench) -> None:
    bench.feed.flow()
    bench.feed.on_kline(kline(START_MS + 2_000))
    bench.feed.on_kline(kline(START_MS + 1_000))
    bench.feed.on_kline(kline(START_MS + 2_000, closed=True))
    bench.enabled = False
    bench.feed.on_kline(kline(START_MS + 4_000, closed=True))
    bench.feed.on_kline(kline(START_MS + 5_000))
    assert [(k.event_ms - START_MS, k.closed) for k in bench.klines] == [(2_000, False), (2_000, True), (5_000, False)]


def test_market_time_is_the_largest_event_time_of_any_frame(bench: Bench) -> None:
    bench.feed.flow()
    bench.feed.on_trade(trade(10))
    bench.feed.on_time(START_MS + 5_000, 1)
    bench.feed.on_time(START_MS + 4_000, 1)
    assert bench.feed.market_ms == START_MS + 5_000
    rows = bench.stream.rows("eth_ticks", 10)
    assert [row[0] for row in rows] == [START_MS + s * 1_000 for s in range(1, 6)]
    assert rows[-1] == [START_MS + 5_000, 2000.0, 2000.0, 2000.0, 2000.0, 0.0]


def test_a_symbol_without_series_is_sequenced_by_its_feed() -> None:
    instrument = Instrument("SOLUSDT", "binance", "SOL", "USDT", 0.01, 0.01, 2)
    stream = UnifiedDataStream(StreamConfig(), SystemClock())
    stream.add_instrument(instrument)
    taken = stream.register_consumer("t", [DataType.TICKS], policy=Policy.LOSSLESS, bound=100)
    gaps: list[list[tuple[int, int]]] = []
    feed = SymbolFeed("SOLUSDT", stream, lambda key: True, lambda feed: gaps.append(list(feed.tape.gaps)))
    assert feed.is_flowing
    for trade_id in (1, 2, 2, 5, 1, 3, 3, 4, 6):
        feed.on_trade(Trade("SOLUSDT", trade_id, 180.0, 1.0, START_MS + trade_id, False, 1))
    assert [m.trade_id for m in taken.drain() if isinstance(m, Trade)] == [1, 2, 5, 3, 4, 6]
    assert gaps == [[(3, 4)]]
    assert feed.tape.gaps == []
