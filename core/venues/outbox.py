"""Messages that wait to be sent: a burst at once, the rest evenly, so that many subscriptions never break a venue's rule."""

import asyncio
from collections import deque
from collections.abc import Callable

from core.venues.token_bucket import TokenBucket

#: messages that may wait; more would be a mistake of ours, and the oldest is dropped and counted
_MOST = 10_000

Send = Callable[[bytes], None]


class Outbox:
    """`post` sends now when `pace` allows it, else in turn, when `run` comes to it."""

    def __init__(self, pace: TokenBucket) -> None:
        self._pace = pace
        self._waiting: deque[tuple[Send, bytes, Callable[[], None]]] = deque()
        self._wake = asyncio.Event()
        self.sent = 0
        self.dropped = 0

    def post(self, send: Send, message: bytes, on_sent: Callable[[], None] = lambda: None) -> None:
        """`on_sent()` is called when it went out."""
        if not self._waiting and self._pace.wait_s() <= 0:
            self._send(send, message, on_sent)
            return
        self._waiting.append((send, message, on_sent))
        if len(self._waiting) > _MOST:
            self._waiting.popleft()
            self.dropped += 1
        self._wake.set()

    def clear(self) -> None:
        """The connection is gone, and what waited for it."""
        self._waiting.clear()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if (wait_s := self._pace.wait_s()) > 0:
                    await asyncio.sleep(wait_s)
                    continue
                self._send(*self._waiting.popleft())

    def _send(self, send: Send, message: bytes, on_sent: Callable[[], None]) -> None:
        self._pace.spend()
        self.sent += 1
        send(message)
        on_sent()
