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
    """What a simulated venue says first: its port, and for a replay the streams that its recording has."""

    port: int
    streams: list[str] | None = None
    symbols: list[str] = []


class VenueProcess:
    """Owns one simulated venue. A model market that dies comes back on its port; a replay cannot be resumed."""

    def __init__(self, arguments: Sequence[str], restart: bool) -> None:
        self._arguments = list(arguments)
        self._restart = restart
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self.restarts = 0

    def start(self) -> VenueHello:
        """Start it and wait for its port. Raises FatalError with the reason it gave."""
        hello = self._spawn(0)
        if self._restart:
            self._watcher = threading.Thread(target=self._watch, args=(hello.port,), name="simulated-venue", daemon=True)
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
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        if self._watcher is not None:
            self._watcher.join(2)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def _spawn(self, port: int) -> VenueHello:
        command = [
            sys.executable,
            "-m",
            "core.venues.simulated.binance",
            "--port",
            str(port),
            "--parent-pipe",
            *self._arguments,
        ]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            raise FatalError(
                f"the {'replay' if '--replay' in self._arguments else 'simulated venue'} did not start (exit code {code})"
            )
        return msgspec.convert(json.loads(line), VenueHello)

    def _watch(self, port: int) -> None:
        while True:
            process = self._process
            assert process is not None
            process.wait()
            if self._stopping.wait(1.0):
                return
            self.restarts += 1
            logger.warning("the simulated venue ended with %s, restarting it", process.returncode)
            try:
                self._spawn(port)
            except FatalError as error:
                logger.error("%s", error)
