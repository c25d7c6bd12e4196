"""The simulator's layouts are those of the recorded frames and answers, and the SDK itself works on it."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest


def shape(value: Any) -> Any:
    """Keys and types; a list by its first item, an empty one by nothing."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def recorded_frames(shared_data: Path, name: str) -> list[Any]:
    """The JSON documents of a recorded subscription: what was sent, acknowledged, and streamed."""
    text = (shared_data / "hyperliquid/hyperliquid.net/Subscriptions" / name).read_text(encoding="utf-8-sig")
    decoder, found = json.JSONDecoder(), []
    at = text.find("{")
    while at >= 0:
        document, end = decoder.raw_decode(text[at:])
        found.append(document)
        at = text.find("{", at + end)
    return found


def recorded_answers(shared_data: Path, name: str, asked: str) -> list[Any]:
    """Answers of a cassette to requests whose body has `asked` in it."""
    lines = (shared_data / "hyperliquid/python-sdk" / name).read_text().splitlines()
    answers, is_asked = [], False
    for line in lines:
        text = line.strip()
        if text.startswith("body: '"):
            is_asked = asked in text
        elif is_asked and text.startswith("string: '"):
            quoted = text[len("string: '") :].removesuffix("'")
            answers.append(json.loads(quoted.replace("''", "'")))
    return answers


async def first_frame(venue: Any, subscription: dict[str, Any]) -> tuple[Any, Any]:
    """The acknowledgement of a subscription and the first frame of its channel."""
    socket = await venue.subscribed(subscription)
    acknowledged = None
    async with asyncio.timeout(30):
        while True:
            frame = json.loads((await socket.receive()).data)
            if frame["channel"] == "subscriptionResponse":
                acknowledged = frame
            elif frame["channel"] == subscription["type"]:
                return acknowledged, frame


@pytest.mark.parametrize(
    ("name", "subscription"),
    [
        ("Trades.txt", {"type": "trades", "coin": "ETH"}),
        ("OrderBook.txt", {"type": "l2Book", "coin": "ETH"}),
        ("BookTicker.txt", {"type": "bbo", "coin": "ETH"}),
        ("Klines.txt", {"type": "candle", "coin": "ETH", "interval": "1d"}),
    ],
)
async def test_frames_have_the_recorded_shape(
    venue: Any, shared_data: Path, name: str, subscription: dict[str, Any]
) -> None:
    asked, acknowledged, recorded = recorded_frames(shared_data, name)
    ours, frame = await first_frame(venue, subscription)
    assert shape(frame) == shape(recorded)
    assert set(asked) == {"subscription", "method"}
    assert ours["channel"] == acknowledged["channel"]
    assert shape(ours["data"]["method"]) == shape(acknowledged["data"]["method"])
    assert set(ours["data"]["subscription"]) <= set(acknowledged["data"]["subscription"])


async def test_all_mids_have_the_recorded_shape(venue: Any, shared_data: Path) -> None:
    *_, recorded = recorded_frames(shared_data, "Prices.txt")
    _, frame = await first_frame(venue, {"type": "allMids"})
    assert set(frame["data"]) == set(recorded["data"]) == {"mids"}
    assert all(float(price) > 0 for price in frame["data"]["mids"].values())


async def test_answers_have_the_recorded_shape(venue: Any, shared_data: Path) -> None:
    now = venue.market.now_ms()
    (mids,) = recorded_answers(shared_data, "test_get_all_mids.yaml", "allMids")
    ours = await venue.info(type="allMids")
    assert {type(v) for v in ours.values()} == {type(v) for v in mids.values()} == {str}
    (candles,) = recorded_answers(shared_data, "test_get_candles_snapshot.yaml", "candleSnapshot")
    request = {"coin": "ETH", "interval": "1h", "startTime": now - 7_200_000, "endTime": now}
    assert shape(await venue.info(type="candleSnapshot", req=request)) == shape(candles)
    (book,) = recorded_answers(shared_data, "test_get_l2_snapshot.yaml", "l2Book")
    told = await venue.info(type="l2Book", coin="ETH")
    assert shape(told["levels"]) == shape(book["levels"])
    assert set(book) <= set(told)
    meta = recorded_answers(shared_data, "test_get_l2_snapshot.yaml", "meta")[0]
    assert shape(meta["universe"][0]) == shape((await venue.info(type="meta"))["universe"][0])


async def test_the_sdk_reads_rest_and_stream_of_the_simulator(venue: Any) -> None:
    from hyperliquid.info import Info

    got: dict[str, list[Any]] = {}
    enough = threading.Event()

    def note(message: Any) -> None:
        got.setdefault(message["channel"], []).append(message["data"])
        if len(got) == 4:
            enough.set()

    def use() -> dict[str, Any]:
        info = Info(venue.url, skip_ws=False, timeout=5)
        try:
            for subscription in (
                {"type": "trades", "coin": "ETH"},
                {"type": "l2Book", "coin": "ETH"},
                {"type": "bbo", "coin": "ETH"},
                {"type": "candle", "coin": "ETH", "interval": "1m"},
            ):
                info.subscribe(subscription, note)
            assert enough.wait(30), got.keys()
            now = venue.market.now_ms()
            return {
                "decimals": info.asset_to_sz_decimals,
                "mids": info.all_mids(),
                "book": info.l2_snapshot("ETH"),
                "candles": info.candles_snapshot("ETH", "1m", now - 180_000, now),
            }
        finally:
            info.disconnect_websocket()

    told = await asyncio.to_thread(use)
    assert told["decimals"] == {0: 5, 1: 4}
    assert set(told["mids"]) == {"BTC", "ETH"}
    assert len(told["book"]["levels"][0]) == 20
    assert len(told["candles"]) == 4
    assert set(got) == {"trades", "l2Book", "bbo", "candle"}
