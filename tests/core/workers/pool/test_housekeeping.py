"""What is trimmed, and how a Redis that lost its memory is noticed."""

from collections.abc import Callable, Iterator
from contextlib import closing

import msgspec
import pytest
import redis

from core.base.clock import ManualClock
from core.storage.connection import connect
from core.storage.tick_writer import TickWriter
from core.workers.housekeeping import Housekeeper, safe_id
from core.workers.pool_config import PoolConfig
from core.workers.redis_clients import sync_client
from core.workers.stream_epoch import Look, StreamEpoch, first_id, judge
from core.workers.stream_names import GROUP, STREAM, slot
from core.workers.tick import Tick

LOOK = Look("marker", "run", "100-0", "120-0", 50)


@pytest.fixture
def keeper(dsn: str, redis_url: str) -> Iterator[Housekeeper]:
    with connect(dsn, 10) as connection, closing(sync_client(redis_url)) as own:
        yield Housekeeper(own, TickWriter(connection, 10), PoolConfig(), ManualClock())


def test_nothing_that_any_group_still_needs_may_go() -> None:
    assert safe_id([]) is None
    assert safe_id([("100-3", None)]) == "100-4"
    assert safe_id([("100-3", "99-1")]) == "99-1"
    assert safe_id([("100-3", None), ("9-9", None)]) == "9-10"


def test_trimming_never_eats_what_a_group_has_not_acknowledged(
    keeper: Housekeeper, client: "redis.Redis", publish: Callable[[list[Tick]], list[bytes]],
    ticks: Callable[..., list[Tick]],
) -> None:  # fmt: skip
    ids = publish(ticks(10))
    keeper.keep()
    assert client.xlen(STREAM) == 10  # nobody has said what may go
    client.xgroup_create(STREAM, GROUP, "0")
    client.xgroup_create(STREAM, "slow", "0")
    client.execute_command("XREADGROUP", "GROUP", GROUP, "a", "COUNT", 8, "STREAMS", STREAM, ">")
    client.xack(STREAM, GROUP, *ids[:8])
    keeper.keep()
    assert client.xlen(STREAM) == 10  # the slow group has read nothing
    client.execute_command("XREADGROUP", "GROUP", "slow", "b", "COUNT", 6, "STREAMS", STREAM, ">")
    client.xack(STREAM, "slow", *ids[:2], *ids[3:6])
    keeper.keep()
    assert [entry_id for entry_id, _ in client.xrange(STREAM)] == ids[2:]
    client.xack(STREAM, "slow", ids[2])
    client.execute_command("XREADGROUP", "GROUP", "slow", "b", "COUNT", 9, "STREAMS", STREAM, ">")
    client.xack(STREAM, "slow", *ids)
    keeper.keep()
    assert [entry_id for entry_id, _ in client.xrange(STREAM)] == ids[8:]


@pytest.mark.parametrize(
    ("now", "is_loss"),
    [
        (LOOK, False),
        (msgspec.structs.replace(LOOK, run_id="another", last_id="130-0", newest_id="140-0", entries=60), False),
        (Look("marker", "run", "0-0", "0-0", 0), True),
        (Look("marker", "another", "200-0", "300-0", 49), True),
        (Look("marker", "another", "90-0", "99-0", 50), True),
        (msgspec.structs.replace(LOOK, marker="", last_id="130-0", newest_id="140-0", entries=60), True),
    ],
)
def test_a_stream_that_has_less_than_before_is_a_loss(now: Look, is_loss: bool) -> None:
    epoch = judge(StreamEpoch(LOOK), now, 7)
    assert epoch.look == now
    assert (epoch.losses, epoch.lost_ms) == ((1, 7) if is_loss else (0, 0))
    assert ("after 100-0 up to 120-0" in epoch.note) is is_loss


def test_the_first_look_is_no_loss() -> None:
    assert judge(None, LOOK, 7) == StreamEpoch(LOOK)


def test_a_redis_that_comes_back_empty_is_told_and_its_group_begins_before_all(
    keeper: Housekeeper, client: "redis.Redis", publish: Callable[[list[Tick]], list[bytes]],
    ticks: Callable[..., list[Tick]], redis_url: str, dsn: str,
) -> None:  # fmt: skip
    publish(ticks(10))
    client.xgroup_create(STREAM, GROUP, "0")
    client.execute_command("XREADGROUP", "GROUP", GROUP, "a", "COUNT", 4, "STREAMS", STREAM, ">")
    assert keeper.keep() == ""
    assert first_id(redis_url, dsn) != "0"  # the same stream: its group would go on where it was
    client.flushall()
    publish(ticks(2))
    client.xgroup_create(STREAM, GROUP, "0")
    told = keeper.keep()
    assert "lost its stream of 10 entries" in told
    assert keeper.keep() == told
    client.flushall()
    assert first_id(redis_url, dsn) == "0"


def test_consumers_that_hold_nothing_and_are_silent_are_forgotten(
    keeper: Housekeeper, client: "redis.Redis", publish: Callable[[list[Tick]], list[bytes]],
    ticks: Callable[..., list[Tick]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("core.workers.housekeeping._FORGET_MS", 0)
    publish(ticks(3))
    client.xgroup_create(STREAM, GROUP, "0")
    for name in ("idle", "paused"):
        client.execute_command("XGROUP", "CREATECONSUMER", STREAM, GROUP, name)
    client.set(slot("paused"), "some pool")
    client.execute_command("XREADGROUP", "GROUP", GROUP, "holds", "COUNT", 2, "STREAMS", STREAM, ">")
    keeper.keep()
    assert [each["name"] for each in client.xinfo_consumers(STREAM, GROUP)] == [b"holds", b"paused"]
