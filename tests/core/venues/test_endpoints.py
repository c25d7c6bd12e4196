"""Which addresses are used."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from core.base.errors import FatalError
from core.base.settings import Settings
from core.domain.health import Source
from core.venues.endpoints import DATA_ONLY, MAIN, Endpoints, choose_endpoints
from tests.patience import PATIENCE

Serve = Callable[..., Awaitable[Endpoints]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """A venue that answers a ping with a status after a time; as a candidate."""
    runners: list[web.AppRunner] = []

    async def start(status: int = 200, after_s: float = 0.0) -> Endpoints:
        async def ping(request: web.Request) -> web.Response:
            assert request.path == "/api/v3/ping"
            await asyncio.sleep(after_s)
            return web.json_response({}, status=status)

        app = web.Application()
        app.add_routes([web.get("/{path:.*}", ping)])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return Endpoints(url, "ws://x", "", Source.LIVE, f"{status} after {after_s:g} s")

    yield start
    for runner in runners:
        await runner.cleanup()


def unreachable() -> Endpoints:
    return Endpoints("http://127.0.0.1:1", "ws://x", "", Source.LIVE, "refused")


async def test_the_main_address_is_preferred_although_the_other_is_faster(serve: Serve) -> None:
    main, data_only = await serve(after_s=0.2), await serve()
    assert await choose_endpoints(Settings(market="auto"), (main, data_only)) == main


@pytest.mark.parametrize("status", [451, 403])
async def test_where_the_main_address_refuses_the_data_only_one_is_used(serve: Serve, status: int) -> None:
    main, data_only = await serve(status), await serve()
    assert await choose_endpoints(Settings(market="auto"), (main, data_only)) == data_only


async def test_one_that_hangs_does_not_hide_the_other_and_costs_the_limit_at_most(serve: Serve) -> None:
    main, data_only = await serve(after_s=5), await serve()
    started = time.monotonic()
    assert await choose_endpoints(Settings(market="live"), (main, data_only), probe_s=0.4) == data_only
    assert time.monotonic() - started < 0.8 * PATIENCE


async def test_when_none_answers_the_market_is_simulated(serve: Serve) -> None:
    assert await choose_endpoints(Settings(market="auto"), (unreachable(), await serve(503)), probe_s=0.5) is None


async def test_when_the_market_must_be_live_and_none_answers_that_is_fatal_in_one_line(serve: Serve) -> None:
    with pytest.raises(FatalError, match=r"neither 127\.0\.0\.1 nor 127\.0\.0\.1 answered within 0\.5 s") as caught:
        await choose_endpoints(Settings(market="live"), (unreachable(), await serve(503)), probe_s=0.5)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("market", ["simulated", "replay"])
async def test_a_simulated_market_asks_nobody(market: Any) -> None:
    assert await choose_endpoints(Settings(market=market)) is None


@pytest.mark.parametrize(
    ("rest", "stream"),
    [
        ("https://example.test/api", "wss://example.test/ws"),
        ("https://example.test/", "wss://example.test/stream"),
        ("https://example.test/api/v3/", "wss://example.test"),
    ],
)
async def test_addresses_from_the_environment_are_taken_without_their_paths(rest: str, stream: str) -> None:
    chosen = await choose_endpoints(Settings(market="live", binance_rest_url=rest, binance_ws_url=stream))
    assert chosen is not None
    assert (chosen.rest, chosen.stream, chosen.source) == ("https://example.test", "wss://example.test", Source.LIVE)
    assert chosen.streams is None


async def test_a_simulated_venue_named_by_the_environment_is_not_called_live(shared_venue: Any) -> None:
    venue = shared_venue
    chosen = await choose_endpoints(Settings(market="live", binance_rest_url=venue.rest, binance_ws_url=venue.stream))
    assert chosen is not None
    assert chosen.source is Source.SIMULATED


def test_the_public_addresses_are_the_documented_ones() -> None:
    assert (MAIN.rest, MAIN.stream) == ("https://api.binance.com", "wss://stream.binance.com:9443")
    assert (DATA_ONLY.rest, DATA_ONLY.stream) == ("https://data-api.binance.vision", "wss://data-stream.binance.vision")
