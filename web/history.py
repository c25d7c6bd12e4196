"""History queries of the dashboard and the API, memoised by flask-caching.

flask-caching wants a Flask application to hang on; this one serves nothing. Values are JSON in every backend: the library's
own serializer pickles, and is replaced. Redis keeps them where there is one, so that they outlive a restart.
"""

import asyncio
import logging
import threading
from typing import IO, Any

import msgspec
import redis
from cachelib.serializers import BaseSerializer
from flask import Flask
from flask_caching import Cache
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.base.log import RateLimit
from core.domain.series import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, SERIES
from core.system import System

logger = logging.getLogger(__name__)

Rows = list[list[float]]

#: step of a series (ms) -> seconds an answer is kept. Stored rows change only when a gap is filled or a bar corrected
EXPIRY_S = {SECOND_MS: 10, MINUTE_MS: 60, HOUR_MS: 600, DAY_MS: 3_600}
MAX_ENTRIES = 200
_REDIS_TIMEOUT_S = 1.0
_PREFIX = "quintet:history:"

_decode = msgspec.json.Decoder(Rows).decode
_encode = msgspec.json.Encoder().encode


class JsonSerializer(BaseSerializer):
    """Rows as JSON. What is no list of rows reads as a miss."""

    def dumps(self, value: Any, *args: Any, **kwargs: Any) -> bytes:
        return _encode(value)

    def loads(self, bvalue: bytes | None, *args: Any, **kwargs: Any) -> Any:
        if bvalue is None:
            return None
        try:
            return _decode(bvalue)
        except msgspec.MsgspecError:
            return None

    def dump(self, value: Any, f: IO[bytes], *args: Any, **kwargs: Any) -> None:
        f.write(self.dumps(value))

    def load(self, f: IO[bytes], *args: Any, **kwargs: Any) -> Any:
        return self.loads(f.read())


class HistoryCache:
    """`System.history` with a memory. The same question asked by many at once reaches the database once."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._cache: Cache | None = None
        self._lock = threading.Lock()
        #: question -> the answer under way
        self._flights: dict[str, asyncio.Task[Rows]] = {}
        #: question -> (bytes of its answer, when it expires in monotonic ns)
        self._kept: dict[str, tuple[int, int]] = {}
        self._held_back = RateLimit()
        self.hits = self.misses = self.errors = 0

    def open(self) -> None:
        """Build the backend; call when the system has started and knows its Redis."""
        self._cache = Cache(Flask("history cache"), with_jinja2_ext=False, config=_config(self._system.redis_url))

    async def rows(self, series: str, limit: int, before_ms: int) -> Rows:
        """Up to `limit` stored rows before `before_ms`, oldest first. Raises StorageUnavailable."""
        key = f"{series}:{limit}:{before_ms}"
        flight = self._flights.get(key)
        if flight is not None:
            self.hits += 1
            return await asyncio.shield(flight)
        flight = asyncio.create_task(self._answer(key, series, limit, before_ms), name=f"history {key}")
        self._flights[key] = flight
        flight.add_done_callback(lambda task: self._land(key, task))
        return await asyncio.shield(flight)

    def _land(self, key: str, task: asyncio.Task[Rows]) -> None:
        del self._flights[key]
        if not task.cancelled():
            task.exception()  # whoever asked has it; nobody may be left to ask

    async def _answer(self, key: str, series: str, limit: int, before_ms: int) -> Rows:
        known = await asyncio.to_thread(self._get, key)
        if known is not None:
            self.hits += 1
            return known
        self.misses += 1
        rows = await self._system.history(series, limit, before_ms)
        await asyncio.to_thread(self._set, key, rows, EXPIRY_S[SERIES[series].step_ms])
        return rows

    def _get(self, key: str) -> Rows | None:
        try:
            return self._cache.get(key) if self._cache is not None else None
        except redis.RedisError:
            self._complain()
            return None

    def _set(self, key: str, rows: Rows, expiry_s: int) -> None:
        if self._cache is None:
            return
        try:
            self._cache.set(key, rows, timeout=expiry_s)
        except redis.RedisError:
            self._complain()
            return
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = (len(_encode(rows)), self._system.clock.monotonic_ns() + expiry_s * 1_000_000_000)
            while len(self._kept) > MAX_ENTRIES:
                del self._kept[next(iter(self._kept))]

    def _complain(self) -> None:
        self.errors += 1
        if (held := self._held_back.passes("redis")) is not None:
            logger.warning("the history cache cannot reach Redis, asking the database (%d more since the last line)", held)

    def stats(self) -> dict[str, Any]:
        """hits, misses, hit_rate (0–1, null before the first question), entries, bytes, errors."""
        now = self._system.clock.monotonic_ns()
        with self._lock:
            for key in [key for key, (_, expires_ns) in self._kept.items() if expires_ns <= now]:
                del self._kept[key]
            size = sum(count for count, _ in self._kept.values())
            entries = len(self._kept)
        asked = self.hits + self.misses
        return {
            "hits": self.hits,
            "misses": self.misses,
            "hit_rate": self.hits / asked if asked else None,
            "entries": entries,
            "bytes": size,
            "errors": self.errors,
        }


def _config(redis_url: str | None) -> dict[str, Any]:
    common = {
        "CACHE_SERIALIZER": JsonSerializer(),
        "CACHE_KEY_PREFIX": _PREFIX,
        "CACHE_THRESHOLD": MAX_ENTRIES,
        "CACHE_DEFAULT_TIMEOUT": 60,
    }
    if redis_url is None:
        return {**common, "CACHE_TYPE": "SimpleCache"}
    # no retries: when Redis is away the database is asked instead
    options = {
        "socket_timeout": _REDIS_TIMEOUT_S,
        "socket_connect_timeout": _REDIS_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }
    return {**common, "CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_url, "CACHE_OPTIONS": options}
