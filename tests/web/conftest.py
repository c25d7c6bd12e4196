"""A server as it is, around the real stream: only storage and venue behind the system are made of plain values."""

import asyncio
import contextlib
import functools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dash
import httpx
import pytest
import uvicorn
import websockets
import websockets.sync.client

from core.base.clock import Clock, SystemClock
from core.base.errors import RetryableError
from core.base.settings import Settings
from core.domain.health import Source
from core.domain.market import BookView, Kline, Quote, Trade
from core.domain.series import MINUTE_MS, SERIES
from core.embedded import EmbeddedServers
from core.stream.liquidity_recorder import LiquidityRecorder
from core.stream.unified_data_stream import UnifiedDataStream
from core.system import LockedToggle, StorageUnavailable
from tests.patience import PATIENCE, wait_until
from web.server import create_server

PASSWORD, SECRET = "correct horse battery", "0123456789abcdef0123"
PUBLIC = Settings(host="0.0.0.0", admin_password=PASSWORD, secret_key=SECRET)
#: toggles with more sides than on and off; the first is the default
CHOICES: dict[str, tuple[object, ...]] = {
    "workers.processor": ("optimized", "standard"), "workers.count": (None, *range(1, 9))
}  # fmt: skip
CANARY = "postgres://quintet:hunter2@db.internal/x"


