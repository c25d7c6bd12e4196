"""Each fault does to the wire what its name says, and `clear` ends it."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

AAPL = (265598, "AAPL", "STK", "", 0.0, "", "", "SMART", "", "USD", "", "")


def codes(client: Any) -> list[str]:
    return [m[3] for m in client.messages if m[0] == "4"]


async def settle(client: Any) -> None:
    """Everything the server had sent is here: it has answered a question."""
    client.messages.clear()
    client.send(49, 1)
    await client.of(49)
    client.messages.clear()


async def subscribed(tws: Any) -> Any:
    """A client with trades (1), quotes (2), depth (3) of AAPL, all of which have come."""
    client = await tws.connect()
    client.send(97, 1, *AAPL, "Last", 0, 0)
    client.send(97, 2, *AAPL, "BidAsk", 0, 0)
    client.send(10, 5, 3, *AAPL, 5, 1, "")
    await client.until(lambda m: m[:2] == ["99", "1"], 20)
    await client.of(13)
    return client


def quiet(client: Any) -> bool:
    return not any(m[0] in ("99", "13", "12") for m in client.messages)


async def test_connectivity_lost_stops_all_data_and_data_maintained_goes_on(shared_tws: Any) -> None:
    client = await subscribed(shared_tws)
    await shared_tws.fault("connectivity_lost")
    await client.error(1100)
    await settle(client)
    await asyncio.sleep(0.6)
    assert quiet(client)
    await shared_tws.fault("restored_kept")
    await client.error(1102)
    await client.of(13)
    await client.of(99)


async def test_data_lost_means_every_subscription_is_forgotten(shared_tws: Any) -> None:
    client = await subscribed(shared_tws)
    await shared_tws.fault("connectivity_lost")
    await shared_tws.fault("restored_lost")
    await client.error(1101)
    await settle(client)
    await asyncio.sleep(0.6)
    assert quiet(client)
    assert (await shared_tws.get("stats"))["subscriptions"] == {}
    client.send(10, 5, 9, *AAPL, 5, 1, "")
    await client.of(13)


async def test_restored_but_starving_sends_nothing_until_clear(shared_tws: Any) -> None:
    client = await subscribed(shared_tws)
    await shared_tws.fault("restored_kept", starve=True)
    await client.error(1102)
    await settle(client)
    await asyncio.sleep(0.6)
    assert quiet(client)
    await shared_tws.fault("clear")
    await client.of(13)


async def test_a_farm_that_is_down_is_named_and_its_data_stop(shared_tws: Any) -> None:
    client = await subscribed(shared_tws)
    await shared_tws.fault("farm_down", farm="usfarm")
    assert (await client.error(2103))[4] == "Market data farm connection is broken:usfarm"
    await settle(client)
    await asyncio.sleep(0.5)
    assert quiet(client)
    client.send(20, 8, *AAPL, 0, "", "1 min", "601 S", 0, "TRADES", 2, 0, "")
    await client.of(17)
    await shared_tws.fault("farm_up", farm="usfarm")
    await client.error(2104)
    await client.of(13)


async def test_a_history_farm_that_is_down_refuses_history_and_leaves_live_data(shared_tws: Any) -> None:
    client = await subscribed(shared_tws)
    await shared_tws.fault("hmds_down")
    await client.error(2105)
    client.send(20, 8, *AAPL, 0, "", "1 min", "602 S", 0, "TRADES", 2, 0, "")
    assert (await client.error(162))[2] == "8"
    await settle(client)
    await client.of(13)
    await shared_tws.fault("hmds_up")
    await client.error(2106)
    await shared_tws.fault("farm_idle", farm="ushmds")
    await client.error(2107)
    await shared_tws.fault("farm_idle", farm="usfarm")
    await client.error(2108)


async def test_silence_hits_only_its_channel(shared_tws: Any) -> None:
    client = await subscribed(shared_tws)
    await shared_tws.fault("silence", channel="depth", symbol="AAPL")
    await settle(client)
    await client.until(lambda m: m[:2] == ["99", "2"])
    await asyncio.sleep(0.4)
    assert client.count(13) == 0
    await shared_tws.fault("clear")
    await client.of(13)
    await shared_tws.fault("silence", channel="tick_by_tick")
    await settle(client)
    await client.of(13)
    await asyncio.sleep(0.4)
    assert client.count(99) == 0


async def test_after_any_silence_the_book_of_the_client_is_the_servers(shared_tws: Any) -> None:
    client = await shared_tws.connect()
    for mode in ("shifting", "update_only"):
        await shared_tws.fault("depth_mode", mode=mode)
        client.send(10, 5, 3, *AAPL, 10, 1, "")
        await client.of(13)
        await shared_tws.fault("silence", channel="depth")
        await asyncio.sleep(0.5)
        before = client.count(13)
        await shared_tws.fault("clear")
        await client.until(lambda _, before=before: client.count(13) > before)
        await shared_tws.fault("pause")
        expected = await shared_tws.get("book", symbol="AAPL")
        client.send(49, 1)
        await client.of(49)
        assert book_of(client.messages) == (expected["bids"], expected["asks"])
        await shared_tws.fault("clear")
        client.send(11, 1, 3, 1)
        await settle(client)


def book_of(messages: list[list[str]]) -> tuple[list[list[float]], list[list[float]]]:
    """Bids and asks after all depth messages, by position as the venue names rows."""
    sides: dict[str, list[list[float]]] = {"1": [], "0": []}
    for m in messages:
        if m[0] == "13":
            side, position = sides[m[6]], int(m[3])
            if m[5] == "0":
                side.insert(position, [float(m[7]), float(m[8])])
            elif m[5] == "1":
                side[position] = [float(m[7]), float(m[8])]
            else:
                del side[position]
    return sides["1"], sides["0"]


async def test_a_depth_reset_begins_the_book_anew(shared_tws: Any) -> None:
    client = await subscribed(shared_tws)
    await shared_tws.fault("depth_reset")
    await client.error(317)
    at = next(i for i, m in enumerate(client.messages) if m[0] == "4" and m[3] == "317")
    await client.until(lambda m: m in client.messages[at:] and m[0] == "13")
    await asyncio.sleep(0.1)
    first = [m for m in client.messages[at:] if m[0] == "13"][:10]
    assert [m[5] for m in first] == ["0"] * 10
    assert [m[3] for m in first] == [str(i) for i in (*range(5), *range(5))]


async def test_drop_ends_the_connection_and_half_open_does_not(shared_tws: Any) -> None:
    client = await subscribed(shared_tws)
    await shared_tws.fault("half_open")
    await asyncio.sleep(0.1)
    client.messages.clear()
    client.send(49, 1)
    await asyncio.sleep(0.5)
    assert client.messages == []
    assert not client.ended.is_set()
    again = await shared_tws.connect(33)
    await asyncio.wait_for(client.ended.wait(), 30)
    await shared_tws.fault("drop")
    await asyncio.wait_for(again.ended.wait(), 30)


async def test_a_half_open_client_may_keep_its_id_in_use(shared_tws: Any) -> None:
    client = await shared_tws.connect(33)
    await shared_tws.fault("half_open", hold_id=True)
    other = await shared_tws.open()
    other.greet("v157..178")
    await other.until(lambda m: len(m) == 2)
    other.send(71, 2, 33, "")
    await other.error(326)
    await shared_tws.fault("clear")
    await asyncio.wait_for(client.ended.wait(), 30)


async def test_the_next_connects_are_told_that_their_id_is_in_use(shared_tws: Any) -> None:
    await shared_tws.fault("client_id_in_use", n=1)
    client = await shared_tws.open()
    client.greet("v157..178")
    await client.until(lambda m: len(m) == 2)
    client.send(71, 2, 44, "")
    await client.error(326)
    await asyncio.wait_for(client.ended.wait(), 30)
    await shared_tws.connect(44)


async def test_refuse_closes_the_door_and_leaves_who_is_inside(shared_tws: Any) -> None:
    client = await shared_tws.connect()
    await shared_tws.fault("refuse", seconds=0.5)
    await asyncio.sleep(0.05)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", shared_tws.port)
    client.send(49, 1)
    await client.of(49)
    assert await comes_back(shared_tws.port) < 3


async def comes_back(port: int) -> float:
    """Seconds until the port takes connections again."""
    began = time.monotonic()
    while time.monotonic() - began < 10:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return time.monotonic() - began
    return float("inf")


async def test_a_nightly_reset_says_1100_closes_and_comes_back(shared_tws: Any) -> None:
    client = await shared_tws.connect()
    await shared_tws.fault("reset", seconds=0.5)
    await client.error(1100)
    await asyncio.wait_for(client.ended.wait(), 30)
    assert await comes_back(shared_tws.port) < 3
    await shared_tws.connect()


@pytest.mark.parametrize(("kind", "missing", "extra"), [("gap", 9, 0), ("duplicate", 0, 9), ("reorder", 0, 0)])
async def test_gap_duplicate_and_reorder_hit_as_many_trades_as_asked(
    start_tws: Any, kind: str, missing: int, extra: int
) -> None:
    tws = start_tws("--rate", "20")
    client = await tws.connect()
    client.send(97, 1, *AAPL, "Last", 0, 0)
    first = int((await client.of(99))[3]) + 1
    await client.until(lambda m: m[0] == "99" and int(m[3]) >= first)
    await tws.fault(kind, n=9)
    await client.until(lambda m: m[0] == "99" and int(m[3]) >= first + 2)
    await tws.fault("pause")
    await asyncio.sleep(0.2)
    rows = (await tws.get("trades", symbol="AAPL", from_ms=first * 1000))["trades"]
    client.send(49, 1)
    await client.of(49)
    happened = [(str(r[0] // 1000), f"{r[1]:.2f}", str(r[2])) for r in rows]
    streamed = [(m[3], m[4], m[5]) for m in client.messages if m[0] == "99" and int(m[3]) >= first]
    assert (Counter(happened) - Counter(streamed)).total() == missing
    assert (Counter(streamed) - Counter(happened)).total() == extra
    assert streamed != happened


async def test_a_burst_holds_back_and_lets_go_at_once(shared_tws: Any) -> None:
    client = await subscribed(shared_tws)
    await shared_tws.fault("burst", n=60)
    client.messages.clear()
    await asyncio.sleep(0.15)
    early = len(client.messages)
    await client.until(lambda _: len(client.messages) >= 60, 20)
    assert early < 20


async def test_a_delay_holds_every_message_back(shared_tws: Any) -> None:
    client = await shared_tws.connect()
    await shared_tws.fault("delay", ms=400)
    began = time.monotonic()
    client.send(49, 1)
    await client.of(49)
    assert time.monotonic() - began >= 0.38


@pytest.mark.parametrize(
    "payload",
    ["truncated", "unknown_message", "not_a_number", "nan_price", "negative_price", "time_1970", "bad_utf8", "empty"],
)
async def test_garbage_comes_as_a_frame_of_its_own(shared_tws: Any, payload: str) -> None:
    client = await shared_tws.connect()
    await settle(client)
    await shared_tws.fault("garbage", payload=payload, n=2)
    client.send(49, 1)
    await client.of(49)
    assert len(client.messages) == 3


async def test_history_can_be_refused_as_paced_or_as_empty(shared_tws: Any) -> None:
    client = await shared_tws.connect()
    for number, (kind, word) in enumerate([("pacing", "pacing violation"), ("no_data", "returned no data")]):
        await shared_tws.fault(kind, n=1)
        client.send(20, 70 + number, *AAPL, 0, "", "1 min", f"{700 + number} S", 0, "TRADES", 2, 0, "")
        message = await client.until(lambda m, n=number: m[0] == "4" and m[2] == str(70 + n))
        assert message[3] == "162"
        assert word in message[4]


async def test_a_competing_session_takes_the_live_data_away(shared_tws: Any) -> None:
    client = await subscribed(shared_tws)
    await shared_tws.fault("competing_session")
    await client.error(10197)
    await settle(client)
    await asyncio.sleep(0.5)
    assert quiet(client)
    await shared_tws.fault("clear")
    await client.of(13)


async def test_without_permission_a_channel_is_refused_with_the_code_asked_for(shared_tws: Any) -> None:
    client = await subscribed(shared_tws)
    await shared_tws.fault("no_permission", channel="depth", code=10089)
    assert (await client.error(10089))[2] == "3"
    client.send(10, 5, 5, *AAPL, 5, 1, "")
    await client.until(lambda m: m[0] == "4" and m[2:4] == ["5", "10089"])
    await shared_tws.fault("no_permission", channel="tick_by_tick")
    await client.error(10189)
    client.send(1, 11, 6, *AAPL, 0, "", 0, 0, "")
    await client.until(lambda m: m[:3] == ["1", "6", "6"])


async def test_delayed_data_need_the_clients_consent(shared_tws: Any) -> None:
    client = await shared_tws.connect()
    await shared_tws.fault("delayed")
    client.send(1, 11, 1, *AAPL, 0, "", 0, 0, "")
    assert (await client.error(10168))[2] == "1"
    client.send(59, 1, 3)
    client.send(1, 11, 2, *AAPL, 0, "", 0, 0, "")
    assert (await client.error(10167))[2] == "2"
    assert (await client.of(58))[2:] == ["2", "3"]
    await client.until(lambda m: m[0] == "1" and m[3] == "66")
    await client.until(lambda m: m[0] == "1" and m[3] == "68")
    await shared_tws.fault("clear")
    await client.until(lambda m: m == ["58", "1", "2", "1"])
    await client.until(lambda m: m[0] == "1" and m[3] == "1")


async def test_a_bust_ends_real_time_bars(shared_tws: Any) -> None:
    client = await shared_tws.connect()
    client.send(50, 3, 4, *AAPL, 5, "TRADES", 0, "")
    client.send(49, 1)
    await client.of(49)
    await shared_tws.fault("bust")
    assert (await client.error(10225))[2] == "4"
    assert (await shared_tws.get("stats"))["subscriptions"] == {}


async def test_a_skewed_clock_moves_the_whole_venue(shared_tws: Any) -> None:
    client = await shared_tws.connect()
    await shared_tws.fault("clock_skew", ms=-5_000)
    client.send(49, 1)
    told = int((await client.of(49))[2])
    assert -6.5 < told - time.time() < -4


async def test_broken_2110_stops_data(shared_tws: Any) -> None:
    client = await subscribed(shared_tws)
    await shared_tws.fault("broken_2110")
    await client.error(2110)
    await settle(client)
    await asyncio.sleep(0.4)
    assert quiet(client)


async def test_a_closed_market_says_so_and_is_silent(start_tws: Any) -> None:
    tws = start_tws("--closed")
    client = await tws.connect()
    client.send(9, 8, 1, *AAPL, 0, "", "", "")
    assert ":CLOSED;" in (await client.of(10))[27]
    client.send(97, 1, *AAPL, "Last", 0, 0)
    client.send(10, 5, 3, *AAPL, 5, 1, "")
    await settle(client)
    await asyncio.sleep(0.6)
    assert quiet(client)
    client.send(20, 8, *AAPL, 0, "", "1 min", "601 S", 0, "TRADES", 2, 0, "")
    assert int((await client.of(17))[4]) >= 9
    await tws.fault("clear")
    await client.of(13)


async def test_the_active_faults_are_listed_until_cleared(shared_tws: Any) -> None:
    await shared_tws.fault("silence", channel="depth", symbol="MSFT")
    await shared_tws.fault("clock_skew", ms=2_000)
    assert (await shared_tws.get("stats"))["faults"] == ["silence depth MSFT", "clock_skew 2000 ms"]
    await shared_tws.fault("clear")
    assert (await shared_tws.get("stats"))["faults"] == []
