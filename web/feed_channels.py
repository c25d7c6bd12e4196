"""What each channel of `/feed` remembers, so that a client at any earlier frame can be told what changed since.

A channel counts its frames in `seq`. A client is known by the `seq` it was last sent: `frame_since(seq)` is the text that
brings it up to date, encoded once and shared by all clients at the same point. So a client that did not read owns no queue:
it owns a number. Used on the web loop only.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.base.clock import Clock
from core.domain.market import BarUpdate, Trade
from core.stream.unified_data_stream import UnifiedDataStream
from web import feed_frames

#: `seq` of a client that has nothing yet
NOTHING = -1
FULL_ROWS = 1_500
TAPE_ROWS = 200


class Channel:
    """Counts frames and keeps the texts made since the last one."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self.seq = 0
        self._clock = clock
        self._sent_ms = clock.now_ms()
        #: a client's seq -> the text for it, for as long as `seq` stands
        self._texts: dict[int, str] = {}

    def _next(self) -> None:
        self.seq += 1
        self._sent_ms = self._clock.now_ms()
        self._texts.clear()

    def frame_since(self, seq: int) -> str | None:
        """The text for a client that was last sent frame `seq`; None when there is nothing new, or nothing at all yet."""
        if seq == self.seq:
            return None
        text = self._texts.get(seq)
        if text is None:
            body = self._body_since(seq)
            if body is None:
                return None
            # a whole state is built on demand and is as of now
            sent_ms = self._clock.now_ms() if seq == NOTHING else self._sent_ms
            text = self._texts[seq] = feed_frames.frame(self.name, self.seq, sent_ms, body)
        return text

    def forget(self) -> None:
        """Nobody listens: drop what is only kept for followers."""
        self._texts.clear()

    def _body_since(self, seq: int) -> Mapping[str, Any] | None:
        raise TypeError(f"{type(self).__name__} builds no frames")


class SeriesChannel(Channel):
    """A series: the rows that changed. Who is too far behind, or new, gets the latest 1,500."""

    def __init__(self, name: str, stream: UnifiedDataStream, clock: Clock) -> None:
        super().__init__(f"series:{name}", clock)
        self._series = name
        self._stream = stream
        #: timestamp -> (seq of its last change, row, flags), in the order of last change
        self._changes: dict[int, tuple[int, Sequence[float], int]] = {}
        #: changes up to this seq are forgotten
        self._floor = 0
        self._recv_ns = 0

    def absorb(self, updates: Sequence[BarUpdate]) -> None:
        self._next()
        for update in updates:
            timestamp = int(update.row[0])
            self._changes.pop(timestamp, None)
            self._changes[timestamp] = (self.seq, update.row, int(update.flags & feed_frames.TINTED))
            self._recv_ns = max(self._recv_ns, update.recv_ns)
        while len(self._changes) > FULL_ROWS:
            self._floor = self._changes.pop(next(iter(self._changes)))[0]

    def restart(self) -> None:
        """Older rows have come: every follower needs the whole again."""
        self._next()
        self._changes.clear()
        self._floor = self.seq

    def forget(self) -> None:
        super().forget()
        self._changes.clear()
        self._floor = self.seq

    def _body_since(self, seq: int) -> Mapping[str, Any] | None:
        if seq < self._floor:
            rows = self._stream.rows(self._series, FULL_ROWS)
            flags = self._stream.flags(self._series, int(rows[0][0])) if rows else {}
            return feed_frames.series_body(rows, flags, self._recv_ms(), full=True)
        newer = itertools.takewhile(lambda item: item[1][0] > seq, reversed(self._changes.items()))
        changes = sorted((timestamp, row, flag) for timestamp, (_, row, flag) in newer)
        return feed_frames.series_body(
            [row for _, row, _ in changes], {timestamp: flag for timestamp, _, flag in changes if flag}, self._recv_ms()
        )

    def _recv_ms(self) -> float | None:
        """Unix ms of the newest fact, from the monotonic clock it was stamped with."""
        if not self._recv_ns:
            return None
        return round(self._clock.now_ms() - (self._clock.monotonic_ns() - self._recv_ns) / 1e6, 3)


class TradesChannel(Channel):
    """The tape: trades since, or the last 200."""

    def __init__(self, symbol: str, stream: UnifiedDataStream, clock: Clock) -> None:
        super().__init__(f"trades:{symbol}", clock)
        self._symbol = symbol
        self._stream = stream
        #: (seq, trade), oldest first, the last 200
        self._tape: list[tuple[int, Trade]] = []
        self._floor = 0

    def absorb(self, trades: Sequence[Trade]) -> None:
        self._next()
        self._tape += [(self.seq, trade) for trade in trades]
        surplus = len(self._tape) - TAPE_ROWS
        if surplus > 0:
            self._floor = self._tape[surplus - 1][0]
            del self._tape[:surplus]

    def forget(self) -> None:
        super().forget()
        self._tape.clear()
        self._floor = self.seq

    def _body_since(self, seq: int) -> Mapping[str, Any] | None:
        if seq < self._floor:
            return feed_frames.trades_body(self._stream.trades(self._symbol, TAPE_ROWS), full=True)
        return feed_frames.trades_body([trade for at, trade in self._tape if at > seq], full=False)


class StateChannel(Channel):
    """Something whose newest state is all there is to say: quotes, a book, a report."""

    def __init__(self, name: str, clock: Clock, read: Callable[[], Mapping[str, Any]] | None = None) -> None:
        """`read` gives the state to a client that comes before the first is published; without it the client waits."""
        super().__init__(name, clock)
        self._read = read
        self._state: Mapping[str, Any] | None = None

    def publish(self, state: Mapping[str, Any]) -> None:
        self._next()
        self._state = state

    def forget(self) -> None:
        super().forget()
        self._state = None

    def _body_since(self, seq: int) -> Mapping[str, Any] | None:
        if self._state is None and self._read is not None:
            self._state = self._read()
        return self._state
