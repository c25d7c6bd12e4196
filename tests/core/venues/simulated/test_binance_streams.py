"""The venue's WebSocket side: envelopes, live subscriptions, limits, pings, and clients that do not read."""

import asyncio
import gzip
import json
import re
import socket

import aiohttp
from aiohttp import WSMsgType

from core.venues.simulated.binance_streams import StreamRules
from core.venues.simulated.connection import MAX_UNREAD_BYTES


def shape(text: str) -> str:
    """A frame with its values blanked: key order, punctuation and kinds of values."""
    text = re.sub(r'"[0-9.]+"', '"N"', text)
    text = re.sub(r"\[\[.*?\]\]", "[[]]", text).replace("[]", "[[]]").replace("[[[]]]", "[[]]")
    return re.sub(r"(?<=:)\d+", "N", re.sub(r"true|false", "B", text))


async def first_of_each(ws: aiohttp.ClientWebSocketResponse, count: int) -> dict[str, str]:
    found: dict[str, str] = {}
    async with asyncio.timeout(30):
        while len(found) < count:
            text = await ws.receive_str()
            found.setdefault(json.loads(text)["stream"], text)
    return found


async def test_frames_look_to_the_letter_like_recorded_ones(venue, recordings) -> None:
    streams = ("ethusdt@trade", "ethusdt@bookTicker", "ethusdt@depth@100ms")
    recorded: dict[str, str] = {}
    with gzip.open(recordings[0], "rt") as lines:
        for line in lines:
            text = line.partition(" ")[2].strip()
            if text.startswith('{"stream"'):
                recorded.setdefault(json.loads(text)["stream"], text)
            if len(recorded) == 3:
                break
    async with venue.connect(*streams) as ws:
        made = await first_of_each(ws, 3)
    for stream in streams:
        assert shape(made[stream]) == shape(recorded[stream])


async def test_every_kind_of_stream_is_served(venue) -> None:
    kinds = (
        "trade",
        "aggTrade",
        "bookTicker",
        "depth@100ms",
        "depth",
        "depth5@100ms",
        "ticker",
        "kline_1s",
        "kline_1m",
        "kline_1d",
    )
    streams = [f"btcusdt@{kind}" for kind in kinds]
    async with venue.connect(*streams) as ws:
        found = await first_of_each(ws, len(streams))
    kline = json.loads(found["btcusdt@kline_1s"])["data"]
    assert list(kline) == ["e", "E", "s", "k"]
    assert list(kline["k"]) == ["t", "T", "s", "i", "f", "L", "o", "c", "h", "l", "v", "n", "x", "q", "V", "Q", "B"]
    assert kline["k"]["x"] is True
    assert json.loads(found["btcusdt@ticker"])["data"]["e"] == "24hrTicker"


async def test_raw_connections_get_the_payload_without_envelope(venue) -> None:
    async with venue.session.ws_connect(f"{venue.http}/ws/ethusdt@depth@100ms/btcusdt@depth@100ms") as ws:
        seen = {(await ws.receive_json(timeout=30))["s"] for _ in range(6)}
    assert seen == {"ETHUSDT", "BTCUSDT"}


async def test_streams_can_be_subscribed_listed_and_left_while_connected(venue) -> None:
    async with venue.session.ws_connect(f"{venue.http}/stream") as ws:
        await ws.send_json({"method": "SUBSCRIBE", "params": ["ethusdt@depth@100ms"], "id": 1})
        assert await ws.receive_json(timeout=30) == {"result": None, "id": 1}
        assert (await ws.receive_json(timeout=30))["stream"] == "ethusdt@depth@100ms"
        await ws.send_json({"method": "UNSUBSCRIBE", "params": ["ethusdt@depth@100ms"], "id": 2})
        while "result" not in (await ws.receive_json(timeout=30)):
            pass
        await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 3})
        assert await ws.receive_json(timeout=30) == {"result": [], "id": 3}
        await ws.send_str("{nonsense")
        assert (await ws.receive_json(timeout=30))["code"] == 3


async def test_more_than_five_messages_a_second_end_the_connection(venue) -> None:
    async with venue.session.ws_connect(f"{venue.http}/ws") as ws:
        for number in range(6):
            await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
        messages = [await ws.receive(timeout=30) for _ in range(6)]
    assert [m.type for m in messages] == [WSMsgType.TEXT] * 5 + [WSMsgType.CLOSE]
    assert messages[-1].data == 1008


async def test_more_than_1024_streams_are_refused(venue) -> None:
    names = [f"x{n}@trade" for n in range(1_025)]
    async with venue.session.ws_connect(f"{venue.http}/ws") as ws:
        await ws.send_json({"method": "SUBSCRIBE", "params": names, "id": 1})
        assert (await ws.receive_json(timeout=30))["code"] == 2
        await ws.send_json({"method": "SUBSCRIBE", "params": names[:-1], "id": 2})
        assert await ws.receive_json(timeout=30) == {"result": None, "id": 2}


async def test_the_server_pings_and_keeps_who_answers(start_venue) -> None:
    venue = await start_venue(rules=StreamRules(ping_s=0.25, pong_timeout_s=1.5))
    async with venue.session.ws_connect(f"{venue.http}/ws", autoping=False) as ws:
        for _ in range(8):
            ping = await ws.receive(timeout=30)
            assert ping.type is WSMsgType.PING
            await ws.pong(ping.data)
        assert (await venue.stats())["ended"] == {}


async def test_who_does_not_answer_pings_is_dropped(start_venue) -> None:
    venue = await start_venue(rules=StreamRules(ping_s=0.05, pong_timeout_s=0.15))
    async with venue.session.ws_connect(f"{venue.http}/ws", autoping=False) as ws:
        kinds = [(await ws.receive(timeout=30)).type]
        while kinds[-1] is WSMsgType.PING:
            kinds.append((await ws.receive(timeout=30)).type)
    assert 2 <= kinds.count(WSMsgType.PING) <= 4
    assert kinds[-1] in (WSMsgType.CLOSED, WSMsgType.ERROR)
    assert (await venue.stats())["ended"] == {"no pong": 1}


async def test_a_connection_ends_after_its_lifetime_with_1008(start_venue) -> None:
    venue = await start_venue(rules=StreamRules(lifetime_s=0.2))
    async with venue.connect("ethusdt@kline_1M") as ws:
        while (message := await ws.receive(timeout=30)).type is WSMsgType.TEXT:
            pass
    assert (message.type, message.data) == (WSMsgType.CLOSE, 1008)


async def test_a_client_that_does_not_read_is_dropped_and_delays_nobody(venue) -> None:
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    stalled.connect(("127.0.0.1", venue.port))
    stalled.sendall(
        b"GET /stream?streams=ethusdt@trade HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with venue.connect("ethusdt@trade") as ws:
        await ws.receive_str(timeout=30)
        payload = '{"e":"trade","junk":"' + "x" * 50_000 + '"}'
        peak, received = 0, 0
        async with asyncio.timeout(30):
            while not (ended := (await venue.stats())["ended"]):
                for _ in range(10):
                    venue.server.streams.publish("ethusdt@trade", payload)
                while received < venue.server.streams.frames["ethusdt@trade"] // 2 - 20:
                    await ws.receive_str()
                    received += 1
                peak = max(peak, (await venue.stats())["unread_bytes"])
        assert ended == {"slow": 1}
        assert peak <= MAX_UNREAD_BYTES + 1_000_000
        assert (await venue.stats())["connections"] == 1
        await ws.receive_str(timeout=30)
    stalled.close()
