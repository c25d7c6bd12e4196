"""`/feed` over real sockets, driven by published trades."""

import contextlib
import itertools
import json
import socket
import time
from typing import Any

import pytest
import websockets

from core.base.clock import ManualClock
from core.base.settings import StreamConfig
from core.domain.market import BarFlag, BarUpdate, Trade
from core.stream.unified_data_stream import UnifiedDataStream
from web.feed import FRAME_S, SLOWEST_S, frame_period
from web.feed_channels import FULL_ROWS, NOTHING, SeriesChannel, TradesChannel


def test_the_first_frame_is_the_latest_rows_and_then_comes_what_changed(server: Any, market: Any):
    market.seed(50)
    with server.feed(channels=["series:eth_ticks"]) as viewer:
        first = viewer.frame()
        assert first["channel"] == "series:eth_ticks"
        assert first["full"] is True
        assert len(first["rows"]) == 50
        trade = market.trade()
        second = viewer.until(lambda f: f["rows"][-1][4] == trade.price)
        assert "full" not in second
        assert [row[0] for row in second["rows"]][-1] == trade.ts_ms // 1000 * 1000
        assert abs(second["sent_ms"] - time.time() * 1000) < 5_000
        assert 0 <= second["sent_ms"] - second["recv_ms"] < 5_000


def test_seq_rises_by_one_a_frame_for_who_keeps_up(server: Any, market: Any):
    with server.feed(channels=["series:eth_1m"]) as viewer:
        viewer.frame()
        seqs = []
        for _ in range(8):
            trade = market.trade()
            seqs.append(viewer.until(lambda f, price=trade.price: f["rows"][-1][4] == price)["seq"])
        assert [b - a for a, b in itertools.pairwise(seqs)] == [1] * 7


def test_frames_come_at_most_sixty_times_a_second(server: Any, market: Any):
    with server.feed(channels=["series:eth_ticks"]) as viewer:
        viewer.frame()
        started, frames = time.monotonic(), 0
        while time.monotonic() - started < 0.6:
            market.trade(step_ms=1)
            time.sleep(0.002)
        last = market.trade(step_ms=1)
        while viewer.frame()["rows"][-1][4] != last.price:
            frames += 1
        assert 5 <= frames <= 0.6 * 60 + 6


def test_every_channel_speaks_its_own_frame(server: Any, market: Any):
    market.seed(5)
    server.system.incident_list = [
        {"component": "binance", "cause": "old", "start_ms": 1, "end_ms": 2, "detail": ""},
        {"component": "binance", "cause": "refused", "start_ms": 3, "end_ms": 0, "detail": ""},
    ]
    trade = market.trade()
    market.quote(100.0)
    market.book(100.0)
    channels = ["trades:ETHUSDT", "quotes", "book:ETHUSDT", "book:BTCUSDT", "status", "monitoring", "connections", "signals"]
    frames: dict[str, dict[str, Any]] = {}
    with server.feed(channels=channels) as viewer:
        while len(frames) < 7:
            frame = viewer.frame()
            frames.setdefault(frame["channel"], frame)
    assert all({"seq", "sent_ms"} <= frame.keys() for frame in frames.values())
    assert frames["trades:ETHUSDT"]["rows"] == [[trade.trade_id, trade.ts_ms, trade.price, 0.5, False]]
    assert frames["trades:ETHUSDT"]["full"] is True
    assert frames["quotes"]["rows"] == [["ETHUSDT", 100.0, 1.0, 100.01, 2.0, 7]]
    book = frames["book:ETHUSDT"]
    assert (book["bids"], book["asks"], book["synced"]) == ([[100.0, 1.0]], [[100.01, 2.0]], True)
    assert (frames["book:BTCUSDT"]["bids"], frames["book:BTCUSDT"]["synced"]) == ([], False)
    status = frames["status"]
    assert (status["source"], status["source_detail"], len(status["series"])) == ("SIMULATED", "test market", 5)
    known = {"title": "", "source": "", "hint": ""}
    assert status["venues"] == [{"venue": "binance", "state": "LIVE", "since": 1, "cause": "", **known}]
    assert status["incident"]["cause"] == "refused"
    assert status["tickers"]["ETHUSDT"]["high"] == 2.0
    parts = {"slo", "consumers", "caches", "storage", "process", "connections", "waterfall", "feed"}
    assert parts <= frames["monitoring"].keys()
    assert frames["monitoring"]["waterfall"][0].keys() == {"stage", "p50", "p95", "p99", "max"}
    assert frames["connections"]["connections"][0]["venue"] == "binance"


