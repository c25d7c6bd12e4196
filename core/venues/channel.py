"""One subscription: is it alive? Judged by its own messages, never by pings. Pure: times are handed in."""

from collections import deque
from statistics import median

from core.domain.health import LinkState

#: gaps between messages the median is taken of
_GAPS = 64
#: a channel silent for this many usual gaps is at fault
_GAPS_ALLOWED = 3


class Channel:
    """Watch state of one subscription.

    `silence_s`: shortest silence (seconds) that is a fault. A channel that is slow by habit is allowed three times the
    median of its last gaps. Every recovery is proven by a message: until then the state is SYNCING.
    """

    __slots__ = (
        "_gaps", "_last_ns", "_rate_mark", "_since_ns", "cause", "gaps", "messages", "name", "rate_per_s",
        "resubscribed", "silence_s", "state", "stream", "symbol",
    )  # fmt: skip

    def __init__(self, stream: str, symbol: str, silence_s: float) -> None:
        self.stream = stream
        self.symbol = symbol
        #: the channel without its symbol, as `depth@100ms`
        self.name = stream.partition("@")[2]
        self.silence_s = silence_s
        self.state = LinkState.CONNECTING
        self.cause = ""
        self.messages = 0
        self.rate_per_s = 0.0
        #: sequence gaps seen on this channel, whoever counts them
        self.gaps = 0
        #: whether the present silence was answered by a re-subscription
        self.resubscribed = False
        self._gaps: deque[int] = deque(maxlen=_GAPS)
        #: the last message, 0 when there was none on this connection (monotonic ns)
        self._last_ns = 0
        self._since_ns = 0
        self._rate_mark: tuple[int, int] = (0, 0)

    def connected(self, now_ns: int) -> None:
        """The connection is (again) open with this channel on it; the proof is still to come."""
        self.state = LinkState.SYNCING
        self._since_ns, self._last_ns, self.resubscribed = now_ns, 0, False

    def disconnected(self, cause: str) -> None:
        self.state, self.cause = LinkState.RECONNECTING, cause

    def received(self, recv_ns: int) -> bool:
        """Note a message. True when it is the proof that this channel lives (again)."""
        if self._last_ns:
            self._gaps.append(recv_ns - self._last_ns)
        self._last_ns = recv_ns
        self.messages += 1
        if self.state is LinkState.LIVE:
            return False
        self.state, self.resubscribed = LinkState.LIVE, False
        return True

    def paused(self, now_ns: int) -> None:
        """We did not read: silence up to now is ours, not the venue's."""
        self._since_ns = now_ns
        if self._last_ns:
            self._last_ns = now_ns

    def age_s(self, now_ns: int) -> float | None:
        """Seconds since the last message on this connection, None when there was none."""
        return (now_ns - self._last_ns) / 1e9 if self._last_ns else None

    def limit_s(self) -> float:
        """How long this channel may be silent."""
        if len(self._gaps) < 5:
            return self.silence_s
        return max(self.silence_s, _GAPS_ALLOWED * median(self._gaps) / 1e9)

    def silent_for_s(self, now_ns: int) -> float | None:
        """Seconds of a silence that is a fault, None when all is well or nothing can be expected."""
        if self.state in (LinkState.CONNECTING, LinkState.RECONNECTING, LinkState.STOPPED):
            return None
        silence_s = (now_ns - max(self._last_ns, self._since_ns)) / 1e9
        # the median is only asked for when the cheap comparison says so
        if silence_s <= self.silence_s or silence_s <= self.limit_s():
            return None
        return silence_s

    def fault(self, cause: str, now_ns: int) -> None:
        """Silent beyond its limit: it is stale, and the time of the answer to that runs from now."""
        self.state, self.cause, self.resubscribed = LinkState.STALE, cause, True
        self._since_ns = now_ns

    def measure_rate(self, now_ns: int) -> None:
        """Messages per second since the last call, called about once a second."""
        at_ns, messages = self._rate_mark
        if at_ns and now_ns > at_ns:
            self.rate_per_s = round((self.messages - messages) * 1e9 / (now_ns - at_ns), 1)
        self._rate_mark = (now_ns, self.messages)

    def status(self, now_ns: int) -> dict[str, object]:
        """As `/api/v1/connections` tells it; `age_ms` is None before the first message."""
        age_s = self.age_s(now_ns)
        return {
            "channel": self.stream,
            "symbol": self.symbol,
            "state": str(self.state),
            "age_ms": None if age_s is None else max(0, round(age_s * 1000)),
            "messages": self.messages,
            "rate_per_s": self.rate_per_s,
            "gaps": self.gaps,
            "last_cause": self.cause,
        }
