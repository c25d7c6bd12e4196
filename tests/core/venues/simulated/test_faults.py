"""Each fault does what it says, and `clear` ends them all."""

import asyncio
import itertools
import json

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

STREAM = "btcusdt@trade"


async def trade_ids(ws, count: int) -> list[int]:
    return [(await ws.receive_json(timeout=30))["data"]["t"] for _ in range(count)]


async def until_it_ends(ws) -> None:
    while (await ws.receive()).type is WSMsgType.TEXT:
        pass


def steps(ids: list[int]) -> list[int]:
    return [b - a for a, b in itertools.pairwise(ids)]


async def test_drop_ends_all_connections_without_a_close_frame(venue) -> None:
    async with venue.connect(STREAM) as ws:
        await ws.receive(timeout=30)
        await venue.fault(kind="drop")
        while (message := await ws.receive(timeout=30)).type is WSMsgType.TEXT:
            pass
        assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        assert ws.close_code == 1006


async def test_close_sends_the_code_asked_for(venue) -> None:
    async with venue.connect(STREAM) as ws:
        await ws.receive(timeout=30)
        closing = asyncio.create_task(venue.fault(kind="close", code=1008))
        while (message := await ws.receive(timeout=30)).type is WSMsgType.TEXT:
            pass
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1008)
        await closing


async def test_a_half_open_connection_stays_but_says_nothing(venue) -> None:
    async with venue.connect(STREAM) as ws, venue.connect(STREAM) as other:
        await ws.receive(timeout=30)
        await other.receive(timeout=30)
        await venue.fault(kind="half_open")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(until_it_ends(ws), 1.0)
        assert not ws.closed
        assert (await venue.stats())["connections"] == 2
        async with venue.connect(STREAM) as fresh:
            await fresh.receive_str(timeout=30)
        await venue.fault(kind="clear")
        await asyncio.wait_for(until_it_ends(other), 30)


async def test_a_silent_stream_stops_while_others_go_on(venue) -> None:
    await venue.fault(kind="silence", stream=STREAM, seconds=2)
    async with venue.connect(STREAM, "btcusdt@depth@100ms") as ws:
        seen = [(await ws.receive_json(timeout=30))["stream"] for _ in range(5)]
        assert set(seen) == {"btcusdt@depth@100ms"}
        while (await ws.receive_json(timeout=30))["stream"] != STREAM:
            pass


async def test_delay_keeps_the_order(venue) -> None:
    async with venue.connect(STREAM) as ws:
        await venue.fault(kind="delay", ms=400)
        await trade_ids(ws, 1)
        late = []
        ids = []
        for _ in range(60):
            event = (await ws.receive_json(timeout=30))["data"]
            ids.append(event["t"])
            late.append(event["E"])
        assert set(steps(ids)) == {1}
        _, now, _ = await venue.get("time")
        assert now["serverTime"] - late[-1] >= 350


@pytest.mark.parametrize(("kind", "expected"), [("gap", {1, 4}), ("duplicate", {0, 1}), ("reorder", {-1, 1, 2, 3})])
async def test_sequence_faults_show_in_the_trade_ids(venue, kind: str, expected: set[int]) -> None:
    async with venue.connect(STREAM) as ws:
        before = await trade_ids(ws, 1)
        await venue.fault(kind=kind, stream=STREAM, n=3)
        ids = before + await trade_ids(ws, 150)
    assert set(steps(ids)) == expected
    assert steps(ids).count(1) > 100
    if kind == "gap":
        _, missed, _ = await venue.get(f"historicalTrades?symbol=BTCUSDT&fromId={ids[0]}&limit=154")
        assert len(set(range(ids[0], ids[-1] + 1)) - set(ids)) == 3
        assert {t["id"] for t in missed} >= set(range(ids[0], ids[-1] + 1))


async def test_a_gap_of_diffs_breaks_the_chain_of_update_ids(venue) -> None:
    async with venue.connect("ethusdt@depth@100ms") as ws:
        last = (await ws.receive_json(timeout=30))["data"]["u"]
        await venue.fault(kind="gap", stream="ethusdt@depth@100ms", n=2)
        gaps = []
        for _ in range(6):
            diff = (await ws.receive_json(timeout=30))["data"]
            gaps.append(diff["U"] - last - 1)
            last = diff["u"]
    assert sorted(set(gaps)) == [0, 512]


