"""Clients of Redis that hide nothing: no retries, a deadline on every wait."""

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

#: what a client raises when Redis is away, loading, full or not what it was; a TimeoutError is not always a RedisError
REDIS_TROUBLE = (RedisError, OSError)
CONNECT_S = 3.0
CONTROL_S = 3.0


def async_client(url: str, timeout_s: float) -> redis.asyncio.Redis:
    """One connection; every command fails after `timeout_s`. Replies of streams stay as they come.

    redis-py 8 would retry ten times by itself: an XADD that was retried is there twice, an XREADGROUP that was retried has
    delivered entries to nobody.
    """
    client = redis.asyncio.Redis.from_url(
        url,
        retry=AsyncRetry(NoBackoff(), 0),
        socket_timeout=timeout_s,
        socket_connect_timeout=CONNECT_S,
        protocol=2,
        single_connection_client=True,
    )
    for command in ("XREADGROUP", "XRANGE", "XPENDING", "XCLAIM"):
        client.response_callbacks.pop(command, None)
    return client


async def ask(client: redis.asyncio.Redis, *command: Any) -> Any:
    """The answer to a command, as it comes."""
    return await client.execute_command(*command)  # type: ignore[no-untyped-call]


def sync_client(url: str, timeout_s: float = CONTROL_S) -> "redis.Redis":
    """The same for threads: connections as they are needed."""
    client = redis.Redis.from_url(
        url, retry=Retry(NoBackoff(), 0), socket_timeout=timeout_s, socket_connect_timeout=CONNECT_S, protocol=2
    )
    for command in ("XREAD", "XRANGE", "XREVRANGE", "XPENDING", "XCLAIM"):
        client.response_callbacks.pop(command, None)
    return client


def ask_sync(client: "redis.Redis", *command: Any) -> Any:
    """The same for a thread's client."""
    return client.execute_command(*command)  # type: ignore[no-untyped-call]


def trouble(error: BaseException) -> str:
    """What went wrong with Redis, in one line."""
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return f"Redis: {text}"
