"""One embedded Valkey and Postgres for the tests of the producer, the pipeline and the scanner; emptied for each test."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from core.embedded import EmbeddedServers
from tests.patience import wait_until

_numbers = itertools.count()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    servers = EmbeddedServers(tmp_path_factory.mktemp("pipeline"), want_postgres=True, want_redis=True)
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture
def redis_url(servers: EmbeddedServers) -> str:
    assert servers.redis_url is not None
    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushall()
    return servers.redis_url


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def dsn(servers: EmbeddedServers) -> Iterator[str]:
    """A new, empty database."""
    name = f"pipeline_{next(_numbers)}"
    assert servers.database_url is not None
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    yield servers.database_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedServers]:
    """A Valkey of the test's own, to be killed."""
    own = EmbeddedServers(tmp_path / "valkey", want_postgres=False, want_redis=True)
    own.start()
    yield own
    own.stop()


@pytest.fixture
def until() -> Callable[..., None]:
    return wait_until
