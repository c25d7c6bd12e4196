"""A worker process as its supervisor sees it."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import msgspec

from core.base.codec import to_json
from core.base.settings import PROJECT_ROOT
from core.workers.pool_config import PoolConfig
from core.workers.worker_orders import Order, Report

#: what a process may take to say its first word
_START_S = 30.0


class WorkerChild:
    """Started by its making. It ends when we end, for its standard input is a pipe of ours."""

    def __init__(
        self, redis_url: str, database_url: str, host: str, pool: str, config: PoolConfig, order: Order, log_level: str
    ) -> None:
        command = [sys.executable, "-m", "core.workers", "--child", "--name", host, "--pool", pool]
        command += ["--config", to_json(config).decode(), "--slots", ",".join(map(str, order.slots))]
        if order.is_paused:
            command.append("--paused")
        # addresses may hold passwords: they do not belong where everybody can read them
        environ = os.environ | {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "LOG_LEVEL": log_level}
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            cwd=PROJECT_ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # the terminal's Ctrl-C is for the supervisor, which ends its processes in order
        )
        self.order = order
        self.started_s = time.monotonic()
        self._heard_s = self.started_s
        self.report: Report | None = None
        self._reader = threading.Thread(target=self._listen, name=f"worker-{self._process.pid}", daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stdout:
                with contextlib.suppress(msgspec.DecodeError):
                    self.report = msgspec.json.decode(line, type=Report)
                    self._heard_s = time.monotonic()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    @property
    def stuck_s(self) -> float:
        """How long its slowest loop has not come round, as far as is known; 0 while it may be starting."""
        silent = time.monotonic() - self._heard_s
        if self.report is None:
            return 0.0 if silent < _START_S else silent
        return silent + self.report.stuck_s

    @property
    def is_quiet(self) -> bool:
        """Whether it knows its order, and reads nothing."""
        return self.report is not None and self.report.serial == self.order.serial and self.report.busy == 0

    def tell(self, order: Order) -> None:
        """Have it run other workers, or pause."""
        self.order = order = msgspec.structs.replace(order, serial=self.order.serial + 1)
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.write(to_json(order) + b"\n")
            self._process.stdin.flush()

    def terminate(self) -> None:
        with contextlib.suppress(OSError):
            self._process.terminate()

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """After its end: no pipe of it stays open."""
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._reader.join(1)


def kill_all(children: Sequence[WorkerChild]) -> None:
    for child in children:
        if child.code is None:
            child.kill()
        child.close()
