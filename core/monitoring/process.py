"""What this process uses of the machine."""

import gc
import os
import threading

import psutil

from core.base.clock import Clock
from core.base.latency import RollingLatency


class ProcessMonitor:
    """Memory, CPU, threads and loop lag of the main process; values are at most a second old."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._process = psutil.Process(os.getpid())
        self._process.cpu_percent()
        self._read_ns = -(10**10)
        self._last: dict[str, object] = {}
        #: loop name -> how late it wakes its sleepers
        self.loops: dict[str, RollingLatency] = {}

    @property
    def started_ms(self) -> int:
        """When the operating system started this process, Unix ms."""
        return int(self._process.create_time() * 1000)

    def loop(self, name: str) -> RollingLatency:
        """The lag of a loop over the last minute; made at the first call."""
        return self.loops.setdefault(name, RollingLatency(self._clock))

    def snapshot(self) -> dict[str, object]:
        """rss_bytes, cpu_percent (100 = one core), threads, uptime_ms, gc_collections, loop_lag_us per loop."""
        now = self._clock.monotonic_ns()
        if now - self._read_ns > 900_000_000:
            self._read_ns = now
            with self._process.oneshot():
                self._last = {
                    "rss_bytes": self._process.memory_info().rss,
                    "cpu_percent": self._process.cpu_percent(),
                    "threads": threading.active_count(),
                    "uptime_ms": self._clock.now_ms() - self.started_ms,
                    "gc_collections": sum(s["collections"] for s in gc.get_stats()),
                    "cores": psutil.cpu_count() or 1,
                }
        return self._last | {"loop_lag_us": {name: lag.seen().summary_us() for name, lag in self.loops.items()}}
