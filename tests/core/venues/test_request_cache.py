"""History that was asked once is not asked again while it cannot have changed."""

import asyncio

import pytest

from core.base.clock import ManualClock
from core.base.errors import VenueUnavailable
from core.domain.market import Kline
from core.venues.request_cache import RequestCache

KEY = ("AAPL", "1m", 10)


def bar(open_ms: int) -> Kline:
    return Kline("AAPL", "1m", open_ms, 1, 1, 1, 1, 1, -1, -1, True, open_ms)


class Venue:
    """Counts how often it is asked; answers when told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.error: Exception | None = None

    async def __call__(self) -> list[Kline]:
        self.asked += 1
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return [bar(self.asked)]


async def test_nine_who_ask_together_cost_one_request() -> None:
    cache, venue = RequestCache(ManualClock()), Venue()
    venue.may_answer.clear()
    asking = [asyncio.create_task(cache.get(KEY, venue)) for _ in range(9)]
    await asyncio.sleep(0)
    venue.may_answer.set()
    answers = await asyncio.gather(*asking)
    assert venue.asked == 1
    assert all(answer == [bar(1)] for answer in answers)
    assert (cache.stats()["hits"], cache.stats()["misses"]) == (8, 1)


async def test_an_answer_is_good_until_the_next_bar_begins() -> None:
    clock = ManualClock(1_700_000_040_000)  # a full minute
    cache, venue = RequestCache(clock), Venue()
    await cache.get(KEY, venue)
    clock.advance(59.9)
    assert await cache.get(KEY, venue) == [bar(1)]
    clock.advance(0.2)
    assert await cache.get(KEY, venue) == [bar(2)]
    assert cache.stats() == {"hits": 1, "misses": 2, "hit_rate": 0.3333, "entries": 1, "bytes": 200}


async def test_an_error_is_told_to_all_who_wait_and_not_kept() -> None:
    cache, venue = RequestCache(ManualClock()), Venue()
    venue.may_answer.clear()
    venue.error = VenueUnavailable("gone")
    asking = [asyncio.create_task(cache.get(KEY, venue)) for _ in range(3)]
    await asyncio.sleep(0)
    venue.may_answer.set()
    assert all(isinstance(e, VenueUnavailable) for e in await asyncio.gather(*asking, return_exceptions=True))
    venue.error = None
    assert await cache.get(KEY, venue) == [bar(2)]


async def test_one_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    cache, venue = RequestCache(ManualClock()), Venue()
    venue.may_answer.clear()
    first = asyncio.create_task(cache.get(KEY, venue))
    second = asyncio.create_task(cache.get(KEY, venue))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    venue.may_answer.set()
    assert await second == [bar(1)]


async def test_the_cache_has_a_bound_and_keeps_what_is_used() -> None:
    cache, venue = RequestCache(ManualClock()), Venue()
    for rows in range(1, 200):
        await cache.get(("AAPL", "1d", rows), venue)
        await cache.get(("AAPL", "1d", 1), venue)
    for rows in range(200, 300):
        await cache.get(("AAPL", "1d", rows), venue)
    assert cache.stats()["entries"] == 200
    asked = venue.asked
    await cache.get(("AAPL", "1d", 1), venue)
    assert venue.asked == asked
