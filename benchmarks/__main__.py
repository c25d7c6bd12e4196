"""Runs every benchmark in a process of its own; `--write` renews docs/performance.md."""

import argparse
import datetime
import json
import platform
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil

from benchmarks.result import Result, line, number

ROOT = Path(__file__).resolve().parents[1]
#: name -> what it measures
BENCHMARKS = {
    "stream": "trades through the adapter to 9 consumers",
    "latency": "source → consumer at 2,000 trades/s with 9 consumers, a busy web loop and an open feed",
    "link": "websocket messages through the link",
    "ibkr": "trades and Level II rows of Interactive Brokers",
    "books": "recorded depth through the order book, and what its views cost",
    "storm": "20 links lose one venue together",
    "workers": "the worker pool, Redis Streams to Postgres",
    "scale_out": "the worker pool by workers and machines (CPU time a tick in brackets)",
    "symbols": "symbols parsed",
    "greeks": "Greeks and implied volatilities",
    "indicators": "indicators of ticks in batches",
    "writer": "trades into Postgres",
    "feed": "pages served by one process",
    "heatmap": "the liquidity heat map in Chromium",
    "pixel": "tick → pixel in Chromium, start and memory of the whole app",
}


def machine() -> str:
    """Processor, cores, memory, system and Python."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        model = next(
            (x.split(":", 1)[1].strip() for x in cpuinfo.read_text().splitlines() if x.startswith("model name")), model
        )
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{model}, {psutil.cpu_count()} cores, {memory:.0f} GiB, {system}, Python {platform.python_version()}"


def run(name: str) -> list[Result]:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    if done.returncode:
        print(done.stderr[-3000:], file=sys.stderr)
        raise SystemExit(f"benchmark {name} failed with {done.returncode}")
    return msgspec.convert(json.loads(done.stdout.splitlines()[-1]), list[Result])


def document(results: dict[str, list[Result]]) -> str:
    """docs/performance.md."""
    now = datetime.datetime.now(tz=datetime.UTC)
    out = [
        "# Performance",
        "",
        f"Measured {now:%Y-%m-%d} by `make bench` on: {machine()}.",
        "Every ratio is against a reference measured in the same run. “MISSED” is meant as it says.",
        "",
    ]
    for name, rows in results.items():
        out += [f"## {BENCHMARKS[name]}", "", f"`python -m benchmarks.{name}`", ""]
        out += ["| what | measured | budget | verdict | against |", "|---|---:|---|---|---|"]
        for r in rows:
            verdict = {True: "ok", False: "**MISSED**", None: ""}[r.ok]
            against = f"{r.ratio:.2f} × {r.reference}" if r.ratio is not None else ""
            out.append(f"| {r.what} | {number(r.value)} {r.unit} | {r.budget} | {verdict} | {against} |")
        out.append("")
    return "\n".join(out)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="default: all")
    parser.add_argument("--write", action="store_true", help="renew docs/performance.md")
    options = parser.parse_args()
    print(machine(), flush=True)
    results = {}
    for name in options.names or BENCHMARKS:
        print(f"\n{name}: {BENCHMARKS[name]}", flush=True)
        results[name] = run(name)
        print("\n".join(map(line, results[name])), flush=True)
    if options.write:
        (ROOT / "docs" / "performance.md").write_text(document(results))
    return 1 if any(r.ok is False for rows in results.values() for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
