"""Processes that an earlier run left, and how to end a server with all its children."""

import signal
import time
from pathlib import Path

import psutil

#: how long each way of ending a server may take; all of them stay below the 5 s that stopping promises
_POLITE_S, _FIRM_S = 2.5, 0.5


def processes_in(directory: Path, program: str) -> list[psutil.Process]:
    """Running processes of a program whose working directory is `directory`, parents first."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if (process.info["name"] or "").startswith(program) and Path(process.cwd()) == directory:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    pids = {p.pid for p in found}
    return sorted(found, key=lambda p: _parent(p) in pids)


def _parent(process: psutil.Process) -> int:
    try:
        return int(process.ppid())
    except psutil.Error:
        return 0


def ask_to_end(process: psutil.Process, number: int) -> float:
    """Send the polite signal; returns when (monotonic seconds) patience is over."""
    _signal(process, number)
    return time.monotonic() + _POLITE_S


def end_processes(processes: list[psutil.Process], signals: tuple[int, int], patience_until: float | None = None) -> None:
    """Ask the first (the parent) politely, then firmly, then kill all with their children.

    `patience_until`: it has been asked already, and has until then.
    """
    if not processes:
        return
    everyone = list(processes)
    for process in processes:
        try:
            everyone += process.children(recursive=True)
        except psutil.Error:
            continue
    polite, firm = signals
    if patience_until is None:
        patience_until = ask_to_end(processes[0], polite)
    if _gone(everyone, patience_until):
        return
    _signal(processes[0], firm)
    if _gone(everyone, time.monotonic() + _FIRM_S):
        return
    for process in everyone:
        _signal(process, signal.SIGKILL)
    _gone(everyone, time.monotonic() + _FIRM_S)


def _gone(processes: list[psutil.Process], deadline: float) -> bool:
    """Whether all ended in time. One that only waits for its parent to notice has ended."""
    while any(_is_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return
