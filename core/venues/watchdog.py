"""Watches the channels of one connection: silence is a fault, even when pings are answered."""

import asyncio
from collections.abc import Callable, Sequence

from core.base.clock import Clock
from core.venues.channel import Channel
from core.venues.incident_log import IncidentLog
from core.venues.link import Link

_RATE_NS = 1_000_000_000


class Watchdog:
    """Answers silence: first by subscribing the channel anew on the same socket, then by another connection.

    It never rests: it looks whatever the state of the link is, and what it does is decided at each look. Silence that is
    our own doing (a paused link, a loop that was held up) is not held against a channel.
    """

    def __init__(
        self,
        link: Link,
        channels: Sequence[Channel],
        clock: Clock,
        incidents: IncidentLog,
        resubscribe: Callable[[list[str]], None],
        excuse: Callable[[Channel], bool],
        on_look: Callable[[], None],
        period_s: float,
    ) -> None:
        """`excuse(channel)`: whether the venue itself says that there was nothing to send. `on_look` ends each look."""
        self._link = link
        self._channels = channels
        self._clock = clock
        self._incidents = incidents
        self._resubscribe = resubscribe
        self._excuse = excuse
        self._on_look = on_look
        self._period_s = period_s
        self._looked_ns = self._rated_ns = clock.monotonic_ns()
        self._messages = 0
        #: messages per second on the whole link
        self.rate_per_s = 0.0
        #: times the engine loop was held up for longer than a look should take
        self.held_up = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            self.look()

    def look(self) -> None:
        """One round over all channels."""
        now_ns = self._clock.monotonic_ns()
        late = (now_ns - self._looked_ns) / 1e9 > 3 * self._period_s + 0.5
        self._looked_ns = now_ns
        self._measure(now_ns)
        if late or self._link.paused:
            self.held_up += late
            for channel in self._channels:
                channel.paused(now_ns)
        else:
            self._answer_silence(now_ns)
        self._on_look()

    def _answer_silence(self, now_ns: int) -> None:
        silent = [(c, s) for c in self._channels if (s := c.silent_for_s(now_ns)) is not None and not self._excuse(c)]
        if not silent:
            return
        anew = []
        for channel, seconds in silent:
            cause = f"channel silent: {channel.stream} for {seconds:.1f} s"
            if channel.resubscribed:
                self._link.reconnect(cause)
                return
            channel.fault(cause, now_ns)
            self._incidents.open(f"channel:{channel.stream}", cause)
            anew.append(channel.stream)
        link_silence_s = (now_ns - self._link.last_message_ns) / 1e9
        if link_silence_s > silent[0][0].silence_s:
            self._link.reconnect(f"all channels silent for {silent[0][1]:.1f} s")
        else:
            self._resubscribe(anew)

    def _measure(self, now_ns: int) -> None:
        if now_ns - self._rated_ns < _RATE_NS:
            return
        self.rate_per_s = round((self._link.messages - self._messages) * 1e9 / (now_ns - self._rated_ns), 1)
        self._messages, self._rated_ns = self._link.messages, now_ns
        for channel in self._channels:
            channel.measure_rate(now_ns)
