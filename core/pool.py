"""The worker pool as the system has it: producer, scanner with its processors, pattern detection, and what they say."""

import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.base.clock import Clock
from core.base.settings import ScannerConfig
from core.domain.health import Source
from core.storage.pattern_store import PatternStore
from core.storage.spool import Spool
from core.stream.unified_data_stream import UnifiedDataStream
from core.switchboard import COUNT, PAUSED, PROCESSOR, Switchboard
from core.workers.core_counts import MOST_WORKERS, machine_cores, worker_count
from core.workers.data_pipeline import DataPipeline
from core.workers.hand_over import hand_over
from core.workers.market_kind import MarketKind, OtherMarket, claim
from core.workers.market_scanner import MarketScanner
from core.workers.optimized_stream_processor import OptimizedStreamProcessor
from core.workers.patterns.frame_bars import FrameBars
from core.workers.patterns.pattern_watch import PatternWatch
from core.workers.patterns.trade_bars import TradeBars, known_minutes
from core.workers.pool_config import PoolConfig
from core.workers.pool_control import PoolControl, ProcessorName, write_control
from core.workers.redis_clients import CONTROL_S, REDIS_TROUBLE, async_client, sync_client, trouble
from core.workers.stream_names import STREAM
from core.workers.stream_writer import StreamWriter
from core.workers.tick_producer import TickProducer

logger = logging.getLogger(__name__)

#: the first candle goes before the workers' start, which takes a core for a second; but not for ever
_FIRST_CANDLE_S = 4.0
_RETRY_S = 0.5
#: no processor, or none of its workers, for this long is a fault
_DEAD_S = 20.0


