"""The simulated venue's process: started, watched, restarted, and ended with us."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Sequence

import msgspec

from core.base.errors import FatalError
from core.base.settings import PROJECT_ROOT

logger = logging.getLogger(__name__)


class VenueHello(msgspec.Struct, frozen=True):
    """What a simulated venue says first: its port, that of its control if it has one of its own, and its symbols.

    `streams`: for a replay those that its recording has.
    """

    port: int
    streams: list[str] | None = None
    symbols: list[str] = []
    control_port: int | None = None


class VenueProcess:
    """Owns one simulated venue. A model market that dies comes back on its ports; a replay cannot be resumed."""

    def __init__(self, arguments: Sequence[str], restart: bool, venue: str = "binance") -> None:
        """`venue` names the module below `core.venues.simulated`."""
        self._venue = venue
        self._arguments = list(arguments)
        self._restart = restart
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self.restarts = 0

    def start(self) -> VenueHello:
        """Start it and wait for its port. Raises FatalError with the reason it gave."""
        hello = self._spawn(0, None)
        if self._restart:
            self._watcher = threading.Thread(target=self._watch, args=(hello,), name=f"simulated {self._venue}", daemon=True)
            self._watcher.start()
        return hello

    def stop(self) -> None:
        """End it; safe to call twice."""
        self._stopping.set()
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _close_pipes(process)
        if self._watcher is not None:
            self._watcher.join(2)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def _spawn(self, port: int, control_port: int | None) -> VenueHello:
        module = f"core.venues.simulated.{self._venue}"
        command = [sys.executable, "-m", module, "--port", str(port), "--parent-pipe", *self._arguments]
        if control_port is not None:
            command += ["--control-port", str(control_port)]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            _close_pipes(self._process)
            raise FatalError(
                f"the {'replay' if '--replay' in self._arguments else f'simulated {self._venue}'} did not start"
                f" (exit code {code})"
            )
        return msgspec.convert(json.loads(line), VenueHello)

    def _watch(self, hello: VenueHello) -> None:
        while True:
            process = self._process
            assert process is not None
            process.wait()
            if self._stopping.wait(1.0):
                return
            self.restarts += 1
            logger.warning("the simulated %s ended with %s, restarting it", self._venue, process.returncode)
            try:
                self._spawn(hello.port, hello.control_port)
            except FatalError as error:
                logger.error("%s", error)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
