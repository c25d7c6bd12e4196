"""The one connect → read → watch loop of every WebSocket venue."""

import asyncio
import contextlib
import errno
import logging
import random
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from picows import WSError

from core.base.backoff import Backoff
from core.base.clock import Clock
from core.domain.health import LinkState
from core.venues.bad_frames import BadFrames
from core.venues.causes import Signals
from core.venues.connect_budget import ConnectBudget
from core.venues.connection import Connection

logger = logging.getLogger(__name__)

#: how often a paused link asks whether it may read again
_RESUME_POLL_S = 0.002


class LinkTimes(msgspec.Struct, frozen=True):
    """Time limits of a link, in seconds."""

    #: until a connection attempt is given up
    connect_s: float = 4.0
    #: without any message at all the connection is dropped, pings or not; a backstop behind the watch per channel
    idle_s: float = 30.0
    #: age at which a connection is replaced; Binance ends one after 24 h
    renew_s: float = 23.5 * 3600
    #: taken off `renew_s` at random, so that many links never renew together
    renew_jitter_s: float = 900.0
    #: until a successor's first message must have come
    takeover_s: float = 10.0
    #: age at which the venue itself ends a connection; 0: it does not
    lifetime_s: float = 24 * 3600.0


class Link:
    """Keeps one connection up, for ever.

    `url()` is asked at each connect. `on_frame(payload, recv_ns)` gets every whole message; what it raises is counted
    in `bad` and ends nothing. `on_state(state, cause)` is told CONNECTING, SYNCING (open, nothing came yet), LIVE
    (something came), RECONNECTING, BANNED and STOPPED. While `congested()` is true nothing is read.

    `signals` tells how the last connection ended or was not had, for `decide_cause`.

    A planned renewal is make-before-break: the successor's first message is awaited before the old connection is
    closed, so that for a moment messages come twice; whoever sequences them drops the second.
    """

    def __init__(
        self,
        name: str,
        url: Callable[[], str],
        on_frame: Callable[[bytes, int], None],
        on_state: Callable[[LinkState, str], None],
        clock: Clock,
        backoff: Backoff | None = None,
        congested: Callable[[], bool] = lambda: False,
        *,
        budget: ConnectBudget | None = None,
        times: LinkTimes | None = None,
        bad: BadFrames | None = None,
        options: dict[str, Any] | None = None,
        prepare: Callable[[], Awaitable[None]] | None = None,
        on_successor: Callable[[Callable[[bytes], None]], None] = lambda send: None,
        proves: Callable[[bytes], bool] = lambda payload: True,
    ) -> None:
        """`prepare()` is awaited before each connect of the loop, for as long as it takes.

        For a venue that sends only what was subscribed: `on_successor(send)` is called when a renewal's new connection is
        open, with the way to send on it, and `proves(payload)` tells of each message that comes on it, until it is proven,
        whether it is the proof.
        """
        self.name = name
        self._url = url
        self._on_frame = on_frame
        self._on_state = on_state
        self._clock = clock
        # one link tries about every four seconds at most: far below a venue's limit, and the end of an outage is soon seen
        self._backoff = backoff or Backoff(cap_s=8.0)
        self._congested = congested
        self._budget = budget or ConnectBudget(clock)
        self._times = times or LinkTimes()
        self._options = options or {}
        self._prepare = prepare
        self._on_successor = on_successor
        self._proves = proves
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret
        #: open connections: one, or two during a renewal
        self._connections: list[Connection] = []
        self._renewal = asyncio.Event()
        self._renew_cause = ""
        self._resuming: asyncio.Task[None] | None = None
        #: when the data was last proven to flow (monotonic ns); the outage's age bounds the back-off
        self._proven_ns = clock.monotonic_ns()
        self._hold_until_ms, self._hold_cause = 0, ""
        #: what is told of a connection that we end ourselves
        self._end_signals: Signals | None = None
        self.signals = Signals()
        self.bad = bad or BadFrames(name)
        self.connects = self.messages = self.pauses = self.renewals = 0
        self.last_message_ns = 0
        self.paused = False
        self.state, self.cause = LinkState.CONNECTING, ""

    async def run(self) -> None:
        """Connect, read, reconnect; returns only by cancellation."""
        try:
            cause = ""
            while True:
                self._report(LinkState.RECONNECTING if self.connects or cause else LinkState.CONNECTING, cause)
                await self._permission()
                if self._prepare is not None:
                    await self._prepare()
                connection = self._connection(self._opened)
                cause = await self._try_open(connection) or await self._serve(connection)
                self._report(LinkState.RECONNECTING, cause)
                await asyncio.sleep(self._backoff.next(at_most_s=self._patience_s()))
        finally:
            self._stop()

    def reconnect(self, cause: str, signals: Signals | None = None) -> None:
        """Drop the connection now and make a new one; `signals` tells why."""
        self._end_signals = signals
        for connection in tuple(self._connections):
            connection.close(cause)

    def renew(self, cause: str) -> None:
        """Make a new connection, and drop the present one when the new one has proven itself."""
        self._renew_cause = cause
        self._renewal.set()

    def hold(self, until_ms: int, cause: str) -> None:
        """Make no connection before `until_ms` (Unix ms): the venue told us to stay away."""
        self._hold_until_ms, self._hold_cause = until_ms, cause

    def send(self, text: bytes) -> None:
        """Send on the open connection, on both during a renewal; does nothing when there is none."""
        for connection in self._connections:
            connection.send(text)

    def tap(self, listener: Callable[[bytes, int], None]) -> None:
        """Let `listener(payload, recv_ns)` hear every message from now on, before anything is made of it."""
        on_frame = self._on_frame

        def both(payload: bytes, recv_ns: int) -> None:
            listener(payload, recv_ns)
            on_frame(payload, recv_ns)

        self._on_frame = both

    def ping(self) -> None:
        """Ask for a sign of life of the connection itself, apart from its data."""
        for connection in self._connections:
            connection.ping()

    @property
    def pong_ns(self) -> int:
        """When a ping of ours was last answered (monotonic ns), 0 when none was on the present connection."""
        return max((connection.pong_ns for connection in self._connections), default=0)

    @property
    def backlog(self) -> int:
        """Messages read and not handed on yet: those of a read that wait for their turn."""
        return sum(connection.backlog for connection in self._connections)

    @property
    def budget(self) -> ConnectBudget:
        return self._budget

    @property
    def is_open(self) -> bool:
        return any(c.is_open for c in self._connections)

    def _patience_s(self) -> float:
        """The ceiling of the next wait: short after a short outage, so that the end of a restart is not slept through."""
        return max(1.0, (self._clock.monotonic_ns() - self._proven_ns) / 5e9)

    async def _permission(self) -> None:
        """Wait until the venue's ban is over and its connect budget allows one more."""
        while (left_ms := self._hold_until_ms - self._clock.now_ms()) > 0:
            self._report(LinkState.BANNED, self._hold_cause)
            await asyncio.sleep(min(1.0, left_ms / 1000))
        while (wait_s := self._budget.wait_s()) > 0:
            self._report(LinkState.RECONNECTING, f"connect budget spent, next in {wait_s:.0f} s")
            await asyncio.sleep(min(5.0, wait_s))

    def _connection(self, on_open: Callable[[], None] = lambda: None) -> Connection:
        def opened() -> None:
            # counted here, for the first message may come before whoever waits for the opening has its turn
            self.connects += 1
            on_open()

        return Connection(self._clock, self._deliver, self.bad.count, self._after_read, opened)

    def _opened(self) -> None:
        self._report(LinkState.SYNCING, "connected, waiting for the first message")

    async def _try_open(self, connection: Connection) -> str:
        """Connect; the cause when that fails, else an empty text."""
        self._budget.spend()
        # known before it is open: its first frames may come in the same read as the handshake's answer
        self._connections.append(connection)
        try:
            await connection.open(self._url(), self._times.connect_s, **self._options)
        except (OSError, WSError, ValueError) as error:
            self._give_up(connection)
            self._note_ban(error)
            self.signals = signals_of(error)
            return cause_of(error, self._times.connect_s)
        except asyncio.CancelledError:
            self._give_up(connection)
            raise
        if self.paused:
            connection.pause()
        return ""

    def _give_up(self, connection: Connection) -> None:
        """It may have been opened, and even have brought something, before whoever waited for it had its turn."""
        connection.close("given up")
        connection.forget()
        self._connections.remove(connection)

    def _note_ban(self, error: Exception) -> None:
        """A handshake answered 418 or 429 holds further connects back for as long as the venue says, else two minutes."""
        response = getattr(error, "response", None)
        status = int(getattr(response, "status", 0) or 0)
        if status in (418, 429):
            after = str(response.headers.get("Retry-After", "")) if response is not None else ""
            self.hold(self._clock.now_ms() + 1000 * (int(after) if after.isdigit() else 120), f"connect refused ({status})")

    async def _serve(self, connection: Connection) -> str:
        """Until the connection, or the last that took over from it, is over; gives the cause."""
        opened_ns = self._clock.monotonic_ns()
        renew_s = self._renew_after_s()
        while True:
            age_s = (self._clock.monotonic_ns() - opened_ns) / 1e9
            await self._wait_for_end(connection, max(0.0, min(renew_s - age_s, self._idle_left_s(opened_ns))))
            if connection.closed.done():
                self._connections.remove(connection)
                self.signals = self._signals_of_end(connection, opened_ns)
                return connection.closed.result()
            if self._idle_left_s(opened_ns) <= 0:
                self._end_signals = Signals(disconnected=True, timed_out=True, silent_s=self._times.idle_s)
                connection.close(f"no message for {self._times.idle_s:.0f} s")
            elif self._renewal.is_set() or (self._clock.monotonic_ns() - opened_ns) / 1e9 >= renew_s:
                successor = await self._succeed(connection)
                if successor is None:
                    renew_s = age_s + self._backoff.next() + self._times.connect_s
                else:
                    connection, opened_ns, renew_s = successor, self._clock.monotonic_ns(), self._renew_after_s()

    def _signals_of_end(self, connection: Connection, opened_ns: int) -> Signals:
        ours, self._end_signals = self._end_signals, None
        if not connection.close_code and ours is not None:
            return ours
        code = connection.close_code
        age_s = (self._clock.monotonic_ns() - opened_ns) / 1e9
        return Signals(
            disconnected=True, close_code=code, reset=code == 1006, age_s=age_s, lifetime_s=self._times.lifetime_s
        )  # fmt: skip

    def _renew_after_s(self) -> float:
        return self._times.renew_s - self._rng.uniform(0, self._times.renew_jitter_s)

    def _idle_left_s(self, opened_ns: int) -> float:
        if self.paused:
            return self._times.idle_s
        return self._times.idle_s - (self._clock.monotonic_ns() - max(opened_ns, self.last_message_ns)) / 1e9

    async def _wait_for_end(self, connection: Connection, timeout_s: float) -> None:
        await _first_of(connection.closed, self._renewal, timeout_s)

    async def _succeed(self, old: Connection) -> Connection | None:
        """A proven successor, the old connection closed; None when it could not be had and the old one stays."""
        self._renewal.clear()
        if self._budget.wait_s() > 0 or self._hold_until_ms > self._clock.now_ms():
            return None
        new = self._connection(lambda: self._on_successor(new.send))
        failure = await self._try_open(new)
        if not failure:
            await _first_of(new.closed, new.proven, self._times.takeover_s)
            if new.proven.is_set() and new.is_open:
                self.renewals += 1
                logger.info("%s: connection renewed (%s)", self.name, self._renew_cause or "planned")
                self._renew_cause = ""
                old.close("replaced by its successor")
                self._connections.remove(old)
                return new
            new.close("never proved itself")
            self._connections.remove(new)
            failure = "the successor sent nothing"
        logger.warning("%s: renewal failed (%s), the old connection stays", self.name, failure)
        return None

    def _deliver(self, connection: Connection, payload: bytes, recv_ns: int) -> None:
        self.messages += 1
        self.last_message_ns = recv_ns
        if not connection.is_proven and (len(self._connections) == 1 or self._proves(payload)):
            connection.is_proven = True
            connection.proven.set()
            self._backoff.reset()
            self._report(LinkState.LIVE, "")
        try:
            self._on_frame(payload, recv_ns)
        except Exception as error:  # one bad frame must not cost the connection
            self.bad.count(error)

    def _after_read(self) -> None:
        if not self.paused and self._congested():
            self.paused = True
            self.pauses += 1
            for connection in self._connections:
                connection.pause()
            self._resuming = asyncio.ensure_future(self._resume_when_clear())

    async def _resume_when_clear(self) -> None:
        while self._congested():  # noqa: ASYNC110 - the answer may come from any thread
            await asyncio.sleep(_RESUME_POLL_S)
        self.paused = False
        self.last_message_ns = self._clock.monotonic_ns()
        for connection in self._connections:
            connection.resume()

    def _report(self, state: LinkState, cause: str) -> None:
        if state is LinkState.LIVE or self.state is LinkState.LIVE:
            self._proven_ns = self._clock.monotonic_ns()
        if (state, cause) != (self.state, self.cause):
            self.state, self.cause = state, cause
            self._on_state(state, cause)

    def _stop(self) -> None:
        if self._resuming is not None:
            self._resuming.cancel()
        for connection in self._connections:
            with contextlib.suppress(Exception):
                connection.close("stopped")
                connection.forget()
        self._connections.clear()
        self._report(LinkState.STOPPED, "stopped")


def signals_of(error: Exception) -> Signals:
    """What a failed connect tells."""
    status = int(getattr(getattr(error, "response", None), "status", 0) or 0)
    refused = isinstance(error, ConnectionRefusedError) or getattr(error, "errno", None) == errno.ECONNREFUSED
    return Signals(
        disconnected=True,
        refused=refused,
        timed_out=isinstance(error, TimeoutError),
        unresolved=isinstance(error, socket.gaierror),
        http_status=status,
        # whatever else went wrong did so on the way
        reset=not refused and not status,
    )


async def _first_of(closed: asyncio.Future[str], event: asyncio.Event, timeout_s: float) -> None:
    """Until the connection is closed, the event is set, or the time is over."""
    happening = asyncio.ensure_future(event.wait())
    waiting: set[asyncio.Future[Any]] = {closed, happening}
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        happening.cancel()


def cause_of(error: Exception, limit_s: float) -> str:
    """What a failed connect is called."""
    if isinstance(error, TimeoutError):
        return f"connect timed out after {limit_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return f"name not resolved: {error.strerror}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    status = getattr(getattr(error, "response", None), "status", None)
    if status is not None:
        return f"connect refused with HTTP {int(status)}"
    return f"connect failed: {error}"
