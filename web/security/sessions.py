"""Logged-in sessions, kept in this process. Only the SHA-256 of a token is stored; the token itself is the browser's."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable

from core.base.clock import Clock

IDLE_S = 30 * 60
ABSOLUTE_S = 12 * 3600
MAX_SESSIONS = 1_000
_TOKEN_BYTES = 32


class Session:
    """One login. `ended` runs each of its `on_end` callbacks once."""

    def __init__(self, user: str, now_ns: int) -> None:
        self.user = user
        self.created_ns = now_ns
        self.used_ns = now_ns
        self.is_live = True
        self._on_end: dict[int, Callable[[], None]] = {}

    def on_end(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have `call` run when the session ends; the answer undoes that."""
        self._on_end[id(call)] = call
        return lambda: self._on_end.pop(id(call), None) and None

    def end(self) -> None:
        self.is_live = False
        while self._on_end:
            self._on_end.popitem()[1]()


class SessionStore:
    """Sessions by the hash of their token: idle for 30 min or 12 h old, they end.

    The cookie's value is `token.mac`: 256 random bits, and an HMAC-SHA256 over them by `secret_key`, so that a guess costs
    no look-up and a changed key ends every session. Beyond `limit` sessions the least recently used one ends.
    """

    def __init__(
        self,
        secret_key: str,
        clock: Clock,
        idle_s: float = IDLE_S,
        absolute_s: float = ABSOLUTE_S,
        limit: int = MAX_SESSIONS,
    ) -> None:
        self._key = hashlib.sha256(b"quintet session\0" + secret_key.encode()).digest()
        self._clock = clock
        self._idle_ns = round(idle_s * 1e9)
        self._absolute_ns = round(absolute_s * 1e9)
        self._limit = limit
        #: SHA-256 of a token -> its session
        self._sessions: dict[bytes, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, user: str) -> str:
        """A new session's cookie value."""
        while len(self._sessions) >= self._limit:
            oldest = min(self._sessions, key=lambda key: self._sessions[key].used_ns)
            self._sessions.pop(oldest).end()
        token = secrets.token_bytes(_TOKEN_BYTES)
        self._sessions[hashlib.sha256(token).digest()] = Session(user, self._clock.monotonic_ns())
        return f"{_text(token)}.{_text(self._mac(token))}"

    def find(self, cookie: str | None) -> Session | None:
        """The live session of a cookie value; being asked for keeps it from idling out."""
        token = self._token(cookie)
        if token is None:
            return None
        key = hashlib.sha256(token).digest()
        session = self._sessions.get(key)
        if session is None:
            return None
        if self._is_over(session):
            self._sessions.pop(key).end()
            return None
        session.used_ns = self._clock.monotonic_ns()
        return session

    def close(self, cookie: str | None) -> None:
        """End a cookie's session and everything that hangs on it."""
        token = self._token(cookie)
        if token is not None and (session := self._sessions.pop(hashlib.sha256(token).digest(), None)) is not None:
            session.end()

    def sweep(self) -> None:
        """End every session that is over. Called twice a second, so that open sockets end with it."""
        for key in [key for key, session in self._sessions.items() if self._is_over(session)]:
            self._sessions.pop(key).end()

    def _is_over(self, session: Session) -> bool:
        now = self._clock.monotonic_ns()
        return now - session.used_ns >= self._idle_ns or now - session.created_ns >= self._absolute_ns

    def _mac(self, token: bytes) -> bytes:
        return hmac.digest(self._key, token, "sha256")

    def _token(self, cookie: str | None) -> bytes | None:
        if not cookie or len(cookie) > 200 or not cookie.isascii():
            return None
        text, _, mac = cookie.partition(".")
        token = _bytes(text)
        if token is None or len(token) != _TOKEN_BYTES or not hmac.compare_digest(mac, _text(self._mac(token))):
            return None
        return token


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
