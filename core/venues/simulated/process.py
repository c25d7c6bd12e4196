"""What the processes of all simulated venues do alike: say where they listen, and end when they are told."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec


def stop_event(has_parent_pipe: bool) -> asyncio.Event:
    """Set by SIGTERM and SIGINT and, with a parent's pipe, by the end of stdin: who held its other end is dead."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if has_parent_pipe:
        gone = partial(loop.call_soon_threadsafe, stop.set)
        threading.Thread(target=_watch_parent, args=(gone,), name="parent pipe", daemon=True).start()
    return stop


def announce(hello: dict[str, object]) -> None:
    """The first line on stdout."""
    sys.stdout.write(msgspec.json.encode(hello).decode() + "\n")
    sys.stdout.flush()


async def first_of(*events: Awaitable[object]) -> None:
    """Wait for the first of them; what it raises is raised."""
    waiting = [asyncio.ensure_future(event) for event in events]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in waiting:
            task.cancel()


def _watch_parent(gone: Callable[[], object]) -> None:
    """Calls `gone` when stdin ends. Unbuffered, so that it may stay blocked."""
    while os.read(0, 4_096):
        pass
    gone()
