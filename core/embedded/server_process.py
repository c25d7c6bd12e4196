"""One server process: started, watched, started again when it dies, and ended."""

import abc
import contextlib
import logging
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import psutil

from core.base.backoff import Backoff
from core.base.errors import FatalError
from core.embedded.process_tree import ask_to_end, end_processes, processes_in
from core.embedded.server_user import Command

logger = logging.getLogger(__name__)

#: crash recovery may have a gigabyte of log to replay
_START_LIMIT_S = 60.0
_WATCH_S = 0.1
_PING_EVERY_S = 1.0
_LOG_LIMIT_BYTES = 8 * 1024 * 1024


class NotReady(Exception):
    """A server does not answer; says why."""


class ServerProcess(abc.ABC):
    """What Postgres and Valkey have in common. `status` is "ok" or the reason why not."""

    name: str
    #: process name, by which leftovers are known
    program: str
    #: signals that end it: the polite one, the firm one
    stop_signals: tuple[int, int]

    def __init__(self, directory: Path, log_path: Path) -> None:
        self.directory = directory
        self.log_path = log_path
        self.status = "not started"
        self.restarts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        #: monotonic seconds until which a server that was asked to stop may take its time
        self._patience_until: float | None = None

    @abc.abstractmethod
    def prepare(self) -> None:
        """Make the directory fit to start in; called before every start, no process of it being alive."""

    @abc.abstractmethod
    def command(self) -> Command:
        """The server's command line."""

    @abc.abstractmethod
    def ping(self, timeout_s: float) -> None:
        """Return when the server answers. Raises NotReady."""

    @abc.abstractmethod
    def socket_path(self) -> Path:
        """Where it listens."""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start, wait until it answers, then watch it. Raises FatalError with one line."""
        self._launch()
        self._watcher = threading.Thread(target=self._watch, name=f"{self.program}-watch", daemon=True)
        self._watcher.start()

    def ask_to_stop(self) -> None:
        """Let the server begin to end, without waiting for it; `stop` must follow."""
        self._stopping.set()
        process = self._process
        if process is not None and process.poll() is None:
            self._patience_until = ask_to_end(psutil.Process(process.pid), self.stop_signals[0])

    def stop(self) -> None:
        """End the server and its watcher within 5 s. Harmless when it does not run."""
        self._stopping.set()
        self._end()
        if self._watcher is not None:
            self._watcher.join(timeout=1.0)
            self._end()  # the watcher may have been at starting it anew
        shutil.rmtree(self.socket_path().parent, ignore_errors=True)
        self.status = "stopped"

    def _end(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            end_processes([psutil.Process(process.pid)], self.stop_signals, self._patience_until)
            process.wait()

    def _launch(self) -> None:
        self._end_leftovers()
        self.prepare()
        command = self.command()
        rotate(self.log_path)
        with self.log_path.open("ab") as log:
            log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our own server
                command.args,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=server_environment(),
                start_new_session=True,  # the terminal's Ctrl-C is for the app, which stops its servers in order
                **command.keywords,
            )
        self._wait_until_ready(self._process, log_start)
        self.status = "ok"

    def _wait_until_ready(self, process: subprocess.Popen[bytes], log_start: int) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while True:
            try:
                self.ping(0.5)
                return
            except NotReady as error:
                reason = str(error)
            if process.poll() is not None:
                raise FatalError(f"{self.name} does not start: {self._last_words(log_start)} (log: {self.log_path})")
            if self._stopping.wait(0.005):
                raise FatalError(f"{self.name} was stopped while it started")
            if time.monotonic() > deadline:
                raise FatalError(
                    f"{self.name} does not answer after {_START_LIMIT_S:.0f} s: {reason} (log: {self.log_path})"
                )

    def _last_words(self, log_start: int) -> str:
        with self.log_path.open("rb") as log:
            log.seek(log_start)
            lines = [line.strip() for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
        telling = [line for line in lines if "FATAL" in line or "rror" in line]
        return (telling or lines or ["it said nothing"])[-1]

    def _watch(self) -> None:
        backoff, next_ping = Backoff(base_s=0.2, cap_s=10), time.monotonic() + _PING_EVERY_S
        while not self._stopping.wait(_WATCH_S):
            process = self._process
            if process is None or process.poll() is not None or not self.socket_path().exists():
                self._restart(backoff)
            elif time.monotonic() >= next_ping:
                self._check(backoff)
                next_ping = time.monotonic() + _PING_EVERY_S

    def _check(self, backoff: Backoff) -> None:
        try:
            self.ping(0.5)
            self.status = "ok"
            backoff.reset()
        except NotReady as error:
            self.status = f"does not answer: {error}"

    def _restart(self, backoff: Backoff) -> None:
        code = self._process.poll() if self._process is not None else None
        self.status = "its socket is gone, restarting" if code is None else f"ended with code {code}, restarting"
        logger.warning("%s %s", self.name, self.status)
        try:
            self._launch()
            self.restarts += 1
            logger.info("%s runs again", self.name)
        except (FatalError, OSError) as error:
            self.status = str(error)
            wait_s = backoff.next()
            logger.error("%s (again in %.1f s)", error, wait_s)
            self._stopping.wait(wait_s)

    def _end_leftovers(self) -> None:
        """End what a kill -9 of the app, or of the server's parent process, left running in our directory.

        A running process is ours by its name and working directory, never by a pid out of a file: pids are reused.
        """
        if self._process is not None:
            self._process.poll()
        if not self.marks_of_life():
            return
        leftovers = processes_in(self.directory, self.program)
        if leftovers:
            logger.warning(
                "%s: ending %d processes that an earlier run left in %s", self.name, len(leftovers), self.directory
            )
            end_processes(leftovers, self.stop_signals)

    @abc.abstractmethod
    def marks_of_life(self) -> bool:
        """Whether the last run may not have ended cleanly, so that it is worth a look through the process table."""


def ask(path: Path, question: bytes, timeout_s: float) -> bytes:
    """A server's first answer on its unix socket. Raises NotReady."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
            connection.sendall(question)
            return connection.recv(128)
        except OSError as error:
            raise NotReady(str(error)) from error


def server_environment() -> dict[str, str]:
    """Nothing of the app's environment reaches a server: PG* variables and locales change what it does."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def rotate(log_path: Path) -> None:
    """Keep one older log when the present one has grown large."""
    if log_path.exists() and log_path.stat().st_size > _LOG_LIMIT_BYTES:
        log_path.replace(log_path.with_suffix(".log.1"))
