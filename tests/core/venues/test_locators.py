"""Where Interactive Brokers and Hyperliquid are looked for."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from core.base.settings import Settings
from core.domain.health import Source
from core.venues import locators
from core.venues.connector import Address
from core.venues.locators import Locators


async def calm() -> None:
    return None


@pytest.fixture
def listening_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


async def test_a_replay_has_only_what_was_recorded() -> None:
    found = Locators(Settings(ibkr_port=1, hyperliquid_url="http://x"), Source.REPLAY, calm)
    assert await found.ibkr() is None
    assert await found.hyperliquid() is None


@pytest.mark.parametrize("market", [Source.LIVE, Source.SIMULATED])
async def test_what_is_configured_is_used_whatever_the_market(market: Source) -> None:
    settings = Settings(ibkr_host="10.1.2.3", ibkr_port=4002, hyperliquid_url="https://api.hyperliquid-testnet.xyz/")
    found = Locators(settings, market, calm)
    assert await found.ibkr() == Address("10.1.2.3:4002", Source.LIVE, "TWS or Gateway at 10.1.2.3:4002")
    assert await found.hyperliquid() == Address(
        "https://api.hyperliquid-testnet.xyz", Source.LIVE, "api.hyperliquid-testnet.xyz"
    )


async def test_beside_a_live_market_the_usual_addresses_are_used_and_nothing_is_simulated() -> None:
    found = Locators(Settings(market="auto"), Source.LIVE, calm)
    ibkr, hyperliquid = await found.ibkr(), await found.hyperliquid()
    assert ibkr is not None
    assert hyperliquid is not None
    assert (ibkr.url, ibkr.source) == ("127.0.0.1:7497", Source.LIVE)
    assert (hyperliquid.url, hyperliquid.source) == ("https://api.hyperliquid.xyz", Source.LIVE)


async def test_a_tws_that_answers_is_used_beside_a_market_that_had_to_be_simulated(
    monkeypatch: pytest.MonkeyPatch, listening_port: int
) -> None:
    monkeypatch.setattr(locators, "IBKR_PORT", listening_port)
    found = Locators(Settings(market="auto"), Source.SIMULATED, calm)
    assert (await found.ibkr()) == Address(
        f"127.0.0.1:{listening_port}", Source.LIVE, f"TWS or Gateway at 127.0.0.1:{listening_port}"
    )


async def test_in_simulated_mode_simulated_venues_stand_in_are_started_once_and_end_with_us() -> None:
    waited = []

    async def wait() -> None:
        waited.append(True)

    found = Locators(Settings(market="simulated"), Source.SIMULATED, wait)
    try:
        ibkr, hyperliquid = await asyncio.gather(found.ibkr(), found.hyperliquid())
        assert ibkr is not None
        assert hyperliquid is not None
        assert ibkr.source is hyperliquid.source is Source.SIMULATED
        host, _, port = ibkr.url.partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
        assert hyperliquid.url.startswith("http://127.0.0.1:")
        assert (await found.ibkr(), await found.hyperliquid()) == (ibkr, hyperliquid)
        assert len(waited) == 2
        # told to use it by its address, it is known for what it is
        named = Locators(Settings(hyperliquid_url=hyperliquid.url), Source.LIVE, calm)
        again = await named.hyperliquid()
        assert again is not None
        assert again.source is Source.SIMULATED
    finally:
        await asyncio.to_thread(found.stop)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))


async def test_a_venue_that_was_being_started_when_we_stopped_ends_too() -> None:
    found = Locators(Settings(market="simulated"), Source.SIMULATED, calm)
    found.stop()
    assert await found.hyperliquid() is None
