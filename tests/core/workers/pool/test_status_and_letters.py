"""What the page is told of the pool, and its dead letters."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
import redis

from core.base.clock import ManualClock
from core.base.codec import to_json
from core.base.errors import StorageUnavailable
from core.workers.dead_letters import DeadLetters
from core.workers.pool_control import PoolControl, control_of, fields_of
from core.workers.pool_status import PoolStatus, percentiles
from core.workers.stream_names import CONTROL, DEAD, GROUP, STREAM, TOTALS, worker
from core.workers.tick import Tick, decode, encode
from core.workers.worker_status import WorkerStatus

NOW_MS = 1_785_000_000_000


def status(name: str, **more: Any) -> WorkerStatus:
    known: dict[str, Any] = {
        "name": name, "host": "mac", "slot": 0, "pid": 7, "state": "READING", "batch": 0, "processed": 10,
        "rate_per_s": 5.0, "batch_ms": {"p50": 1.0, "p99": 2.0}, "errors": 0, "last_error": "", "core_kind": "any",
        "shards": [1, 2], "since_ms": NOW_MS, "at_ms": NOW_MS, "batch_size": 50, "duplicates": 0,
    }  # fmt: skip
    return WorkerStatus(**known | more)


def consumers(client: "redis.Redis", *statuses: WorkerStatus) -> None:
    for each in statuses:
        client.execute_command("XGROUP", "CREATECONSUMER", STREAM, GROUP, each.name)
        client.set(worker(each.name), to_json(each))


def test_all_workers_of_all_machines_are_told(client: "redis.Redis", redis_url: str) -> None:
    clock = ManualClock(NOW_MS)
    client.xgroup_create(STREAM, GROUP, "0", mkstream=True)
    consumers(client, status("mac-0"), status("linux-0", host="linux", at_ms=NOW_MS - 100, late=2, refused=1))
    client.hset(TOTALS, mapping={"processed": 120, "errors": 3, "duplicates": 4})
    with closing(PoolStatus(redis_url, workers=7, clock=clock)) as pool:
        told = pool.read()
        assert [w["name"] for w in told["workers"]] == ["linux-0", "mac-0"]
        assert [w["age_ms"] for w in told["workers"]] == [100, 0]
        assert [(w["late"], w["refused"]) for w in told["workers"]] == [(2, 1), (0, 0)]
        assert (told["processed"], told["errors"], told["duplicates"]) == (120, 3, 4)
        assert (told["wanted"], told["batch_size"], told["processor"], told["paused"]) == (7, 50, "optimized", False)
        assert (told["redis"], told["postgres"], told["cause"]) == ("ok", "ok", "")
        client.delete(worker("mac-0"))
        clock.advance(6)
        lost = {w["name"]: w for w in pool.read()["workers"]}
        assert lost["mac-0"]["state"] == "LOST"
        assert lost["mac-0"]["shards"] == []
        clock.advance(60)
        assert pool.read()["cause"] == "no worker is running"


def test_what_waits_is_counted_and_its_age_told(client: "redis.Redis", redis_url: str) -> None:
    clock = ManualClock(NOW_MS)
    client.xgroup_create(STREAM, GROUP, "0", mkstream=True)
    for n in range(10):
        client.xadd(STREAM, {"n": n}, id=f"{NOW_MS - 5_000 + n}-0")
    client.xadd(DEAD, {"a": 1})
    with closing(PoolStatus(redis_url, clock=clock)) as pool:
        told = pool.read()
        assert (told["pending"], told["lag"], told["length"], told["oldest_unacked_ms"]) == (0, 10, 10, 5_000)
        client.execute_command("XREADGROUP", "GROUP", GROUP, "a", "COUNT", 4, "STREAMS", STREAM, ">")
        told = pool.read()
        assert (told["pending"], told["lag"], told["dead_letters"]) == (4, 6, 1)
        client.xack(STREAM, GROUP, *(f"{NOW_MS - 5_000 + n}-0" for n in range(4)))
        assert pool.read()["oldest_unacked_ms"] == 4_996
        client.xtrim(STREAM, maxlen=1, approximate=False)  # Redis's own lag is wrong from here on
        assert pool.read()["lag"] == 1


def test_a_postgres_that_is_away_is_the_cause(client: "redis.Redis", redis_url: str) -> None:
    client.xgroup_create(STREAM, GROUP, "0", mkstream=True)
    consumers(client, status("a-0"), status("b-0", postgres="connection refused"))
    with closing(PoolStatus(redis_url, clock=ManualClock(NOW_MS))) as pool:
        told = pool.read()
        assert (told["postgres"], told["cause"]) == ("connection refused", "Postgres: connection refused")


def test_without_redis_the_last_figures_stand_and_the_reason_is_told(tmp_path: object) -> None:
    with closing(PoolStatus(f"unix://{tmp_path}/none.sock", producer=lambda: {"published": 3})) as pool:
        told = pool.read()
        assert told["redis"].startswith("Redis: ")
        assert told["cause"] == told["redis"]
        assert told["workers"] == []
        assert told["producer"] == {"published": 3}
    with closing(DeadLetters(f"unix://{tmp_path}/none.sock")) as letters:
        for call in (lambda: letters.list(1), lambda: letters.replay("all")):
            with pytest.raises(StorageUnavailable):
                call()


def test_percentiles_of_several_workers_are_those_of_all_their_batches() -> None:
    quick = status("a", batches=[(1_000_000, 98)])
    slow = status("b", batches=[(1_000_000, 1), (50_000_000, 1)])
    assert percentiles([quick, slow]) == {"p50": 1.0, "p99": 1.0}
    assert percentiles([slow]) == {"p50": 1.0, "p99": 50.0}
    assert percentiles([]) == {"p50": None, "p99": None}


@pytest.mark.parametrize("control", [PoolControl(), PoolControl(3, True, "standard"), PoolControl(8, False, "optimized")])
def test_what_is_wanted_survives_its_hash(control: PoolControl, client: "redis.Redis") -> None:
    client.hset(CONTROL, mapping=fields_of(control))  # type: ignore[arg-type]
    assert control_of(client.hgetall(CONTROL)) == control


def test_nonsense_in_the_hash_is_taken_as_not_said() -> None:
    assert control_of({b"workers": b"99", b"is_paused": b"?", b"processor": b"\xff"}) == PoolControl()


def bury(client: "redis.Redis", fields: dict[Any, Any], entry: str = "5-0") -> bytes:
    epitaph = {"reason": "because", "deliveries": 5, "first_ms": 1, "last_ms": 2, "entry": entry}
    parts = [part for pair in [*fields.items(), *epitaph.items()] for part in pair]
    return bytes(client.execute_command("XADD", DEAD, "*", *parts))


def test_dead_letters_are_listed_newest_first_with_their_own_fields(client: "redis.Redis", redis_url: str) -> None:
    bury(client, {"symbol": "A", "reason": "a field of the entry's own"})
    bury(client, {"d": b"\xff"})
    with closing(DeadLetters(redis_url)) as letters:
        entries = letters.list(10)["entries"]
        assert [e["fields"] for e in entries] == [{"d": "\ufffd"}, {"symbol": "A", "reason": "a field of the entry's own"}]
        assert [(e["reason"], e["deliveries"], e["first_ms"], e["last_ms"]) for e in entries] == [("because", 5, 1, 2)] * 2
        assert len(letters.list(1)["entries"]) == 1


def test_a_replayed_letter_is_the_tick_it_was_and_is_replayed_once(
    client: "redis.Redis", redis_url: str, ticks: Callable[..., list[Tick]]
) -> None:
    (tick,) = ticks(1)
    first = bury(client, encode(tick)).decode()
    bury(client, {"symbol": "B", "ts_ms": NOW_MS, "price": 5}, entry="77-3")
    bury(client, {"d": json.dumps({"symbol": "C", "ts_ms": NOW_MS, "price": 6})}, entry="77-4")
    bury(client, {"d": "nonsense"})
    with closing(DeadLetters(redis_url)) as letters:
        assert letters.replay(first) == 1
        assert letters.replay(first) == 0
        assert letters.replay("no id") == 0
        assert letters.replay("all") == 3
        assert letters.list(10) == {"entries": []}
    entries = client.xrange(STREAM)
    assert decode(*entries[0]) == tick
    assert [decode(*entry).event_id for entry in entries[1:3]] == ["77-3", "77-4"]
    assert entries[3][1] == {b"d": b"nonsense"}
