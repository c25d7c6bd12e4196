"""Fixtures that every test may use."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.patience import Deadline

ROOT = Path(__file__).resolve().parents[1]
# how long an example takes says more about the machine than about the code
hypothesis.settings.register_profile("quintet", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("quintet")
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded market data that lies beside the project; without it the test is skipped (in CI: fails)."""
    if not SHARED_DATA.is_dir():
        message = f"recorded market data is missing: {SHARED_DATA}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return SHARED_DATA


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class AppProcess:
    """`python app.py …` as a user runs it, with its log."""

    def __init__(self, folder: Path, arguments: list[str], environ: Mapping[str, str]) -> None:
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.data_dir = folder / "data"
        self.log = folder / "app.log"
        clean = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "PORT", "HOST", "MARKET")}
        command = [sys.executable, "app.py", "--no-browser", "--port", str(self.port), "--data-dir", str(self.data_dir)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *arguments], cwd=ROOT, env=clean | environ, stdout=log, stderr=log, start_new_session=True
            )

    def get(self, path: str) -> tuple[int, Any]:
        """Status and decoded JSON (or text) of a GET; (0, reason) when nobody answers."""
        try:
            with urllib.request.urlopen(self.base + path, timeout=10) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, body = error.code, error.read()
        except OSError as error:
            return 0, str(error)
        with contextlib.suppress(ValueError):
            return status, json.loads(body)
        return status, body.decode(errors="replace")

    def series(self) -> dict[str, dict[str, Any]]:
        body = self.get("/api/v1/series")[1]
        entries = body["series"] if isinstance(body, dict) else body
        return {entry["name"]: entry for entry in entries}

    def toggles(self) -> dict[str, bool]:
        return {t["key"]: t["value"] for t in self.get("/api/v1/settings")[1]["settings"]}

    def patch_settings(self, change: dict[str, Any]) -> int:
        request = urllib.request.Request(
            self.base + "/api/v1/settings",
            data=json.dumps(change).encode(),
            headers={"Content-Type": "application/json"},
            method="PATCH",
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)

    def wait_for(self, what: str, condition: Callable[[], Any], timeout_s: float = 30) -> Any:
        """The first true value of `condition`, asked every 50 ms; fails with the log's end when time is up."""
        deadline = Deadline(timeout_s)
        while True:
            if self.process.poll() is not None:
                pytest.fail(f"the app ended with {self.process.returncode} while waiting for {what}:\n{self.tail()}")
            with contextlib.suppress(OSError, KeyError, TypeError):
                if value := condition():
                    return value
            deadline.check(lambda: f"{what}:\n{self.tail()}")
            self._pause()

    def _pause(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0.05)

    def wait_ready(self) -> None:
        self.wait_for("readiness", lambda: self.get("/ready")[0] == 200)

    def wait_live(self) -> None:
        """Until each series has had its first message: history comes before that, when the venue is there already."""
        self.wait_ready()
        self.wait_for("live series", lambda: {s["state"] for s in self.series().values()} == {"LIVE"})

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def stop(self) -> int:
        """SIGTERM as a platform sends it; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise


@pytest.fixture
def start_app(tmp_path: Path) -> Iterator[Callable[..., AppProcess]]:
    """`start_app("--market", "simulated", DATABASE_URL=…)`; every started app is stopped at the end of the test."""
    started: list[AppProcess] = []

    def start(*arguments: str, **environ: str) -> AppProcess:
        started.append(AppProcess(tmp_path, list(arguments), environ))
        return started[-1]

    yield start
    for app in started:
        if app.process.poll() is None:
            app.stop()


@pytest.fixture(scope="module")
def simulated_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    """One app on the simulated market for all tests that only look."""
    app = AppProcess(tmp_path_factory.mktemp("app"), ["--market", "simulated"], {})
    try:
        app.wait_live()
        yield app
    finally:
        app.stop()
