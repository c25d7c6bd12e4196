"""The embedded Postgres and Valkey: real servers out of their wheels, for who has none of their own."""

from core.embedded.checks import check_postgres, check_redis
from core.embedded.servers import EmbeddedServers

__all__ = ["EmbeddedServers", "check_postgres", "check_redis"]
