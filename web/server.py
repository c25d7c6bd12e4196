"""The web application: our routes, the dashboard behind them, security around all, and what lives while it serves."""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable, Collection, MutableMapping
from typing import Any

import dash
from fastapi import FastAPI
from starlette.routing import BaseRoute, Route, WebSocketRoute

from core.base.supervise import Supervisor
from core.system import FatalError, System
from web.api import Api
from web.api_workers import WorkersApi
from web.clean_dashboard import create_dashboard
from web.feed import Feed
from web.feed_client import FeedEndpoint
from web.history import HistoryCache
from web.paths import KnownPaths
from web.security.headers import inline_script_hashes
from web.security.login import Login, login_css
from web.security.middleware import App, Message, Receive, Scope, SecurityMiddleware, Send

logger = logging.getLogger(__name__)

_FATAL_POLL_S = 0.25
_SESSION_SWEEP_S = 0.5


def create_server(system: System, on_fatal: Callable[[str], None] | None = None, extra_hosts: Collection[str] = ()) -> App:
    """The ASGI application. Starts the system with itself, unless that runs already, and stops it at its end.

    `on_fatal(reason)` is called when the engine cannot go on; by default the process is sent SIGTERM. `extra_hosts` are Host
    names that a server without a login answers to besides localhost's, from any address.
    """
    web = _Web(system, on_fatal or _terminate)
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        routes=list[BaseRoute](web.routes),
        lifespan=lambda _: web.lifespan(),
    )
    app.state.system = system
    app.state.history = web.history
    app.state.feed = web.feed
    web.dashboard = create_dashboard(app, system)
    web.page = app
    web.security = SecurityMiddleware(web.one_line_failures(app), web.login, web.known_paths, extra_hosts)
    return web.security


class _Web:
    """The parts of one server and their life."""

    dashboard: dash.Dash
    page: FastAPI
    security: SecurityMiddleware

    def __init__(self, system: System, on_fatal: Callable[[str], None]) -> None:
        self._system = system
        self._on_fatal = on_fatal
        self._failure = ""
        settings = system.settings
        self.login: Login | None = None
        if settings.is_public:
            if not settings.admin_password or not settings.secret_key:
                raise FatalError(f"host {settings.host} is reachable by others: set ADMIN_PASSWORD and SECRET_KEY")
            self.login = Login(settings.admin_password, settings.secret_key, system.clock)
        self.feed = Feed(system)
        self.history = HistoryCache(system)
        self.routes = self._routes()
        self.known_paths = KnownPaths(route.path for route in self.routes)

    def _routes(self) -> list[Route | WebSocketRoute]:
        routes: list[Route | WebSocketRoute] = [
            *Api(self._system, self.history, self.feed).routes(),
            *WorkersApi(self._system).routes(),
            WebSocketRoute("/feed", FeedEndpoint(self.feed, self._system.clock)),
            Route("/login.css", login_css, methods=["GET"]),
        ]
        if self.login is not None:
            routes += [
                Route("/login", self.login.show, methods=["GET"]),
                Route("/login", self.login.enter, methods=["POST"]),
                Route("/logout", self.login.leave, methods=["POST"]),
            ]
        return routes

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await self._start()
        supervisor = Supervisor()
        supervisor.start("feed flush", self.feed.flush_for_ever)
        supervisor.start("feed reports", self.feed.report_for_ever)
        supervisor.start("feed watch", self.feed.watch_for_ever)
        supervisor.start("web loop lag", lambda: self._system.watch_loop("web"))
        supervisor.start("fatal errors", self._watch_fatal)
        if self.login is not None:
            supervisor.start("session sweep", self._sweep_sessions)
        try:
            yield
        finally:
            self.feed.close()
            await supervisor.close()
            if self.login is not None:
                self.login.password.close()
            await asyncio.to_thread(self._system.stop)

    async def _start(self) -> None:
        """The system, then what needs it; told in one line when it cannot start."""
        if not self._system.started:
            try:
                await asyncio.to_thread(self._system.start)
            except FatalError as error:
                self._failure = str(error)
                raise
        # Dash collects its callbacks and scripts at the first request; ours may be a socket's, so that is done now
        self.dashboard._setup_server()
        self.known_paths.add_pages(dash.page_registry.values())
        hashes = [*self.dashboard.csp_hashes(), *inline_script_hashes(await _get_page(self.page))]
        self.security.script_hashes = list(dict.fromkeys(hashes))
        self.history.open()
        self._system.add_cache("dashboard history", self.history.stats)
        # all that is loaded stays: a collection that looks through it holds every thread up for 0.15 s
        gc.freeze()
        gc.enable()
        self.feed.open()

    async def _watch_fatal(self) -> None:
        while not self._system.fatal.is_set():  # noqa: ASYNC110 - set by the engine's thread
            await asyncio.sleep(_FATAL_POLL_S)
        self._on_fatal(self._system.fatal_error or "the engine stopped")

    async def _sweep_sessions(self) -> None:
        while self.login is not None:
            self.login.sessions.sweep()
            await asyncio.sleep(_SESSION_SWEEP_S)

    def one_line_failures(self, app: App) -> App:
        """A start-up that fails by a FatalError tells the server its one line instead of a traceback."""

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            async def told(message: Message) -> None:
                if message["type"] == "lifespan.startup.failed" and self._failure:
                    message = {**message, "message": self._failure}
                await send(message)

            await app(scope, receive, told if scope["type"] == "lifespan" else send)

        return wrapped


async def _get_page(app: FastAPI) -> str:
    """The dashboard's page as a browser is given it, asked for in process."""
    body: list[bytes] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        body.append(message.get("body", b""))

    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/",
        "raw_path": b"/", "root_path": "", "query_string": b"", "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 0), "server": ("127.0.0.1", 0), "state": {"user": "local"},
    }  # fmt: skip
    await app(scope, receive, send)
    return b"".join(body).decode()


def _terminate(reason: str) -> None:
    logger.critical("%s", reason)
    signal.raise_signal(signal.SIGTERM)
