"""The Redis side of one worker: read, hold, take over, acknowledge, put away what is dead."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from core.base.errors import QuintetError
from core.workers import stream_scripts
from core.workers.entries import Entry, Pending, entries_of
from core.workers.pool_config import PoolConfig
from core.workers.redis_clients import CONTROL_S, ask, async_client
from core.workers.stream_names import DEAD, FENCES, GROUP, STREAM, TOTALS, slot

#: how long a worker's name stays taken without a sign of life
NAME_MS = 3_000
#: dead letters kept
MOST_DEAD = 100_000

Fields = Sequence[bytes | str | int]


class Fenced(QuintetError):
    """Our entries have been given to another; what we hold is void. Open anew."""


class NameInUse(QuintetError):
    """Another pool has a worker of this name."""


class TickStream:
    """One consumer of the group. Two connections: the reader's waits are long, the control's short.

    All methods raise what `REDIS_TROUBLE` holds, and Fenced; nothing is tried again in here, for a command whose answer
    is missing may have been carried out. After either, `open` anew and drain what `pending` tells.
    """

    def __init__(self, url: str, name: str, pool: str, config: PoolConfig, first_id: Callable[[], Awaitable[str]]) -> None:
        """`pool` is the same for all that one supervisor runs; `first_id` tells where a new group begins."""
        self.name = name
        self._pool = pool
        self._config = config
        self._first_id = first_id
        self._token = ""
        self._reader_id: int | None = None
        self._reader = async_client(url, config.block_ms / 1_000 + 10)
        self._control = async_client(url, CONTROL_S)

    async def open(self) -> None:
        """Take the name and a fresh token, make the group when there is none. Raises NameInUse."""
        token = f"{random.getrandbits(64):016x}"
        entered = await self._script(
            stream_scripts.ENTER, (slot(self.name), FENCES), (self._pool, token, NAME_MS, self.name)
        )
        if entered == 0:
            raise NameInUse(f"another pool has a worker named {self.name}: give this one another --name")
        self._token = token
        self._reader_id = await ask(self._reader, "CLIENT", "ID")
        await self._ensure_group()

    async def _ensure_group(self) -> None:
        """Be a consumer of the group, made when there is none: a worker that never reads (paused) is one too."""
        try:
            await self._join()
            return
        except ResponseError as error:
            if "NOGROUP" not in str(error) and "requires the key" not in str(error):
                raise
        first_id = await self._first_id()
        try:
            await ask(self._control, "XGROUP", "CREATE", STREAM, GROUP, first_id, "MKSTREAM")
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        await self._join()

    async def _join(self) -> None:
        await ask(self._control, "XGROUP", "CREATECONSUMER", STREAM, GROUP, self.name)

    async def wake(self) -> None:
        """End a wait for entries now; what the read has got by then is not lost."""
        if self._reader_id is not None:
            await ask(self._control, "CLIENT", "UNBLOCK", self._reader_id)

    async def read(self, count: int, block_ms: int | None) -> list[Entry]:
        """New entries; waits up to `block_ms` for the first (None: not at all)."""
        arguments: list[Any] = ["XREADGROUP", "GROUP", GROUP, self.name, "COUNT", count]
        if block_ms is not None:
            arguments += ["BLOCK", block_ms]
        reply = await ask(self._reader, *arguments, "STREAMS", STREAM, ">")
        return entries_of(reply[0][1]) if reply else []

    async def pending(self, after: bytes, count: int) -> list[Pending]:
        """Entries that were given to this worker and not acknowledged, by id."""
        start = b"(" + after if after else b"-"
        reply = await ask(self._control, "XPENDING", STREAM, GROUP, start, "+", count, self.name)
        return [Pending(entry_id, deliveries) for entry_id, _, _, deliveries in reply]

    async def start(self, ids: Sequence[bytes]) -> list[Entry]:
        """Begin once more with entries of our own: counts a delivery of each. Those deleted meanwhile are missing."""
        return entries_of(await self._fenced(stream_scripts.HOLD, (STREAM, FENCES), (1, *ids)))

    async def heartbeat(self, ids: Sequence[bytes]) -> None:
        """Tell that entries are being worked on."""
        await self._fenced(stream_scripts.HOLD, (STREAM, FENCES), (0, *ids))

    async def sweep(self) -> int:
        """Take entries that nobody has touched for the least idle time; how many."""
        taken = await self._fenced(
            stream_scripts.SWEEP, (STREAM, FENCES), (self._config.min_idle_ms, self._config.group_size)
        )
        return int(taken)

    async def fields(self, entry_id: bytes) -> Entry:
        """An entry without taking it; without fields when it is gone."""
        reply = await ask(self._control, "XRANGE", STREAM, entry_id, entry_id)
        return Entry(entry_id, reply[0][1] if reply else [])

    async def commit(self, ids: Sequence[bytes], pushes: dict[str, bytes], processed: int, duplicates: int) -> int:
        """Add the packed ticks to the shards and acknowledge; all or nothing. Returns the longest shard's length."""
        fields = [part for packed in pushes.values() for part in (2, "t", packed)]
        return await self._commit(ids, list(pushes), fields, (processed, duplicates, 0), 0)

    async def bury(self, letters: Sequence[tuple[Entry, Fields]]) -> None:
        """Put entries with their epitaphs into the dead letters and acknowledge them; all or nothing."""
        fields: list[bytes | str | int] = []
        for entry, epitaph in letters:
            fields += [len(entry.pairs) + len(epitaph), *entry.pairs, *epitaph]
        ids = [entry.id for entry, _ in letters]
        await self._commit(ids, [DEAD] * len(letters), fields, (0, 0, len(letters)), MOST_DEAD)

    async def _commit(
        self, ids: Sequence[bytes], targets: list[str], fields: Fields, counts: tuple[int, int, int], most: int
    ) -> int:
        keys = (STREAM, FENCES, TOTALS, *targets)
        return int(await self._fenced(stream_scripts.COMMIT, keys, (*counts, most, len(ids), *ids, *fields)))

    async def _fenced(self, script: str, keys: Sequence[str], arguments: Fields) -> Any:
        answer = await self._script(script, keys, (GROUP, self.name, self._token, *arguments))
        if answer == -1:
            raise Fenced(f"entries of {self.name} were given to another worker")
        return answer

    async def _script(self, script: str, keys: Sequence[str], arguments: Fields) -> Any:
        try:
            digest = stream_scripts.digest(script)
            return await ask(self._control, "EVALSHA", digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await ask(self._control, "EVAL", script, len(keys), *keys, *arguments)

    async def close(self) -> None:
        """Give the name back and hang up."""
        try:
            async with asyncio.timeout(1):
                await self._script(stream_scripts.RELEASE, (slot(self.name),), (self._pool,))
        finally:
            await self._reader.aclose()
            await self._control.aclose()
