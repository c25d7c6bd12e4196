"""Connections that cannot hang, against backends that do."""

import concurrent.futures
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from core.base.errors import StorageUnavailable
from core.embedded.postgres_server import PostgresServer
from core.embedded.server_user import Command
from core.storage.connection import Connections, TimedConnection, connect
from tests.conftest import free_port
from tests.patience import PATIENCE


def nothing(connection: TimedConnection) -> None:
    """No preparation."""


def backend(connection: TimedConnection) -> int:
    return connection.info.backend_pid


def test_a_frozen_backend_costs_the_limit_and_the_next_question_is_answered(dsn: str) -> None:
    connections = Connections(dsn, nothing, size=1, limit_s=0.5)
    pid = connections.run(backend)
    assert connections.run(backend) == pid
    os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(StorageUnavailable, match="does not answer in time"):
            connections.run(lambda c: c.execute("SELECT 1").fetchone())
        assert time.monotonic() - started < 1.5 * PATIENCE
        assert connections.run(lambda c: c.execute("SELECT 1").fetchone()) == (1,)
    finally:
        os.kill(pid, signal.SIGCONT)
        connections.close()


def test_a_slow_question_is_ended_by_the_server(dsn: str) -> None:
    connections = Connections(dsn, nothing, size=1, limit_s=0.3)
    with pytest.raises(StorageUnavailable, match=r"timeout|in time"):
        connections.run(lambda c: c.execute("SELECT pg_sleep(30)"))
    connections.close()


def test_when_all_are_busy_it_says_so_after_the_limit(dsn: str) -> None:
    connections = Connections(dsn, nothing, size=1, limit_s=0.5)
    release = threading.Event()
    taken = threading.Event()

    def hold(connection: TimedConnection) -> None:
        taken.set()
        release.wait(10)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        held = pool.submit(connections.run, hold)
        assert taken.wait(10)
        with pytest.raises(StorageUnavailable, match="busy"):
            connections.run(backend)
        release.set()
        held.result()
    connections.close()


def test_a_question_of_another_thread_can_be_aborted(dsn: str, until: Callable[..., None]) -> None:
    with (
        connect(dsn, limit_s=20) as connection,
        connect(dsn, limit_s=20) as watcher,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(connection.execute, "SELECT pg_sleep(15)")
        running = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
        until(lambda: watcher.execute(running, (connection.info.backend_pid,)).fetchone() == (1,))
        connection.abort()
        with pytest.raises(psycopg.OperationalError):
            asked.result(timeout=2)


def test_an_unreachable_server_is_one_line() -> None:
    with pytest.raises(StorageUnavailable) as refused:
        connect("postgresql://me:hush-hush@127.0.0.1:1/db", limit_s=1)
    assert "\n" not in str(refused.value)
    assert "hush" not in str(refused.value)


class TcpPostgres(PostgresServer):
    """On a port of the loopback instead of the usual socket alone."""

    port = 0

    def socket_path(self) -> Path:
        return super().socket_path().with_name(f".s.PGSQL.{self.port}")

    def command(self) -> Command:
        command = super().command()
        return Command([*command.args, "-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}"], command.keywords)


def test_over_tcp_the_server_notices_soon_that_its_client_was_cut_off(tmp_path: Path) -> None:
    """Nothing else ends a COPY whose client is silent, and its rows stay locked until then."""
    TcpPostgres.port = free_port()
    server = TcpPostgres(tmp_path)
    server.start()
    try:
        with connect(f"postgresql://quintet@127.0.0.1:{server.port}/postgres", 5) as connection:
            names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
            idle, interval, count = (int(connection.execute(f"SHOW {name}").fetchall()[0][0]) for name in names)
        assert 0 < idle + interval * count <= 15
    finally:
        server.stop()
