"""The worker pool by number of workers and of machines, what limits it, and what a machine costs that is cut off.

Workers: one pool on this machine, with all the CPU time there is. Machines: `benchmarks.machines`, a pool each, held to
a share of one core. Every run begins with a full stream and workers that wait for it. A busy computer is not equally fast
for two minutes: all sizes are run in turn, up and down, and of each the median counts.
"""

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from pathlib import Path
from typing import TypeVar

import psutil
import psycopg

from benchmarks import machines
from benchmarks.half_copy import TABLE
from benchmarks.machines import Machine, Servers
from benchmarks.result import Result, publish
from benchmarks.tick_bench import Bench, cpu_s, ticks, until
from core.embedded import EmbeddedServers
from core.workers.optimized_stream_processor import OptimizedStreamProcessor
from core.workers.pool_control import PoolControl, write_control
from core.workers.pool_status import PoolStatus
from core.workers.redis_clients import async_client

COUNT = 250_000
#: (workers, processes)
POOLS = ((1, 1), (2, 1), (4, 1), (8, 1), (2, 2), (4, 2), (8, 2))
MACHINES = (1, 2, 3, 4, 5)
#: of one core, a machine
SHARE = 0.15
WORKERS = 2
PER_MACHINE = 60_000
BACK_S = 10.0
ROUNDS = 3

_Size = TypeVar("_Size", bound=Hashable)


class Run:
    """What a run took: ticks a second, and the CPU time of each tick by who took it, µs."""

    def __init__(self, rate: float, cpu_us: dict[str, float]) -> None:
        self.rate = rate
        self.cpu_us = cpu_us

    @classmethod
    def median(cls, runs: Sequence["Run"]) -> "Run":
        names = runs[0].cpu_us
        return cls(
            statistics.median(run.rate for run in runs),
            {name: statistics.median(run.cpu_us[name] for run in runs) for name in names},
        )

    def told(self) -> str:
        return " + ".join(f"{us:.1f} µs {name}" for name, us in self.cpu_us.items())


async def in_turn(sizes: Sequence[_Size], run: Callable[[_Size], Awaitable[Run]]) -> dict[_Size, Run]:
    """The median run of each size."""
    runs: dict[_Size, list[Run]] = {size: [] for size in sizes}
    for number in range(ROUNDS):
        for size in sizes if number % 2 == 0 else reversed(sizes):
            runs[size].append(await run(size))
    return {size: Run.median(found) for size, found in runs.items()}


async def _control(bench: Bench, control: PoolControl) -> None:
    client = async_client(bench.url, 5)
    await write_control(client, control)
    await client.aclose()


async def _ready(bench: Bench, workers: int) -> None:
    """Until so many workers are there, and wait."""
    status = PoolStatus(bench.url)
    try:
        await until(lambda: [w["state"] for w in status.read()["workers"]].count("PAUSED") >= workers, 60)
    finally:
        status.close()


