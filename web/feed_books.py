"""The channels of the order-book page: a symbol's consolidated book, its liquidity over time, and every book's integrity.

Used on the web loop only, but for `books`, which is built off it as all reports are.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

from core.domain.market import ConsolidatedBook
from core.system import System
from web import feed_frames
from web.feed_channels import Channel

#: least time between two frames of a consolidated book
COB_PERIOD_NS = 100_000_000
#: frames of new columns that a follower may miss before it gets the whole again: about half a minute of them
FOLLOWED_FRAMES = 60


class CobChannel(Channel):
    """A consolidated book: its newest state, at most ten times a second."""

    def __init__(self, symbol: str, system: System) -> None:
        super().__init__(f"cob:{symbol}", system.clock)
        self.symbol = symbol
        self._stream = system.stream
        self._book: ConsolidatedBook | None = None
        self._is_read = False
        #: a state waits to be told
        self.is_held = False
        self._due_ns = 0

    @property
    def wait_s(self) -> float:
        """Seconds until the next state may be told."""
        return max(0, self._due_ns - self._clock.monotonic_ns()) / 1e9

    def offer(self, book: ConsolidatedBook | None) -> None:
        """A newer state; None: the book is withheld. It is told by the next `release`."""
        self._book = book
        self._is_read = self.is_held = True
        if book is None:
            self._due_ns = 0

    def release(self) -> bool:
        """Tell the state that is held back, unless the last was told just now. True: there is a new frame."""
        now_ns = self._clock.monotonic_ns()
        if not self.is_held or now_ns < self._due_ns:
            return False
        self.is_held = False
        self._due_ns = now_ns + COB_PERIOD_NS
        self._next()
        return True

    def withdraw_if_lost(self) -> bool:
        """True when the book that was told is one no longer."""
        if self._book is None or self._stream.cob(self.symbol) is not None:
            return False
        self.offer(None)
        return True

    def forget(self) -> None:
        super().forget()
        self._book = None
        self._is_read = self.is_held = False

    def _body_since(self, seq: int) -> Mapping[str, Any]:
        if not self._is_read:
            self._book = self._stream.cob(self.symbol)
            self._is_read = True
        stream = self._stream
        source = stream.source_of(self.symbol) if self.symbol in stream.instruments else None
        view = stream.book(self.symbol)
        is_alone = view is not None and self._book is not None and len(self._book.sources) == 1
        return feed_frames.cob_body(self._book, source, view.known_range if view is not None and is_alone else None)


class HeatChannel(Channel):
    """Resting size by price over the last ten minutes: the whole to who is new, then each column once.

    The bodies are the recorder's own, described in `core.market.liquidity`. A whole may hold columns that the next frame
    brings again: their `t` tells.
    """

    def __init__(self, symbol: str, system: System) -> None:
        super().__init__(f"heat:{symbol}", system.clock)
        self.symbol = symbol
        self._stream = system.stream
        self._recorder = system.liquidity
        #: number of the newest column taken; None until somebody was given the whole
        self._last: int | None = None
        #: (seq, body) of the frames since, oldest first
        self._bodies: deque[tuple[int, Mapping[str, Any]]] = deque()
        self._floor = 0

    def poll(self) -> bool:
        """Take the columns that are new. True: there are any."""
        if self._last is None or self.symbol not in self._stream.instruments:
            return False
        body = self._recorder.since(self.symbol, self._last)
        if body["last"] == self._last:
            return False
        self._next()
        self._last = body["last"]
        if body["full"]:
            self._restart()
        else:
            self._bodies.append((self.seq, body))
            if len(self._bodies) > FOLLOWED_FRAMES:
                self._floor = self._bodies.popleft()[0]
        return True

    def forget(self) -> None:
        super().forget()
        self._last = None
        self._restart()

    def _restart(self) -> None:
        """Whoever is not at this frame needs the whole."""
        self._bodies.clear()
        self._floor = self.seq

    def _body_since(self, seq: int) -> Mapping[str, Any]:
        newer = [body for at, body in self._bodies if at > seq]
        if seq < self._floor or not newer:
            is_known = self.symbol in self._stream.instruments
            body = self._recorder.full(self.symbol) if is_known else feed_frames.NO_LIQUIDITY
            if self._last is None:
                self._last = body["last"]
            return body
        return {**newer[-1], "columns": [column for body in newer for column in body["columns"]]}
