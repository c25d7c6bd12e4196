"""The Redis side of a worker, on a real server: who may acknowledge what."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import redis

from core.workers.entries import Entry
from core.workers.pool_config import PoolConfig
from core.workers.stream_names import DEAD, FENCES, GROUP, STREAM, TOTALS, shard_stream, slot
from core.workers.stream_scripts import COMMIT
from core.workers.tick import Tick
from core.workers.tick_stream import Fenced, NameInUse, TickStream

CONFIG = PoolConfig(block_ms=100, min_idle_ms=100)
Open = Callable[..., "asyncio.Future[TickStream]"]


@pytest.fixture
async def opened(redis_url: str) -> AsyncIterator[Callable[..., object]]:
    streams: list[TickStream] = []

    async def start() -> str:
        return "0"

    async def make(name: str, pool: str = "pool", config: PoolConfig = CONFIG) -> TickStream:
        streams.append(TickStream(redis_url, name, pool, config, start))
        await streams[-1].open()
        return streams[-1]

    yield make
    for stream in streams:
        await stream.close()


async def test_what_is_read_is_acknowledged_and_in_the_shards_at_once(
    opened: Open, publish: Callable[[list[Tick]], list[bytes]], ticks: Callable[..., list[Tick]], client: "redis.Redis"
) -> None:
    stream = await opened("a")
    publish(ticks(3))
    entries = await stream.read(10, 100)
    longest = await stream.commit([entry.id for entry in entries], {shard_stream(2): b"one", shard_stream(5): b"two"}, 3, 0)
    assert longest == 1
    assert client.xpending(STREAM, GROUP)["pending"] == 0
    assert [fields for _, fields in client.xrange(shard_stream(5))] == [{b"t": b"two"}]
    assert client.hgetall(TOTALS) == {b"processed": b"3"}


async def test_a_worker_whose_entries_were_taken_can_do_nothing_until_it_opens_anew(
    opened: Open, publish: Callable[[list[Tick]], list[bytes]], ticks: Callable[..., list[Tick]], client: "redis.Redis"
) -> None:
    slow, quick = await opened("slow"), await opened("quick")
    publish(ticks(4))
    ids = [entry.id for entry in await slow.read(10, 100)]
    await asyncio.sleep(CONFIG.min_idle_ms / 1_000 + 0.05)
    assert await quick.sweep() == 4
    for attempt in (
        lambda: slow.commit(ids, {shard_stream(0): b"twice"}, 4, 0),
        lambda: slow.heartbeat(ids),
        lambda: slow.start(ids),
        lambda: slow.bury([(Entry(ids[0], []), ("reason", "none"))]),
        slow.sweep,
    ):
        with pytest.raises(Fenced):
            await attempt()
    assert not client.exists(shard_stream(0))
    assert not client.exists(DEAD)
    assert [entry.id for entry in await quick.pending(b"", 10)] == ids
    assert await quick.commit(ids, {shard_stream(0): b"once"}, 4, 0) == 1
    await slow.open()
    assert await slow.pending(b"", 10) == []
    assert client.xlen(shard_stream(0)) == 1


async def test_a_sign_of_life_keeps_entries_and_does_not_count_as_a_delivery(
    opened: Open, publish: Callable[[list[Tick]], list[bytes]], ticks: Callable[..., list[Tick]]
) -> None:
    holder, other = await opened("holder"), await opened("other")
    publish(ticks(2))
    ids = [entry.id for entry in await holder.read(10, 100)]
    for _ in range(4):
        await asyncio.sleep(0.05)
        await holder.heartbeat(ids)
        assert await other.sweep() == 0
    assert [entry.deliveries for entry in await holder.pending(b"", 10)] == [1, 1]
    assert [entry.id for entry in await holder.start(ids[:1])] == ids[:1]
    assert [entry.deliveries for entry in await holder.pending(b"", 10)] == [2, 1]


async def test_entries_of_our_own_that_nobody_tends_are_found_as_well(
    opened: Open, publish: Callable[[list[Tick]], list[bytes]], ticks: Callable[..., list[Tick]]
) -> None:
    stream = await opened("only")
    publish(ticks(3))
    await stream.read(10, 100)
    assert await stream.sweep() == 0
    await asyncio.sleep(0.15)
    assert await stream.sweep() == 3


async def test_a_name_belongs_to_one_pool_and_passes_on_within_it(opened: Open, client: "redis.Redis") -> None:
    first = await opened("same", "mine")
    with pytest.raises(NameInUse, match="--name"):
        await opened("same", "another")
    second = await opened("same", "mine")
    with pytest.raises(Fenced):
        await first.heartbeat([b"1-1"])
    await second.heartbeat([b"1-1"])
    assert 0 < client.pttl(slot("same")) <= 3_000


async def test_a_worker_that_has_not_read_yet_is_a_consumer(opened: Open, client: "redis.Redis") -> None:
    for name in ("makes the group", "finds it"):
        await opened(name)
    assert [each["name"] for each in client.xinfo_consumers(STREAM, GROUP)] == [b"finds it", b"makes the group"]


async def test_a_group_that_is_gone_is_made_again_and_misses_nothing(
    opened: Open, publish: Callable[[list[Tick]], list[bytes]], ticks: Callable[..., list[Tick]], client: "redis.Redis"
) -> None:
    stream = await opened("a")
    client.flushall()
    ids = publish(ticks(2))
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        await stream.read(10, 50)
    await stream.open()
    assert [entry.id for entry in await stream.read(10, 50)] == ids
    assert client.hlen(FENCES) == 1


async def test_a_read_that_is_woken_returns_at_once(opened: Open) -> None:
    stream = await opened("a", config=PoolConfig(block_ms=5_000))
    reading = asyncio.create_task(stream.read(10, 5_000))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        while not reading.done():
            await stream.wake()
            await asyncio.sleep(0.01)
    assert reading.result() == []


async def test_scripts_that_redis_has_forgotten_are_sent_again(
    opened: Open, publish: Callable[[list[Tick]], list[bytes]], ticks: Callable[..., list[Tick]], client: "redis.Redis"
) -> None:
    stream = await opened("a")
    publish(ticks(1))
    ids = [entry.id for entry in await stream.read(10, 100)]
    client.script_flush()
    await stream.commit(ids, {}, 1, 0)
    assert client.xpending(STREAM, GROUP)["pending"] == 0


async def test_a_full_redis_still_lets_its_workers_acknowledge(
    opened: Open, publish: Callable[[list[Tick]], list[bytes]], ticks: Callable[..., list[Tick]], client: "redis.Redis"
) -> None:
    stream = await opened("a")
    publish(ticks(5))
    ids = [entry.id for entry in await stream.read(10, 100)]
    limit = client.config_get("maxmemory")["maxmemory"]
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.ResponseError, match="maxmemory"):
            publish(ticks(1))
        await stream.commit(ids, {shard_stream(1): b"packed"}, 5, 0)
    finally:
        client.config_set("maxmemory", limit)
    assert client.xpending(STREAM, GROUP)["pending"] == 0
    assert client.xlen(shard_stream(1)) == 1


async def test_a_command_that_a_frozen_redis_finds_in_its_buffers_later_does_nothing(
    opened: Open, publish: Callable[[list[Tick]], list[bytes]], ticks: Callable[..., list[Tick]], client: "redis.Redis"
) -> None:
    """The worker gives up on its answer and opens anew; the old command then arrives after the new token."""
    stream = await opened("a")
    publish(ticks(1))
    ids = [entry.id for entry in await stream.read(10, 100)]
    old_token = client.hget(FENCES, "a")
    await stream.open()
    late = client.eval(
        COMMIT, 4, STREAM, FENCES, TOTALS, shard_stream(0), GROUP, "a", old_token, 1, 0, 0, 0, 1, ids[0], 2, "t", b"x"
    )
    assert late == -1
    assert not client.exists(shard_stream(0))
    assert len(await stream.pending(b"", 10)) == 1
