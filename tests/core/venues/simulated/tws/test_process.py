"""The process, byte by byte: handshake, limits, and what it says of itself."""

import asyncio
import signal
import subprocess
from collections.abc import Callable

import pytest

from core.venues.simulated.tws.market import StockMarket
from core.venues.simulated.tws.stocks import STOCKS

AAPL = (265598, "AAPL", "STK", "", 0.0, "", "", "SMART", "", "USD", "", "")


def of(symbol: str) -> tuple[object, ...]:
    return (0, symbol, *AAPL[2:])


def by_id(number: int, req_id: int):
    return lambda m: m[0] == str(number) and str(req_id) in m[1:3]


@pytest.mark.parametrize(
    ("offer", "version"),
    [("v157..176", 176), ("v157..178", 178), ("v100..225", 178), ("v157..176 +PACEAPI", 176), ("v157..163", 163)],
)
async def test_the_lower_of_both_newest_versions_is_announced(shared_tws, offer: str, version: int) -> None:
    client = await shared_tws.open()
    client.greet(offer)
    hello = await client.until(lambda m: len(m) == 2)
    assert hello[0] == str(version)


@pytest.mark.parametrize("offer", ["v100..156", "v179..225", "nonsense"])
async def test_without_a_common_version_the_connection_ends(shared_tws, offer: str) -> None:
    client = await shared_tws.open()
    client.greet(offer)
    await asyncio.wait_for(client.ended.wait(), 30)
    assert client.messages == []


async def test_what_is_no_greeting_ends_the_connection(shared_tws) -> None:
    client = await shared_tws.open()
    client._writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await asyncio.wait_for(client.ended.wait(), 30)


async def test_a_started_api_hears_its_account_its_next_id_and_the_farms(shared_tws) -> None:
    client = await shared_tws.connect()
    await client.error(2158)
    assert client.messages[:2] == [["15", "1", "SIM1234567"], ["9", "1", "1"]]
    assert [m[3:5] for m in client.messages[2:5]] == [
        ["2104", "Market data farm connection is OK:usfarm"],
        ["2106", "HMDS data farm connection is OK:ushmds"],
        ["2158", "Sec-def data farm connection is OK:secdefil"],
    ]


async def test_nothing_is_answered_before_the_api_is_started(shared_tws) -> None:
    client = await shared_tws.open()
    client.greet("v157..178")
    await client.until(lambda m: len(m) == 2)
    client.send(49, 1)
    await client.error(504)


async def test_a_client_id_in_use_is_refused_and_the_socket_closed(shared_tws) -> None:
    first = await shared_tws.connect(5)
    second = await shared_tws.open()
    second.greet("v157..178")
    await second.until(lambda m: len(m) == 2)
    second.send(71, 2, 5, "")
    await second.error(326)
    await asyncio.wait_for(second.ended.wait(), 30)
    assert not first.ended.is_set()


@pytest.mark.parametrize(("offer", "size"), [("v157..163", 5), ("v157..165", 5), ("v157..166", 6), ("v157..178", 6)])
async def test_errors_have_the_fields_of_the_announced_version(shared_tws, offer: str, size: int) -> None:
    client = await shared_tws.connect(6, offer)
    assert len(await client.error(2104)) == size


async def test_the_three_stocks_are_known_by_symbol_and_by_id_and_others_are_not(shared_tws) -> None:
    client = await shared_tws.connect()
    known = {"AAPL": 265598, "MSFT": 272093, "GOOGL": 208813719}
    for req_id, (symbol, con_id) in enumerate(known.items(), 1):
        client.send(9, 8, req_id, *of(symbol), 0, "", "", "")
        details = await client.until(by_id(10, req_id))
        assert (len(details), details[2], details[12]) == (42, symbol, str(con_id))
        await client.until(by_id(52, req_id))
    client.send(9, 8, 10, 272093, "", "", "", 0.0, "", "", "", "", "", "", "", 0, "", "", "")
    assert (await client.until(by_id(10, 10)))[2] == "MSFT"
    for req_id, asked in enumerate([of("NOPE"), (1, *AAPL[1:]), (0, "AAPL", "OPT", *AAPL[3:])], 20):
        client.send(9, 8, req_id, *asked, 0, "", "", "")
        assert (await client.until(by_id(4, req_id)))[3] == "200"