class FakeSystem:
    """The facade `core.system.System`, with the real stream and in-memory answers for what lies behind it."""

    def stages(self) -> list[dict[str, object]]:
        return []

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock = settings, clock
        self.stream = UnifiedDataStream(settings.stream, clock)
        self.book_list: list[dict[str, Any]] = []
        self.source, self.source_detail = Source.SIMULATED, "test market"
        self.redis_url: str | None = None
        self.started = False
        self.stopped = False
        self.fatal, self.fatal_error = threading.Event(), None
        self.parts = {"postgres": "ok", "redis": "ok", "binance": "ok"}
        self.incident_list: list[dict[str, Any]] = []
        self.values: dict[str, object] = {
            "consumer.storage": True, "consumer.dashboard": True, "workers.processor": "optimized", "workers.count": None,
        }  # fmt: skip
        self.pool: dict[str, Any] = {"enabled": True, "workers": [], "processed": 7, "rate_per_s": 0.5}
        #: entry -> dead letter, newest first
        self.letters: dict[str, dict[str, Any]] = {}
        #: underlying -> venue -> expiries and chains that option_chains answers; the first venue is the default
        self.chains: dict[str, dict[str, dict[str, Any]]] = {}
        self.redis_away = False
        self.audit: list[dict[str, Any]] = []
        self.storage_away = False
        self.stored: dict[str, list[list[float]]] = {}
        self.asked: list[tuple[str, int, int]] = []
        self.pixels: list[float] = []
        self.cache_stats: dict[str, Callable[[], dict[str, Any]]] = {}
        self.broken = False

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.stopped = True

    def components(self) -> dict[str, str]:
        return self.parts

    def connections(self) -> list[dict[str, Any]]:
        subscription = {"channel": "trade", "symbol": "ETHUSDT", "state": "LIVE", "age_ms": 3, "messages": 9, "gaps": 1}
        return [
            {"venue": "binance", "state": "LIVE", "since": 1, "cause": "", "messages": 9, "backlog": 0, "reconnects": 2,
             "malformed": 0, "subscriptions": [subscription], "incidents": []}
        ]  # fmt: skip

    @functools.cached_property
    def liquidity(self) -> LiquidityRecorder:
        """Made when it is first asked for: else it would be one more consumer in every test."""
        return LiquidityRecorder(self.stream, self.clock)

    def books(self) -> list[dict[str, Any]]:
        return self.book_list

    def statistics(self) -> dict[str, Any]:
        return {}

    def tickers(self) -> dict[str, dict[str, Any]]:
        return {"ETHUSDT": {"open": 1.0, "high": 2.0, "low": 0.5, "volume": 3.0, "quote_volume": 4.0, "at_ms": 5}}

    def storage(self) -> dict[str, Any]:
        if self.broken:
            raise RuntimeError(f"cannot reach {CANARY}")
        return {"rows_written": 10, "batches": 2, "rows_per_batch": 5.0, "writes_saved": 0.8, "queue": 0, "spool_bytes": 0,
                "last_error": None, "state": "running"}  # fmt: skip

    def caches(self) -> list[dict[str, Any]]:
        return [{"layer": name, **stats()} for name, stats in self.cache_stats.items()]

    def add_cache(self, name: str, stats: Callable[[], dict[str, Any]]) -> None:
        self.cache_stats[name] = stats

    def process(self) -> dict[str, Any]:
        return {"rss_bytes": 1_000, "loop_lag_us": {}}

    def totals(self) -> dict[str, Any]:
        return self.stream.totals()

    def incidents(self) -> list[dict[str, Any]]:
        return self.incident_list

    def slo(self) -> list[dict[str, Any]]:
        return [{"name": "history cache", "target": "≥ 95 %", "value": 1.0, "unit": "", "ok": True, "how": ""}]

    def report_pixel_latency(self, us: list[float]) -> None:
        self.pixels += us

    def pixel_latency(self) -> dict[str, float]:
        return {"p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0, "count": len(self.pixels)}

    async def watch_loop(self, name: str) -> None:
        await asyncio.Event().wait()

    async def toggles(self) -> list[dict[str, Any]]:
        return [
            {"key": key, "label": key, "group": "Workers" if key in CHOICES else "Consumers", "why": "",
             "default": CHOICES.get(key, (True,))[0], "choices": CHOICES.get(key, ()), "value": value,
             "locked": "the pages live on it" if key == "consumer.dashboard" else ""}
            for key, value in self.values.items()
        ]  # fmt: skip

    async def set_toggle(self, key: str, value: object, who: str) -> dict[str, Any]:
        if key == "consumer.dashboard":
            raise LockedToggle(key)
        if self.storage_away:
            raise StorageUnavailable(CANARY)
        self.audit.insert(0, {"at_ms": 1, "who": who, "key": key, "old": self.values[key], "new": value})
        self.values[key] = value
        return next(t for t in await self.toggles() if t["key"] == key)

    def workers_status(self) -> dict[str, Any]:
        return self.pool

    async def dead_letters(self, limit: int) -> list[dict[str, Any]]:
        if self.redis_away:
            raise RetryableError(CANARY)
        return list(self.letters.values())[:limit]

    async def replay_dead_letters(self, entry: str) -> int:
        if self.redis_away:
            raise RetryableError(CANARY)
        replayed = list(self.letters) if entry == "all" else [entry] if entry in self.letters else []
        for name in replayed:
            del self.letters[name]
        return len(replayed)

    async def option_underlyings(self) -> dict[str, list[str]]:
        if self.storage_away:
            raise StorageUnavailable(CANARY)
        return {name: list(places) for name, places in self.chains.items()}

    async def option_chains(self, underlying: str, venue: str | None = None) -> dict[str, Any]:
        if self.storage_away:
            raise StorageUnavailable(CANARY)
        places = self.chains[underlying]
        wanted = next(iter(places)) if venue is None else venue.upper() if venue.upper() in places else ""
        told = {"underlying": underlying, "venue": wanted, "venues": list(places)}
        return {"expiries": [], "chains": {}} | places.get(wanted, {}) | told

    async def settings_audit(self, limit: int = 50) -> list[dict[str, Any]]:
        if self.storage_away:
            raise StorageUnavailable(CANARY)
        return self.audit[:limit]

    async def history(self, series: str, limit: int, before_ms: int) -> list[list[float]]:
        if self.storage_away:
            raise StorageUnavailable(CANARY)
        self.asked.append((series, limit, before_ms))
        return [row for row in self.stored.get(series, []) if row[0] < before_ms][-limit:]


class Market:
    """Publishes on a thread of its own, which stands for the engine's. Prices rise by 0.01 a trade."""

    def __init__(self, system: FakeSystem) -> None:
        self.stream, self._clock = system.stream, system.clock
        self.now_ms = system.clock.now_ms() // MINUTE_MS * MINUTE_MS
        self.trade_id = 1_000

    def seed(self, bars: int = 60) -> None:
        """`bars` closed bars of every series, ending before the present one."""
        for spec in SERIES.values():
            start = self.now_ms // spec.step_ms * spec.step_ms - bars * spec.step_ms
            klines = [
                Kline(
                    spec.symbol, spec.interval, start + i * spec.step_ms, 100, 101, 99, 100.5, 2.0, -1, -1, True, self.now_ms
                )
                for i in range(bars)
            ]
            self.stream.seed(spec.symbol, spec.interval, klines)

    def trade(self, symbol: str = "ETHUSDT", step_ms: int = 10, price: float | None = None) -> Trade:
        self.trade_id += 1
        self.now_ms += step_ms
        price = round(100 + self.trade_id / 100, 2) if price is None else price
        trade = Trade(symbol, self.trade_id, price, 0.5, self.now_ms, False, self._clock.monotonic_ns())
        self.stream.publish_trade(trade)
        return trade

    def quote(self, bid: float, symbol: str = "ETHUSDT") -> None:
        self.stream.publish_quote(Quote(symbol, bid, 1.0, bid + 0.01, 2.0, 7, self._clock.monotonic_ns()))

    def book(self, bid: float, symbol: str = "ETHUSDT") -> None:
        self.stream.publish_book(BookView(symbol, 7, ((bid, 1.0),), ((bid + 0.01, 2.0),), self.now_ms))


class Server:
    """A real uvicorn on a real port, in a thread."""

    def __init__(self, system: FakeSystem, **options: Any) -> None:
        self.system = system
        self.fatal: list[str] = []
        self.app = create_server(system, on_fatal=self.fatal.append, **options)
        #: the feed's hub, for its counters
        self.page = dash.get_app().server
        self.hub = self.page.state.feed
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            self.app, loop="uvloop", log_config=None, access_log=False, server_header=False, proxy_headers=False,
            ws_max_size=1 << 20, ws_per_message_deflate=False, timeout_graceful_shutdown=2, lifespan="on",
        )  # fmt: skip
        self.uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.uvicorn.run, kwargs={"sockets": [self.socket]}, daemon=True)

    def start(self) -> "Server":
        self._thread.start()
        wait_until(lambda: self.uvicorn.started or not self._thread.is_alive())
        return self

    def stop(self) -> None:
        self.uvicorn.should_exit = True
        self._thread.join(10)
        self.socket.close()
        assert not self._thread.is_alive(), "uvicorn did not stop in 10 s"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.base, timeout=10, **options)

    def feed(self, **options: Any) -> "Viewer":
        return Viewer(self.port, **options)