def test_a_book_that_is_lost_is_withdrawn_and_comes_back(server: Any, market: Any):
    market.book(100.0)
    with server.feed(channels=["book:ETHUSDT"]) as viewer:
        assert viewer.frame()["synced"] is True
        server.system.stream.book_lost("ETHUSDT")
        lost = viewer.frame()
        assert (lost["synced"], lost["bids"]) == (False, [])
        market.book(101.0)
        assert viewer.frame()["bids"] == [[101.0, 1.0]]


def test_history_that_arrives_later_is_sent_whole(server: Any, market: Any):
    with server.feed(channels=["series:eth_1m", "status"]) as viewer:
        assert viewer.until(lambda f: f["channel"] == "series:eth_1m")["rows"] == []
        viewer.until(lambda f: f["channel"] == "status")
        market.seed(30)
        whole = viewer.until(lambda f: f["channel"] == "series:eth_1m" and f.get("full"))
        assert len(whole["rows"]) == 30


def test_status_comes_four_times_a_second_and_monitoring_once(server: Any):
    with server.feed(channels=["status", "monitoring"]) as viewer:
        started, names = time.monotonic(), []
        while time.monotonic() - started < 2.2:
            names.append(viewer.frame()["channel"])
    assert 6 <= names.count("status") <= 11
    assert 2 <= names.count("monitoring") <= 4


def test_a_subscription_replaces_the_one_before_and_starts_anew(server: Any, market: Any):
    market.trade()
    market.trade("BTCUSDT")
    with server.feed(channels=["series:eth_1m"]) as viewer:
        assert viewer.frame()["full"] is True
        viewer.send({"op": "subscribe", "channels": ["series:btc_ticks", "series:btc_ticks"]})
        assert viewer.frame()["channel"] == "series:btc_ticks"
        market.trade()
        btc = market.trade("BTCUSDT")
        assert viewer.frame()["rows"][-1][4] == btc.price
        viewer.send({"op": "subscribe", "channels": ["series:btc_ticks"]})
        assert viewer.until(lambda f: f.get("full"))["rows"][-1][4] == btc.price


def test_an_unknown_channel_is_named_and_the_known_ones_come(server: Any, market: Any):
    market.trade()
    with server.feed(channels=["series:nope", "series:eth_1m"]) as viewer:
        frames = {f["channel"]: f for f in (viewer.frame(), viewer.frame())}
        assert "series:nope" in frames["error"]["error"]
        assert frames["series:eth_1m"]["rows"]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        b"\x00\x01",
        '{"op":"subscribe"}',
        '{"op":"subscribe","channels":"series:eth_1m"}',
        '{"op":"subscribe","channels":[1]}',
        '{"op":"fly"}',
        '{"op":"pixel","us":[-1]}',
        '{"op":"pixel","us":["a"]}',
        '{"op":"pixel","us":[NaN]}',
        '{"op":"pixel","us":[1e400]}',
        json.dumps({"op": "subscribe", "channels": ["x"] * 65}),
        json.dumps({"op": "subscribe", "channels": ["x" * 65]}),
        "[" * 20_000,
    ],
)
def test_a_bad_message_is_answered_by_an_error_and_the_socket_lives(shared_server: Any, message: Any):
    with shared_server.feed() as viewer:
        viewer.send(message)
        assert viewer.frame()["error"]
        viewer.send({"op": "subscribe", "channels": ["quotes"]})
        assert viewer.frame()["channel"] == "quotes"
    assert shared_server.system.pixels == []


def test_five_bad_messages_close_with_1008(shared_server: Any):
    with shared_server.feed() as viewer:
        for _ in range(5):
            viewer.send("nonsense")
        assert viewer.close_code() == 1008


def test_a_flood_of_messages_closes_with_1008(shared_server: Any):
    with shared_server.feed() as viewer:
        with contextlib.suppress(websockets.ConnectionClosed):
            for _ in range(2_000):
                viewer.send('{"op":"pixel","us":[]}')
        assert viewer.close_code() == 1008


