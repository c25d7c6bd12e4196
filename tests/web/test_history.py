"""The memory of history queries."""

import asyncio
import itertools
import pickle
from typing import Any

import pytest
import redis

from core.base.clock import ManualClock
from core.domain.series import SERIES
from core.system import StorageUnavailable
from web.history import EXPIRY_S, HistoryCache, JsonSerializer

ROWS = [[float(i * 60_000), 1.5, 2.0, 1.0, 1.75, 0.25] for i in range(100)]


class Backend:
    """What HistoryCache needs of the system."""

    def __init__(self, redis_url: str | None = None) -> None:
        self.redis_url = redis_url
        self.clock = ManualClock()
        self.asked = 0
        self.away = False

    async def history(self, series: str, limit: int, before_ms: int) -> list[list[float]]:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.away:
            raise StorageUnavailable("away")
        return [row for row in ROWS if row[0] < before_ms][-limit:]


def opened(backend: Any) -> HistoryCache:
    cache = HistoryCache(backend)
    cache.open()
    return cache


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("pickle was used")

    for name in ("dumps", "loads", "dump", "load"):
        monkeypatch.setattr(pickle, name, refuse)


async def test_the_same_question_reaches_the_database_once(no_pickle: None):
    backend = Backend()
    cache = opened(backend)
    first = await cache.rows("eth_1m", 10, 3_000_000)
    assert first == ROWS[40:50]
    assert await cache.rows("eth_1m", 10, 3_000_000) == first
    assert await cache.rows("eth_1m", 11, 3_000_000) == ROWS[39:50]
    assert backend.asked == 2
    stats = cache.stats()
    assert (stats["hits"], stats["misses"], stats["hit_rate"], stats["entries"]) == (1, 2, 1 / 3, 2)
    assert stats["bytes"] > 500


async def test_many_asking_at_once_share_one_flight():
    backend = Backend()
    cache = opened(backend)
    answers = await asyncio.gather(*(cache.rows("eth_1h", 5, 3_000_000) for _ in range(50)))
    assert backend.asked == 1
    assert all(answer == ROWS[45:50] for answer in answers)
    assert cache.stats()["hit_rate"] == 49 / 50


async def test_one_asker_giving_up_does_not_spoil_the_others():
    backend = Backend()
    cache = opened(backend)
    impatient = asyncio.create_task(cache.rows("eth_1h", 5, 3_000_000))
    patient = asyncio.create_task(cache.rows("eth_1h", 5, 3_000_000))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == ROWS[45:50]
    assert backend.asked == 1


async def test_a_failure_is_told_to_all_and_not_remembered():
    backend = Backend()
    cache = opened(backend)
    backend.away = True
    results = await asyncio.gather(*(cache.rows("eth_1d", 5, 10) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, StorageUnavailable) for result in results)
    backend.away = False
    assert await cache.rows("eth_1d", 1, 100) == ROWS[:1]


def test_finer_series_are_kept_for_less_long():
    expiries = [EXPIRY_S[SERIES[name].step_ms] for name in ("eth_ticks", "eth_1m", "eth_1h", "eth_1d")]
    assert all(a < b for a, b in itertools.pairwise(expiries))


async def test_without_redis_in_reach_the_database_answers():
    backend = Backend("redis://127.0.0.1:1/0")
    cache = opened(backend)
    assert await cache.rows("eth_1m", 1, 60_001) == [ROWS[1]]
    assert await cache.rows("eth_1m", 1, 60_001) == [ROWS[1]]
    assert backend.asked == 2
    assert cache.stats()["errors"] == 4


async def test_redis_keeps_rows_as_json_and_poison_is_a_miss(redis_url: str, no_pickle: None):
    client = redis.Redis.from_url(redis_url)
    backend = Backend(redis_url)
    cache = opened(backend)
    rows = await cache.rows("eth_1m", 2, 120_001)
    (key,) = client.keys("quintet:history:*")
    value = client.get(key)
    assert value == b"[[60000.0,1.5,2.0,1.0,1.75,0.25],[120000.0,1.5,2.0,1.0,1.75,0.25]]"
    assert 0 < client.ttl(key) <= EXPIRY_S[60_000]
    assert await opened(backend).rows("eth_1m", 2, 120_001) == rows
    assert backend.asked == 1
    for poison in (b"!\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.", b"{}", b"[[1,2", b"7"):
        client.set(key, poison)
        assert await opened(backend).rows("eth_1m", 2, 120_001) == rows
    assert backend.asked == 5
    client.close()


def test_the_serializer_takes_rows_and_nothing_else():
    serializer = JsonSerializer()
    assert serializer.loads(serializer.dumps(ROWS)) == ROWS
    assert serializer.loads(None) is None
    assert serializer.loads(b"\x80\x04N.") is None
    assert serializer.loads(b'["a"]') is None