async def test_a_request_nobody_knows_or_cannot_read_is_answered_and_does_no_harm(shared_tws) -> None:
    client = await shared_tws.connect()
    client.send(9999, 1)
    client.send(97, 7, "x")
    client.send(20, 8, *AAPL, 0, "not a time", "5 secs", "60 S", 0, "TRADES", 1, 0, "")
    client.send(20, 9, *AAPL, 0, "", "7 secs", "60 S", 0, "TRADES", 1, 0, "")
    client.send()
    for req_id in (7, 8, 9):
        assert (await client.until(by_id(4, req_id)))[3] == "321"
    client.send(49, 1)
    assert len(await client.of(49)) == 3


async def test_more_depth_than_there_are_slots_is_refused_until_one_is_free(shared_tws) -> None:
    client = await shared_tws.connect()
    for req_id, symbol in enumerate(("AAPL", "MSFT", "GOOGL"), 1):
        client.send(10, 5, req_id, *of(symbol), 5, 1, "")
    client.send(10, 5, 4, *of("AAPL"), 5, 1, "")
    assert (await client.error(309))[2] == "4"
    client.send(11, 1, 1, 1)
    client.send(10, 5, 5, *of("AAPL"), 5, 1, "")
    await client.until(by_id(13, 5))
    client.send(11, 1, 99, 1)
    assert (await client.error(310))[2] == "99"


async def test_more_tick_by_tick_than_there_are_slots_is_refused(start_tws) -> None:
    tws = start_tws("--tick-slots", "2")
    client = await tws.connect()
    for req_id in (1, 2, 3):
        client.send(97, req_id, *AAPL, "BidAsk", 0, 0)
    assert (await client.error(10190))[2] == "3"


async def test_depth_of_one_exchange_has_no_market_makers(shared_tws) -> None:
    client = await shared_tws.connect()
    client.send(10, 5, 1, *AAPL, 5, 0, "")
    row = await client.of(12)
    assert len(row) == 8
    assert client.count(13) == 0


async def test_a_flood_of_requests_is_told_off_and_ends_the_connection(shared_tws) -> None:
    client = await shared_tws.connect()
    for _ in range(400):
        client.send(49, 1)
    await client.error(100)
    await asyncio.wait_for(client.ended.wait(), 30)
    assert sum(1 for m in client.messages if m[0] == "4" and m[3] == "100") == 3


async def test_history_is_paced(start_tws) -> None:
    client = await start_tws().connect()

    def ask(req_id: int, seconds: int) -> None:
        client.send(20, req_id, *AAPL, 0, "", "1 min", f"{seconds} S", 0, "TRADES", 2, 0, "")

    ask(1, 600)
    ask(2, 600)
    assert (await client.error(162))[2] == "2"
    for req_id in range(3, 62):
        ask(req_id, 600 + req_id)
    await client.until(lambda m: m[:2] == ["17", "61"])
    ask(62, 1)
    assert (await client.until(by_id(4, 62)))[3] == "162"