def test_a_message_above_64_kb_closes_with_1009(shared_server: Any):
    with shared_server.feed() as viewer:
        viewer.send(" " * 65_537)
        assert viewer.close_code() == 1009


def test_pixel_latencies_reach_the_system(server: Any, eventually: Any):
    with server.feed() as viewer:
        viewer.send({"op": "pixel", "us": [12_000, 15_500.5]})
        eventually(lambda: server.system.pixels == [12_000, 15_500.5])


def test_beyond_the_limit_viewers_are_told_to_come_again_later(server: Any, monkeypatch: pytest.MonkeyPatch):
    feed = server.hub
    monkeypatch.setattr(feed, "_max_clients", 2)
    with server.feed(channels=["quotes"]) as one, server.feed(channels=["quotes"]) as two:
        one.frame(), two.frame()
        with server.feed() as three:
            assert three.close_code() == 1013
    assert feed.refused == 1


def test_a_viewer_that_leaves_is_forgotten(server: Any, eventually: Any):
    feed = server.hub
    with server.feed(channels=["quotes", "series:eth_1m"]) as viewer:
        viewer.frame()
        assert len(feed.clients) == 1
    eventually(lambda: not feed.clients)
    assert not any(feed.listeners.values())


def test_a_viewer_that_does_not_read_gets_the_newest_and_delays_nobody(server: Any, market: Any, eventually: Any):
    market.seed(200)
    feed = server.hub
    slow = raw_viewer(server.port, ["series:eth_ticks", "trades:ETHUSDT"])
    with server.feed(channels=["series:eth_ticks"]) as quick:
        quick.frame()
        # enough frames to fill every buffer on the way to the slow one
        while not any(c.sending_since_ns for c in feed.clients):
            for _ in range(200):
                market.trade(step_ms=1)
            time.sleep(FRAME_S)
        for _ in range(30):
            trade = market.trade(step_ms=1)
            assert quick.until(lambda f, price=trade.price: f["rows"][-1][4] == price, 2)
        last = market.trade(step_ms=1)
        quick.until(lambda f: f["rows"][-1][4] == last.price)
    frames = read_frames(slow, until=lambda f: f["rows"][-1][4] == last.price if "series" in f["channel"] else False)
    seqs = [f["seq"] for f in frames if f["channel"] == "series:eth_ticks"]
    assert seqs == sorted(seqs)
    assert max(b - a for a, b in itertools.pairwise(seqs)) >= 20, "the missed frames were queued instead of conflated"
    assert feed.conflated >= 20
    tape = next(f for f in reversed(frames) if f["channel"] == "trades:ETHUSDT")
    assert len(tape["rows"]) <= 200
    slow.close()
    eventually(lambda: not feed.clients)


def test_a_viewer_that_reads_nothing_for_long_is_cut_off(server: Any, market: Any, eventually: Any, monkeypatch: Any):
    feed = server.hub
    monkeypatch.setattr(feed, "_stalled_ns", 300_000_000)
    slow = raw_viewer(server.port, ["trades:ETHUSDT"])
    eventually(lambda: feed.clients)
    deadline = time.monotonic() + 15
    while feed.clients and time.monotonic() < deadline:
        for _ in range(200):
            market.trade(step_ms=1)
        time.sleep(FRAME_S)
    assert feed.stalled == 1
    assert not feed.clients
    slow.close()


def test_the_server_stops_with_viewers_connected(make_server: Any):
    server = make_server()
    with server.feed(channels=["status"]) as viewer:
        viewer.frame()
        server.stop()
        assert server.system.stopped
        assert viewer.close_code() == 1012


def test_the_feed_slows_down_when_the_loop_is_late_but_never_below_four_a_second():
    assert frame_period(0.0, 1) == FRAME_S
    assert frame_period(0.0, 500) == pytest.approx(1 / 12)
    assert frame_period(0.05, 1) == pytest.approx(0.1)
    assert frame_period(9.0, 1) == SLOWEST_S
    assert frame_period(0.0, 100_000) == SLOWEST_S


