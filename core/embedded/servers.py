"""The embedded servers as one thing to start and stop."""

import atexit
import concurrent.futures
import logging
import os
import threading
from pathlib import Path

from core.base.errors import FatalError
from core.embedded.data_dir_lock import DataDirLock
from core.embedded.postgres_server import PostgresServer
from core.embedded.server_process import ServerProcess
from core.embedded.valkey_server import ValkeyServer

logger = logging.getLogger(__name__)


class EmbeddedServers:
    """A real Postgres and a real Valkey under `data_dir`, on unix sockets of their own, for whichever is wanted.

    Start-up is recovery: what a kill -9 left running is ended first, stale pid and socket files are removed, and both
    servers start side by side. A server that dies later is started again with a back-off. The data directory is locked
    even when neither is wanted, since the spool lives there too.
    """

    def __init__(self, data_dir: Path, want_postgres: bool, want_redis: bool) -> None:
        self._data_dir = data_dir
        self._want = {"postgres": want_postgres, "redis": want_redis}
        self._lock = DataDirLock(data_dir)
        self._stop_lock = threading.Lock()
        self._owner = os.getpid()
        self._servers: dict[str, ServerProcess] = {}
        #: libpq URL of the embedded Postgres; None before `start` and when it was not wanted
        self.database_url: str | None = None
        #: redis-py URL of the embedded Valkey; None likewise
        self.redis_url: str | None = None

    def start(self) -> None:
        """Start what is wanted and wait until it answers. Raises FatalError with one clear line, nothing half-started."""
        self._lock.acquire()
        atexit.register(self.stop)
        try:
            data_dir = self._data_dir.resolve()
            if self._want["postgres"]:
                self._servers["postgres"] = postgres = PostgresServer(data_dir)
                self.database_url = postgres.url
            if self._want["redis"]:
                self._servers["redis"] = valkey = ValkeyServer(data_dir)
                self.redis_url = valkey.url
            if self._servers:
                self._start_side_by_side()
            self._tell_addresses()
        except OSError as error:
            self.stop()
            raise FatalError(f"the embedded servers cannot use {self._data_dir}: {error}") from error
        except BaseException:
            self.stop()
            raise

    def _tell_addresses(self) -> None:
        """`postgres.url` and `redis.url` in the data directory, for psql, valkey-cli and whoever else wants to look in."""
        for name, url in (("postgres", self.database_url), ("redis", self.redis_url)):
            path = self._data_dir / f"{name}.url"
            path.unlink(missing_ok=True)
            if url is not None:
                path.touch(mode=0o600)
                path.write_text(url)

    def _start_side_by_side(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(len(self._servers), "embedded-start") as pool:
            starts = [pool.submit(server.start) for server in self._servers.values()]
            try:
                for start in concurrent.futures.as_completed(starts):
                    start.result()
            except BaseException:
                # the pool waits for the other one on its way out: end that, too, however far it is
                for server in self._servers.values():
                    server.stop()
                raise

    def stop(self) -> None:
        """End both side by side, within 5 s, and unlock the data directory. Harmless when repeated."""
        if os.getpid() != self._owner:
            return  # a forked child runs our exit handlers too, but the servers are its parent's
        with self._stop_lock:
            # side by side without threads: an interpreter on its way out (3.12) starts none
            for server in self._servers.values():
                server.ask_to_stop()
            for server in self._servers.values():
                server.stop()
            self._servers = {}
            self.database_url = self.redis_url = None
            self._lock.release()
            atexit.unregister(self.stop)

    def status(self) -> dict[str, str]:
        """`postgres` and `redis`, as far as they are embedded: "ok" or the reason why not."""
        return {name: server.status for name, server in self._servers.items()}

    def pids(self) -> dict[str, int | None]:
        """The servers' process ids."""
        return {name: server.pid for name, server in self._servers.items()}
