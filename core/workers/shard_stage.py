"""The second stage: indicators of the shards that this process owns, on a thread of its own."""

import logging
import threading
import time
from typing import Any

import psycopg
import redis

from core.base.backoff import Backoff
from core.base.clock import Clock
from core.base.errors import StorageUnavailable
from core.base.log import RateLimit
from core.storage.connection import connect, reason
from core.storage.migrations import migrate
from core.storage.tick_writer import LostShard, TickWriter
from core.workers.entries import is_after, next_id
from core.workers.housekeeping import Housekeeper
from core.workers.indicators.config import IndicatorConfig
from core.workers.pool_config import PoolConfig
from core.workers.redis_clients import REDIS_TROUBLE, ask_sync, sync_client, trouble
from core.workers.shard import Shard
from core.workers.shard_leases import ShardLeases
from core.workers.stream_names import shard_stream
from core.workers.tick_batch import unpack

logger = logging.getLogger(__name__)

_LIMIT_S = 8.0
_RENEW_S = 1.0
#: packed entries of a shard taken at once
_ENTRIES = 16
#: how long a look waits for the first entry, and how long it then lets others come: they are calculated together
_BLOCK_MS, _GATHER_S = 200, 0.05
#: a transaction at least this often while there is something to store, and at this many rows
_STORE_S, _STORE_ROWS = 0.5, 20_000


class ShardStage:
    """Takes shards as their leases allow, and gives them back at the end. What two owners do at once, the epoch decides."""

    def __init__(self, url: str, dsn: str, name: str, config: PoolConfig, clock: Clock) -> None:
        self._url = url
        self._dsn = dsn
        self._name = name
        self._config = config
        self._clock = clock
        self._indicators = IndicatorConfig()
        self._thread = threading.Thread(target=self._run, name="shard-stage", daemon=True)
        self._stopping = threading.Event()
        self._shards: dict[int, Shard] = {}
        self._writer: TickWriter | None = None
        self._log = RateLimit()
        #: shards that this process owns
        self.owned: tuple[int, ...] = ()
        #: whether the tick stage has to wait for us
        self.is_behind = False
        self.redis = "ok"
        self.postgres = "ok"
        #: what the stream's history has lost, as the housekeeper tells; ""
        self.loss = ""
        #: of the shards owned now: entries that came after newer ones, and ticks or kept states that could not be used
        self.late = self.refused = 0
        self.progress_ns = clock.monotonic_ns()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Store what is calculated, give the shards back and end."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        backoff = Backoff(base_s=0.1, cap_s=2.0)
        while not self._stopping.is_set():
            self.progress_ns = self._clock.monotonic_ns()
            try:
                self._serve(backoff)
            except (psycopg.Error, StorageUnavailable) as error:
                self.postgres = reason(error)
                self._complain("Postgres", self.postgres)
            except REDIS_TROUBLE as error:
                self.redis = trouble(error)
                self._complain("Redis", self.redis)
            except Exception:
                logger.exception("the shards' stage failed, beginning anew")
            self._drop_all()
            self._stopping.wait(backoff.next())

    def _complain(self, kind: str, line: str) -> None:
        if self._log.passes(kind) is not None:
            logger.warning("%s, shards: %s", self._name, line)

    def _drop_all(self) -> None:
        """Forget what is not stored: whoever owns a shard next, calculates it again from the stored position."""
        self._shards, self.owned = {}, ()
        if self._writer is not None:
            self._writer.connection.close()
            self._writer = None

    def _serve(self, backoff: Backoff) -> None:
        client = sync_client(self._url)
        leases = ShardLeases(client, self._name)
        try:
            writer = self._connected()
            housekeeper = Housekeeper(client, writer, self._config, self._clock)
            renewed = stored = 0.0
            while not self._stopping.is_set():
                self.progress_ns = self._clock.monotonic_ns()
                now = time.monotonic()
                if now - renewed >= _RENEW_S:
                    self._renew(client, leases, writer)
                    if 0 in self._shards:
                        self.loss = housekeeper.keep()
                    self.redis, self.postgres, renewed = "ok", "ok", now
                    backoff.reset()
                is_idle = not self._take(client)
                waiting = sum(shard.rows for shard in self._shards.values())
                if waiting >= _STORE_ROWS or now - stored >= _STORE_S:
                    self._store(client, writer)
                    stored = now
                if is_idle and not self._shards:
                    self._stopping.wait(0.1)
            self._store(client, writer)
            leases.leave(frozenset(self._shards))
        finally:
            client.close()
        self._drop_all()

    def _connected(self) -> TickWriter:
        connection = connect(self._dsn, _LIMIT_S)
        try:
            migrate(connection)
            self._writer = TickWriter(connection, _LIMIT_S)
        except BaseException:
            connection.close()
            raise
        return self._writer

    def _renew(self, client: "redis.Redis", leases: ShardLeases, writer: TickWriter) -> None:
        lost, gained = leases.renew(frozenset(self._shards))
        for number in lost:
            del self._shards[number]
        for number in sorted(gained):
            epoch, position, states = writer.take_shard(number, self._name)
            self._shards[number] = Shard(number, epoch, self._start_of(client, number, position), states, self._indicators)
        self.owned = tuple(sorted(self._shards))

    def _start_of(self, client: "redis.Redis", number: int, position: str) -> str:
        """The stored position, unless the stream has not come so far: then it is another stream, and is read whole."""
        newest = ask_sync(client, "XREVRANGE", shard_stream(number), "+", "-", "COUNT", 1)
        if newest and is_after(position, newest[0][0].decode()):
            return "0-0"
        return position

    def _take(self, client: "redis.Redis") -> bool:
        """Calculate with what has come; whether anything had."""
        streams = {shard_stream(number): shard for number, shard in self._shards.items()}
        if not streams:
            return False
        reply = self._read(client, streams, _BLOCK_MS)
        if not reply:
            self.is_behind = False
            return False
        if not self.is_behind:
            # a moment later there is more, and many ticks at once cost less than the same one by one
            self._stopping.wait(_GATHER_S)
            reply = self._read(client, streams, None) or reply
        most = 0
        for key, entries in reply:
            shard = streams[key.decode()]
            packed = [fields[1] for _, fields in entries if fields]
            shard.take(unpack(packed), entries[-1][0].decode())
            most = max(most, len(entries))
        self.is_behind = most >= _ENTRIES
        self.late = sum(shard.late for shard in self._shards.values())
        self.refused = sum(shard.refused for shard in self._shards.values())
        return True

    def _read(self, client: "redis.Redis", streams: dict[str, Shard], block_ms: int | None) -> Any:
        arguments: list[object] = ["XREAD", "COUNT", _ENTRIES]
        if block_ms is not None:
            arguments += ["BLOCK", block_ms]
        positions = [shard.position for shard in streams.values()]
        return ask_sync(client, *arguments, "STREAMS", *streams, *positions)

    def _store(self, client: "redis.Redis", writer: TickWriter) -> None:
        """One transaction for all shards, then their streams need no longer keep what is stored."""
        changed = {n: shard.unstored() for n, shard in self._shards.items() if shard.position != shard.stored}
        while changed:
            try:
                writer.write_shards(list(changed.values()))
                break
            except LostShard as error:
                logger.info("%s: %s", self._name, error)
                del changed[error.shard], self._shards[error.shard]
        pipeline = client.pipeline(transaction=False)
        for number, rows in changed.items():
            self._shards[number].has_stored(rows)
            pipeline.xtrim(shard_stream(number), minid=next_id(rows.position), approximate=False)
        pipeline.execute()
