"""`System`: builds, starts and stops all parts in order, and answers for them. All that the web knows of the engine."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import msgspec

from core.base.clock import Clock, SystemClock
from core.base.errors import FatalError, StorageUnavailable
from core.base.latency import RollingLatency
from core.base.loop_thread import LoopThread, watch_loop_lag
from core.base.settings import Settings
from core.base.supervise import Supervisor
from core.domain.health import Source
from core.domain.instrument import INSTRUMENTS, Instrument
from core.domain.market import Trade
from core.embedded import EmbeddedServers, check_postgres, check_redis
from core.monitoring.incidents import IncidentLog
from core.monitoring.process import ProcessMonitor
from core.monitoring.slo import Inputs, success_metrics
from core.pool_answers import AsksPool
from core.storage.connection import in_schema
from core.storage.settings_store import SettingsStore
from core.storage.unified_data_storage import UnifiedDataStorage
from core.stream.liquidity_recorder import LiquidityRecorder
from core.stream.messages import DataType, Message, Policy
from core.stream.unified_data_stream import UnifiedDataStream
from core.switchboard import LockedToggle, Switchboard, worker_toggles
from core.venues.centralized_data_manager import CentralizedDataManager
from core.venues.endpoints import Endpoints
from core.venues.locators import Locators
from core.venues.market_finder import MarketFinder

__all__ = ["FatalError", "LockedToggle", "StorageUnavailable", "System"]

logger = logging.getLogger(__name__)


class System(AsksPool):
    """Everything but the web. `start` and `stop` block and may be called once each, from any thread."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.stream = UnifiedDataStream(settings.stream, self.clock)
        #: what the heat maps show
        self.liquidity = LiquidityRecorder(self.stream, self.clock)
        self.source = Source.SIMULATED
        self.source_detail = ""
        self.database_url = settings.database_url
        self.redis_url = settings.redis_url or settings.scanner.redis_url
        self.started = False
        self.fatal = threading.Event()
        self.fatal_error: str | None = None
        self._servers = EmbeddedServers(
            settings.data_dir, want_postgres=not self.database_url, want_redis=not self.redis_url
        )
        self._switchboard = Switchboard(self._set_consumer)
        for toggle in worker_toggles(settings.scanner):
            self._switchboard.add(toggle, self._steer_pool)
        self._incidents = IncidentLog(self.clock)
        self._process = ProcessMonitor(self.clock)
        self._pixels = RollingLatency(self.clock)
        #: layer -> statistics of a cache
        self._caches: dict[str, Callable[[], dict[str, Any]]] = {}
        self._market = MarketFinder(settings)
        self._locators: Locators | None = None
        self._storage: UnifiedDataStorage | None = None
        self._store: SettingsStore | None = None
        self._manager: CentralizedDataManager | None = None
        self._engine: LoopThread | None = None
        self._endpoints: Endpoints | None = None
        self._preparing: Future[Endpoints] | None = None
        #: why Redis does not answer, or empty
        self._redis_trouble = ""
        self._first_candle_ms: float | None = None
        self._stopped = False

    # ---- life

    def prepare(self) -> None:
        """Begin what `start` begins with, and return at once: for whoever has something else to do meanwhile."""
        if self._preparing is None:
            executor = ThreadPoolExecutor(1, thread_name_prefix="prepare")
            self._preparing = executor.submit(self._prepare)
            executor.shutdown(wait=False)

    def start(self) -> None:
        """Servers, storage, venue, engine. Raises FatalError with one clear line; what was started is stopped again."""
        try:
            self.prepare()
            assert self._preparing is not None
            endpoints = self._preparing.result()
            self.source, self.source_detail = endpoints.source, endpoints.detail
            self.stream.source = endpoints.source
            assert self.database_url is not None
            assert self.redis_url is not None
            dsn, folder = self._own_places(self.database_url)
            self._storage = UnifiedDataStorage(dsn, self.settings.storage, folder, self.clock)
            self._storage.start()
            self._store = SettingsStore(self.database_url, self.clock)
            with contextlib.suppress(StorageUnavailable):
                self._switchboard.apply(self._store.all())
            self._endpoints = endpoints
            self._open_pool(
                self.settings.scanner, self.stream, self.clock, self._switchboard, redis_url=self.redis_url,
                database_url=dsn, folder=folder, source=self.source, belongs=self._belongs_here,
            )  # fmt: skip
            self._engine = LoopThread("engine", self._run_engine)
            self._engine.start()
            self.started = True
        except BaseException:
            self.stop()
            raise

    def _own_places(self, dsn: str) -> tuple[str, Path]:
        """Simulated trades bear the ids of a market that never was: they get a schema and spools of their own."""
        folder = self.settings.data_dir
        return (in_schema(dsn, "simulated"), folder / "simulated") if self.source is Source.SIMULATED else (dsn, folder)

    def _prepare(self) -> Endpoints:
        """Start servers and find the market side by side; returns where the market is."""
        with ThreadPoolExecutor(4, thread_name_prefix="start") as pool:
            servers = pool.submit(self._start_servers)
            venue: Future[Endpoints] = pool.submit(self._market.find)
            servers.result()
            return venue.result()

    def _start_servers(self) -> None:
        for url, check in ((self.settings.database_url, check_postgres), (self.redis_url, check_redis)):
            if url:
                check(url)
        self._servers.start()
        self.database_url = self.database_url or self._servers.database_url
        self.redis_url = self.redis_url or self._servers.redis_url

    def stop(self) -> None:
        """Stop in the reverse order: the engine, what it produced is written, then the servers."""
        if self._stopped:
            return
        self._stopped = True
        if self._preparing is not None:
            wait((self._preparing,))
        self._begin_closing_pool()
        if self._engine is not None and not self._engine.stop(timeout_s=4):
            logger.error("the engine did not stop in 4 s")
        if self._locators is not None:
            self._locators.stop()
        self._market.stop()
        self._close_pool()
        if self._storage is not None:
            self._storage.stop(timeout_s=4)
        if self._store is not None:
            self._store.close()
        self._servers.stop()

    async def _run_engine(self) -> None:
        assert self._storage is not None
        assert self._endpoints is not None
        self._locators = Locators(self.settings, self.source, self._first_candle)
        self._manager = CentralizedDataManager(
            self.settings,
            self._endpoints,
            self.stream,
            self.clock,
            self._switchboard.is_enabled,
            # a replay goes through its recording, whatever is stored already
            last_trade_id=None if self.source is Source.REPLAY else self._storage.last_trade_id,
            locate=self._locators.locate(),
        )
        self.stream.attach()
        self.stream.register_consumer(
            "storage",
            {DataType.TICKS, DataType.OHLCV},
            policy=Policy.LOSSLESS,
            bound=50_000,
            handler=self._store_messages,
        )
        for symbol, instrument in INSTRUMENTS.items():
            if instrument.venue in self._manager.connectors:
                for consumer in ("storage", "dashboard", "liquidity"):
                    self._manager.subscribe(symbol, consumer)
        supervisor = Supervisor()
        supervisor.start("manager", self._manager.run)
        supervisor.start("loop lag", lambda: self.watch_loop("engine"))
        supervisor.start("health", self._watch_health)
        supervisor.start("toggles", self._follow_toggles)
        supervisor.start("redis", self._watch_redis)
        supervisor.start("liquidity", self.liquidity.run)
        try:
            error = await supervisor.failed
            self.fatal_error = str(error)
            self.fatal.set()
        finally:
            await supervisor.close()
            await self.stream.close()

    async def _first_candle(self) -> None:
        """Wait for the first candle, or for three seconds."""
        for _ in range(60):
            if self._first_candle_ms is not None:
                return
            await asyncio.sleep(0.05)

    async def _store_messages(self, messages: Sequence[Message]) -> None:
        assert self._storage is not None
        self._storage.submit([m for m in messages if not isinstance(m, Trade) or self._belongs_here(m.symbol)])
        # A replay at full speed must not outrun the disk; a live market does not wait: then storage drops, and says so.
        while self.source is Source.REPLAY and self._storage.pressure > 0.8:  # noqa: ASYNC110 - the writer is a thread
            await asyncio.sleep(0.02)

    def _belongs_here(self, symbol: str) -> bool:
        """Trades of a simulated venue beside a live one are not kept, nor the reverse: a table holds one kind of market."""
        is_simulated = self.stream.source_of(symbol) is Source.SIMULATED
        return is_simulated == (self.source is Source.SIMULATED)

    async def _watch_health(self) -> None:
        """Open and close incidents by what the parts say, and note when the first candle came."""
        while True:
            # a part that is only told of when it is at fault is well when it is not told of
            for part, state in ({"workers": "ok"} | self.components()).items():
                if state == "ok" or part == "binance":
                    self._incidents.close(part)
                else:
                    self._incidents.open(part, f"{part}: {state}")
            if self._first_candle_ms is None and any(s["rows"] for s in self.stream.series_summary()):
                self._first_candle_ms = float(self.clock.now_ms() - self._process.started_ms)
            await asyncio.sleep(0.25)

    async def _follow_toggles(self) -> None:
        """Give every consumer its switch, and take over changes that somebody else made in the database."""
        assert self._store is not None
        while True:
            for name in self.stream.consumer_names():
                if not self._switchboard.knows_consumer(name):
                    self._switchboard.add_consumer(name)
            changes = self._switchboard.changes
            with contextlib.suppress(StorageUnavailable):
                self._switchboard.follow(await asyncio.to_thread(self._store.all), changes)
            await asyncio.sleep(1.0)

    async def _watch_redis(self) -> None:
        """Ask Redis for a sign of life every two seconds; nothing but caches depends on it."""
        assert self.redis_url is not None
        while True:
            try:
                await asyncio.to_thread(check_redis, self.redis_url)
                self._redis_trouble = ""
            except FatalError as error:
                self._redis_trouble = str(error)
            await asyncio.sleep(2.0)

    async def watch_loop(self, name: str) -> None:
        """Measure for ever how late the calling loop wakes its sleepers; a long block becomes an incident."""

        def blocked(late_ms: float) -> None:
            self._incidents.note(f"{name} loop", f"our {name} loop was blocked for {late_ms:.0f} ms")

        await watch_loop_lag(self.clock, self._process.loop(name), blocked)

    # ---- answers, from any thread

    def components(self) -> dict[str, str]:
        """`ok` or the reason, for postgres, redis and binance; for workers the reason only, when they do not work."""
        servers = self._servers.status()
        storage = self.storage()
        postgres = servers.get("postgres", "ok")
        if postgres == "ok" and storage["state"] not in ("writing", "draining"):
            postgres = str(storage.get("last_error") or storage.get("state") or "starting")
        venue = next((c for c in self.connections() if c["venue"] == "binance"), None)
        if venue is None:
            binance = "starting"
        elif venue["state"] == "LIVE" or (self.source is Source.REPLAY and venue["state"] == "STOPPED"):
            binance = "ok"  # a replay that is over is all it was to be; its series say that they are dead
        else:
            binance = f"{venue['state']}: {venue.get('cause') or 'no cause known'}"
        workers = self.pool_fault()
        return {
            "postgres": postgres,
            "redis": servers.get("redis", "ok") if self._redis_trouble == "" else self._redis_trouble,
            "binance": binance,
        } | ({"workers": workers} if workers else {})

    def connections(self) -> list[dict[str, Any]]:
        return self._manager.connections() if self._manager is not None else []

    def books(self) -> list[dict[str, Any]]:
        """The integrity of each order book: symbol, venue, state, cause, gaps, resyncs, crossed, known_range, …"""
        return self._manager.books() if self._manager is not None else []

    def statistics(self) -> dict[str, Any]:
        """What sharing saves: connections, subscriptions, subscribers, API calls, updates, cache, memory."""
        return self._manager.statistics() if self._manager is not None else {}

    def subscribe(self, symbol: str, consumer: str, instrument: Instrument | None = None) -> None:
        """Let `consumer` have a symbol; see `CentralizedDataManager.subscribe`. Raises KeyError."""
        if self._manager is not None:
            self._manager.subscribe(symbol, consumer, instrument)

    def tickers(self) -> dict[str, dict[str, Any]]:
        return self._manager.tickers() if self._manager is not None else {}

    def storage(self) -> dict[str, Any]:
        if self._storage is not None:
            return self._storage.stats()
        return {
            "rows_written": 0, "batches": 0, "rows_per_batch": 0.0, "writes_saved": 0.0, "queue": 0, "spool_bytes": 0,
            "last_error": None, "state": "starting",
        }  # fmt: skip

    def caches(self) -> list[dict[str, Any]]:
        return [{"layer": name} | stats() for name, stats in self._caches.items()]

    def add_cache(self, name: str, stats: Callable[[], dict[str, Any]]) -> None:
        """`stats()` answers hits, misses, hit_rate, entries, bytes."""
        self._caches[name] = stats

    def process(self) -> dict[str, Any]:
        return dict(self._process.snapshot())

    def totals(self) -> dict[str, Any]:
        return self.stream.totals()

    def incidents(self) -> list[dict[str, Any]]:
        """Newest first, the open ones (end_ms 0) before all: the venues' and our own."""
        own = [msgspec.structs.asdict(i) for i in self._incidents.all()]
        venues = [{"component": c["venue"]} | i for c in self.connections() for i in c["incidents"]]
        return sorted(own + venues, key=lambda i: (i["end_ms"] != 0, -i["start_ms"]))

    def slo(self) -> list[dict[str, Any]]:
        """Each success metric: name, target, value, unit, ok, how."""
        pixels = self._pixels.seen()
        inputs = Inputs(
            consumers=self.stream.consumers(),
            series=self.stream.series_summary(),
            connections=self.connections(),
            caches=self.caches(),
            storage=self.storage(),
            process=self.process(),
            pixel_p99_us=pixels.percentile(99) / 1e3 if pixels.count else None,
            first_candle_ms=self._first_candle_ms,
        )
        return [msgspec.structs.asdict(metric) for metric in success_metrics(inputs)]

    def report_pixel_latency(self, us: list[float]) -> None:
        """Tick → pixel times that a browser on this machine measured, microseconds."""
        for value in us:
            self._pixels.record(int(value * 1e3))

    def stages(self) -> list[dict[str, Any]]:
        """Where a frame's time goes from the venue to the consumers' mailboxes: stage, p50, p95, p99, max in µs."""
        return self._manager.stages() if self._manager is not None else []

    def pixel_latency(self) -> dict[str, float]:
        """p50, p95, p99, max in µs and the count, of what browsers reported."""
        pixels = self._pixels.seen()
        return pixels.summary_us() | {"count": pixels.count}

    # ---- settings and history, from the web loop

    def _set_consumer(self, name: str, enabled: bool) -> None:
        with contextlib.suppress(KeyError):
            self.stream.set_enabled(name, enabled)

    async def toggles(self) -> list[dict[str, Any]]:
        """key, label, group, why, default, locked, value."""
        return self._switchboard.all()

    async def set_toggle(self, key: str, value: object, who: str) -> dict[str, Any]:
        """Store, audit and carry out. Raises KeyError, TypeError, LockedToggle, StorageUnavailable: nothing changed."""
        self._switchboard.check(key, value)
        if self._store is None:
            raise StorageUnavailable("settings are not loaded yet")
        await asyncio.to_thread(self._store.set, key, value, who)
        self._switchboard.apply({key: value})
        return next(t for t in self._switchboard.all() if t["key"] == key)

    async def settings_audit(self, limit: int = 50) -> list[dict[str, Any]]:
        """Changes, newest first: at_ms, who, key, old, new."""
        if self._store is None:
            raise StorageUnavailable("settings are not loaded yet")
        return await asyncio.to_thread(self._store.audit, limit)

    async def history(self, series: str, limit: int, before_ms: int) -> list[list[float]]:
        """Up to `limit` stored rows before `before_ms`, oldest first."""
        if self._storage is None:
            raise StorageUnavailable("storage is not there yet")
        return await asyncio.to_thread(self._storage.history, series, limit, before_ms)