class WorkerPool:
    """Built once the servers are known. `start` returns at once; everything may be called from any thread."""

    def __init__(
        self,
        config: ScannerConfig,
        stream: UnifiedDataStream,
        clock: Clock,
        switchboard: Switchboard,
        *,
        redis_url: str,
        database_url: str,
        folder: Path,
        source: Source,
        belongs: Callable[[str], bool],
    ) -> None:
        """`database_url` names the schema and `folder` holds the spool of this kind of market; `belongs(symbol)` says
        whether a symbol is of that kind."""
        self.clock = clock
        self.config = PoolConfig(batch_size=config.optimized_processor_batch_size, retention_days=config.tick_retention_days)
        self.configured_count = config.optimized_processor_workers
        self._stream = stream
        self._switchboard = switchboard
        self._redis_url = redis_url
        self._kind: MarketKind = "simulated" if source is Source.SIMULATED else "real"
        self._host = socket.gethostname().partition(".")[0] or "worker"
        self._stopping = threading.Event()
        #: set when the Redis stream is that of our kind of market
        self._gate = threading.Event()
        self._cause = "the workers are starting"
        self._well_ns = clock.monotonic_ns()
        self.patterns = PatternWatch(
            PatternStore(database_url), clock, lambda symbol: known_minutes(stream, symbol), config.pattern_retention_days
        )
        self.producer = TickProducer(
            stream,
            StreamWriter(redis_url, STREAM),
            Spool(folder / "ticks", config.spool_bytes),
            clock,
            stream_entries=config.stream_entries,
            belongs=belongs,
            on_trades=TradeBars(self.patterns.offer, clock).take,
            gate=self._gate,
            is_replay=source is Source.REPLAY,
        )
        self._optimized = OptimizedStreamProcessor(redis_url, database_url, config=self.config, name=self._host, clock=clock)
        self._standard = DataPipeline(
            redis_url,
            database_url,
            self._host,
            clock,
            threads=config.pipeline_threads,
            batch_size=self.config.batch_size,
            bars=FrameBars(self.patterns.offer, clock),
        )
        self.scanner = MarketScanner(
            self._optimized,
            self._standard,
            clock,
            wanted=self._control(),
            announce=self._announce,
            hand_over=self._hand_over,
            auto_count=worker_count(machine_cores().total),
        )
        self._ending: threading.Thread | None = None
        self._starter = threading.Thread(target=self._begin, name="workers-start", daemon=True)

    # -- life

    def start(self) -> None:
        """Producer and patterns at once, the workers after the first candle. Raises FatalError."""
        self.patterns.start()
        self.producer.start()
        self._starter.start()

    def begin_stop(self, timeout_s: float) -> None:
        """Have the workers end what they have in hand, within `timeout_s`, while others stop too; returns at once."""
        self._stopping.set()
        if self._ending is None:
            self._ending = threading.Thread(target=self._end_workers, args=(timeout_s,), name="workers-stop", daemon=True)
            self._ending.start()

    def stop(self, timeout_s: float) -> None:
        """The rest, once no more trades come: what is published waits in Redis or on disk."""
        self.begin_stop(timeout_s)
        self.producer.stop(2.0)
        self.patterns.stop(2.0)
        if self._ending is not None:
            self._ending.join(timeout_s)

    def _end_workers(self, timeout_s: float) -> None:
        if self._starter.is_alive():
            self._starter.join(2.0)
        self.scanner.stop(timeout_s)

    def obey(self) -> None:
        """The settings have changed: do as they say."""
        self.scanner.want(self._control())

    def _control(self) -> PoolControl:
        value = self._switchboard.value
        return PoolControl(workers=value(COUNT), is_paused=value(PAUSED), processor=value(PROCESSOR))

    def _begin(self) -> None:
        """Once the stream is ours and the first candle is there, the scanner."""
        while not self._has_claimed():
            if self._stopping.wait(_RETRY_S):
                return
        self._gate.set()
        for _ in range(int(_FIRST_CANDLE_S / 0.05)):
            if self._stopping.wait(0.05) or any(series["rows"] for series in self._stream.series_summary()):
                break
        if not self._stopping.is_set():
            self._cause = ""
            self.scanner.want(self._control())
            self.scanner.start()

    def _has_claimed(self) -> bool:
        try:
            with sync_client(self._redis_url) as client:
                if claim(client, self._kind):
                    logger.info("the ticks of another kind of market are put aside")
            return True
        except OtherMarket as error:
            self._cause = str(error)
        except REDIS_TROUBLE as error:
            self._cause = trouble(error)
        return False

    # -- what the scanner asks for, on its loop

    async def _announce(self, control: PoolControl) -> None:
        client = async_client(self._redis_url, CONTROL_S)
        try:
            await write_control(client, control)
        finally:
            await client.aclose()

    async def _hand_over(self, name: ProcessorName) -> int:
        pool = [f"{self._host}-{slot}" for slot in range(MOST_WORKERS)]
        pipeline = self._standard.consumers
        with sync_client(self._redis_url) as client:
            return hand_over(client, pipeline, pool[0]) if name == "optimized" else hand_over(client, pool, pipeline[0])

    # -- answers

    def fault(self) -> str:
        """Why the workers do not work though they should, or ""."""
        now_ns = self.clock.monotonic_ns()
        why = self._cause or self._idle_cause()
        if not why:
            self._well_ns = now_ns
        return why if (now_ns - self._well_ns) / 1e9 > _DEAD_S else ""

    def _idle_cause(self) -> str:
        scanner = self.scanner.status()
        if scanner["active"] is None:
            return scanner["last_error"] or "no processor runs"
        if scanner["active"] == "optimized" and not self._optimized.status()["workers"]:
            return "none of the workers' processes runs"
        if scanner["active"] == "standard" and not self._standard.is_alive:
            return "none of the pipeline's threads runs"
        return ""

    def status(self) -> dict[str, Any]:
        """What only this app knows: what is wanted, `cause` (why it is not so), its scanner's and its patterns' figures."""
        scanner, wanted = self.scanner.status(), self.scanner.wanted
        return {
            "processor": wanted.processor,
            "paused": wanted.is_paused,
            "count": wanted.workers,
            "cause": self._cause or scanner["last_error"],
            "scanner": scanner,
            "patterns": self.patterns.stats(),
        }
