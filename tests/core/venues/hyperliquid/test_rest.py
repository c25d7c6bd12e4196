"""The SDK behind our typed calls: layouts, weights, bans, and every way an answer can be of no use."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from core.base.clock import ManualClock, SystemClock
from core.base.errors import BadInput, VenueBanned, VenueUnavailable
from core.venues.connector import VenueRefused
from core.venues.hyperliquid.rest import HyperliquidRest
from core.venues.hyperliquid.weight_window import WeightWindow

SYMBOLS = {"ETH": "ETH-PERP", "BTC": "BTC-PERP"}


@pytest.fixture
async def rest(shared_venue: Any) -> AsyncIterator[HyperliquidRest]:
    rest = HyperliquidRest(SYMBOLS, SystemClock(), timeout_s=1.0)
    rest.point_to(shared_venue.url)
    yield rest
    rest.close()


class Answering:
    """A server that answers every request with the same thing."""

    def __init__(self) -> None:
        self.status, self.body, self.headers, self.delay_s = 200, "[]", dict[str, str](), 0.0
        self.requests = 0

    async def serve(self, request: web.Request) -> web.Response:
        self.requests += 1
        await asyncio.sleep(self.delay_s)
        return web.Response(status=self.status, text=self.body, headers=self.headers)


@pytest.fixture
async def answering(rest: HyperliquidRest) -> AsyncIterator[Answering]:
    """`rest` points to it."""
    server = Answering()
    app = web.Application()
    app.add_routes([web.post("/info", server.serve)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    rest.point_to(f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield server
    await runner.cleanup()


async def test_meta_candles_and_trades_come_typed_and_their_weight_is_counted(rest: HyperliquidRest) -> None:
    assert await rest.meta() == {"BTC": 5, "ETH": 4}
    assert rest.window.used == 20
    now = SystemClock().now_ms()
    candles = await rest.candles("ETH", "1m", now - 299 * 60_000, now)
    assert [c.kline.open_ms // 60_000 for c in candles] == list(range((now - 299 * 60_000) // 60_000, now // 60_000 + 1))
    assert all(c.kline.closed for c in candles[:-2])
    assert not candles[-1].kline.closed
    assert rest.window.used == 40 + len(candles) // 60
    trades = await rest.recent_trades("ETH")
    assert len(trades) == 3_000
    assert [t.ts_ms for t in trades] == sorted(t.ts_ms for t in trades)
    assert rest.window.used == 60 + len(candles) // 60 + 150
    assert rest.requests == 3


async def test_coins_are_asked_for_once_however_many_ask_at_the_same_time(rest: HyperliquidRest) -> None:
    now = SystemClock().now_ms()
    await asyncio.gather(*(rest.candles(coin, "1h", now - 3_600_000, now) for coin in ("ETH", "BTC", "ETH")))
    assert rest.requests == 4


async def test_an_unknown_interval_is_refused_at_once_an_unknown_coin_after_a_look_at_the_list(
    rest: HyperliquidRest,
) -> None:
    await rest.meta()
    with pytest.raises(VenueRefused, match="no candles of 7m"):
        await rest.candles("ETH", "7m", 0, 1)
    with pytest.raises(VenueRefused, match="no coin DOGE"):
        await rest.candles("DOGE", "1m", 0, 1)
    assert rest.requests == 2


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, "null", VenueUnavailable),
        (502, "<html>", VenueUnavailable),
        (408, "null", VenueUnavailable),
        (422, "Failed to deserialize", VenueRefused),
        (403, '{"error": "no code in it"}', VenueRefused),
        (200, "not json", BadInput),
        (200, '{"odd": 1}', BadInput),
        (200, "null", BadInput),
        (200, '[{"coin": "ETH"}]', BadInput),
    ],
)
async def test_an_answer_of_no_use_is_one_of_our_errors(
    rest: HyperliquidRest, answering: Answering, status: int, body: str, error: type[Exception]
) -> None:
    answering.status, answering.body = status, body
    with pytest.raises(error):
        await rest.recent_trades("ETH")


@pytest.mark.parametrize(
    "body", ["null", "Too many requests", '{"error": "rate limited"}', '{"code": 1, "msg": "slow down"}']
)
async def test_a_429_bans_for_as_long_as_it_says_whatever_its_body(
    rest: HyperliquidRest, answering: Answering, body: str
) -> None:
    told = []
    rest.on_ban = lambda: told.append(rest.banned_until_ms)
    answering.status, answering.body, answering.headers = 429, body, {"Retry-After": "7"}
    before = SystemClock().now_ms()
    with pytest.raises(VenueBanned) as ban:
        await rest.recent_trades("ETH")
    assert before + 7_000 <= ban.value.until_ms <= SystemClock().now_ms() + 7_000
    assert told == [ban.value.until_ms]
    with pytest.raises(VenueBanned):
        await rest.recent_trades("ETH")
    assert answering.requests == 1, "none leaves while banned"


async def test_a_venue_that_does_not_answer_in_time_is_unavailable(rest: HyperliquidRest, answering: Answering) -> None:
    answering.delay_s = 3.0
    with pytest.raises(VenueUnavailable):
        await rest.recent_trades("ETH")


async def test_without_an_address_or_with_nobody_there_it_is_unavailable() -> None:
    rest = HyperliquidRest(SYMBOLS, SystemClock(), timeout_s=1.0)
    with pytest.raises(VenueUnavailable, match="no address"):
        await rest.recent_trades("ETH")
    rest.point_to("http://127.0.0.1:9")
    with pytest.raises(VenueUnavailable):
        await rest.recent_trades("ETH")
    rest.close()


def test_weight_is_spent_within_any_sixty_seconds_not_by_the_minute() -> None:
    clock = ManualClock()
    window = WeightWindow(clock, limit=100, share=0.5)
    window.spend(30)
    clock.advance(40)
    window.spend(20)
    assert window.wait_s(1) == pytest.approx(20.0)
    assert window.used == 50
    clock.advance(20.1)
    assert window.used == 20
    assert window.wait_s(30) == 0
    assert window.wait_s(31) == pytest.approx(39.9)