async def test_a_burst_is_held_back_and_then_comes_at_once(venue) -> None:
    async with venue.connect(STREAM) as ws:
        await trade_ids(ws, 1)
        await venue.fault(kind="burst", n=200)
        loop = asyncio.get_running_loop()
        ids, times = [], []
        for _ in range(250):
            ids += await trade_ids(ws, 1)
            times.append(loop.time())
        assert set(steps(ids)) == {1}
        spans = [times[i + 190] - times[i] for i in range(len(times) - 190)]
        assert min(spans) < 0.2


@pytest.mark.parametrize(
    ("payload", "proof"),
    [
        ("truncated", lambda m: m.type is WSMsgType.TEXT and not m.data.endswith("}}")),
        ("not_json", lambda m: m.data.startswith("<html>")),
        ("unknown_stream", lambda m: json.loads(m.data)["stream"] == "dogeusdt@nonsense"),
        ("nan_price", lambda m: json.loads(m.data)["data"]["p"] == "NaN"),
        ("negative_price", lambda m: json.loads(m.data)["data"]["p"].startswith("-")),
        ("time_1970", lambda m: json.loads(m.data)["data"]["T"] == 1),
        ("time_2100", lambda m: json.loads(m.data)["data"]["T"] > 4_000_000_000_000),
        ("binary", lambda m: m.type is WSMsgType.BINARY),
    ],
)
async def test_garbage_is_what_it_is_called(venue, payload: str, proof) -> None:
    async with venue.connect(STREAM) as ws:
        await ws.receive_str(timeout=30)
        answer = await venue.fault(kind="garbage", payload=payload, n=2)
        assert answer["ok"]
        found = 0
        async with asyncio.timeout(30):
            while found < 2:
                message = await ws.receive()
                try:
                    found += bool(proof(message))
                except (ValueError, TypeError, AttributeError):
                    continue
        assert message.type is not WSMsgType.CLOSE


async def test_a_frame_of_ten_megabytes_arrives_whole(venue) -> None:
    async with venue.connect(STREAM) as ws:
        await ws.receive_str(timeout=30)
        await venue.fault(kind="garbage", payload="huge")
        sizes = [len(await ws.receive_str(timeout=30)) for _ in range(30)]
    assert max(sizes) > 10 * 1024 * 1024


@pytest.mark.parametrize(("status", "code"), [(429, -1003), (418, -1003), (451, 0), (500, None)])
async def test_rest_fails_with_the_status_asked_for_until_cleared(venue, status: int, code: int | None) -> None:
    await venue.fault(kind="http_status", status=status, retry_after=7, seconds=30)
    got, body, headers = await venue.get("time")
    assert (got, headers["retry-after"]) == (status, "7")
    assert (body["code"] if code is not None else None) == code
    await venue.fault(kind="clear")
    assert (await venue.get("time"))[0] == 200


async def test_refused_upgrades_answer_503_for_a_while(venue) -> None:
    await venue.fault(kind="refuse", seconds=1)
    with pytest.raises(WSServerHandshakeError) as caught:
        await venue.connect(STREAM)
    assert caught.value.status == 503

    async def accepted() -> bool:
        try:
            await (await venue.connect(STREAM)).close()
        except WSServerHandshakeError:
            return False
        return True

    await venue.until(accepted)


async def test_clock_skew_moves_the_venues_clock_but_not_the_trades(venue) -> None:
    await venue.fault(kind="clock_skew", ms=90_000)
    async with venue.connect(STREAM) as ws:
        event = (await ws.receive_json(timeout=30))["data"]
    _, now, _ = await venue.get("time")
    assert 80_000 < event["E"] - event["T"] < 95_000
    assert now["serverTime"] - event["T"] > 80_000


async def test_an_unknown_fault_is_refused_by_name(venue) -> None:
    answer = await venue.fault(kind="earthquake")
    assert not answer["ok"]
    assert "earthquake" in answer["error"]
    assert (await venue.stats())["faults"] == []


async def test_stats_name_the_faults_in_force_and_count_what_was_sent(venue) -> None:
    await venue.fault(kind="delay", ms=5)
    await venue.fault(kind="gap", stream=STREAM, n=2)
    assert (await venue.stats())["faults"] == [f"gap {STREAM} 2", "delay 5 ms"]
    async with venue.connect(STREAM) as ws:
        await trade_ids(ws, 20)
        stats = await venue.stats()
        assert stats["subscriptions"] == {STREAM: 1}
        assert stats["frames_sent"][STREAM] >= 20
    await venue.fault(kind="clear")
    assert (await venue.stats())["faults"] == []


