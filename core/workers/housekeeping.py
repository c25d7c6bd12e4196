"""What one process does for all: trims what everybody has acknowledged, notices a Redis that has lost its memory."""

import logging
from typing import Any

import redis

from core.base.clock import Clock
from core.storage.tick_writer import TickWriter
from core.workers import stream_scripts
from core.workers.entries import is_after, next_id
from core.workers.pool_config import PoolConfig
from core.workers.redis_clients import ask_sync
from core.workers.stream_epoch import StreamEpoch, note_epoch
from core.workers.stream_names import FENCES, GROUP, STREAM, slot

logger = logging.getLogger(__name__)

_DAY_MS = 86_400_000
#: consumers that hold nothing and were silent for so long are forgotten
_FORGET_MS = 3_600_000
_TOLD_MS = 600_000
_FORGET_EVERY_MS = 60_000
_RETIRE_EVERY_MS = 600_000


def safe_id(groups: list[tuple[str, str | None]]) -> str | None:
    """Below which id every group has acknowledged everything: per group the id it was given last, and its oldest
    unacknowledged one. None without groups: then nobody says what may go."""
    if not groups:
        return None
    safe = [oldest if oldest is not None else next_id(last) for last, oldest in groups]
    least = safe[0]
    for each in safe[1:]:
        if is_after(least, each):
            least = each
    return least


class Housekeeper:
    """Called each second by the owner of shard 0; two at once do no harm."""

    def __init__(self, client: "redis.Redis", writer: TickWriter, config: PoolConfig, clock: Clock) -> None:
        self._client = client
        self._writer = writer
        self._config = config
        self._clock = clock
        self._epoch: StreamEpoch | None = None
        self._next_forget_ms = self._next_retire_ms = 0

    def keep(self) -> str:
        """Returns what the stream's history has lost, in one line, or ""."""
        now_ms = self._clock.now_ms()
        if not self._client.exists(STREAM):
            return self._loss(now_ms)
        groups: list[dict[str, Any]] = self._client.xinfo_groups(STREAM)
        ours = next((group for group in groups if group["name"] == GROUP.encode()), None)
        if ours is None:
            return self._loss(now_ms)
        self._epoch = note_epoch(self._client, self._writer, self._epoch, ours, now_ms)
        self._trim(groups)
        if now_ms >= self._next_forget_ms:
            self._next_forget_ms = now_ms + _FORGET_EVERY_MS
            self._client.eval(stream_scripts.FORGET, 2, STREAM, FENCES, GROUP, str(_FORGET_MS), slot(""))
        if self._config.retention_days and now_ms >= self._next_retire_ms:
            self._next_retire_ms = now_ms + _RETIRE_EVERY_MS
            dropped = self._writer.drop_before(now_ms - self._config.retention_days * _DAY_MS)
            if dropped:
                logger.info("retention: dropped %s", ", ".join(dropped))
        return self._loss(now_ms)

    def _loss(self, now_ms: int) -> str:
        """A loss is told for a while."""
        epoch = self._epoch
        return epoch.note if epoch is not None and now_ms - epoch.lost_ms < _TOLD_MS else ""

    def _trim(self, groups: list[dict[str, Any]]) -> None:
        given: list[tuple[str, str | None]] = []
        for group in groups:
            oldest = ask_sync(self._client, "XPENDING", STREAM, group["name"])[1]
            given.append((group["last-delivered-id"].decode(), oldest.decode() if oldest else None))
        safe = safe_id(given)
        if safe is not None:
            ask_sync(self._client, "XTRIM", STREAM, "MINID", safe)
