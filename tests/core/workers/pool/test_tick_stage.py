"""The first stage on real servers: what is stored, what is acknowledged, what becomes a dead letter."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
import redis

from core.storage.tick_tables import Packed
from core.workers.pool_config import PoolConfig
from core.workers.stream_names import GROUP, SHARDS, STREAM, TOTALS, shard_stream
from core.workers.symbol_book import shard_of
from core.workers.tick import Tick, event_key
from core.workers.tick_batch import TickBatch, greeks_of, unpack
from core.workers.tick_stage import TickStage

Publish = Callable[[list[Tick]], list[bytes]]
Ticks = Callable[..., list[Tick]]
Rows = Callable[[str], list[tuple[Any, ...]]]
Until = Callable[..., Awaitable[None]]
STORED = """SELECT s.text, (extract(epoch FROM ts) * 1000)::bigint, event_key, price, volume, bid, ask
FROM worker_ticks t JOIN worker_symbols s ON s.id = t.symbol_id ORDER BY 1, 2"""


async def test_every_tick_is_stored_once_and_handed_to_its_shard(
    start_stage: Callable[..., TickStage], publish: Publish, ticks: Ticks, rows: Rows, pending: Callable[[], int],
    until: Until, client: "redis.Redis",
) -> None:  # fmt: skip
    wanted = [
        *ticks(300),
        *ticks(200, "BTCUSDT", bid=1_999.5),
        *ticks(50, "NIFTY", bid=1.0, ask=2.0),
        *ticks(5, "X", ask=9.0),
    ]
    publish(wanted)
    stages = [start_stage(number) for number in range(3)]
    await until(lambda: pending() == 0, "the acknowledgement")
    assert rows(STORED) == sorted(
        (t.symbol, t.ts_ms, event_key(t.event_id), t.price, t.volume, t.bid, t.ask) for t in wanted
    )
    in_shards: dict[str, int] = {}
    ids = dict(rows("SELECT id, text FROM worker_symbols"))
    for shard in range(SHARDS):
        packed = [fields[b"t"] for _, fields in client.xrange(shard_stream(shard))]
        for row in unpack(packed) if packed else ():
            symbol = ids[int(row["symbol_id"])]
            assert shard_of(symbol) == shard
            in_shards[symbol] = in_shards.get(symbol, 0) + 1
    assert in_shards == {"ETHUSDT": 300, "BTCUSDT": 200, "NIFTY": 50, "X": 5}
    assert client.hgetall(TOTALS) == {b"processed": b"555"}
    assert sum(stage.gauges.processed for stage in stages) == 555


async def test_the_same_event_published_again_is_stored_and_calculated_once(
    start_stage: Callable[..., TickStage], publish: Publish, ticks: Ticks, rows: Rows, pending: Callable[[], int],
    until: Until, client: "redis.Redis",
) -> None:  # fmt: skip
    publish([*ticks(40), *ticks(40)])
    start_stage()
    await until(lambda: pending() == 0)
    publish(ticks(60))
    await until(lambda: pending() == 0 and int(client.hget(TOTALS, "duplicates") or 0) == 80)
    assert rows("SELECT count(*) FROM worker_ticks") == [(60,)]
    packed = [fields[b"t"] for _, fields in client.xrange(shard_stream(shard_of("ETHUSDT")))]
    assert len(unpack(packed)) == 60
    assert client.hget(TOTALS, "processed") == b"60"


async def test_what_is_no_tick_becomes_a_dead_letter_at_once_with_its_fields(
    start_stage: Callable[..., TickStage], publish: Publish, ticks: Ticks, rows: Rows, pending: Callable[[], int],
    until: Until, client: "redis.Redis", dead: Callable[[], list[dict[str, str]]],
) -> None:  # fmt: skip
    publish(ticks(5))
    bad = client.xadd(STREAM, {"symbol": "ETHUSDT", "ts_ms": NOON, "price": "cheap", "colour": "blue"})
    client.xadd(STREAM, {"d": b"\xff\xfe nonsense"})
    publish(ticks(5, first=5))
    start_stage()
    await until(lambda: pending() == 0)
    letters = dead()
    assert [letter["reason"].partition(":")[0] for letter in letters] == ["price", "d"]
    assert letters[0]["colour"] == "blue"
    assert (letters[0]["entry"], letters[0]["deliveries"]) == (bad.decode(), "1")
    assert int(letters[0]["first_ms"]) <= int(letters[0]["last_ms"])
    assert rows("SELECT count(*) FROM worker_ticks") == [(10,)]
    assert client.hget(TOTALS, "errors") == b"2"


NOON = 1_723_118_400_000


async def test_a_tick_that_always_fails_is_dead_after_five_deliveries_and_costs_no_neighbour(
    start_stage: Callable[..., TickStage], publish: Publish, ticks: Ticks, rows: Rows, pending: Callable[[], int],
    until: Until, dead: Callable[[], list[dict[str, str]]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("core.workers.tick_stage._RETRY_S", 0.1)
    seen: list[int] = []

    def value(batch: TickBatch) -> Packed:
        if (batch.ticks["price"] == 666).any():
            seen.append(len(batch.ticks))
            raise ArithmeticError("cannot be valued")
        return greeks_of(batch)

    poison = Tick("ETHUSDT", NOON, 666.0, "poison", "binance")
    publish([*ticks(70), poison, *ticks(70, first=70)])
    start_stage(value=value, config=PoolConfig(block_ms=50, min_idle_ms=60_000, sweep_s=30))
    await until(lambda: rows("SELECT count(*) FROM worker_ticks") == [(140,)], "the neighbours")
    await until(lambda: pending() == 0 and len(dead()) == 1, "the dead letter")
    (letter,) = dead()
    assert letter["reason"] == "ArithmeticError: cannot be valued"
    assert letter["deliveries"] == "5"
    assert json.loads(letter["d"])["event_id"] == "poison"
    assert seen.count(1) == 5
    assert rows("SELECT count(*) FROM worker_ticks") == [(140,)]


async def test_without_postgres_nothing_is_acknowledged_and_nothing_is_given_up(
    start_stage: Callable[..., TickStage], publish: Publish, ticks: Ticks, rows: Rows, pending: Callable[[], int],
    until: Until, client: "redis.Redis", dsn: str, dead: Callable[[], list[dict[str, str]]],
) -> None:  # fmt: skip
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE worker_ticks RENAME TO hidden")
        publish(ticks(100))
        config = PoolConfig(block_ms=50, min_idle_ms=300, sweep_s=0.1)
        start_stage(0, config), start_stage(1, config)
        await until(lambda: pending() == 100 and client.xpending(STREAM, GROUP)["pending"] == 100)
        await asyncio.sleep(1.5)  # five times the least idle time: heartbeats keep the other from taking them
        assert pending() == 100
        assert {entry["times_delivered"] for entry in client.xpending_range(STREAM, GROUP, "-", "+", 100)} == {1}
        connection.execute("ALTER TABLE hidden RENAME TO worker_ticks")
    await until(lambda: pending() == 0)
    assert rows("SELECT count(*) FROM worker_ticks") == [(100,)]
    assert dead() == []


async def test_a_worker_that_begins_again_finds_what_it_had_in_hand(
    start_stage: Callable[..., TickStage], publish: Publish, ticks: Ticks, rows: Rows, pending: Callable[[], int],
    until: Until, client: "redis.Redis",
) -> None:  # fmt: skip
    publish(ticks(30))
    client.xgroup_create(STREAM, GROUP, "0")
    client.execute_command("XREADGROUP", "GROUP", GROUP, "test-0", "COUNT", 20, "STREAMS", STREAM, ">")
    client.execute_command("XREADGROUP", "GROUP", GROUP, "gone-1", "COUNT", 10, "STREAMS", STREAM, ">")
    start_stage(0, PoolConfig(block_ms=50, min_idle_ms=1_000, sweep_s=0.2))
    await until(lambda: rows("SELECT count(*) FROM worker_ticks") == [(20,)], "its own", 0.9)
    await until(lambda: pending() == 0, "what another left", 3)
    assert rows("SELECT count(*) FROM worker_ticks") == [(30,)]


async def test_entries_deleted_meanwhile_are_let_go(
    start_stage: Callable[..., TickStage], publish: Publish, ticks: Ticks, pending: Callable[[], int], until: Until,
    client: "redis.Redis",
) -> None:  # fmt: skip
    ids = publish(ticks(4))
    client.xgroup_create(STREAM, GROUP, "0")
    client.execute_command("XREADGROUP", "GROUP", GROUP, "test-0", "COUNT", 4, "STREAMS", STREAM, ">")
    client.xdel(STREAM, *ids[:2])
    start_stage()
    await until(lambda: pending() == 0)
    assert client.hget(TOTALS, "processed") == b"2"


async def test_an_option_tick_is_stored_with_its_greeks(
    start_stage: Callable[..., TickStage], publish: Publish, rows: Rows, pending: Callable[[], int], until: Until
) -> None:
    ts_ms = 1_785_000_000_000  # 2026-07-25
    publish([
        Tick("BTC-25SEP26-60000-C", ts_ms, 0.05, "o1", "deribit", underlying_price=60_000.0),
        Tick("AAPL  260918C00200000", ts_ms, 12.0, "o2", "occ", underlying_price=205.0, rate=0.04, volatility=0.25),
        Tick("BTCUSDT", ts_ms, 60_000.0, "o3", "binance"),
    ])  # fmt: skip
    start_stage()
    await until(lambda: pending() == 0)
    stored = rows("""SELECT s.underlying, s.strike, s.side, g.implied_volatility, g.delta, g.years, g.underlying_price
        FROM worker_greeks g JOIN worker_symbols s ON s.id = g.symbol_id ORDER BY 1""")
    assert [row[:3] for row in stored] == [("AAPL", 200.0, "C"), ("BTC", 60_000.0, "C")]
    assert stored[0][3] == 0.25
    assert all(0 < row[4] < 1 and 0 < row[5] < 0.3 for row in stored)
    assert rows("SELECT count(*) FROM worker_ticks") == [(3,)]


async def test_pausing_stops_the_reading_and_resuming_goes_on(
    start_stage: Callable[..., TickStage], publish: Publish, ticks: Ticks, pending: Callable[[], int], until: Until
) -> None:
    stage = start_stage()
    publish(ticks(10))
    await until(lambda: pending() == 0)
    stage.paused = True
    await until(lambda: stage.gauges.state == "PAUSED")
    publish(ticks(10, first=10))
    await asyncio.sleep(0.3)
    assert pending() == 10
    stage.paused = False
    await until(lambda: pending() == 0)