async def test_a_refusal_has_the_status_asked_for(venue) -> None:
    await venue.fault(kind="refuse", status=451)
    with pytest.raises(WSServerHandshakeError) as caught:
        await venue.connect(STREAM)
    assert caught.value.status == 451
    await venue.fault(kind="refuse", status=429, retry_after=7)
    with pytest.raises(WSServerHandshakeError) as caught:
        await venue.connect(STREAM)
    assert caught.value.headers is not None
    assert caught.value.headers["Retry-After"] == "7"


async def test_a_black_hole_answers_nothing_until_it_is_over(venue) -> None:
    async with venue.connect(STREAM) as ws:
        await ws.receive(timeout=30)
        await venue.fault(kind="black_hole")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(until_it_ends(ws), 0.5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(venue.get("ping"), 0.5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(venue.connect(STREAM), 0.5)
        assert "black_hole" in (await venue.stats())["faults"]
        await venue.fault(kind="clear")
        assert (await venue.get("ping"))[0] == 200
        async with venue.connect(STREAM) as fresh:
            await fresh.receive_str(timeout=30)


async def test_an_announced_shutdown_ends_only_who_was_there(venue) -> None:
    async with venue.connect(STREAM) as old:
        await old.receive(timeout=30)
        await venue.fault(kind="shutdown", seconds=1.0)
        async with asyncio.timeout(30):  # frames that were on their way come first
            while json.loads((await old.receive(timeout=30)).data).get("e") != "serverShutdown":
                pass
        async with venue.connect(STREAM) as new:
            await asyncio.wait_for(until_it_ends(old), 30)
            assert old.close_code == 1001
            await new.receive_str(timeout=30)


async def test_an_error_code_may_be_asked_for(venue) -> None:
    await venue.fault(kind="http_status", status=400, api_code=-1021)
    status, body, _ = await venue.get("depth?symbol=BTCUSDT")
    assert (status, body["code"]) == (400, -1021)


async def control(venue, path: str) -> tuple[int, dict]:
    async with venue.session.get(f"{venue.http}/sim/{path}") as answer:
        return answer.status, await answer.json() if answer.status == 200 else {}


async def test_the_simulator_s_own_book_is_the_one_it_answers_by_rest(venue) -> None:
    _, rest, _ = await venue.get("depth?symbol=BTCUSDT&limit=5000")
    _, own = await control(venue, f"book?symbol=BTCUSDT&update_id={rest['lastUpdateId']}")
    assert own["update_id"] == rest["lastUpdateId"]
    for side in ("bids", "asks"):
        assert own[side] == [[float(price), float(size)] for price, size in rest[side]]
    assert (await control(venue, "book?symbol=BTCUSDT"))[1]["update_id"] >= rest["lastUpdateId"]
    assert (await control(venue, f"book?symbol=BTCUSDT&update_id={rest['lastUpdateId'] + 1}"))[0] == 404
    assert (await control(venue, "book?symbol=NOPE"))[0] == 404
    assert (await control(venue, "book?symbol=BTCUSDT&update_id=x"))[0] == 400


async def test_the_simulator_s_own_trades_are_those_it_sends(venue) -> None:
    async with venue.connect(STREAM) as ws:
        sent = [(await ws.receive_json(timeout=30))["data"] for _ in range(30)]
    _, own = await control(venue, f"trades?symbol=BTCUSDT&from_ms={sent[0]['T']}&to_ms={sent[-1]['T']}")
    known = {own["first_id"] + n: row for n, row in enumerate(own["trades"])}
    assert all(known[t["t"]] == [t["T"], float(t["p"]), float(t["q"])] for t in sent)
    assert (await control(venue, "trades?symbol=BTCUSDT&from_ms=5&to_ms=4"))[1] == {"trades": [], "first_id": None}
    assert (await control(venue, "trades?symbol=BTCUSDT&from_ms=x"))[0] == 400
    _, minute = await control(venue, "trades?symbol=BTCUSDT")
    assert minute["trades"][-1][0] - minute["trades"][0][0] <= 60_000
