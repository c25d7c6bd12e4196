"""The machine's cores, and how many workers they are worth."""

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

LEAST_WORKERS, MOST_WORKERS = 5, 8
_SYSCTL = ("hw.logicalcpu", "hw.perflevel0.logicalcpu", "hw.perflevel1.logicalcpu", "machdep.cpu.brand_string")
#: files with the quota and its period in microseconds: control groups of version 2, and of version 1
_QUOTAS = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))


class Cores(msgspec.Struct, frozen=True):
    """`total` that we may use; `performance` and `efficiency` are None where they are not told apart."""

    total: int
    performance: int | None
    efficiency: int | None
    kind: str


def worker_count(cores: int) -> int:
    """70 % of the cores, at least 5 and at most 8: 10 cores are worth 7 workers."""
    return max(LEAST_WORKERS, min(MOST_WORKERS, round(0.7 * cores)))


def process_count(workers: int, cores: int) -> int:
    """Over how many processes workers are spread: no more than there are cores. Docs/workers.md has the figures."""
    return max(1, min(workers, cores))


def layout(workers: int, processes: int) -> list[list[int]]:
    """The workers' numbers, a list a process; a process keeps its workers as far as it can when their number changes."""
    processes = min(workers, processes)
    return [list(range(first, workers, processes)) for first in range(processes)]


def core_kind(slot: int, cores: Cores) -> str:
    """On which kind of core a worker's process can be expected: macOS gives busy threads its performance cores first."""
    if cores.performance is None:
        return "any"
    return "performance" if slot < cores.performance else "efficiency"


def machine_cores() -> Cores:
    """Of this machine, as far as this process may use them."""
    if platform.system() == "Darwin":
        return apple_cores(_sysctl())
    model = next((line for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")), "")
    kind = model.partition(":")[2].strip() or platform.processor() or platform.machine()
    return Cores(usable_cores(), None, None, kind)


def usable_cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores this process may run on: its affinity, and the share that a container is given."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for names in _QUOTAS:
        told = " ".join(line for name in names for line in _lines(groups / name))
        if (quota := cgroup_cores(told)) is not None:
            return max(1, min(count, quota))
    return count


def cgroup_cores(cpu_max: str) -> int | None:
    """Whole cores out of a control group's quota and period ("200000 100000"); None without a limit ("max …", "-1 …")."""
    parts = cpu_max.split()
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        return None
    quota, period = map(int, parts)
    return max(1, round(quota / period))


def apple_cores(told: Mapping[str, str]) -> Cores:
    """Out of sysctl's answers; level 0 is the fast one. Intel Macs have no levels."""
    performance, efficiency = (_whole(told.get(f"hw.perflevel{level}.logicalcpu", "")) for level in (0, 1))
    total = _whole(told.get("hw.logicalcpu", "")) or os.cpu_count() or 1
    kind = told.get("machdep.cpu.brand_string", "") or platform.machine()
    return Cores(total, performance if efficiency is not None else None, efficiency, kind)


def _sysctl() -> dict[str, str]:
    found = {}
    for name in _SYSCTL:
        answer = subprocess.run(  # noqa: S603 - the system's own tool
            ["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, check=False, timeout=5
        )
        if answer.returncode == 0:
            found[name] = answer.stdout.strip()
    return found


def _whole(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
