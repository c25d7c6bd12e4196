"""Symbols that join and leave while the connection stays, counted by the simulator itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from aiohttp import web

from core.base.clock import SystemClock
from core.base.settings import Settings, StreamConfig
from core.domain.health import Source
from core.domain.instrument import ETHUSDT, Instrument
from core.domain.market import BookView, Quote, Trade
from core.stream.messages import DataType, Message, Policy
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.binance.connector import BinanceConnector
from core.venues.connector import VenueRefused
from core.venues.endpoints import Endpoints
from core.venues.simulated.binance_streams import StreamRules
from core.venues.simulated.instruments import SPECS, SymbolSpec
from core.venues.simulated.model_source import ModelSource
from core.venues.simulated.server import VenueServer
from core.venues.symbol_feed import SymbolFeed

SOLUSDT = Instrument("SOLUSDT", "binance", "SOL", "USDT", 0.01, 0.001, 2, "spot", "SOLUSDT")
SPEC = SymbolSpec(SOLUSDT, 180.0, 0.04, 6.0 * 86_400, 3_000_000.0)


class Bench:
    def __init__(self, rest: str, stream_url: str) -> None:
        config = StreamConfig(silence_s=2.0, history_rows=5)
        clock = SystemClock()
        self.stream = UnifiedDataStream(config, clock)
        self.stream.attach()
        self.got: list[Message] = []
        types = [DataType.TICKS, DataType.UI_DATA]
        self.stream.register_consumer("test", types, self._keep, policy=Policy.LOSSLESS, bound=500_000)
        endpoints = Endpoints(rest, stream_url, "", Source.SIMULATED, "simulated")
        feeds = {"ETHUSDT": SymbolFeed("ETHUSDT", self.stream, lambda key: True)}
        self.connector = BinanceConnector(
            Settings(stream=config), endpoints, self.stream, feeds, clock, lambda key: True
        )  # fmt: skip
        self.task = asyncio.create_task(self.connector.run())

    async def _keep(self, messages: Sequence[Message]) -> None:
        self.got += messages

    def of(self, kind: type, symbol: str) -> list[Any]:
        return [m for m in self.got if isinstance(m, kind) and m.symbol == symbol]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.stream.close()


@pytest.fixture
async def server() -> AsyncIterator[tuple[VenueServer, int]]:
    clock = SystemClock()
    server = VenueServer(ModelSource(clock, seed=3, rate=3.0, specs=(*SPECS, SPEC)), clock, StreamRules())
    port = await server.start("127.0.0.1", 0)
    yield server, port
    await server.stop()


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def make(port: int) -> Bench:
        benches.append(Bench(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"))
        return benches[-1]

    yield make
    for bench in benches:
        await bench.stop()


async def test_a_symbol_joins_with_one_message_and_brings_trades_quotes_and_a_book(
    server: Any, start: Any, wait_until: Any
) -> None:
    venue, port = server
    bench = start(port)
    connector = bench.connector
    await wait_until(lambda: connector.status()["state"] == "LIVE", within_s=10)
    sent, connects = connector.requests.sent, connector.link.connects
    for _ in range(3):
        connector.subscribe(SOLUSDT)
    await wait_until(lambda: all(bench.of(kind, "SOLUSDT") for kind in (Trade, Quote, BookView)), within_s=8)
    assert connector.requests.sent == sent + 1
    assert connector.link.connects == connects == 1
    subscriptions = venue.streams.stats()["subscriptions"]
    assert {name: n for name, n in subscriptions.items() if name.startswith("sol")} == {
        "solusdt@trade": 1, "solusdt@bookTicker": 1, "solusdt@depth@100ms": 1,
    }  # fmt: skip
    ids = [t.trade_id for t in bench.of(Trade, "SOLUSDT")]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    await wait_until(lambda: connector.status()["state"] == "LIVE")
    row = next(s for s in bench.stream.symbols() if s["symbol"] == "SOLUSDT")
    assert (row["source"], row["state"], row["venue"]) == ("SIMULATED", "LIVE", "binance")
    assert "SOLUSDT" in {book["symbol"] for book in connector.books() if book["state"] == "SYNCED"}
    assert (await connector.klines("SOLUSDT", "1m", 10))[-1].symbol == "SOLUSDT"


async def test_gaps_and_repeats_of_a_symbol_without_series_are_mended_too(server: Any, start: Any, wait_until: Any) -> None:
    venue, port = server
    bench = start(port)
    bench.connector.subscribe(SOLUSDT)
    await wait_until(lambda: len(bench.of(Trade, "SOLUSDT")) > 5, within_s=10)
    faults = venue.streams.faults
    faults._counts["gap", "solusdt@trade"] = 9
    faults._counts["duplicate", "solusdt@trade"] = 30
    await wait_until(lambda: len(bench.of(Trade, "SOLUSDT")) > 60, within_s=40)

    def is_whole() -> bool:
        ids = sorted(t.trade_id for t in bench.of(Trade, "SOLUSDT"))
        return ids == list(range(ids[0], ids[0] + len(ids)))

    await wait_until(is_whole)
    assert any(i.cause.startswith("trade gap of 9 ids filled in") for i in bench.connector.incidents.snapshot())


async def test_a_symbol_is_part_of_the_next_connection_s_address(server: Any, start: Any, wait_until: Any) -> None:
    venue, port = server
    bench = start(port)
    bench.connector.subscribe(SOLUSDT)
    await wait_until(lambda: bench.of(Trade, "SOLUSDT"), within_s=10)
    sent = bench.connector.requests.sent
    venue.streams.abort_all("test")
    count = len(bench.of(Trade, "SOLUSDT"))
    await wait_until(lambda: len(bench.of(Trade, "SOLUSDT")) > count + 3, within_s=10)
    assert bench.connector.requests.sent == sent


async def test_a_symbol_that_joins_during_a_renewal_is_not_lost(server: Any, start: Any, wait_until: Any) -> None:
    venue, port = server
    bench = start(port)
    link = bench.connector.link
    await wait_until(lambda: bench.connector.status()["state"] == "LIVE", within_s=10)
    url = link._url

    def address() -> str:
        text = url()
        bench.connector.subscribe(SOLUSDT)  # after the successor's address was made, before it is open
        return text

    link._url = address
    link.renew("test")
    await wait_until(lambda: link.renewals == 1)
    await wait_until(lambda: venue.streams.stats()["subscriptions"].get("solusdt@trade") == 1, within_s=3)
    await wait_until(lambda: bench.of(Trade, "SOLUSDT"))


async def test_a_symbol_that_leaves_is_let_go_and_may_come_back(server: Any, start: Any, wait_until: Any) -> None:
    venue, port = server
    bench = start(port)
    bench.connector.subscribe(SOLUSDT)
    await wait_until(lambda: bench.of(BookView, "SOLUSDT"), within_s=10)
    bench.connector.unsubscribe("SOLUSDT")
    bench.connector.unsubscribe("SOLUSDT")
    await wait_until(lambda: not any(name.startswith("sol") for name in venue.streams.stats()["subscriptions"]))
    assert bench.stream.book("SOLUSDT") is None
    assert not any(c["symbol"] == "SOLUSDT" for c in bench.connector.status()["subscriptions"])
    bench.got.clear()
    bench.connector.subscribe(SOLUSDT)
    await wait_until(lambda: bench.of(Trade, "SOLUSDT") and bench.of(BookView, "SOLUSDT"), within_s=10)


async def test_the_symbols_of_the_five_series_stay(server: Any, start: Any, wait_until: Any) -> None:
    bench = start(server[1])
    await wait_until(lambda: bench.of(Trade, "ETHUSDT"), within_s=10)
    bench.connector.unsubscribe("ETHUSDT")
    count = len(bench.of(Trade, "ETHUSDT"))
    await wait_until(lambda: len(bench.of(Trade, "ETHUSDT")) > count + 3)


async def test_a_connection_that_is_full_refuses(server: Any, start: Any) -> None:
    connector = start(server[1]).connector
    for number in range((1_024 - len(connector.channels)) // 3):
        connector.subscribe(Instrument(f"X{number}USDT", "binance", f"X{number}", "USDT", 0.01, 0.01, 2))
    with pytest.raises(VenueRefused, match="1024 streams"):
        connector.subscribe(SOLUSDT)
    assert len(connector.channels) <= 1_024


async def test_diffs_that_come_before_the_answer_to_subscribe_are_kept_for_the_book(
    scripted_server: Any, start: Any, wait_until: Any
) -> None:
    """The venue may send a stream's first events ahead of `{"result":null}`."""
    now_ms = SystemClock().now_ms()

    def diff(first: int, last: int) -> str:
        data = {"e": "depthUpdate", "E": now_ms, "s": "SOLUSDT", "U": first, "u": last, "b": [["180.00", "1.0"]], "a": []}
        return json.dumps({"stream": "solusdt@depth@100ms", "data": data})

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.send_str('{"result":null,"id":99}')
        async for message in socket:
            request = json.loads(message.data)
            await socket.send_str(diff(1, 5))
            await socket.send_str(diff(6, 9))
            await socket.send_str(json.dumps({"result": None, "id": request["id"]}))

    scripted_server.script = script
    bench = start(scripted_server.port)
    connector = bench.connector
    await wait_until(lambda: connector.link.is_open, within_s=5)
    connector.subscribe(SOLUSDT)
    channel = connector.channels["solusdt@depth@100ms"]
    await wait_until(lambda: channel.messages == 2, within_s=5)
    book = connector.book_keeper("SOLUSDT").book
    assert not book.synced
    assert len(book._held) == 2
    assert connector.link.bad.total == 0


