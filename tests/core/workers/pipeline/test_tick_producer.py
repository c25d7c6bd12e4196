"""The producer against a real Valkey: full, away, killed, and back."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from core.base.clock import SystemClock
from core.base.loop_thread import LoopThread
from core.base.settings import StreamConfig
from core.domain.instrument import AAPL, ETH_PERP
from core.domain.market import Quote, Trade
from core.embedded import EmbeddedServers
from core.storage.spool import Spool
from core.stream.unified_data_stream import UnifiedDataStream
from core.workers.stream_writer import StreamWriter
from core.workers.tick import decode
from core.workers.tick_producer import TickProducer

KEY = "ticks:intraday:processed"
NOON_MS = 1_723_118_400_000


def trade(trade_id: int, symbol: str = "ETHUSDT") -> Trade:
    return Trade(symbol, trade_id, 2_000 + trade_id % 100, 0.5, NOON_MS + trade_id, False, 1)


class Market:
    """A stream on a loop of its own, as the engine has it."""

    def __init__(self) -> None:
        self.stream = UnifiedDataStream(StreamConfig(), SystemClock())
        for instrument in (AAPL, ETH_PERP):
            self.stream.add_instrument(instrument)
        self._ready = threading.Event()
        self._thread = LoopThread("market", self._main)
        self._thread.start()
        self._ready.wait()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.stream.attach()
        self._ready.set()
        await asyncio.Event().wait()

    def _call(self, awaitable: Awaitable[None]) -> None:
        async def run() -> None:
            await awaitable

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(20)

    def trades(self, first: int, count: int, symbol: str = "ETHUSDT") -> None:
        async def publish() -> None:
            for number in range(first, first + count):
                self.stream.publish_trade(trade(number, symbol))
                if number % 500 == 0:
                    await asyncio.sleep(0)

        self._call(publish())

    def quote(self, quote: Quote) -> None:
        async def publish() -> None:
            self.stream.publish_quote(quote)

        self._call(publish())

    def stop(self) -> None:
        self._thread.stop(2)


@pytest.fixture
def market() -> Iterator[Market]:
    market = Market()
    yield market
    market.stop()


@pytest.fixture
def produce(market: Market, tmp_path: Path) -> Iterator[Callable[..., TickProducer]]:
    started: list[TickProducer] = []

    def start(url: str, spool_bytes: int = 8_000_000, stream_entries: int = 400_000, **options: Any) -> TickProducer:
        producer = TickProducer(
            market.stream, StreamWriter(url, KEY), Spool(tmp_path / "ticks", spool_bytes), SystemClock(),
            stream_entries=stream_entries, **options,
        )  # fmt: skip
        producer.start()
        started.append(producer)
        return producer

    yield start
    for producer in started:
        producer.stop(5)


def entries(url: str) -> list[Any]:
    with redis.Redis.from_url(url) as client:
        return [decode(entry, fields) for entry, fields in client.xrange(KEY)]  # type: ignore[union-attr,misc]


def ids(url: str, symbol: str = "ETHUSDT") -> list[int]:
    return [int(tick.event_id.rpartition(":")[2]) for tick in entries(url) if tick.symbol == symbol]


def test_a_trade_of_any_venue_becomes_a_tick_with_its_venue_event_id_and_quote(
    market: Market, produce: Callable[..., TickProducer], redis_url: str, until: Callable[..., None]
) -> None:
    producer = produce(redis_url)
    market.quote(Quote("AAPL", 199.5, 10, 200.5, 12, 1))
    market.quote(Quote("ETH-PERP", 0.0, 0, 2_001.0, 1, 1))
    for symbol in ("ETHUSDT", "AAPL", "ETH-PERP"):
        market.trades(7, 1, symbol)
    until(lambda: producer.stats()["published"] == 3)
    ticks = {tick.symbol: tick for tick in entries(redis_url)}
    assert {s: (t.event_id, t.venue, t.bid, t.ask) for s, t in ticks.items()} == {
        "ETHUSDT": ("binance:ETHUSDT:7", "binance", None, None),
        "AAPL": ("ibkr:AAPL:7", "ibkr", 199.5, 200.5),
        "ETH-PERP": ("hyperliquid:ETH-PERP:7", "hyperliquid", None, 2_001.0),
    }
    assert (ticks["AAPL"].ts_ms, ticks["AAPL"].price, ticks["AAPL"].volume) == (NOON_MS + 7, 2_007.0, 0.5)


def test_trades_come_in_order_and_once(
    market: Market, produce: Callable[..., TickProducer], redis_url: str, until: Callable[..., None]
) -> None:
    producer = produce(redis_url)
    market.trades(1, 5_000)
    until(lambda: producer.stats()["published"] == 5_000)
    assert ids(redis_url) == list(range(1, 5_001))
    stats = producer.stats()
    assert (stats["dropped"], stats["spooled"], stats["spool_bytes"], stats["state"]) == (0, 0, 0, "publishing")


def test_what_comes_while_redis_is_dead_waits_on_disk_and_follows_in_order(
    market: Market, produce: Callable[..., TickProducer], valkey: EmbeddedServers, until: Callable[..., None]
) -> None:
    assert valkey.redis_url is not None
    producer = produce(valkey.redis_url)
    market.trades(1, 1_000)
    until(lambda: producer.stats()["published"] == 1_000)
    pid = valkey.pids()["redis"]
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    market.trades(1_001, 3_000)
    until(lambda: producer.stats()["queue"] == 0)
    stats = producer.stats()
    assert stats["spooled"] > 0 or stats["published"] == 4_000
    until(lambda: producer.stats()["published"] >= 4_000 and producer.stats()["spool_bytes"] == 0, what="draining")
    market.trades(4_001, 10)
    until(lambda: ids(valkey.redis_url or "")[-1:] == [4_010])
    seen = list(dict.fromkeys(ids(valkey.redis_url)))
    assert seen == list(range(1, 4_011)), "the first of each event id, in order; a repeated one is the same tick"
    assert producer.stats()["dropped"] == 0


def test_a_frozen_redis_costs_no_tick_and_no_order(
    market: Market, produce: Callable[..., TickProducer], valkey: EmbeddedServers, until: Callable[..., None]
) -> None:
    assert valkey.redis_url is not None
    producer = produce(valkey.redis_url)
    market.trades(1, 10)
    until(lambda: producer.stats()["published"] == 10)
    pid = valkey.pids()["redis"]
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        market.trades(11, 500)
        until(lambda: producer.stats()["spooled"] == 500, what="spooling")
        assert producer.state == "spooling"
        assert "Redis is away" in producer.stats()["last_error"]
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: producer.stats()["spool_bytes"] == 0, what="draining")
    assert list(dict.fromkeys(ids(valkey.redis_url))) == list(range(1, 511))


def test_a_stream_that_is_full_is_not_written_over(
    market: Market, produce: Callable[..., TickProducer], redis_url: str, client: Any, until: Callable[..., None]
) -> None:
    producer = produce(redis_url, stream_entries=1_000)
    market.trades(1, 3_000)
    until(lambda: producer.stats()["spooled"] >= 2_000 and producer.stats()["queue"] == 0)
    assert client.xlen(KEY) <= 1_000
    until(lambda: "the workers do not keep up" in (producer.stats()["last_error"] or ""))
    taken: list[int] = []
    while len(taken) < 3_000:
        batch = client.xrange(KEY, count=400)
        taken += [int(decode(entry, fields).event_id.rpartition(":")[2]) for entry, fields in batch]
        if batch:
            client.xdel(KEY, *(entry for entry, _ in batch))
        assert client.xlen(KEY) <= 1_000
    assert taken == list(range(1, 3_001))
    until(lambda: producer.state == "publishing")


def test_a_redis_without_memory_refuses_and_nothing_is_lost(
    market: Market, produce: Callable[..., TickProducer], valkey: EmbeddedServers, until: Callable[..., None]
) -> None:
    assert valkey.redis_url is not None
    with redis.Redis.from_url(valkey.redis_url) as client:
        used = client.info("memory")["used_memory"]  # type: ignore[index]
        client.config_set("maxmemory", used + 100_000)
        producer = produce(valkey.redis_url)
        market.trades(1, 20_000)
        until(lambda: "Redis refuses ticks" in (producer.stats()["last_error"] or ""))
        client.config_set("maxmemory", 0)
    until(lambda: producer.stats()["published"] == 20_000)
    assert list(dict.fromkeys(ids(valkey.redis_url))) == list(range(1, 20_001))


def test_ticks_left_on_disk_by_an_earlier_run_go_first(
    market: Market, produce: Callable[..., TickProducer], redis_url: str, until: Callable[..., None]
) -> None:
    gate = threading.Event()
    first = produce(redis_url, gate=gate)
    market.trades(1, 300)
    until(lambda: first.stats()["spooled"] == 300)
    first.stop(5)
    assert ids(redis_url) == []
    second = produce(redis_url)
    market.trades(301, 50)
    until(lambda: second.stats()["published"] == 350)
    assert ids(redis_url) == list(range(1, 351))


def test_beyond_queue_and_disk_ticks_are_dropped_and_counted(
    market: Market, produce: Callable[..., TickProducer], redis_url: str, until: Callable[..., None], monkeypatch: Any
) -> None:
    monkeypatch.setattr("core.workers.tick_producer.QUEUE", 2_000)
    gate = threading.Event()
    producer = produce(redis_url, spool_bytes=20_000, gate=gate)
    market.trades(1, 9_000)
    until(lambda: producer.state == "paused")
    assert producer.stats()["dropped"] > 0
    gate.set()
    until(lambda: producer.stats()["queue"] == 0 and producer.stats()["spool_bytes"] == 0)
    stats = producer.stats()
    assert stats["published"] + stats["dropped"] == 9_000
    assert ids(redis_url) == sorted(ids(redis_url))


def test_trades_of_another_kind_of_market_stay_out(
    market: Market, produce: Callable[..., TickProducer], redis_url: str, until: Callable[..., None]
) -> None:
    heard: list[str] = []
    producer = produce(
        redis_url, belongs=lambda symbol: symbol != "AAPL", on_trades=lambda trades: heard.extend(t.symbol for t in trades)
    )
    market.trades(1, 3, "AAPL")
    market.trades(1, 2)
    until(lambda: producer.stats()["published"] == 2)
    assert {tick.symbol for tick in entries(redis_url)} == {"ETHUSDT"}
    assert heard == ["ETHUSDT", "ETHUSDT"]


def test_stopping_loses_nothing_that_was_published(
    market: Market, produce: Callable[..., TickProducer], redis_url: str
) -> None:
    producer = produce(redis_url)
    market.trades(1, 4_000)
    producer.stop(5)
    assert ids(redis_url) == list(range(1, 4_001))
