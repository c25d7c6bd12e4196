"""What a worker says of itself each second."""

import enum

import msgspec

from core.base.clock import Clock
from core.base.latency import RollingLatency


class WorkerState(enum.StrEnum):
    """What a worker is doing. LOST is said of one that says nothing any more."""

    READING = "READING"
    WORKING = "WORKING"
    STORING = "STORING"
    DRAINING = "DRAINING"
    PAUSED = "PAUSED"
    LOST = "LOST"


class WorkerStatus(msgspec.Struct, frozen=True):
    """As it stands in Redis. `cause`: why it cannot go on just now, or ""; `redis` and `postgres`: "ok" or the reason."""

    name: str
    host: str
    slot: int
    pid: int
    state: str
    batch: int
    processed: int
    rate_per_s: float
    batch_ms: dict[str, float]
    errors: int
    last_error: str
    core_kind: str
    shards: list[int]
    since_ms: int
    at_ms: int
    batch_size: int
    duplicates: int
    redis: str = "ok"
    postgres: str = "ok"
    cause: str = ""
    #: nanoseconds -> how many batches took that long, so that a pool's percentiles can be told from its workers'
    batches: list[tuple[int, int]] = []
    #: of the shards its process owns: entries that came after newer ones, and ticks or kept states that could not be used
    late: int = 0
    refused: int = 0


class WorkerGauges:
    """One worker's figures. Written and read by its loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.state = WorkerState.READING
        self.since_ms = clock.now_ms()
        self.batch = 0
        self.processed = 0
        self.duplicates = 0
        self.errors = 0
        self.last_error = ""
        self.redis = "ok"
        self.cause = ""
        self.latency = RollingLatency(clock)
        #: monotonic ns when the worker's loop last came round
        self.progress_ns = clock.monotonic_ns()
        self._seen = (clock.monotonic_ns(), 0)
        self.rate_per_s = 0.0

    def came_round(self) -> None:
        self.progress_ns = self._clock.monotonic_ns()

    def failed(self, why: str) -> None:
        self.errors += 1
        self.last_error = why

    def turn(self, state: WorkerState, batch: int = 0) -> None:
        if state != self.state:
            self.since_ms = self._clock.now_ms()
        self.state, self.batch = state, batch

    def measure(self) -> None:
        """The rate since the last call; called each second."""
        now_ns = self._clock.monotonic_ns()
        then_ns, then = self._seen
        if now_ns > then_ns:
            self.rate_per_s = round((self.processed - then) * 1e9 / (now_ns - then_ns), 1)
        self._seen = (now_ns, self.processed)

    def batch_ms(self) -> dict[str, float]:
        """Percentiles of a batch's time, from its close to its acknowledgement, over the last half to one minute."""
        seen = self.latency.seen()
        return {"p50": round(seen.percentile(50) / 1e6, 3), "p99": round(seen.percentile(99) / 1e6, 3)}

    def batches(self) -> list[tuple[int, int]]:
        """The same batches as a histogram: nanoseconds (a bucket's upper edge) -> how many."""
        return self.latency.seen().buckets()