async def test_the_status_tells_everything_the_page_shows(server: Any, start: Any, wait_until: Any) -> None:
    bench = start(server[1])
    await wait_until(lambda: bench.connector.status()["state"] == "LIVE", within_s=10)
    status = bench.connector.status()
    assert set(status) == {
        "venue", "title", "transport", "state", "since", "cause", "hint", "detail", "endpoint", "source", "delayed",
        "reconnects", "messages", "backlog", "rate_per_s", "malformed", "malformed_kinds", "api_calls", "weight_used",
        "clock_offset_ms", "budgets", "subscriptions", "transitions", "farms", "accounts", "incidents",
    }  # fmt: skip
    json.dumps(status)
    assert (status["farms"], status["accounts"], status["delayed"]) == ([], [], False)
    budgets = {b["name"]: b for b in status["budgets"]}
    assert set(budgets["request weight"]) == {"name", "used", "limit", "unit", "window", "detail"}
    assert {name: b["limit"] for name, b in budgets.items()} == {
        "request weight": 6_000, "orders": 100, "orders a day": 200_000, "stream messages": 5, "connects": 300,
        "streams": 1_024, "ban": 120,
    }  # fmt: skip
    assert budgets["connects"]["used"] == 1
    assert budgets["streams"]["used"] == len(status["subscriptions"]) == 7
    assert next(t["state"] for t in status["transitions"]) == "LIVE"
    assert status["api_calls"] == bench.connector.rest.requests
    assert ETHUSDT.symbol in {s["symbol"] for s in status["subscriptions"]}
