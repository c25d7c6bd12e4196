"""Watches the channels of one connection: silence is a fault, even when pings are answered."""

import asyncio
from collections.abc import Callable, Collection

from core.base.clock import Clock
from core.domain.health import Cause, LinkState
from core.venues.causes import Signals, decide_cause
from core.venues.channel import Channel
from core.venues.incident_log import IncidentLog
from core.venues.link import Link

_RATE_NS = 1_000_000_000
#: a silent link is pinged this often: pings count against what a venue lets us send
_PING_NS = 1_000_000_000
#: for how long a hold-up of our loop may still be the cause of what follows
_LAG_NS = 10_000_000_000
#: a channel that cost connections in vain is given up to this many times its patience before it costs another
_MOST_PATIENCE = 64


class Watchdog:
    """Answers silence: first by subscribing the channel anew on the same socket, then by another connection.

    It never rests: it looks whatever the state of the link is, and what it does is decided at each look. Silence that is
    our own doing (a paused link, a loop that was held up) is not held against a channel. A channel that stays silent on a
    new connection too waits twice as long before it costs the next one, so that one dead symbol does not take all with it.
    """

    def __init__(
        self,
        link: Link,
        channels: Collection[Channel],
        clock: Clock,
        incidents: IncidentLog,
        resubscribe: Callable[[list[str]], None],
        excuse: Callable[[Channel], bool],
        on_look: Callable[[], None],
        period_s: float,
        others_alive: Callable[[], bool | None] = lambda: None,
    ) -> None:
        """`channels` may change between looks. `excuse(channel)`: whether the venue itself says that there was nothing to
        send. `on_look` ends each look. `others_alive()`: whether other venues still send, None when there is none."""
        self._link = link
        self._channels = channels
        self._clock = clock
        self._incidents = incidents
        self._resubscribe = resubscribe
        self._excuse = excuse
        self._on_look = on_look
        self._period_s = period_s
        self._others_alive = others_alive
        self._looked_ns = self._rated_ns = clock.monotonic_ns()
        self._messages = 0
        self._pinged_ns = self._paused_ns = 0
        #: when our loop was held up last, and for how long
        self._lag_ns, self._lag_s = 0, 0.0
        #: stream -> how many connections its silence cost since its last message
        self._cost: dict[str, int] = {}
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
        between_s = (now_ns - self._looked_ns) / 1e9
        late = between_s > 3 * self._period_s + 0.5
        self._looked_ns = now_ns
        self._measure(now_ns)
        if late:
            self.held_up += 1
            self._lag_ns, self._lag_s = now_ns, between_s - self._period_s
        self._watch_pause(now_ns)
        if late or self._link.paused:
            for channel in self._channels:
                channel.paused(now_ns)
        else:
            self._probe(now_ns)
            self._answer_silence(now_ns)
        self._on_look()

    def lag_s(self) -> float:
        """How long our loop was held up within the last ten seconds."""
        return self._lag_s if self._lag_ns and self._clock.monotonic_ns() - self._lag_ns < _LAG_NS else 0.0

    def _watch_pause(self, now_ns: int) -> None:
        """Reading that stands still for as long as a channel may be silent is an incident, and ours."""
        if not self._link.paused:
            self._paused_ns = 0
            self._incidents.close("paused")
            return
        self._paused_ns = self._paused_ns or now_ns
        paused_s = (now_ns - self._paused_ns) / 1e9
        if paused_s > min((c.silence_s for c in self._channels), default=paused_s):
            kind = decide_cause(Signals(link_paused=True))
            self._incidents.open("paused", f"reading stands still for {paused_s:.1f} s: a consumer is behind", kind=kind)

    def _probe(self, now_ns: int) -> None:
        """Ping a connection that falls silent, so that the answer is there when the cause is asked for."""
        patience_s = min((c.silence_s for c in self._channels), default=0.0)
        silent_ns = now_ns - self._link.last_message_ns
        if self._link.is_open and silent_ns > patience_s * 4e8 and now_ns - self._pinged_ns > _PING_NS:
            self._pinged_ns = now_ns
            self._link.ping()

    def _ping_answered(self) -> bool | None:
        if self._link.pong_ns > self._link.last_message_ns:
            return True
        return False if self._pinged_ns > self._link.last_message_ns else None

    def _answer_silence(self, now_ns: int) -> None:
        silent = []
        for channel in self._channels:
            seconds = channel.silent_for_s(now_ns)
            if channel.state is LinkState.LIVE and seconds is None:
                self._cost.pop(channel.stream, None)
                self._incidents.close(f"thin:{channel.stream}")
            if seconds is None:
                continue
            if self._excuse(channel):
                if channel.state is LinkState.LIVE:
                    self._note_thin(channel, seconds)
            elif seconds > channel.silence_s * min(2 ** self._cost.get(channel.stream, 0), _MOST_PATIENCE):
                silent.append((channel, seconds))
        if silent:
            self._act(silent, now_ns)

    def _note_thin(self, channel: Channel, seconds: float) -> None:
        kind = decide_cause(Signals(silent_s=seconds, bars_say_no_trades=True))
        channel.cause = f"thin market: no trade for {seconds:.0f} s, by the venue's own bars"
        self._incidents.open(f"thin:{channel.stream}", f"thin market: {channel.stream}", f"{seconds:.0f} s", kind)

    def _act(self, silent: list[tuple[Channel, float]], now_ns: int) -> None:
        first, longest_s = silent[0]
        link_silence_s = (now_ns - self._link.last_message_ns) / 1e9
        is_all = link_silence_s > first.silence_s
        signals = Signals(
            silent_s=longest_s,
            siblings_alive=not is_all,
            other_venues_alive=self._others_alive(),
            ping_answered=self._ping_answered(),
        )
        kind = decide_cause(signals)
        anew = []
        for channel, seconds in silent:
            cause = f"channel silent: {channel.stream} for {seconds:.1f} s"
            if channel.resubscribed:
                self._cost[channel.stream] = self._cost.get(channel.stream, 0) + 1
                self._link.reconnect(cause, signals)
                return
            channel.fault(cause, now_ns)
            self._incidents.open(f"channel:{channel.stream}", cause, _explained(kind, signals), kind)
            anew.append(channel.stream)
        if is_all:
            self._link.reconnect(f"all channels silent for {longest_s:.1f} s", signals)
        else:
            self._resubscribe(anew)

    def _measure(self, now_ns: int) -> None:
        if now_ns - self._rated_ns < _RATE_NS:
            return
        self.rate_per_s = round((self._link.messages - self._messages) * 1e9 / (now_ns - self._rated_ns), 1)
        self._messages, self._rated_ns = self._link.messages, now_ns
        for channel in self._channels:
            channel.measure_rate(now_ns)


def _explained(kind: Cause, signals: Signals) -> str:
    """What speaks for the cause, in words."""
    facts = []
    if signals.siblings_alive:
        facts.append("other channels of the connection speak")
    if signals.ping_answered is not None:
        facts.append(f"our ping was {'' if signals.ping_answered else 'not '}answered")
    if signals.other_venues_alive is not None:
        facts.append(f"other venues {'speak' if signals.other_venues_alive else 'are silent too'}")
    return f"{kind}: {', '.join(facts)}" if facts else ""
