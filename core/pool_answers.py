"""What the web asks of the worker pool, as methods of the system."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.base.clock import Clock
from core.base.errors import StorageUnavailable
from core.base.settings import ScannerConfig
from core.domain.health import Source
from core.pool import WorkerPool
from core.storage import tick_queries
from core.storage.connection import Connections
from core.storage.migrations import migrate
from core.stream.unified_data_stream import UnifiedDataStream
from core.switchboard import Switchboard
from core.workers.dead_letters import DeadLetters
from core.workers.options.implied_volatility import VolatilityState
from core.workers.pool_status import PoolStatus

_LOOK_S = 1.0

#: what the workers may take for their end
_END_S = 5.5


class PoolAnswers:
    """Made once the pool is. Any thread; what asks a server blocks for seconds at most."""

    def __init__(self, pool: WorkerPool, redis_url: str, database_url: str) -> None:
        self._pool = pool
        self._status = PoolStatus(
            redis_url, config=pool.config, workers=pool.configured_count, producer=pool.producer.stats, clock=pool.clock
        )
        #: as of the last second
        self._seen: dict[str, Any] = dict(NOT_THERE)
        self._ending = threading.Event()
        self._watch = threading.Thread(target=self._watch_for_ever, name="pool-status", daemon=True)
        self._watch.start()
        self._dead = DeadLetters(redis_url)
        self._questions = Connections(database_url, migrate)

    def close(self) -> None:
        self._ending.set()
        self._watch.join(2 * _LOOK_S)
        self._status.close()
        self._dead.close()
        self._questions.close()

    def status(self) -> dict[str, Any]:
        """`GET /api/v1/workers`, at once: docs/workers.md has the shape; `scanner` and `patterns` tell of this app's."""
        body = dict(self._seen)
        own = self._pool.status()
        # what the settings say holds at once, Redis is told a moment later
        body |= {key: own[key] for key in ("processor", "paused", "count", "scanner", "patterns")}
        body["cause"] = own["cause"] or body["cause"]
        return body

    def _watch_for_ever(self) -> None:
        """Look each second, whoever asks: so that the history has no holes, and nobody waits for a Redis that is away."""
        while True:
            self._seen = self._status.read()
            if self._ending.wait(_LOOK_S):
                return

    def dead_letters(self, limit: int) -> list[dict[str, Any]]:
        """The newest first; raises StorageUnavailable when Redis is away."""
        entries: list[dict[str, Any]] = self._dead.list(limit)["entries"]
        return entries

    def replay(self, entry: str) -> int:
        """Puts one dead letter, or "all", back into the stream; how many. Raises StorageUnavailable."""
        return self._dead.replay(entry)

    def underlyings(self) -> dict[str, list[str]]:
        """Of options that came by, each with its venues. Raises StorageUnavailable."""
        return self._questions.run(tick_queries.underlyings)

    def chains(self, underlying: str, venue: str | None) -> dict[str, Any]:
        """`GET /api/v1/options/{underlying}`. Raises KeyError (no option of it came by) and StorageUnavailable."""
        now_ms = self._pool.clock.now_ms()
        found = self._questions.run(lambda connection: tick_queries.chains(connection, underlying, now_ms, venue))
        if not found["venues"]:
            raise KeyError(underlying)
        for chain in found["chains"].values():
            for option in chain:
                option["volatility_state"] = VolatilityState(option["volatility_state"]).name
        return found


class AsksPool:
    """The part of the system that answers for its pool; `_answers` is None until there is one."""

    _answers: PoolAnswers | None = None
    _pool: WorkerPool | None = None

    def _open_pool(
        self, config: ScannerConfig, stream: UnifiedDataStream, clock: Clock, switchboard: Switchboard, *,
        redis_url: str, database_url: str, folder: Path, source: Source, belongs: Callable[[str], bool],
    ) -> None:  # fmt: skip
        """Build and start the pool; what its arguments are, `WorkerPool` says. Raises FatalError."""
        pool = WorkerPool(
            config, stream, clock, switchboard,
            redis_url=redis_url, database_url=database_url, folder=folder, source=source, belongs=belongs,
        )  # fmt: skip
        self._answers = PoolAnswers(pool, redis_url, database_url)
        self._pool = pool
        pool.start()

    def _begin_closing_pool(self) -> None:
        """The workers end beside the engine."""
        if self._pool is not None:
            self._pool.begin_stop(timeout_s=_END_S)

    def _close_pool(self) -> None:
        """Stop what was opened, within seconds."""
        if self._pool is not None:
            self._pool.stop(timeout_s=_END_S)
        if self._answers is not None:
            self._answers.close()

    def _steer_pool(self, _: object) -> None:
        """A setting of the pool has changed."""
        if self._pool is not None:
            self._pool.obey()

    def pool_fault(self) -> str:
        """Why the workers do not work though they should, or ""."""
        return self._pool.fault() if self._pool is not None else ""

    def workers_status(self) -> dict[str, Any]:
        """The pool's state of the last second, of all machines; at once."""
        return self._answers.status() if self._answers is not None else dict(NOT_THERE)

    async def patterns(self, limit: int, symbol: str | None = None) -> list[dict[str, Any]]:
        """Detected patterns, newest first: symbol, ts_ms, kind, name, direction, strength, price, reason."""
        return await asyncio.to_thread(self._pool.patterns.newest, limit, symbol) if self._pool is not None else []

    async def dead_letters(self, limit: int) -> list[dict[str, Any]]:
        """The newest dead letters. Raises StorageUnavailable, as all that follow."""
        return await asyncio.to_thread(self._there().dead_letters, limit)

    async def replay_dead_letters(self, entry: str) -> int:
        """Put one, or "all", back into the stream; how many were."""
        return await asyncio.to_thread(self._there().replay, entry)

    async def option_underlyings(self) -> dict[str, list[str]]:
        """The underlyings of the options that came by, each with its venues, that with the most options first."""
        return await asyncio.to_thread(self._there().underlyings)

    async def option_chains(self, underlying: str, venue: str | None = None) -> dict[str, Any]:
        """The newest of each option of an underlying at a venue (None: that with the most options).

        Raises KeyError for an underlying without options; at a venue without any the answer's `venue` is "".
        """
        return await asyncio.to_thread(self._there().chains, underlying, venue)

    def _there(self) -> PoolAnswers:
        if self._answers is None:
            raise StorageUnavailable("the worker pool is not there yet")
        return self._answers


#: what is said of a pool that is not there yet
NOT_THERE: dict[str, Any] = {
    "enabled": False, "processor": "optimized", "paused": False, "count": None, "wanted": 0, "batch_size": 0,
    "cores": {"total": 0, "performance": None, "efficiency": None, "kind": ""}, "workers": [],
    "processed": 0, "rate_per_s": 0.0, "batch_ms": {"p50": None, "p99": None}, "pending": 0, "oldest_unacked_ms": 0,
    "lag": 0, "length": 0, "dead_letters": 0, "errors": 0, "duplicates": 0, "redis": "", "postgres": "",
    "cause": "the workers are starting", "producer": {"published": 0, "rate_per_s": 0.0, "spooled": 0, "dropped": 0},
    "history": [],
}  # fmt: skip
