"""The REST side against the simulated Binance, with the real python-binance between."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from core.base.clock import SystemClock
from core.base.errors import BadInput, VenueBanned, VenueUnavailable
from core.domain.market import Origin
from core.venues.binance.rest import BinanceRest
from core.venues.connector import VenueRefused


@pytest.fixture
async def venue(shared_venue: Any) -> AsyncIterator[Any]:
    yield shared_venue
    await shared_venue.fault(kind="clear")


@pytest.fixture
async def rest(venue: Any) -> AsyncIterator[BinanceRest]:
    client = BinanceRest(venue.rest, SystemClock())
    yield client
    await client.close()


async def test_klines_come_paged_without_a_hole_the_last_running(rest: BinanceRest) -> None:
    klines = await rest.klines("ETHUSDT", "1m", 1_500)
    assert len(klines) == 1_500
    assert [k.open_ms for k in klines] == list(range(klines[0].open_ms, klines[0].open_ms + 1_500 * 60_000, 60_000))
    assert [k.closed for k in klines] == [True] * 1_499 + [False]
    assert abs(klines[-1].open_ms - time.time() * 1000) < 120_000


async def test_klines_between_two_times_are_those_that_overlap(rest: BinanceRest, venue: Any) -> None:
    to_ms = int(time.time() * 1000) - 60_000
    from_ms = to_ms - 1_700_000
    klines = await rest.klines_between("BTCUSDT", "1s", from_ms, to_ms)
    assert klines[0].open_ms == from_ms - from_ms % 1000
    assert klines[-1].open_ms == to_ms - to_ms % 1000
    assert len(klines) == 1_701 if from_ms % 1000 <= to_ms % 1000 else 1_700
    assert all(k.closed for k in klines[:-1])


async def test_trades_by_id_are_those_ids(rest: BinanceRest) -> None:
    recent = await rest.recent_trades("ETHUSDT")
    assert len(recent) == 1_000
    first = recent[-1].trade_id - 50
    trades = await rest.trades_from("ETHUSDT", first, 50)
    assert [t.trade_id for t in trades] == list(range(first, first + 50))
    assert trades[0].origin is Origin.REST


async def test_depth_ticker_and_clock(rest: BinanceRest) -> None:
    depth = await rest.depth("ETHUSDT")
    assert depth.bids[0][0] < depth.asks[0][0]
    ticker = await rest.ticker("ETHUSDT")
    assert ticker["low"] <= ticker["open"] <= ticker["high"]
    assert abs(await rest.measure_clock()) < 50


async def test_a_wrong_clock_of_the_venue_is_measured(rest: BinanceRest, venue: Any) -> None:
    await venue.fault(kind="clock_skew", ms=1_500)
    assert await rest.measure_clock() == pytest.approx(1_500, abs=50)
    assert rest.clock_offset_ms == pytest.approx(1_500, abs=50)


async def test_the_weight_is_the_venue_s_own_count(rest: BinanceRest, venue: Any) -> None:
    await rest.klines("ETHUSDT", "1m", 10)
    await rest.depth("ETHUSDT")
    stats = await venue.get("/sim/stats")
    assert rest.budget.used == next(iter(stats["weight_used"].values())) >= 52


@pytest.mark.parametrize(("status", "word"), [(429, "rate limited (429)"), (418, "banned (418)")])
async def test_no_request_leaves_during_a_ban(
    rest: BinanceRest, venue: Any, wait_until: Any, status: int, word: str
) -> None:
    await rest.open()
    bans = []
    rest.on_ban = lambda: bans.append(rest.ban_cause)
    await venue.fault(kind="http_status", status=status, retry_after=1, seconds=0.2)
    with pytest.raises(VenueBanned, match=word.replace("(", r"\(").replace(")", r"\)")) as caught:
        await rest.depth("ETHUSDT")
    assert 500 < caught.value.until_ms - time.time() * 1000 <= 1_000
    asked = (await venue.get("/sim/stats"))["rest_calls"]
    for _ in range(5):
        with pytest.raises(VenueBanned):
            await rest.klines("ETHUSDT", "1m", 5)
    assert (await venue.get("/sim/stats"))["rest_calls"] == asked
    assert rest.is_banned
    assert bans == [word]
    await wait_until(lambda: not rest.is_banned)
    assert len(await rest.klines("ETHUSDT", "1m", 5)) == 5


async def test_a_server_error_may_pass(rest: BinanceRest, venue: Any) -> None:
    await venue.fault(kind="http_status", status=503, seconds=60)
    with pytest.raises(VenueUnavailable, match="HTTP 503"):
        await rest.depth("ETHUSDT")
    await venue.fault(kind="clear")
    await rest.depth("ETHUSDT")


async def test_an_unknown_symbol_is_refused_for_good(rest: BinanceRest) -> None:
    with pytest.raises(VenueRefused, match="Invalid symbol"):
        await rest.depth("DOGEUSDT")


async def test_a_venue_that_is_gone_is_unavailable() -> None:
    rest = BinanceRest("http://127.0.0.1:1", SystemClock())
    with pytest.raises(VenueUnavailable):
        await rest.depth("ETHUSDT")
    await rest.close()


@pytest.fixture
async def answering() -> AsyncIterator[Any]:
    """A REST client of a server that answers what the test says."""
    answer: dict[str, Any] = {}

    async def serve(_: web.Request) -> web.Response:
        await asyncio.sleep(answer.get("after_s", 0))
        return web.Response(**answer["response"])

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", serve)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = BinanceRest(f"http://127.0.0.1:{runner.addresses[0][1]}", SystemClock(), timeout_s=0.3)
    yield client, answer
    await client.close()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"text": "<html>oops</html>", "content_type": "text/html"}, VenueUnavailable),
        ({"text": "{truncated", "content_type": "application/json"}, BadInput),
        ({"text": "[]", "content_type": "application/json"}, BadInput),
        ({"text": "", "content_type": "application/json"}, BadInput),
        ({"text": "[1,2]", "content_type": "application/json", "status": 500}, BadInput),
        ({"text": "gateway", "status": 502}, VenueUnavailable),
        ({"text": '{"code":-2014,"msg":"API-key format invalid."}', "status": 401}, VenueRefused),
        ({"text": '{"code":-2015,"msg":"Invalid API-key"}', "status": 400}, VenueRefused),
        ({"text": "no", "status": 403}, VenueRefused),
        ({"text": "", "status": 429}, VenueBanned),
    ],
)
async def test_whatever_comes_back_is_one_of_our_errors(
    answering: Any, response: dict[str, Any], expected: type[Exception]
) -> None:
    client, answer = answering
    answer["response"] = response
    with pytest.raises(expected):
        await client.depth("ETHUSDT")


async def test_a_request_that_is_not_answered_is_given_up(answering: Any) -> None:
    client, answer = answering
    answer |= {"response": {"text": "{}"}, "after_s": 2}
    with pytest.raises(VenueUnavailable, match=r"no answer within 0\.3 s"):
        await client.depth("ETHUSDT")
