"""The simulated Hyperliquid agrees with itself, and obeys its rules and faults."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

PROJECT = Path(__file__).resolve().parents[5]
ETH_CHANNELS = (
    {"type": "trades", "coin": "ETH"},
    {"type": "l2Book", "coin": "ETH"},
    {"type": "bbo", "coin": "ETH"},
    {"type": "candle", "coin": "ETH", "interval": "1m"},
)


Told = dict[str, list[Any]]


def coins(told: Told) -> list[str]:
    """The coin of each trade."""
    return [trade["coin"] for batch in told.get("trades", []) for trade in batch]


async def read(
    socket: aiohttp.ClientWebSocketResponse, seconds: float, enough: Callable[[Told, str], bool] = lambda told, last: False
) -> Told:
    """Channel -> the data that came within a time, or until it is enough (all so far, channel of the last)."""
    told: Told = {}
    last = ""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and not enough(told, last):
        try:
            message = await socket.receive(timeout=left)
        except TimeoutError:
            break
        if message.type is not aiohttp.WSMsgType.TEXT:
            break
        body = json.loads(message.data)
        last = body["channel"]
        told.setdefault(last, []).append(body.get("data"))
    return told


async def test_streamed_trades_are_those_of_recent_trades_the_candles_and_the_control(venue: Any) -> None:
    socket = await venue.subscribed(*ETH_CHANNELS)
    # the candle of a block follows its trades
    told = await read(socket, 8, lambda told, last: len(coins(told)) > 5 and last == "candle")
    streamed = [trade for batch in told["trades"] for trade in batch]
    recent = await venue.info(type="recentTrades", coin="ETH")
    assert recent == sorted(recent, key=lambda trade: -trade["time"])
    by_id = {trade["tid"]: trade for trade in recent}
    assert [by_id[trade["tid"]] for trade in streamed] == streamed
    span = streamed[0]["time"], streamed[-1]["time"] + 1
    own = await venue.get("/sim/trades", symbol="ETH-PERP", from_ms=span[0], to_ms=span[1])
    assert [t["tid"] for t in streamed] == own["ids"][-len(streamed) :]
    assert [[t["time"], float(t["px"]), float(t["sz"])] for t in streamed] == own["trades"][-len(streamed) :]
    candle = told["candle"][-1]
    minute = await venue.get("/sim/trades", symbol="ETH-PERP", from_ms=candle["t"], to_ms=streamed[-1]["time"] + 1)
    assert candle["n"] == len(minute["trades"])
    assert float(candle["v"]) == pytest.approx(sum(size for _, _, size in minute["trades"]), abs=1e-6)
    assert float(candle["c"]) == float(streamed[-1]["px"])


async def test_trade_ids_are_unique_and_in_no_order(venue: Any) -> None:
    now = venue.market.now_ms()
    ids = (await venue.get("/sim/trades", symbol="BTC-PERP", from_ms=now - 600_000, to_ms=now))["ids"]
    assert len(ids) > 1_000
    assert len(set(ids)) == len(ids)
    assert ids != sorted(ids)
    assert all(0 <= tid < 2**50 for tid in ids)


async def test_the_book_of_every_way_is_the_same_and_twenty_levels_deep(venue: Any) -> None:
    socket = await venue.subscribed(*ETH_CHANNELS)
    book = (await read(socket, 3, lambda told, _: "l2Book" in told))["l2Book"][-1]
    own = await venue.get("/sim/book", symbol="ETH-PERP", update_id=book["time"])
    sides = [[[float(level["px"]), float(level["sz"])] for level in side] for side in book["levels"]]
    assert sides == [own["bids"], own["asks"]]
    assert [len(side) for side in sides] == [20, 20]
    assert sides[0][0][0] < sides[1][0][0]


async def test_prices_and_sizes_obey_the_venue_s_decimals(venue: Any) -> None:
    decimals = {asset["name"]: asset["szDecimals"] for asset in (await venue.info(type="meta"))["universe"]}
    assert decimals == {"BTC": 5, "ETH": 4}
    for coin, most in decimals.items():
        for trade in await venue.info(type="recentTrades", coin=coin):
            whole, _, part = trade["px"].partition(".")
            price = whole + part.rstrip("0")
            # docs, "Tick and lot size": five significant figures and 6 − szDecimals decimals, whole prices always
            assert not part.rstrip("0") or (len(price.lstrip("0")) <= 5 and len(part.rstrip("0")) <= 6 - most)
            assert len(trade["sz"].partition(".")[2].rstrip("0")) <= most


async def test_a_subscription_is_acknowledged_told_at_once_and_ended(venue: Any) -> None:
    socket = await venue.subscribed()
    wanted = {"type": "bbo", "coin": "BTC"}
    await socket.send_json({"method": "subscribe", "subscription": wanted})
    told = await read(socket, 0.3)
    assert told["subscriptionResponse"] == [{"method": "subscribe", "subscription": wanted}]
    assert told["bbo"][0]["coin"] == "BTC"
    await socket.send_json({"method": "unsubscribe", "subscription": wanted})
    await read(socket, 0.2)
    assert "bbo" not in await read(socket, 0.3)
    stats = await venue.get("/sim/stats")
    assert (stats["messages"], stats["subscriptions"]) == ({"subscribe": 1, "unsubscribe": 1}, {})


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"method": "subscribe", "subscription": {"type": "trades", "coin": "NOSUCH"}}, "Invalid subscription"),
        (
            {"method": "subscribe", "subscription": {"type": "candle", "coin": "ETH", "interval": "7m"}},
            "Invalid subscription",
        ),
        ({"method": "unsubscribe", "subscription": {"type": "trades", "coin": "ETH"}}, "Already unsubscribed"),
        ({"nothing": 1}, "Error parsing JSON"),
    ],
)
async def test_a_wrong_request_is_answered_by_an_error_that_quotes_it(venue: Any, message: Any, words: str) -> None:
    socket = await venue.subscribed()
    await socket.send_json(message)
    (error,) = (await read(socket, 0.2))["error"]
    assert words in error


async def test_a_ping_is_answered_by_a_pong(venue: Any) -> None:
    socket = await venue.subscribed()
    await socket.send_json({"method": "ping"})
    assert await read(socket, 0.2) == {"pong": [None]}


async def test_the_weight_of_a_minute_is_counted_and_enforced(start_venue: Any) -> None:
    venue = await start_venue(weight_per_minute=45)
    await venue.info(type="allMids")
    await venue.info(type="recentTrades", coin="ETH")
    assert (await venue.get("/sim/stats"))["rest_weight"] in (2 + 20 + 10, 20 + 10)
    await venue.info(type="meta")
    async with venue.session.post(f"{venue.url}/info", json={"type": "meta"}) as answer:
        assert answer.status in (200, 429)  # the minute may have turned
        assert answer.status == 429 or (await venue.get("/sim/stats"))["rest_weight"] < 45


async def test_candles_overlap_the_span_asked_for_and_are_the_latest_5000_at_most(venue: Any) -> None:
    now = venue.market.now_ms()
    body = {"coin": "ETH", "interval": "1m", "startTime": now - 600_000, "endTime": now}
    candles = await venue.info(type="candleSnapshot", req=body)
    assert len(candles) == 11
    assert candles[0]["t"] <= now - 600_000 < candles[0]["t"] + 60_000
    assert [c["T"] - c["t"] for c in candles] == [59_999] * 11
    long_ago = await venue.info(type="candleSnapshot", req=body | {"startTime": 0})
    assert len(long_ago) in (5_000, 5_001)
    assert long_ago[-2] in (candles[-2], candles[-1])


async def test_a_gap_duplicate_and_silence_hit_only_the_channel_and_coin_they_name(venue: Any) -> None:
    socket = await venue.subscribed(*ETH_CHANNELS, {"type": "trades", "coin": "BTC"})
    await venue.fault(kind="silence", channel="trades", coin="ETH")
    await read(socket, 0.2)
    # ETH trades when its candle changes
    told = await read(socket, 8, lambda told, _: "BTC" in coins(told) and len(told.get("candle", [])) > 2)
    assert set(coins(told)) == {"BTC"}
    await venue.fault(kind="clear")
    await venue.fault(kind="duplicate", n=1, channel="trades", coin="ETH")

    def doubled(told: Told, _: str) -> bool:
        ids = [trade["tid"] for batch in told.get("trades", []) for trade in batch if trade["coin"] == "ETH"]
        return len(ids) > len(set(ids))

    # frames that were on their way before the fault come first
    assert doubled(await read(socket, 8, doubled), "")


async def test_a_fault_with_an_unknown_field_is_refused(venue: Any) -> None:
    assert "nonsense" in (await venue.fault(kind="drop", nonsense=1))["error"]


async def test_the_process_says_its_port_and_symbols_and_ends_with_its_parent() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "core.venues.simulated.hyperliquid", "--port", "0", "--parent-pipe", cwd=PROJECT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    hello = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    assert hello["port"] == hello["control_port"] > 0
    assert set(hello["symbols"]) == {"ETH-PERP", "BTC-PERP"}
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 30) == 0
