"""SUBSCRIBE and UNSUBSCRIBE on the open socket, never faster than Binance allows."""

import asyncio
from collections.abc import Callable

from core.base.clock import Clock
from core.base.codec import to_json
from core.venues.binance.wire import Control
from core.venues.token_bucket import TokenBucket

#: messages a connection may send per second, pings and pongs included (web-socket-streams.md)
LIMIT_PER_S = 5
#: one message every 350 ms: at 250 ms a venue was seen to close with 1008, and pings need room
PACE_PER_S = 1 / 0.35
#: streams per message, so that none grows beyond what a venue reads
_PER_MESSAGE = 200
#: without an answer for this long a request is sent again
_ACK_S = 5.0


class StreamRequests:
    """What is still to be asked of the venue, and what was not answered yet.

    The newest word about a stream counts, so the queue is bounded by the number of streams. Subscribing anew is an
    UNSUBSCRIBE followed by a SUBSCRIBE. A SUBSCRIBE that the venue does not answer is sent again.
    """

    def __init__(self, clock: Clock, send: Callable[[bytes], None], is_open: Callable[[], bool]) -> None:
        self._clock = clock
        self._send = send
        self._is_open = is_open
        self.bucket = TokenBucket(clock, PACE_PER_S, burst=1)
        #: streams to let go, and to ask for, in order
        self._off: dict[str, None] = {}
        self._on: dict[str, None] = {}
        self._wake = asyncio.Event()
        #: request id -> its method, its streams, and when it was sent (monotonic ns)
        self._unanswered: dict[int, tuple[str, list[str], int]] = {}
        self._id = 0

    @property
    def sent(self) -> int:
        return self.bucket.total

    @property
    def waiting(self) -> int:
        """Streams of which something is still to be said."""
        return len(self._off) + len(self._on)

    def subscribe(self, streams: list[str]) -> None:
        self._on |= dict.fromkeys(streams)
        self._wake.set()

    def unsubscribe(self, streams: list[str]) -> None:
        for stream in streams:
            self._on.pop(stream, None)
        # nothing that was asked for and not answered yet may come back later
        self._unanswered = {
            number: (method, [n for n in names if n not in streams], at_ns)
            for number, (method, names, at_ns) in self._unanswered.items()
        }
        self._off |= dict.fromkeys(streams)
        self._wake.set()

    def anew(self, streams: list[str]) -> None:
        """Let go and ask for again: two messages for all the streams."""
        self._off |= dict.fromkeys(streams)
        self.subscribe(streams)

    def reset(self) -> None:
        """Another connection: its address names all streams, nothing is to be said any more."""
        self._off.clear()
        self._on.clear()
        self._unanswered.clear()

    def answered(self, control: Control) -> str:
        """Note an answer. The streams that it refuses, as text; empty when it refuses none."""
        request = self._unanswered.pop(control.id, None) if control.id is not None else None
        return ", ".join(request[1]) if request is not None and control.error else ""

    async def run(self) -> None:
        """Send what is to be said, one message at a time, for ever."""
        while True:
            if not self.waiting:
                self._wake.clear()
                await self._nap()
            self._ask_again()
            if self.waiting and self._is_open():
                wait_s = self.bucket.wait_s()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                else:
                    self._say()
            elif self.waiting:
                # without a connection there is nobody to say it to; the next one's address says it all
                self.reset()

    async def _nap(self) -> None:
        """Until there is something to say, or a request may have gone unanswered for too long."""
        try:
            async with asyncio.timeout(_ACK_S / 2 if self._unanswered else None):
                await self._wake.wait()
        except TimeoutError:
            return

    def _say(self) -> None:
        method, streams = ("UNSUBSCRIBE", self._off) if self._off else ("SUBSCRIBE", self._on)
        names = list(streams)[:_PER_MESSAGE]
        for name in names:
            del streams[name]
        self._id += 1
        self._unanswered[self._id] = (method, names, self._clock.monotonic_ns())
        self.bucket.spend()
        self._send(to_json({"method": method, "params": names, "id": self._id}))

    def _ask_again(self) -> None:
        overdue_ns = self._clock.monotonic_ns() - round(_ACK_S * 1e9)
        for number, (method, names, sent_ns) in list(self._unanswered.items()):
            if sent_ns < overdue_ns:
                del self._unanswered[number]
                if method == "SUBSCRIBE":
                    self._on |= dict.fromkeys(names)