def test_a_batched_client_gets_frames_that_are_due_together_in_one_message(server: Any, market: Any):
    market.seed(5)
    with server.feed() as viewer:
        viewer.send({"op": "subscribe", "channels": ["series:eth_ticks", "quotes", "status"], "batch": True})
        first = viewer.frame()
        assert isinstance(first, list)
        assert {"series:eth_ticks", "quotes"} <= {frame["channel"] for frame in first}
        assert all({"seq", "sent_ms"} <= set(frame) for frame in first)


def series_channel() -> tuple[SeriesChannel, UnifiedDataStream, ManualClock]:
    clock = ManualClock()
    stream = UnifiedDataStream(StreamConfig(), clock)
    return SeriesChannel("eth_1m", stream, clock), stream, clock


def bar(minute: int, close: float, flags: BarFlag = BarFlag.NONE) -> BarUpdate:
    return BarUpdate("eth_1m", (minute * 60_000.0, 1.0, 9.0, 0.5, close, 1.0), flags)


def test_a_follower_gets_each_changed_row_once_in_its_newest_state():
    channel, _, _ = series_channel()
    channel.absorb([bar(1, 2.0)])
    position = channel.seq
    channel.absorb([bar(1, 3.0), bar(2, 4.0)])
    channel.absorb([bar(2, 5.0, BarFlag.CORRECTED | BarFlag.CLOSED)])
    frame = json.loads(channel.frame_since(position))
    assert [(row[0], row[4]) for row in frame["rows"]] == [(60_000, 3.0), (120_000, 5.0)]
    assert frame["flags"] == {"120000": int(BarFlag.CORRECTED)}
    assert frame["seq"] == position + 2
    assert channel.frame_since(channel.seq) is None


def test_who_is_too_far_behind_gets_the_whole_again():
    channel, stream, _ = series_channel()
    stream.publish_trade(Trade("ETHUSDT", 1, 100.0, 1.0, 60_000, False))
    channel.absorb([bar(0, 1.0)])
    position = channel.seq
    for minute in range(1, FULL_ROWS + 10):
        channel.absorb([bar(minute, 2.0)])
    assert json.loads(channel.frame_since(position))["full"] is True
    assert "full" not in json.loads(channel.frame_since(channel.seq - 5))
    assert json.loads(channel.frame_since(NOTHING))["full"] is True


def test_a_frame_is_encoded_once_for_all_at_the_same_point():
    channel, _, _ = series_channel()
    channel.absorb([bar(1, 2.0)])
    position = channel.seq
    channel.absorb([bar(1, 3.0)])
    assert channel.frame_since(position) is channel.frame_since(position)


def test_the_tape_says_full_when_trades_were_missed():
    clock = ManualClock()
    channel = TradesChannel("ETHUSDT", UnifiedDataStream(StreamConfig(), clock), clock)
    trades = [Trade("ETHUSDT", i, 100.0, 1.0, i, False) for i in range(1, 400)]
    channel.absorb(trades[:100])
    position = channel.seq
    channel.absorb(trades[100:250])
    assert len(json.loads(channel.frame_since(position))["rows"]) == 150
    channel.absorb(trades[250:])
    assert json.loads(channel.frame_since(position))["full"] is True


def raw_viewer(port: int, channels: list[str]) -> socket.socket:
    """A client with a small window that subscribes and then reads nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.connect(("127.0.0.1", port))
    connection.sendall(
        f"GET /feed HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert connection.recv(12) == b"HTTP/1.1 101"
    payload = json.dumps({"op": "subscribe", "channels": channels}).encode()
    connection.sendall(bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
    return connection


def read_frames(connection: socket.socket, until: Any) -> list[dict[str, Any]]:
    """Text frames after the handshake's answer, up to the one that is wanted."""
    connection.settimeout(5)
    stream = connection.makefile("rb")
    while stream.readline() not in (b"\r\n", b""):
        pass
    frames: list[dict[str, Any]] = []
    while not frames or not until(frames[-1]):
        head = stream.read(2)
        length = head[1] & 0x7F
        length = int.from_bytes(stream.read(2 if length == 126 else 8)) if length > 125 else length
        payload = stream.read(length)
        if head[0] == 0x81:
            frames.append(json.loads(payload))
    return frames
