"""The whole app in a process of its own, on a venue of its own, for the benchmarks that look from outside."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


class App:
    """A running app: its address, and how long it took from the start of the process."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.process = process
        self.started = time.perf_counter()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.base + path, timeout=10) as answer:
            return json.load(answer)

    def wait_first_candle(self) -> float:
        """Seconds from the start of the process until the API serves rows of all five series."""
        while True:
            if self.process.poll() is not None:
                raise SystemExit(f"the app ended with {self.process.returncode}")
            with contextlib.suppress(OSError):
                if all(s["rows"] for s in self.get("/api/v1/series")["series"]):
                    return time.perf_counter() - self.started
            time.sleep(0.02)


@contextlib.contextmanager
def venue(rate: float) -> Iterator[dict[str, str]]:
    """Environment that points the app at a simulated venue with `rate` times the usual trades."""
    command = [sys.executable, "-m", "core.venues.simulated.binance", "--port", "0", "--rate", str(rate), "--parent-pipe"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        address = f"127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        yield {"BINANCE_REST_URL": f"http://{address}", "BINANCE_WS_URL": f"ws://{address}"}
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def app(data_dir: Path, *arguments: str, module: str = "app.py", **environ: str) -> Iterator[App]:
    """`python app.py --no-browser …`, stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, *module.split(), "--no-browser", "--port", str(port), "--data-dir", str(data_dir), *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield App(port, process)
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="quintet-bench-") as name:
        yield Path(name)
