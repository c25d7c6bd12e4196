"""500 open pages from one process: how old frames are when they come, and what stalled readers cost."""

import json
import subprocess
import sys

import psutil

from benchmarks import app as apps
from benchmarks.result import Result, publish

#: changes ten times a second, as the venue's depth does
TEN_A_SECOND = ["book:ETHUSDT"]
WHOLE_PAGE = [
    "series:eth_ticks", "series:eth_1m", "series:eth_1h", "series:eth_1d", "series:btc_ticks",
    "trades:ETHUSDT", "quotes", "book:ETHUSDT", "status",
]  # fmt: skip


def clients(base: str, number: int, channels: list[str], stalled: int = 0, seconds: float = 20) -> dict[str, float]:
    """What `number` clients in one other process saw."""
    url = base.replace("http", "ws") + "/feed"
    command = [sys.executable, "-m", "benchmarks.feed_clients", url, "--clients", str(number), "--stalled", str(stalled)]
    done = subprocess.run(
        [*command, "--seconds", str(seconds), "--channels", *channels], capture_output=True, text=True, check=True
    )
    seen: dict[str, float] = json.loads(done.stdout)
    return seen


def run() -> list[Result]:
    with apps.folder() as folder, apps.app(folder, "--market", "simulated") as app:
        app.wait_first_candle()
        process = psutil.Process(app.process.pid)
        pages = clients(app.base, 500, TEN_A_SECOND)
        before = process.memory_info().rss
        stalled = clients(app.base, 500, TEN_A_SECOND, stalled=50)
        cost = (process.memory_info().rss - before) / 1e6
        whole = clients(app.base, 100, WHOLE_PAGE)
    return [
        Result("500 pages: frames per page", pages["frames_per_client_s"], "/s", budget="10/s",
               ok=pages["frames_per_client_s"] >= 9),
        Result("500 pages: age of a frame, p50", pages["p50_ms"], "ms"),
        Result("500 pages: age of a frame, p99", pages["p99_ms"], "ms", budget="≤ 60 ms", ok=pages["p99_ms"] <= 60),
        Result("450 pages beside 50 that do not read: p99", stalled["p99_ms"], "ms", "500 reading pages",
               stalled["p99_ms"] / pages["p99_ms"], "≤ 60 ms", stalled["p99_ms"] <= 60),
        Result("memory that the 50 cost", cost, "MB", budget="≤ 20 MB", ok=cost <= 20),
        Result("100 whole Live pages (nine channels): frames per page", whole["frames_per_client_s"], "/s"),
        Result("100 whole Live pages: age of a frame, p99", whole["p99_ms"], "ms"),
    ]  # fmt: skip


if __name__ == "__main__":
    publish(run)
