"""Where a frame's time goes before consumers get it: on the way here, in the parser, in the publishing."""

from core.base.clock import Clock
from core.base.latency import RollingLatency
from core.domain.market import DepthDiff, Quote, Trade
from core.venues.binance.wire import StreamValue

#: one frame in eight is timed: timing costs about as much as parsing
SAMPLE = 8


class FrameTimings:
    """Three stages over the last minute. `arrival` needs the venue's clock: it is as good as the measured offset."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._frames = 0
        self.arrival = RollingLatency(clock)
        self.parse = RollingLatency(clock)
        self.publish = RollingLatency(clock)

    def is_sampled(self) -> bool:
        """Whether to time this frame."""
        self._frames += 1
        return self._frames % SAMPLE == 0

    def record(self, value: StreamValue | None, recv_ns: int, parsed_ns: int, offset_ms: float | None) -> None:
        """Called when the value was published. `offset_ms`: venue's clock − ours; None: not known yet."""
        now_ns = self._clock.monotonic_ns()
        self.parse.record(parsed_ns - recv_ns, now_ns=now_ns)
        self.publish.record(now_ns - parsed_ns, now_ns=now_ns)
        if value is None or isinstance(value, Quote) or offset_ms is None:
            return
        told_ms = value.ts_ms if isinstance(value, Trade) else value.event_ms
        age_ms = self._clock.now_ms() + offset_ms - told_ms
        # bars are told at their venue's pace, not at the event they tell: only trades and depth say how long the way was
        if isinstance(value, Trade | DepthDiff):
            self.arrival.record(round(age_ms * 1e6) - (now_ns - recv_ns), now_ns=now_ns)

    def stages(self) -> list[dict[str, object]]:
        """Stage, count, and p50, p95, p99, max in µs, in the order of the way."""
        named = (("venue → receive", self.arrival), ("receive → parsed", self.parse), ("parsed → published", self.publish))
        seen = ((stage, latency.seen()) for stage, latency in named)
        return [{"stage": stage, "count": s.count, **s.summary_us()} for stage, s in seen if s.count]
