"""The login: one user, `admin`, whose password stands in the environment."""

import asyncio
import concurrent.futures
import logging
from urllib.parse import parse_qs

import argon2
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from core.base.clock import Clock
from web.security.edge import client_address, is_secure, local_path
from web.security.limits import AttemptLimit
from web.security.pages import LOGIN_CSS, login_page
from web.security.sessions import ABSOLUTE_S, SessionStore

logger = logging.getLogger(__name__)

USER = "admin"
#: attempts a minute that reach the password hash
PER_ACCOUNT, PER_ADDRESS = 10, 20
_FORM_BYTES = 8_192
_PASSWORD_BYTES = 1_024
_MAX_WAITING = 8


class PasswordCheck:
    """Argon2id in a thread of its own: one hash at a time, at most `_MAX_WAITING` in line."""

    def __init__(self, password: str) -> None:
        self._hasher = argon2.PasswordHasher()
        self._hash = self._hasher.hash(password)
        self._executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="password")
        self._waiting = 0
        #: how many guesses were hashed
        self.checked = 0

    @property
    def is_busy(self) -> bool:
        return self._waiting >= _MAX_WAITING

    async def matches(self, password: str) -> bool:
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._verify, password)
        finally:
            self._waiting -= 1

    def _verify(self, password: str) -> bool:
        self.checked += 1
        try:
            return self._hasher.verify(self._hash, password)
        except argon2.exceptions.VerifyMismatchError:
            return False

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


class Login:
    """The login's routes. Cookies are `__Host-` and Secure over TLS; plain HTTP (a home network) cannot have either."""

    def __init__(self, password: str, secret_key: str, clock: Clock) -> None:
        self.sessions = SessionStore(secret_key, clock)
        self.password = PasswordCheck(password)
        self._per_account = AttemptLimit(PER_ACCOUNT, 60, clock)
        self._per_address = AttemptLimit(PER_ADDRESS, 60, clock)

    @staticmethod
    def cookie_name(secure: bool) -> str:
        return "__Host-quintet" if secure else "quintet"

    async def show(self, request: Request) -> Response:
        target = local_path(request.query_params.get("next", "/"))
        if request.state.user:
            return RedirectResponse(target, 303)
        return HTMLResponse(login_page(target))

    async def enter(self, request: Request) -> Response:
        """Check the form; 303 onward with a new session, 401 with the page again, 429 when tried too often."""
        form = await _form(request)
        target = local_path(form.get("next", "/"))
        password = form.get("password", "")
        address = client_address(request.scope, is_public=True)
        wait_s = max(self._per_address.retry_after_s(address), self._per_account.retry_after_s(USER))
        if wait_s or self.password.is_busy:
            page = login_page(target, f"Too many attempts. Try again in {wait_s or 1} s.")
            return HTMLResponse(page, 429, {"Retry-After": str(wait_s or 1)})
        self._per_address.count(address)
        self._per_account.count(USER)
        if not password or len(password.encode()) > _PASSWORD_BYTES or not await self.password.matches(password):
            logger.warning("login refused for %s", address)
            return HTMLResponse(login_page(target, "That is not the password."), 401)
        logger.info("login from %s", address)
        secure = is_secure(request.scope, is_public=True)
        name = self.cookie_name(secure)
        self.sessions.close(request.cookies.get(name))
        answer = RedirectResponse(target, 303)
        answer.set_cookie(
            name, self.sessions.open(USER), max_age=ABSOLUTE_S, path="/", secure=secure, httponly=True, samesite="lax"
        )
        return answer

    async def leave(self, request: Request) -> Response:
        """End the session, and with it every socket it opened."""
        secure = is_secure(request.scope, is_public=True)
        name = self.cookie_name(secure)
        self.sessions.close(request.cookies.get(name))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")
        return answer


async def login_css(request: Request) -> Response:
    """The style of the pages that need no login."""
    return Response(LOGIN_CSS, media_type="text/css")


async def _form(request: Request) -> dict[str, str]:
    """The first value of each field of an urlencoded form; nothing of any other body."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return {}
    body = await request.body()
    if len(body) > _FORM_BYTES:
        return {}
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}
