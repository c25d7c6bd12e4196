"""The outermost layer: decides on every HTTP request and every WebSocket before anything else sees it."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import quote

from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from web.security.edge import (
    ALLOWED_METHODS,
    header,
    host_of,
    is_secure,
    refuses_origin,
    refuses_server,
)
from web.security.headers import security_headers
from web.security.login import Login
from web.security.pages import not_found_page
from web.security.sessions import Session

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_BYTES = 1 << 20
SOCKET_MESSAGE_BYTES = 64 << 10
#: WebSocket close codes: too big a message (RFC 6455), and ours for a session that ended
TOO_BIG, SESSION_ENDED = 1009, 4401
#: what answers without a session on a public server
OPEN_PATHS = frozenset({"/health", "/login", "/login.css"})
LOCAL_USER = "local"


class SecurityMiddleware:
    """Wraps the whole application.

    With a `login` (a public server) every path but OPEN_PATHS needs its session. Without, requests are answered only on this
    machine's own addresses and names. `is_known(path)` says what exists: all else is 404. `scope["state"]["user"]` is set
    for the application. `script_hashes` are the CSP sources of the page's inline scripts, known after start-up.
    """

    def __init__(
        self, app: App, login: Login | None, is_known: Callable[[str], bool], extra_hosts: Collection[str] = ()
    ) -> None:
        self._app = app
        self._login = login
        self._is_known = is_known
        self._extra_hosts = extra_hosts
        self.script_hashes: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        send = self._with_headers(scope, send)
        session = self._session(scope)
        refusal = self._refusal(scope, session)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        self._set_user(scope, session)
        body = _LimitedBody(scope, receive, send)
        try:
            await self._app(scope, body.receive, body.send)
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            if not body.has_answered:
                await JSONResponse({"error": "internal error"}, 500)(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = self._session(scope)
        refusal = self._refusal(scope, session)
        if refusal is not None:
            await _refuse_socket(scope, refusal, receive, self._with_headers(scope, send))
            return
        self._set_user(scope, session)
        # ASGI has no way to cut a connection off; uvicorn's receive is a method of the connection, which has its transport
        scope["state"]["transport"] = getattr(getattr(receive, "__self__", None), "transport", None)
        socket = _GuardedSocket(receive, send)
        forget = session.on_end(socket.end_session) if session is not None else None
        try:
            await self._app(scope, socket.receive, socket.send)
        finally:
            if forget is not None:
                forget()

    def _refusal(self, scope: Scope, session: Session | None) -> Response | None:
        """The answer to a request that goes no further, None for one that may."""
        if scope["type"] == "http" and scope["method"] not in ALLOWED_METHODS:
            return PlainTextResponse("Method Not Allowed", 405, {"Allow": ", ".join(sorted(ALLOWED_METHODS))})
        if self._login is None:
            if reason := refuses_server(scope, self._extra_hosts):
                return JSONResponse({"error": reason}, 403)
        elif host_of(scope) is None:
            return JSONResponse({"error": "bad Host header"}, 400)
        if reason := refuses_origin(scope, self._is_secure(scope)):
            return JSONResponse({"error": reason}, 403)
        if not self._is_known(scope["path"]):
            return HTMLResponse(not_found_page(), 404) if _wants_page(scope) else JSONResponse({"error": "not found"}, 404)
        if self._login is None or session is not None or scope["path"] in OPEN_PATHS:
            return None
        if _wants_page(scope):
            target = scope["path"] + ("?" + scope["query_string"].decode("latin-1") if scope["query_string"] else "")
            return RedirectResponse("/login?next=" + quote(target, safe="/"), 303)
        return JSONResponse({"error": "login required"}, 401)

    def _session(self, scope: Scope) -> Session | None:
        if self._login is None:
            return None
        cookies = cookie_parser(header(scope, b"cookie") or "")
        return self._login.sessions.find(cookies.get(self._login.cookie_name(self._is_secure(scope))))

    def _set_user(self, scope: Scope, session: Session | None) -> None:
        user = session.user if session is not None else LOCAL_USER if self._login is None else ""
        scope["state"] = {**scope.get("state", {}), "user": user}

    def _is_secure(self, scope: Scope) -> bool:
        return is_secure(scope, self._login is not None)

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                given = [(name.lower(), value) for name, value in message.get("headers", ())]
                host = host_of(scope)
                added = security_headers(
                    scope["path"], host[1] if host else "", self._is_secure(scope), self.script_hashes, [n for n, _ in given]
                )
                names = {name for name, _ in added} | {b"server"}
                message = {**message, "headers": [(n, v) for n, v in given if n not in names] + added}
            await send(message)

        return sending


class _LimitedBody:
    """Answers 413 itself once a request's body grows beyond BODY_BYTES; what the application says after that is dropped."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._seen = 0
        self.has_answered = False
        self._is_over = False
        declared = header(scope, b"content-length") or "0"
        self._declared = int(declared) if declared.isdecimal() else 0

    async def receive(self) -> Message:
        if self._is_over:
            return {"type": "http.disconnect"}
        if self._declared <= BODY_BYTES:
            message = await self._receive()
            self._seen += len(message.get("body", b""))
            if self._seen <= BODY_BYTES:
                return message
        self._is_over = True
        if not self.has_answered:
            await JSONResponse({"error": "the body is larger than 1 MB"}, 413, {"Connection": "close"})(
                self._scope, self._receive, self._send
            )
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.has_answered = True
        if not self._is_over:
            await self._send(message)


class _GuardedSocket:
    """A WebSocket that is closed when its session ends, or on a message above SOCKET_MESSAGE_BYTES."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._ended = asyncio.Event()
        self._is_closed = False

    def end_session(self) -> None:
        self._ended.set()

    async def receive(self) -> Message:
        ended = asyncio.ensure_future(self._ended.wait())
        reading = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.is_set():
                return await self._close(SESSION_ENDED, "the session ended")
            message = reading.result()
        finally:
            ended.cancel()
            reading.cancel()
        if len(message.get("text") or message.get("bytes") or b"") > SOCKET_MESSAGE_BYTES:
            return await self._close(TOO_BIG, "message too big")
        return message

    async def send(self, message: Message) -> None:
        if not self._is_closed:
            await self._send(message)

    async def _close(self, code: int, reason: str) -> Message:
        self._is_closed = True
        # a client that does not read would keep this waiting; the application learns of the end at once all the same
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(1):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        return {"type": "websocket.disconnect", "code": code, "reason": reason}


async def _refuse_socket(scope: Scope, refusal: Response, receive: Receive, send: Send) -> None:
    """Answer a handshake with an HTTP error instead of accepting it."""
    if "websocket.http.response" in scope.get("extensions", {}):
        await refusal(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": ""})


def _wants_page(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and "text/html" in (header(scope, b"accept") or "").lower()
        and not scope["path"].startswith(("/api/", "/_dash-", "/assets/"))
    )
