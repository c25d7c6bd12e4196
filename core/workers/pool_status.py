"""The pool as the page shows it: all workers of all machines, out of Redis."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import redis

from core.base.clock import Clock, SystemClock
from core.workers.core_counts import machine_cores, worker_count
from core.workers.pool_config import PoolConfig
from core.workers.pool_control import PoolControl, control_of
from core.workers.redis_clients import REDIS_TROUBLE, ask_sync, sync_client, trouble
from core.workers.stream_names import CONTROL, DEAD, GROUP, STREAM, TOTALS, worker
from core.workers.worker_status import WorkerState, WorkerStatus

_TIMEOUT_S = 1.0
_HISTORY = 600
#: a worker that fell silent is shown as LOST for this long
_LOST_MS = 60_000
NO_PRODUCER = {"published": 0, "rate_per_s": 0.0, "spooled": 0, "dropped": 0}

_decode = msgspec.json.Decoder(WorkerStatus).decode


class StreamFigures(msgspec.Struct, frozen=True):
    """What Redis says of stream and group."""

    pending: int = 0
    oldest_unacked_ms: int = 0
    lag: int = 0
    length: int = 0
    dead_letters: int = 0


class PoolStatus:
    """`read` is for one thread at a time, blocks for a second at most a server that does not answer, and never raises."""

    def __init__(
        self,
        redis_url: str,
        *,
        config: PoolConfig | None = None,
        workers: int | None = None,
        producer: Callable[[], dict[str, Any]] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`workers`: how many the configuration wants here (None: as many as the cores are worth); `producer` tells its
        own figures."""
        self._client = sync_client(redis_url, _TIMEOUT_S)
        self._config = config or PoolConfig()
        self._cores = machine_cores()
        self._auto = workers or worker_count(self._cores.total)
        self._producer = producer
        self._clock = clock or SystemClock()
        #: name -> its last status
        self._seen: dict[str, WorkerStatus] = {}
        self._last = StreamFigures()
        self._totals = {"processed": 0, "duplicates": 0, "errors": 0}
        self._control = PoolControl()
        self._history: deque[list[float]] = deque(maxlen=_HISTORY)
        self._measured: tuple[float, int] | None = None
        self._rate = 0.0

    def read(self) -> dict[str, Any]:
        """The body of `GET /api/v1/workers`. Without Redis: what was known last, and `redis` says why."""
        redis_state = "ok"
        try:
            self._look()
        except REDIS_TROUBLE as error:
            redis_state = trouble(error)
        now_ms = self._clock.now_ms()
        self._seen = {name: w for name, w in self._seen.items() if now_ms - w.at_ms < _LOST_MS}
        workers = [self._told(w, now_ms) for _, w in sorted(self._seen.items())]
        at_work = [w for w in self._seen.values() if not _is_lost(w, now_ms)]
        postgres = next((w.postgres for w in at_work if w.postgres != "ok"), "ok")
        return {
            "enabled": True,
            "processor": self._control.processor,
            "paused": self._control.is_paused,
            "wanted": self._control.workers or self._auto,
            "batch_size": at_work[0].batch_size if at_work else self._config.batch_size,
            "cores": msgspec.to_builtins(self._cores),
            "workers": workers,
            **self._totals,
            "rate_per_s": self._measure(redis_state == "ok", now_ms),
            "batch_ms": percentiles([w for w in at_work if w.batches]),
            **msgspec.structs.asdict(self._last),
            "redis": redis_state,
            "postgres": postgres,
            "cause": self._cause(redis_state, postgres, at_work),
            "producer": self._producer() if self._producer is not None else dict(NO_PRODUCER),
            "history": list(self._history),
        }

    def close(self) -> None:
        self._client.close()

    # -- Redis

    def _look(self) -> None:
        client = self._client
        pipeline = client.pipeline(transaction=False)
        pipeline.hgetall(CONTROL)
        pipeline.hgetall(TOTALS)
        pipeline.xlen(STREAM)
        pipeline.xlen(DEAD)
        control, totals, length, dead = pipeline.execute()
        self._control = control_of(control)
        self._totals = {name: int(totals.get(name.encode(), 0)) for name in self._totals}
        self._last = StreamFigures(length=length, dead_letters=dead)
        try:
            self._last = self._group_figures(length, dead)
            names = [each["name"].decode() for each in client.xinfo_consumers(STREAM, GROUP)]
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error) and "no such key" not in str(error):
                raise
            names = []
        for status in client.mget([worker(name) for name in names]) if names else ():
            if status is not None:
                found = _decode(status)
                self._seen[found.name] = found

    def _group_figures(self, length: int, dead: int) -> StreamFigures:
        pending, oldest, *_ = ask_sync(self._client, "XPENDING", STREAM, GROUP)
        group = next((g for g in self._client.xinfo_groups(STREAM) if g["name"] == GROUP.encode()), None)
        unread = None
        if group is not None:
            after = b"(" + group["last-delivered-id"]
            unread = ask_sync(self._client, "XRANGE", STREAM, after, "+", "COUNT", 1)
        ids = [entry_id for entry_id in (oldest, unread[0][0] if unread else None) if entry_id]
        now_ms = self._clock.now_ms()
        age = max((now_ms - int(entry_id.partition(b"-")[0]) for entry_id in ids), default=0)
        told = group.get("lag") if group is not None else None
        # Redis's own count is missing or wrong after some deletions; it can never be more than what is there
        lag = min(length if told is None else int(told), max(0, length - int(pending))) if unread else 0
        return StreamFigures(int(pending), max(0, age), lag, length, dead)

    # -- figures

    def _told(self, status: WorkerStatus, now_ms: int) -> dict[str, Any]:
        is_lost = _is_lost(status, now_ms)
        return {
            "name": status.name,
            "host": status.host,
            "slot": status.slot,
            "pid": status.pid,
            "state": str(WorkerState.LOST) if is_lost else status.state,
            "batch": status.batch,
            "processed": status.processed,
            "rate_per_s": 0.0 if is_lost else status.rate_per_s,
            "batch_ms": status.batch_ms,
            "errors": status.errors,
            "last_error": status.last_error,
            "core_kind": status.core_kind,
            "shards": [] if is_lost else status.shards,
            "late": status.late,
            "refused": status.refused,
            "since_ms": status.since_ms,
            "age_ms": max(0, now_ms - status.at_ms),
        }

    def _measure(self, is_known: bool, now_ms: int) -> float:
        """Ticks a second since the look before, of all machines."""
        now_s, processed = time.monotonic(), self._totals["processed"]
        if not is_known:
            self._measured, self._rate = None, 0.0
        elif self._measured is None or processed < self._measured[1]:
            self._measured = (now_s, processed)
        elif now_s - self._measured[0] >= 0.5:
            self._rate = round((processed - self._measured[1]) / (now_s - self._measured[0]), 1)
            self._measured = (now_s, processed)
        if not self._history or now_ms - self._history[-1][0] >= 900:
            self._history.append([now_ms, self._rate])
        return self._rate

    def _cause(self, redis_state: str, postgres: str, at_work: list[WorkerStatus]) -> str:
        if redis_state != "ok":
            return redis_state
        if postgres != "ok":
            return f"Postgres: {postgres}"
        if (cause := next((w.cause for w in at_work if w.cause), "")) or self._control.is_idle or at_work:
            return cause
        return "no worker is running"


def _is_lost(status: WorkerStatus, now_ms: int) -> bool:
    return now_ms - status.at_ms > 5_000


def percentiles(workers: list[WorkerStatus]) -> dict[str, float | None]:
    """p50 and p99 of all workers' batches together, ms; None without a batch."""
    batches = sorted((ns, times) for w in workers for ns, times in w.batches)
    total = sum(times for _, times in batches)
    found: dict[str, float | None] = {"p50": None, "p99": None}
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        seen = 0
        for ns, times in batches:
            seen += times
            if seen >= share * total:
                found[name] = round(ns / 1e6, 3)
                break
    return found
