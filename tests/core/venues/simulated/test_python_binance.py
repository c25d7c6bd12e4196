"""The unmodified python-binance client against the simulated venue."""

import asyncio

import pytest
from binance import AsyncClient, BinanceSocketManager
from binance.exceptions import BinanceAPIException


@pytest.fixture
async def client(venue, monkeypatch):
    monkeypatch.setattr(AsyncClient, "API_URL", f"{venue.http}/api")
    monkeypatch.setattr(BinanceSocketManager, "STREAM_URL", f"ws://127.0.0.1:{venue.port}/")
    client = await AsyncClient.create()  # asks ping and time
    yield client
    await client.close_connection()


async def test_rest_answers_are_what_the_client_expects(client) -> None:
    assert await client.ping() == {}
    assert abs(client.timestamp_offset) < 5_000
    info = await client.get_symbol_info("ETHUSDT")
    assert info["baseAsset"] == "ETH"
    klines = await client.get_klines(symbol="ETHUSDT", interval="1m", limit=1_000)
    assert len(klines) == 1_000
    trades = await client.get_recent_trades(symbol="BTCUSDT", limit=10)
    older = await client.get_historical_trades(symbol="BTCUSDT", fromId=trades[0]["id"], limit=10)
    assert older == trades
    depth = await client.get_order_book(symbol="BTCUSDT", limit=1_000)
    assert len(depth["bids"]) == len(depth["asks"]) == 1_000
    ticker = await client.get_ticker(symbol="BTCUSDT")
    assert float(ticker["lowPrice"]) <= float(ticker["lastPrice"]) <= float(ticker["highPrice"])
    assert int(client.response.headers["x-mbx-used-weight-1m"]) > 100


@pytest.mark.parametrize("interval", ["1s", "1m", "1h", "1d"])
async def test_the_clients_own_paging_gets_1500_rows_without_a_hole(client, interval: str) -> None:
    step = {"1s": 1_000, "1m": 60_000, "1h": 3_600_000, "1d": 86_400_000}[interval]
    now = (await client.get_server_time())["serverTime"]
    first = now // step * step - 1_499 * step
    rows = await client.get_historical_klines("ETHUSDT", interval, start_str=first, end_str=now)
    assert [row[0] for row in rows] == list(range(first, first + 1_500 * step, step))


async def test_its_aggregate_trade_iterator_pages_without_a_hole(client) -> None:
    newest = (await client.get_aggregate_trades(symbol="ETHUSDT", limit=1))[0]["a"]
    iterator = client.aggregate_trade_iter(symbol="ETHUSDT", last_id=newest - 1_500)
    seen = []
    async for trade in iterator:
        seen.append(trade["a"])
        if len(seen) == 1_200:
            break
    assert seen == list(range(seen[0], seen[0] + 1_200))


async def test_an_error_arrives_with_its_code(client) -> None:
    with pytest.raises(BinanceAPIException) as caught:
        await client.get_klines(symbol="NOSUCH", interval="1m")
    assert (caught.value.status_code, caught.value.code) == (400, -1121)


async def test_its_multiplex_socket_receives_all_streams(client) -> None:
    manager = BinanceSocketManager(client)
    streams = ["ethusdt@trade", "btcusdt@trade", "ethusdt@depth@100ms", "btcusdt@kline_1s", "btcusdt@bookTicker"]
    seen: set[str] = set()
    async with asyncio.timeout(30), manager.multiplex_socket(streams) as socket:
        while seen != set(streams):
            message = await socket.recv()
            seen.add(message["stream"])
