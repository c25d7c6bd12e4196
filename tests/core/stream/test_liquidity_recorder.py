"""The recorder of heat maps on a real stream."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.base.clock import ManualClock
from core.base.settings import StreamConfig
from core.domain.instrument import AAPL
from core.domain.market import BookView, Trade
from core.stream.liquidity_recorder import LiquidityRecorder
from core.stream.unified_data_stream import UnifiedDataStream
from tests.patience import until

START_MS = 1_700_000_000_000


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock(START_MS)
        self.stream = UnifiedDataStream(StreamConfig(), self.clock)
        self.recorder = LiquidityRecorder(self.stream, self.clock)
        self.stream.attach()

    def book(self, symbol: str, bid: float) -> None:
        bids, asks = ((bid, 2.0), (bid - 0.01, 3.0)), ((bid + 0.01, 1.0), (bid + 0.02, 4.0))
        self.stream.publish_book(BookView(symbol, 1, bids, asks, 1, 0, "", None))

    def column(self) -> None:
        self.clock.advance(0.5)
        self.recorder.record()

    def columns(self, symbol: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.recorder.full(symbol)["columns"]
        return found


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.stream.close()


async def test_every_symbol_of_the_stream_has_columns_of_its_own(bench: Bench) -> None:
    bench.stream.add_instrument(AAPL)
    bench.book("ETHUSDT", 2_400.0)
    bench.book("AAPL", 190.0)
    bench.column()
    assert bench.columns("ETHUSDT")[0]["bid"] == 2_400.0
    assert bench.columns("AAPL")[0]["bid"] == 190.0
    assert bench.recorder.full("AAPL")["scale"]["unit"] == 1.0
    assert "hole" in bench.columns("BTCUSDT")[0]


async def test_a_withheld_book_makes_holes_with_the_symbols_cause(bench: Bench) -> None:
    bench.book("ETHUSDT", 2_400.0)
    bench.column()
    bench.stream.book_lost("ETHUSDT")
    bench.stream.set_link("ETHUSDT", False, "connection refused")
    bench.column()
    bench.book("ETHUSDT", 2_401.0)
    bench.column()
    assert [column.get("hole") for column in bench.columns("ETHUSDT")] == [None, "connection refused", None]


async def test_trades_come_with_the_column_in_which_they_were_received(bench: Bench) -> None:
    bench.book("ETHUSDT", 2_400.0)
    for trade_id, price in enumerate((2_400.0, 2_400.0, 2_400.01), start=1):
        bench.stream.publish_trade(Trade("ETHUSDT", trade_id, price, 0.5, START_MS, price > 2_400, 5))
    await until(lambda: bench.stream.consumers()[0]["delivered"] == 3)
    bench.column()
    bench.column()
    first, second = bench.columns("ETHUSDT")
    assert first["trades"] == ((2_400.0, 1.0, 0), (2_400.01, 0.5, 1))
    assert second["trades"] == ()
    assert bench.stream.consumer_names() == ["liquidity"]


async def test_since_brings_the_news_and_an_unknown_symbol_is_a_key_error(bench: Bench) -> None:
    assert bench.recorder.full("ETHUSDT")["columns"] == []
    bench.book("ETHUSDT", 2_400.0)
    bench.column()
    last = bench.recorder.full("ETHUSDT")["last"]
    bench.column()
    news = bench.recorder.since("ETHUSDT", last)
    assert (news["full"], len(news["columns"]), news["last"]) == (False, 1, last + 1)
    for ask in (bench.recorder.full, lambda symbol: bench.recorder.since(symbol, 0)):
        with pytest.raises(KeyError):
            ask("NOPE")


async def test_it_runs_at_each_half_second_of_the_clock(bench: Bench) -> None:
    bench.clock.advance(0.49)
    bench.book("ETHUSDT", 2_400.0)
    running = asyncio.create_task(bench.recorder.run())
    await until(lambda: bench.columns("ETHUSDT"))
    bench.clock.advance(0.505)
    await until(lambda: len(bench.columns("ETHUSDT")) == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [column["t"] % 500 for column in bench.columns("ETHUSDT")] == [0, 0]


async def test_other_threads_read_whole_answers_while_columns_are_made(bench: Bench) -> None:
    stop, faults, reads = threading.Event(), list[Exception](), [0]

    def read() -> None:
        last = -1
        while not stop.is_set():
            try:
                answer = bench.recorder.since("ETHUSDT", last)
                stamps = [column["t"] for column in answer["columns"]]
                assert stamps == sorted(set(stamps))
                last = answer["last"]
                reads[0] += 1
            except Exception as error:
                faults.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    deadline = time.monotonic() + 10
    made = 0
    while (made < 1_500 or reads[0] < 100) and time.monotonic() < deadline:
        bench.book("ETHUSDT", 2_400.0 + made % 50 / 100)
        bench.column()
        made += 1
    stop.set()
    for reader in readers:
        reader.join()
    assert not faults
    assert reads[0] >= 100
    assert len(bench.columns("ETHUSDT")) == 1_200
