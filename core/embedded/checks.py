"""Whether somebody's own Postgres or Redis can serve us: asked once at start, answered in one line."""

import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import psycopg
import redis

from core.base.errors import FatalError
from core.base.settings import url_password

_LIMIT_S = 5.0
_POSTGRES_FLOOR, _REDIS_FLOOR, _VALKEY_FLOOR = 15, 7, 8


def check_postgres(dsn: str) -> str:
    """The server's version, as "Postgres 18.6". Raises FatalError when it is unreachable, too old, or refuses us."""
    return _within_limit("DATABASE_URL", dsn, lambda: _postgres_version(dsn))


def check_redis(url: str) -> str:
    """The server's version, as "Valkey 9.1.2". Raises FatalError when it is unreachable, too old, or refuses us."""
    return _within_limit("REDIS_URL", url, lambda: _redis_version(url))


def _postgres_version(dsn: str) -> str:
    with psycopg.connect(dsn, connect_timeout=round(_LIMIT_S), autocommit=True) as connection:
        version = connection.info.server_version
        if version // 10_000 < _POSTGRES_FLOOR:
            raise FatalError(f"Postgres {version // 10_000} is too old, {_POSTGRES_FLOOR} or newer is needed")
        row = connection.execute(
            "SELECT pg_is_in_recovery(), coalesce(has_schema_privilege(current_schema(), 'CREATE'), false), current_user"
        ).fetchone()
    if row is None or row[0]:
        raise FatalError("this Postgres is a read-only standby")
    if not row[1]:
        raise FatalError(f"user {row[2]} may not create tables in the database's schema")
    return f"Postgres {version // 10_000}.{version % 10_000}"


def _redis_version(url: str) -> str:
    # RESP2: with RESP3 a missing password is reported as a protocol's complaint about HELLO
    with redis.Redis.from_url(
        url, socket_timeout=_LIMIT_S, socket_connect_timeout=_LIMIT_S, retry=None, protocol=2
    ) as client:
        info = client.info("server")
    name, floor = ("Valkey", _VALKEY_FLOOR) if "valkey_version" in info else ("Redis", _REDIS_FLOOR)
    version = str(info.get(f"{name.lower()}_version", "0"))
    if int(version.split(".")[0]) < floor:
        raise FatalError(f"{name} {version} is too old, {name} {floor} or newer is needed")
    return f"{name} {version}"


def _within_limit(variable: str, url: str, ask: Callable[[], str]) -> str:
    """`ask` on a thread of its own: a resolver or a frozen server can outlast every time-out a driver has."""
    answer: list[str] = []
    fault: list[Exception] = []

    def run() -> None:
        try:
            answer.append(ask())
        except Exception as error:
            fault.append(error)

    thread = threading.Thread(target=run, name="server-check", daemon=True)
    thread.start()
    thread.join(_LIMIT_S)
    if answer:
        return answer[0]
    reason = _one_line(str(fault[0]), url) if fault else f"no answer within {_LIMIT_S:.0f} s"
    raise FatalError(f"{variable} ({_shown(url)}): {reason}")


def _shown(url: str) -> str:
    """Where a URL leads, without its user's secrets."""
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname or ''}:{parts.port}" if parts.port else parts.hostname or ""
    except ValueError:
        return "not a URL"
    return f"{parts.scheme}://{host}{parts.path}" if parts.scheme else "a connection string"


def _one_line(text: str, url: str) -> str:
    """A driver's message on one line, without the password in any spelling."""
    line = " ".join(text.split()).replace(url, "…")
    try:
        parts = urlsplit(url)
        secrets = {s for s in (url_password(url), parts.password) if s}
    except ValueError:
        secrets = set()
    for secret in sorted(secrets, key=len, reverse=True):
        line = line.replace(secret, "•••")
    return line
