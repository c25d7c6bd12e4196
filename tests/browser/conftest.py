"""A real Chromium, a page whose console must stay empty, and a server whose system tells what a test wants."""

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from core.base.errors import RetryableError
from core.base.settings import Settings
from core.system import StorageUnavailable, System
from tests.patience import PATIENCE, wait_until
from web.server import create_server

expect.set_options(timeout=10_000 * PATIENCE)
SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium where there is one, else Playwright's own.

    Not for the session: while it is open a loop runs on this thread, and tests that are coroutines cannot have theirs.
    """
    found = next((path for name in SYSTEM_BROWSERS if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        executable = found or playwright.chromium.executable_path
        if not Path(executable).exists():
            pytest.fail("no Chromium: `make test` installs one, see scripts/bootstrap.py")
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`open_page(url, width=…, height=…, console=…)`; at the end the browser's console must have stayed empty."""
    contexts, lines = [], list[str]()

    def open_one(url: str, width: int = 1440, height: int = 900, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: lines.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: lines.append(f"error: {error}"))
        page.goto(url)
        return page

    open_one.console = lines  # type: ignore[attr-defined]
    yield open_one
    for context in contexts:
        context.close()
    assert lines == []


class ShownServer:
    """The real server around a system whose answers a test sets, on a port of its own."""

    def __init__(self, system: Any) -> None:
        self.system = system
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            create_server(system), loop="uvloop", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def start(self) -> "ShownServer":
        self._thread.start()
        wait_until(lambda: self._server.started or not self._thread.is_alive(), 20, "the server's start")
        assert self._server.started, "the server did not start"
        return self

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()
        assert not self._thread.is_alive(), "the server did not stop in 10 s"


class IdleSystem(System):
    """A system that never starts an engine; what it tells of the worker pool and of options is set by a test."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.started = True
        self.pool: dict[str, Any] = {"enabled": False, "reason": "not part of this test", "workers": []}
        #: dead letters, newest first
        self.letters: list[dict[str, Any]] = []
        self.replayed: list[str] = []
        #: underlying -> venue -> expiries and chains that option_chains answers; the first venue is the default
        self.chains: dict[str, dict[str, dict[str, Any]]] = {}
        self.settings_now: dict[str, object] = {
            "workers.processor": "optimized", "workers.count": None, "workers.paused": False
        }  # fmt: skip
        self.changes: list[tuple[str, object]] = []
        self.is_redis_away = self.is_postgres_away = self.is_report_broken = False

    def stop(self) -> None:
        pass

    def workers_status(self) -> dict[str, Any]:
        if self.is_report_broken:
            raise RuntimeError("the report of the pool cannot be built")
        return {**self.pool, "dead_letters": len(self.letters)}

    async def dead_letters(self, limit: int) -> list[dict[str, Any]]:
        if self.is_redis_away:
            raise RetryableError("away")
        return self.letters[:limit]

    async def replay_dead_letters(self, entry: str) -> int:
        if self.is_redis_away:
            raise RetryableError("away")
        self.replayed.append(entry)
        before = len(self.letters)
        self.letters = [letter for letter in self.letters if entry not in ("all", letter["id"])]
        return before - len(self.letters)

    async def option_underlyings(self) -> dict[str, list[str]]:
        if self.is_postgres_away:
            raise StorageUnavailable("away")
        return {name: list(places) for name, places in self.chains.items()}

    async def option_chains(self, underlying: str, venue: str | None = None) -> dict[str, Any]:
        if self.is_postgres_away:
            raise StorageUnavailable("away")
        places = self.chains[underlying]
        wanted = next(iter(places)) if venue is None else venue.upper() if venue.upper() in places else ""
        told = {"underlying": underlying, "venue": wanted, "venues": list(places)}
        return {"expiries": [], "chains": {}} | places.get(wanted, {}) | told

    async def toggles(self) -> list[dict[str, Any]]:
        choices = {"workers.processor": ("optimized", "standard"), "workers.count": (None, *range(1, 9))}
        return [
            {"key": key, "label": key, "group": "Workers", "why": "", "value": value, "locked": "",
             "choices": choices.get(key, ()), "default": False if key == "workers.paused" else choices[key][0]}
            for key, value in self.settings_now.items()
        ]  # fmt: skip

    async def set_toggle(self, key: str, value: object, who: str) -> dict[str, Any]:
        if self.is_postgres_away:
            raise StorageUnavailable("away")
        self.settings_now[key] = value
        self.changes.append((key, value))
        field = {"workers.processor": "processor", "workers.count": "count", "workers.paused": "paused"}[key]
        self.pool = {**self.pool, field: value}
        return next(t for t in await self.toggles() if t["key"] == key)

    async def settings_audit(self, limit: int = 50) -> list[dict[str, Any]]:
        return [{"at_ms": 1, "who": "local", "key": key, "old": None, "new": new} for key, new in reversed(self.changes)]


@pytest.fixture(scope="session")
def serve() -> Callable[[Any], ShownServer]:
    """Start the real server around a system; whoever does stops it."""
    return lambda system: ShownServer(system).start()


@pytest.fixture(scope="module")
def idle_server(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Any], ShownServer]) -> Iterator[ShownServer]:
    """The real server around an IdleSystem, for a module."""
    server = serve(IdleSystem(Settings(data_dir=tmp_path_factory.mktemp("shown"))))
    yield server
    server.stop()
