"""Machines within this one: network namespaces on a bridge, each with a share of the CPU; Linux, as root.

A namespace reaches the servers by TCP over its own virtual cable, which can be pulled. The share is a quota of a control
group, so that several "machines" fit on few cores and none takes another's time.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from core.embedded.postgres_server import PostgresServer
from core.embedded.server_user import Command
from core.embedded.valkey_server import ValkeyServer
from core.workers.redis_clients import sync_client

_BRIDGE = "quintet-bench"
HOST = "10.77.0.1"
_GROUPS = Path("/sys/fs/cgroup/cpu")
#: short, so that a machine is held to its share within a batch rather than stopped for a tenth of a second
_PERIOD_US = 10_000


def are_possible() -> bool:
    """Whether namespaces and control groups may be made here."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return is_root and shutil.which("ip") is not None and (_GROUPS / "cpu.cfs_quota_us").exists()


def _ip(*words: str) -> None:
    subprocess.run([shutil.which("ip") or "ip", *words], check=True, capture_output=True)


@contextlib.contextmanager
def bridge() -> Iterator[None]:
    """What the machines' cables end in; `HOST` is this side of it."""
    _ip("link", "add", _BRIDGE, "type", "bridge")
    try:
        _ip("addr", "add", f"{HOST}/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        yield
    finally:
        _ip("link", "del", _BRIDGE)


class _TcpPostgres(PostgresServer):
    """Listens on the bridge as well."""

    def command(self) -> Command:
        command = super().command()
        return Command([*command.args, "-c", f"listen_addresses={HOST}"], command.keywords)


class Servers:
    """One Postgres and one Valkey, on the bridge and on their sockets. Used as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._postgres, self._valkey = _TcpPostgres(folder), ValkeyServer(folder)
        self.redis_url, self.database_url = self._valkey.url, self._postgres.url
        self.remote = {"REDIS_URL": f"redis://{HOST}:6379/0", "DATABASE_URL": f"postgresql://quintet@{HOST}:5432/postgres"}

    def __enter__(self) -> "Servers":
        self._postgres.start()
        self._valkey.start()
        with (self._postgres.directory / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {HOST}/24 trust\n")
        os.kill(self.pids["Postgres"], 1)
        client = sync_client(self.redis_url, 5)
        for name, value in (("protected-mode", "no"), ("bind", HOST), ("port", "6379")):
            client.config_set(name, value)
        client.close()
        return self

    def __exit__(self, *error: object) -> None:
        self._valkey.stop()
        self._postgres.stop()

    @property
    def pids(self) -> dict[str, int]:
        pids = {"Postgres": self._postgres.pid, "Valkey": self._valkey.pid}
        return {name: pid for name, pid in pids.items() if pid is not None}


class Machine:
    """A namespace with one program in it, ended with the block."""

    def __init__(self, number: int) -> None:
        self._name = f"quintet-{number}"
        self._address = f"10.77.0.{number + 10}/24"
        self._cable = f"quintet-c{number}"
        self._group = _GROUPS / self._name
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Machine":
        self._group.mkdir(exist_ok=True)
        _ip("netns", "add", self._name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self._name)
        _ip("link", "set", self._cable, "master", _BRIDGE, "up")
        for words in (
            ("addr", "add", self._address, "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", self._name, *words)
        return self

    def run(self, module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a Python module here, with all the CPU time that it wants; see `hold_to`."""
        join = f'echo $$ > {self._group / "cgroup.procs"}; exec ip netns exec {self._name} "$@"'
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", join, "sh", sys.executable, "-m", module, *arguments],
            env={**os.environ, **environment, "LOG_LEVEL": "ERROR"},
        )

    def hold_to(self, share: float) -> None:
        """From now on no more than `share` of one core."""
        (self._group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
        (self._group / "cpu.cfs_quota_us").write_text(str(round(share * _PERIOD_US)))

    def pull_cable(self) -> None:
        """Nothing gets through any more, and nobody is told."""
        _ip("link", "set", self._cable, "down")

    def plug_in(self) -> None:
        _ip("link", "set", self._cable, "up")

    @property
    def pids(self) -> list[int]:
        """Of the program and of what it has started."""
        if self._process is None:
            return []
        return [self._process.pid, *(child.pid for child in psutil.Process(self._process.pid).children(recursive=True))]

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            (self._group / "cpu.cfs_quota_us").write_text("-1")
            self._process.terminate()
            self._process.wait(10)
        _ip("link", "del", self._cable)
        _ip("netns", "del", self._name)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):  # busy until the kernel has buried the last process
                self._group.rmdir()
                return
            time.sleep(0.05)