async def _drain(bench: Bench, count: int, servers: dict[str, int], workers: Sequence[int]) -> Run:
    """Fill the stream in front of workers that wait, let them go, and measure between the first fifth and the last tenth:
    without the half second within which they hear of it, and without the last batches."""
    await asyncio.to_thread(bench.fill, ticks(count))
    await _control(bench, PoolControl())
    await until(lambda: bench.processed() >= count // 5)
    first, start, before = bench.processed(), time.perf_counter(), _cpu(servers, workers)
    await until(lambda: bench.processed() >= count - count // 10)
    last, took, after = bench.processed(), time.perf_counter() - start, _cpu(servers, workers)
    await until(lambda: bench.processed() >= count)
    done = last - first
    return Run(done / took, {name: (after[name] - before[name]) / done * 1e6 for name in after})


def _cpu(servers: dict[str, int], workers: Sequence[int]) -> dict[str, float]:
    """CPU seconds so far."""
    postgres = [servers["Postgres"], *(child.pid for child in psutil.Process(servers["Postgres"]).children(recursive=True))]
    return {"workers": cpu_s(workers), "Valkey": cpu_s([servers["Valkey"]]), "Postgres": cpu_s(postgres)}


async def pool(bench: Bench, servers: dict[str, int], workers: int, processes: int) -> Run:
    bench.reset()
    await _control(bench, PoolControl(is_paused=True))
    processor = OptimizedStreamProcessor(bench.url, bench.dsn, workers=workers, processes=processes, name="bench")
    await processor.start()
    try:
        await _ready(bench, workers)
        own = [process["pid"] for process in processor.status()["processes"]]
        return await _drain(bench, COUNT, servers, own)
    finally:
        await processor.stop()


@contextlib.asynccontextmanager
async def cluster(bench: Bench, servers: Servers, count: int) -> AsyncIterator[list[Machine]]:
    """So many machines whose workers wait, each held to its share from now on."""
    bench.reset()
    await _control(bench, PoolControl(is_paused=True))
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(Machine(number)) for number in range(count)]
        for number, machine in enumerate(found):
            machine.run("core.workers", ["--name", f"machine{number}", "--workers", str(WORKERS)], servers.remote)
        await _ready(bench, count * WORKERS)
        for machine in found:
            machine.hold_to(SHARE)
        yield found


async def by_machines(bench: Bench, servers: Servers, count: int) -> Run:
    async with cluster(bench, servers, count) as found:
        return await _drain(bench, count * PER_MACHINE, servers.pids, [pid for machine in found for pid in machine.pids])


async def cut_off(bench: Bench, servers: Servers) -> tuple[float, int, int]:
    """One of three loses its network at work: seconds until all is stored and nothing pending, ticks that are missing then,
    and workers that are at work again once the cable is back."""
    count = 3 * PER_MACHINE
    async with cluster(bench, servers, 3) as found:
        await asyncio.to_thread(bench.fill, ticks(count))
        await _control(bench, PoolControl())
        await until(lambda: bench.processed() > count // 4)
        found[0].pull_cable()
        start = time.perf_counter()
        await until(lambda: bench.processed() >= count and not bench.pending())
        took = time.perf_counter() - start
        with psycopg.connect(bench.dsn) as connection:
            ((stored,),) = connection.execute("SELECT count(*) FROM worker_ticks").fetchall()
        found[0].plug_in()
        await asyncio.sleep(BACK_S)
        status = PoolStatus(bench.url)
        there = [w for w in status.read()["workers"] if w["name"].startswith("machine0") and w["state"] != "LOST"]
        status.close()
        return took, count - stored, len(there)


def cut_off_in_a_copy(servers: Servers) -> float:
    """A machine loses its network in the middle of a COPY: seconds until another may store one of its rows."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection, Machine(0) as machine:
        connection.execute(f"CREATE TABLE {TABLE} (id int PRIMARY KEY)")
        machine.run("benchmarks.half_copy", (), servers.remote)
        begun = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY half%' AND wait_event = 'ClientRead'"
        while not connection.execute(begun).fetchall():
            time.sleep(0.05)
        machine.pull_cable()
        start = time.perf_counter()
        connection.execute(f"INSERT INTO {TABLE} VALUES (7)")
        return time.perf_counter() - start


async def measure_pools(folder: Path) -> list[Result]:
    servers = EmbeddedServers(folder, want_postgres=True, want_redis=True)
    servers.start()
    try:
        bench = Bench(servers.redis_url, servers.database_url)
        pids = {"Valkey": servers.pids()["redis"] or 0, "Postgres": servers.pids()["postgres"] or 0}
        runs = await in_turn(POOLS, lambda size: pool(bench, pids, *size))
    finally:
        servers.stop()
    one = runs[POOLS[0]].rate
    return [
        Result(
            f"{_count(workers, 'worker')} in {_count(processes, 'process')} ({run.told()})",
            run.rate,
            "ticks/s",
            "one worker",
            run.rate / one,
        )
        for (workers, processes), run in runs.items()
    ]


async def measure_machines(folder: Path) -> list[Result]:
    with machines.bridge(), Servers(folder) as servers:
        bench = Bench(servers.redis_url, servers.database_url)
        runs = await in_turn(MACHINES, lambda count: by_machines(bench, servers, count))
        took, missing, back = await cut_off(bench, servers)
        free_s = cut_off_in_a_copy(servers)
    one = runs[MACHINES[0]].rate
    return [
        *(
            Result(
                f"{_count(count, 'machine')} of {SHARE:g} core ({run.told()})",
                run.rate,
                "ticks/s",
                "one machine",
                run.rate / one,
            )
            for count, run in runs.items()
        ),
        Result("one of three machines cut off: all stored after", took, "s"),
        Result("one of three machines cut off: ticks missing", missing, "ticks", budget="0", ok=missing == 0),
        Result("a machine cut off within a COPY: its rows free after", free_s, "s", budget="≤ 15", ok=free_s <= 15),
        Result(f"its workers back {BACK_S:g} s after the cable", back, "workers", budget=f"{WORKERS}", ok=back == WORKERS),
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('s') else 's'}"


async def measure() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        results = await measure_pools(Path(folder))
    if machines.are_possible():
        with tempfile.TemporaryDirectory() as folder:
            results += await measure_machines(Path(folder))
    return results


def run() -> list[Result]:
    sys.setswitchinterval(0.0005)
    return asyncio.run(measure())


if __name__ == "__main__":
    publish(run)
