"""Three simulated venues, one manager, nine models on five symbols: what the venues themselves count does not change."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from core.base.clock import SystemClock
from core.base.settings import Settings
from core.domain.health import Source
from core.domain.instrument import GOOGL, INSTRUMENTS
from core.stream.messages import DataType
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.centralized_data_manager import CentralizedDataManager
from core.venues.locators import Locators
from core.venues.market_finder import MarketFinder
from tests.patience import until

SYMBOLS = ("ETHUSDT", "BTCUSDT", "AAPL", "MSFT", "GOOGL")
MODELS = tuple(f"model-{n}" for n in range(9))


async def calm() -> None:
    return None


class House:
    """The manager on three simulated venues, and what these say of their clients."""

    def __init__(self, manager: CentralizedDataManager, stream: UnifiedDataStream, controls: dict[str, str]) -> None:
        self.manager, self.stream, self._controls = manager, stream, controls

    async def stats(self, venue: str) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.get(f"{self._controls[venue]}/sim/stats") as answer:
            return dict(await answer.json())

    def status(self, venue: str) -> dict[str, Any]:
        return next(c for c in self.manager.connections() if c["venue"] == venue)

    async def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        await until(
            condition, seconds, lambda: str([(c["venue"], c["state"], c["cause"]) for c in self.manager.connections()])
        )


@pytest.fixture
async def house() -> AsyncIterator[House]:
    settings, clock = Settings(market="simulated"), SystemClock()
    market = MarketFinder(settings)
    endpoints = await asyncio.to_thread(market.find)
    locators = Locators(settings, Source.SIMULATED, calm)
    stream = UnifiedDataStream(settings.stream, clock)
    stream.attach()
    manager = CentralizedDataManager(settings, endpoints, stream, clock, lambda toggle: True, locate=locators.locate())
    running = asyncio.create_task(manager.run())
    house = House(manager, stream, {})
    try:
        await house.until(lambda: all(c["state"] == "LIVE" for c in manager.connections()))
        house._controls |= {"binance": endpoints.rest} | locators.controls()
        yield house
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await stream.close()
        await asyncio.to_thread(locators.stop)
        await asyncio.to_thread(market.stop)


def subscriptions(house: House) -> dict[str, list[tuple[str, str]]]:
    return {c["venue"]: [(s["symbol"], s["channel"]) for s in c["subscriptions"]] for c in house.manager.connections()}


async def counted(house: House) -> dict[str, tuple[Any, ...]]:
    """What each venue counts: connections there ever were, and requests for subscriptions."""
    seen = {}
    for venue in ("binance", "ibkr", "hyperliquid"):
        stats = await house.stats(venue)
        seen[venue] = tuple(sorted((k, str(v)) for k, v in stats.items() if "connect" in k or "subscri" in k))
    return seen


async def test_nine_models_on_five_symbols_cost_the_venues_nothing_and_a_new_symbol_one_subscription_a_channel(
    house: House,
) -> None:
    before, calls = await counted(house), house.manager.statistics()["api_calls"]
    channels = subscriptions(house)
    for venue, pairs in channels.items():
        assert len(pairs) == len(set(pairs)), f"{venue}: one subscription per symbol and channel"
    assert {symbol for pairs in channels.values() for symbol, _ in pairs} == set(INSTRUMENTS)

    for model in MODELS:
        house.stream.register_consumer(model, [DataType.TICKS, DataType.COB])
        for symbol in SYMBOLS:
            house.manager.subscribe(symbol, model)
    await house.until(lambda: house.stream.book("AAPL") is not None and house.stream.book("ETHUSDT") is not None)
    statistics = house.manager.statistics()
    assert (statistics["connections"], statistics["subscribers"], statistics["registrations"]) == (3, 9, 45)
    assert subscriptions(house) == channels
    assert await counted(house) == before
    assert statistics["api_calls"] - calls <= periodic_calls(house), "nine models were not to ask any venue anything"

    house.manager.connectors["ibkr"].unsubscribe("GOOGL")
    await house.until(lambda: not any(s["symbol"] == "GOOGL" for s in house.status("ibkr")["subscriptions"]))
    for model in MODELS:
        house.manager.unsubscribe("GOOGL", model)
    without = subscriptions(house)
    for model in MODELS:
        house.manager.subscribe("GOOGL", model, GOOGL)
    await house.until(lambda: all(s["state"] == "LIVE" for s in house.status("ibkr")["subscriptions"]))
    added = set(subscriptions(house)["ibkr"]) - set(without["ibkr"])
    assert added == {pair for pair in channels["ibkr"] if pair[0] == "GOOGL"}


def periodic_calls(house: House) -> int:
    """Requests that are due by time whoever listens: Binance's clock, 24 h statistics and late repairs."""
    return 6


async def test_history_is_asked_of_the_venue_once_per_bar(house: House) -> None:
    bars = await asyncio.gather(*(house.manager.history("AAPL", "1m", 50) for _ in MODELS))
    assert len(bars[0]) == 50
    assert all(b == bars[0] for b in bars)
    cache = house.manager.statistics()["cache"]
    assert cache["hits"] >= 8
    with pytest.raises(KeyError, match="XYZ"):
        house.manager.subscribe("XYZ", "model")


async def test_what_is_known_of_a_symbol_comes_from_the_shared_buffers(house: House) -> None:
    await house.until(lambda: len(house.manager.level2("AAPL")) > 5 and len(house.manager.prices("ETH-PERP")) > 1)
    latest = house.manager.latest("AAPL")
    assert latest["quote"] is not None
    assert latest["book"] is not None
    statistics = house.manager.statistics()
    assert {s["symbol"] for s in statistics["symbols"]} == set(INSTRUMENTS)
    assert 0 < statistics["memory"]["bytes"] < 20_000_000
    assert statistics["updates_per_s"] > 0