async def test_a_restarted_process_has_the_same_market_and_tells_its_own_trades(start_tws) -> None:
    tws = start_tws("--seed", "7")
    client = await tws.connect()
    client.send(97, 1, *AAPL, "Last", 0, 0)
    await client.until(lambda m: m[0] == "99", 15)
    await asyncio.sleep(1)
    now = (await tws.get("stats"))["market_ms"]
    told = (await tws.get("trades", symbol="AAPL", from_ms=now - 60_000, to_ms=now))["trades"]
    tws.kill()
    tws.start()
    again = (await tws.get("trades", symbol="AAPL", from_ms=now - 60_000, to_ms=now))["trades"]
    assert again == told
    model = StockMarket(STOCKS["AAPL"], 7, 1.0).trades(now - 60_000, now)
    assert told == [[t.ts_ms, t.price / 100, t.size] for t in model]
    streamed = [(int(m[3]), m[4], m[5], m[7]) for m in client.messages if m[0] == "99"]
    expected = [(t.ts_ms // 1000, f"{t.price / 100:.2f}", str(t.size), t.exchange) for t in model]
    start = next(i for i in range(len(expected)) if expected[i : i + len(streamed)] == streamed[: len(expected) - i])
    assert expected[start : start + len(streamed)] == streamed[: len(expected) - start]


async def test_statistics_count_connections_requests_and_subscriptions(start_tws) -> None:
    tws = start_tws()
    client = await tws.connect(33)
    client.send(97, 1, *AAPL, "Last", 0, 0)
    client.send(97, 2, *AAPL, "BidAsk", 0, 0)
    client.send(10, 5, 3, *of("MSFT"), 5, 1, "")
    client.send(50, 3, 4, *of("MSFT"), 5, "TRADES", 0, "")
    client.send(98, 2)
    client.send(49, 1)
    await client.of(49)
    stats = await tws.get("stats")
    assert stats["connections"] == stats["connects_total"] == 1
    assert list(stats["clients"]) == ["33"]
    assert stats["clients"]["33"]["version"] == 178
    assert stats["subscriptions"] == {"trades": {"AAPL": 1}, "depth": {"MSFT": 1}, "bars": {"MSFT": 1}}
    assert stats["subscription_requests"]["quotes"] == {"AAPL": 1}
    assert stats["subscription_requests_total"] == 4
    assert stats["messages_in"] == {
        "START_API": 1, "TICK_BY_TICK": 2, "DEPTH": 1, "REALTIME_BARS": 1, "CANCEL_TICK_BY_TICK": 1, "CURRENT_TIME": 1,
    }  # fmt: skip
    client.close()
    for _ in range(200):
        stats = await tws.get("stats")
        if not stats["connections"]:
            break
        await asyncio.sleep(0.02)
    assert stats["subscriptions"] == {}


async def test_a_wrong_fault_and_a_wrong_query_are_answered_with_400(shared_tws) -> None:
    with pytest.raises(AssertionError, match="Invalid enum value"):
        await shared_tws.fault("no such fault")
    with pytest.raises(AssertionError, match="not a number"):
        await shared_tws.get("trades", symbol="AAPL", from_ms="x")
    with pytest.raises(AssertionError, match="unknown symbol"):
        await shared_tws.get("book", symbol="NOPE")


async def test_a_client_that_does_not_read_is_dropped_and_costs_the_others_nothing(start_tws) -> None:
    tws = start_tws()
    lazy, eager = await tws.connect(1), await tws.connect(2)
    lazy._reading.cancel()
    for _ in range(12):
        await tws.fault("garbage", payload="time_2100", n=100_000)
        await eager.at_least(100_000)
        eager.messages.clear()
        if (await tws.get("stats"))["connections"] == 1:
            break
    else:
        pytest.fail("the client that does not read is still there")
    assert not eager.ended.is_set()


@pytest.mark.parametrize("arguments", [["--rate", "0"], ["--position", "TSLA:1:1"], ["--position", "AAPL:x:1"]])
def test_a_wrong_option_ends_the_process_with_one_line(start_tws: Callable[..., object], arguments: list[str]) -> None:
    from core.venues.simulated.tws.__main__ import main

    assert main(arguments) == 2


def test_it_ends_with_its_parent_and_on_sigterm(start_tws) -> None:
    orphan, told = start_tws(), start_tws()
    orphan.process.stdin.close()
    told.process.send_signal(signal.SIGTERM)
    assert orphan.process.wait(5) == 0
    assert told.process.wait(5) == 0
    orphan.process.stdin = told.process.stdin = None


def test_a_port_in_use_is_a_clear_error(start_tws) -> None:
    tws = start_tws()
    command = [tws.process.args[0], "-m", "core.venues.simulated.tws", "--port", str(tws.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert done.returncode == 2
    assert done.stderr.startswith("simulated TWS: cannot listen on 127.0.0.1:")