class Viewer:
    """A browser's end of `/feed`."""

    def __init__(
        self, port: int, channels: list[str] | None = None, headers: dict[str, str] | None = None, path: str = "/feed"
    ) -> None:
        self._stack = contextlib.ExitStack()
        self.socket = self._stack.enter_context(
            websockets.sync.client.connect(
                f"ws://127.0.0.1:{port}{path}", additional_headers=headers, open_timeout=5, close_timeout=1, proxy=None
            )
        )
        if channels is not None:
            self.send({"op": "subscribe", "channels": channels})

    def send(self, message: object) -> None:
        self.socket.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    def frame(self, timeout: float = 5) -> dict[str, Any]:
        return json.loads(self.socket.recv(timeout))

    def until(self, wanted: Callable[[dict[str, Any]], object], timeout: float = 5) -> dict[str, Any]:
        """The first frame that is wanted; those before it are dropped."""
        end = time.monotonic() + timeout * PATIENCE
        while True:
            frame = self.frame(max(0.01, end - time.monotonic()))
            if wanted(frame):
                return frame

    def close_code(self, timeout: float = 5) -> int | None:
        """Read on until the server closes; its code."""
        end = time.monotonic() + timeout * PATIENCE
        try:
            while time.monotonic() < end:
                self.socket.recv(timeout * PATIENCE)
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None
        raise AssertionError("the server did not close the socket")

    def __enter__(self) -> "Viewer":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def make_server() -> Iterator[Callable[..., Server]]:
    """Servers by settings: `public=True` has a login; other keywords go to `create_server`."""
    with contextlib.ExitStack() as stack:

        def make(public: bool = False, clock: Clock | None = None, **options: Any) -> Server:
            system = FakeSystem(PUBLIC if public else Settings(), clock or SystemClock())
            server = Server(system, **options)
            server.start()
            stack.callback(server.stop)
            return server

        yield make


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    return make_server()


@pytest.fixture
def market(server: Server) -> Market:
    return Market(server.system)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    """One local server for a module's read-only tests."""
    server = Server(FakeSystem(Settings(), SystemClock())).start()
    Market(server.system).seed(200)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared_public() -> Iterator[Server]:
    """One server with a login for a module's tests that leave it as it is."""
    server = Server(FakeSystem(PUBLIC, SystemClock())).start()
    yield server
    server.stop()


@pytest.fixture
def password() -> str:
    return PASSWORD


@pytest.fixture
def canary() -> str:
    """A secret that appears in exceptions and must appear nowhere else."""
    return CANARY


@pytest.fixture
def market_of() -> Callable[[Server], Market]:
    return lambda server: Market(server.system)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Valkey of our own, on a socket in a temporary folder."""
    servers = EmbeddedServers(tmp_path_factory.mktemp("valkey"), want_postgres=False, want_redis=True)
    servers.start()
    assert servers.redis_url is not None
    yield servers.redis_url
    servers.stop()
