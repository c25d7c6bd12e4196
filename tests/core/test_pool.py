"""The worker pool inside the whole system, on a simulated market."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from core.base.errors import StorageUnavailable
from core.base.settings import ScannerConfig, Settings
from core.embedded import EmbeddedServers
from core.system import System
from core.workers.stream_names import STREAM, TOTALS, worker
from core.workers.tick import Tick, encode
from tests.patience import wait_until


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    config = ScannerConfig(optimized_processor_workers=2)
    system = System(Settings(market="simulated", data_dir=tmp_path_factory.mktemp("pool"), scanner=config))
    system.start()
    yield system
    system.stop()


def change(system: System, key: str, value: object) -> None:
    asyncio.run(system.set_toggle(key, value, "tester"))


def status(system: System) -> dict[str, Any]:
    return system.workers_status()


def working(system: System, processor: str) -> bool:
    """Whether that processor reads, has a worker that says so, and takes ticks."""
    body = status(system)
    names = [w["name"] for w in body["workers"] if w["state"] in ("READING", "WORKING", "STORING")]
    return (
        body["scanner"]["active"] == body["processor"] == processor
        and any(("standard" in name) == (processor == "standard") for name in names)
        and body["rate_per_s"] > 0
    )


def test_before_it_starts_the_pool_says_that_it_is_not_there(tmp_path: Path) -> None:
    idle = System(Settings(data_dir=tmp_path))
    assert idle.workers_status()["enabled"] is False
    assert idle.workers_status()["workers"] == []
    assert asyncio.run(idle.patterns(10)) == []
    with pytest.raises(StorageUnavailable):
        asyncio.run(idle.dead_letters(10))


def test_every_trade_of_the_market_becomes_a_stored_tick_of_the_simulated_schema(system: System) -> None:
    wait_until(lambda: working(system, "optimized"))
    assert system.database_url is not None
    with psycopg.connect(system.database_url, autocommit=True) as connection:
        wait_until(lambda: connection.execute("SELECT to_regclass('simulated.worker_ticks')").fetchone() != (None,))

        def symbols() -> set[str]:
            rows = connection.execute(
                "SELECT DISTINCT s.text FROM simulated.worker_symbols s JOIN simulated.worker_ticks t ON t.symbol_id = s.id"
            )
            return {text for (text,) in rows}

        wait_until(lambda: symbols() >= {"ETHUSDT", "BTCUSDT", "AAPL", "ETH-PERP"})
        found = connection.execute("SELECT to_regclass('public.worker_ticks')").fetchone()
        assert found is not None
        if found[0] is not None:
            assert connection.execute("SELECT count(*) FROM public.worker_ticks").fetchone() == (0,)
    body = status(system)
    assert (body["enabled"], body["wanted"], body["producer"]["dropped"]) == (True, 2, 0)
    assert {"processor", "paused", "batch_ms", "pending", "history", "cores"} <= body.keys()
    assert "workers" not in system.components(), "told of only when it is at fault"
    assert "workers" in {consumer["name"] for consumer in system.stream.consumers()}


def test_the_processor_is_switched_by_its_setting_within_two_seconds_and_goes_on(system: System) -> None:
    wait_until(lambda: working(system, "optimized"))
    took = []
    for processor in ("standard", "optimized", "standard", "optimized"):
        began = time.monotonic()
        change(system, "workers.processor", processor)
        assert status(system)["processor"] == processor, "at once"
        wait_until(lambda processor=processor: status(system)["scanner"]["active"] == processor)
        took.append(time.monotonic() - began)
        wait_until(lambda processor=processor: working(system, processor))
    # the best of them: what a machine that is busy with other things adds is not ours
    assert min(took) < 2
    wait_until(lambda: not any("standard" in w["name"] for w in status(system)["workers"]), 10)  # ended, not lost
    audit = asyncio.run(system.settings_audit(4))
    assert [entry["new"] for entry in audit] == ["optimized", "standard", "optimized", "standard"]


def test_a_change_in_the_database_switches_too(system: System) -> None:
    assert system._store is not None
    system._store.set("workers.processor", "standard", "somebody else")
    wait_until(lambda: status(system)["scanner"]["active"] == "standard")
    change(system, "workers.processor", "optimized")
    wait_until(lambda: working(system, "optimized"))


def states(system: System) -> set[str]:
    return {w["state"] for w in status(system)["workers"]}


def test_paused_workers_let_ticks_wait_and_are_no_fault(system: System) -> None:
    wait_until(lambda: working(system, "optimized"))
    # a worker tells its state twice a second: "paused" must not be its word from before it went on
    wait_until(lambda: "PAUSED" not in states(system))
    change(system, "workers.paused", True)
    try:
        wait_until(lambda: states(system) == {"PAUSED"})
        assert system.redis_url is not None
        with redis.Redis.from_url(system.redis_url) as client:
            before = client.hget(TOTALS, "processed")
            wait_until(lambda: status(system)["lag"] + status(system)["pending"] > 5)
            assert client.hget(TOTALS, "processed") == before
        assert status(system)["paused"] is True
        assert "workers" not in system.components()
    finally:
        change(system, "workers.paused", False)
    wait_until(lambda: working(system, "optimized") and status(system)["lag"] < 5)


def test_the_number_of_workers_follows_its_setting(system: System) -> None:
    def alive() -> int:
        return sum(w["state"] != "LOST" and "standard" not in w["name"] for w in status(system)["workers"])

    change(system, "workers.count", 4)
    wait_until(lambda: status(system)["wanted"] == 4 and alive() == 4)
    change(system, "workers.count", 2)
    wait_until(lambda: status(system)["wanted"] == 2 and alive() == 2)


def test_option_ticks_of_others_become_a_chain_and_bad_ones_dead_letters(system: System) -> None:
    assert system.redis_url is not None
    now_ms = system.clock.now_ms()
    with redis.Redis.from_url(system.redis_url) as client:
        for number, symbol in enumerate(("BTC-26JUN37-100000-C", "BTC-26JUN37-100000-P")):
            tick = Tick(symbol, now_ms, 0.05, f"deribit:{number}", "deribit", 1.0, underlying_price=100_000.0)
            client.xadd(STREAM, encode(tick))  # type: ignore[arg-type]
        client.xadd(STREAM, {"symbol": "ETHUSDT", "price": "nonsense", "ts_ms": now_ms})

    def chain_of(underlying: str) -> list[dict[str, Any]]:
        try:
            body = asyncio.run(system.option_chains(underlying))
        except KeyError:
            return []  # its symbol is known a moment before its tick is stored
        return [option for chain in body["chains"].values() for option in chain]

    wait_until(lambda: len(chain_of("BTC")) == 2)
    assert asyncio.run(system.option_underlyings()) == {"BTC": ["DERIBIT"]}
    chain = chain_of("BTC")
    assert [(option["right"], option["volatility_state"]) for option in chain] == [("C", "FOUND"), ("P", "FOUND")]
    with pytest.raises(KeyError):
        asyncio.run(system.option_chains("NOTHING"))
    letters = wait_until(lambda: asyncio.run(system.dead_letters(10)))
    assert letters[0]["fields"]["price"] == "nonsense"
    assert asyncio.run(system.replay_dead_letters(letters[0]["id"])) == 1
    wait_until(lambda: (again := asyncio.run(system.dead_letters(10))) and again[0]["id"] != letters[0]["id"])


def test_a_redis_whose_workers_store_another_market_is_told_and_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.pool._DEAD_S", 0.2)
    servers = EmbeddedServers(tmp_path / "redis", want_postgres=False, want_redis=True)
    servers.start()
    assert servers.redis_url is not None
    with redis.Redis.from_url(servers.redis_url) as client:
        client.set("ticks:intraday:market", "real")
        client.set(worker("elsewhere-0"), "{}")
        system = System(
            Settings(
                market="simulated",
                data_dir=tmp_path / "data",
                redis_url=servers.redis_url,
                scanner=ScannerConfig(use_optimized_stream_processor=False),
            )
        )
        system.start()
        try:
            why = "the workers on this Redis store the ticks of a real market"
            wait_until(lambda: system.components().get("workers") == why)
            wait_until(lambda: status(system)["producer"]["spooled"] > 20)
            wait_until(lambda: any(i["component"] == "workers" for i in system.incidents()))
            assert client.xlen(STREAM) == 0, "no simulated tick reaches the real market's stream"
            client.delete(worker("elsewhere-0"))
            wait_until(lambda: working(system, "standard") and status(system)["producer"]["spooled"] == 0)
            wait_until(lambda: "workers" not in system.components())
            wait_until(lambda: all(i["end_ms"] for i in system.incidents() if i["component"] == "workers"))
        finally:
            system.stop()
            servers.stop()
