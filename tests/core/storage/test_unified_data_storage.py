"""Storage as a whole: what happens to rows while Postgres comes and goes, on real servers."""

import concurrent.futures
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import psycopg
import pytest

from core.base.clock import ManualClock
from core.base.errors import FatalError, StorageUnavailable
from core.base.settings import StorageConfig
from core.domain.market import BarFlag, BarUpdate, Quote, Trade
from core.embedded import EmbeddedServers
from core.storage import UnifiedDataStorage
from core.storage.spool import Spool
from tests.patience import PATIENCE

NOON_MS = 1_723_118_400_000
NOWHERE = "postgresql://me@127.0.0.1:1/db"
CONFIG = StorageConfig(flush_rows=500, flush_ms=10, queue_rows=20_000, spool_bytes=8_000_000)

Start = Callable[..., UnifiedDataStorage]
Trades = Callable[..., list[Trade]]


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[EmbeddedServers]:
    """A Postgres to be stopped, killed and frozen."""
    servers = EmbeddedServers(tmp_path / "own", want_postgres=True, want_redis=False)
    servers.start()
    yield servers
    servers.stop()


def freeze(servers: EmbeddedServers, number: int) -> None:
    postmaster = psutil.Process(servers.pids()["postgres"])
    for process in [postmaster, *postmaster.children(recursive=True)]:
        os.kill(process.pid, number)


def ids(dsn: str) -> list[int]:
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute("SELECT trade_id FROM trades ORDER BY trade_id").fetchall()]


def test_trades_and_closed_bars_are_written_and_the_rest_ignored(
    start_storage: Start, trades: Trades, bar: Callable[..., BarUpdate], until: Callable[..., None]
) -> None:
    storage = start_storage()
    running = BarUpdate("eth_1m", (NOON_MS + 60_000.0, 1.0, 1.0, 1.0, 1.0, 1.0), BarFlag.NONE)
    storage.submit([*trades(1_200), bar(), running, Quote("ETHUSDT", 1.0, 1.0, 2.0, 1.0, 1), "nonsense", None])
    until(lambda: storage.stats()["rows_written"] == 1_201)
    stats = storage.stats()
    assert stats["by_table"]["trades"] == {"rows": 1_200, "duplicates": 0, "rejected": 0}
    assert stats["by_table"]["bars"] == {"rows": 1, "duplicates": 0, "rejected": 0}
    assert (stats["state"], stats["last_error"], stats["queue"], stats["spool_bytes"]) == ("writing", None, 0, 0)
    assert stats["writes_saved"] > 0.98
    assert set(stats["flush_us"]) == {"p50", "p99"}
    assert stats["last_flush_ms"] == NOON_MS
    assert storage.count_trades("ETHUSDT") == 1_200
    assert storage.last_trade_id("ETHUSDT") == 1_200
    assert storage.history("eth_1m", 10) == [[NOON_MS, 2_000.0, 2_010.0, 1_990.0, 2_000.0, 5.0]]


def test_duplicates_are_written_once_and_counted(
    start_storage: Start, dsn: str, trades: Trades, until: Callable[..., None]
) -> None:
    storage = start_storage()
    for _ in range(3):
        storage.submit(trades(700))
    until(lambda: storage.stats()["duplicates"] == 1_400)
    assert ids(dsn) == list(range(1, 701))


def test_bad_rows_are_counted_and_the_others_written(
    start_storage: Start, dsn: str, trades: Trades, until: Callable[..., None]
) -> None:
    storage = start_storage()
    good = trades(100)
    bad = [msgspec.structs.replace(good[0], trade_id=1_000 + i, price=p) for i, p in enumerate((float("nan"), -1.0, "x"))]
    storage.submit([*good[:50], *bad, *good[50:]])
    until(lambda: storage.stats()["rows_written"] == 100)
    assert storage.stats()["rejected"] == 3
    assert ids(dsn) == list(range(1, 101))


def test_what_comes_while_postgres_is_down_is_spooled_and_drained_in_order_once(
    own_postgres: EmbeddedServers,
    start_storage: Start,
    trades: Trades,
    bar: Callable[..., BarUpdate],
    until: Callable[..., None],
) -> None:
    dsn = own_postgres.database_url
    storage = start_storage(dsn)
    storage.submit([*trades(1_000), bar(close=2_001.0)])
    until(lambda: storage.stats()["rows_written"] == 1_001)
    own_postgres.stop()
    for first in range(1_001, 5_001, 100):
        storage.submit(trades(100, first))
        time.sleep(0.001)
    storage.submit([bar(close=2_002.0), *trades(500, 500)])
    until(lambda: storage.stats()["queue"] == 0 and storage.stats()["spool_bytes"] > 5_000 * 36 - 40_000)
    assert storage.stats()["state"] == "spooling"
    assert "Postgres" in storage.stats()["last_error"]
    with pytest.raises(StorageUnavailable):
        storage.count_trades("ETHUSDT")

    own_postgres.start()
    storage.submit([bar(close=2_003.0), *trades(200, 5_001)])
    until(
        lambda: (
            storage.stats()["spool_bytes"] == 0 and storage.stats()["state"] == "writing" and storage.stats()["queue"] == 0
        )
    )
    assert ids(dsn) == list(range(1, 5_201))
    assert storage.history("eth_1m", 1)[0][4] == 2_003.0
    stats = storage.stats()
    assert (stats["dropped"], stats["last_error"]) == (0, None)
    assert stats["by_table"]["trades"]["rows"] == 5_200


def test_a_start_without_postgres_spools_and_a_later_run_drains(
    start_storage: Start, dsn: str, trades: Trades, until: Callable[..., None], tmp_path: Path
) -> None:
    away = start_storage(NOWHERE)
    away.submit(trades(2_000))
    away.stop(2.0)
    assert away.stats()["state"] == "stopped"
    assert away.stats()["queue"] == 0
    assert list((tmp_path / "spool").glob("*.seg"))
    again = start_storage()
    until(lambda: again.stats()["rows_written"] == 2_000)
    assert ids(dsn) == list(range(1, 2_001))
    until(lambda: not list((tmp_path / "spool").glob("*.seg")))


def test_the_server_killed_in_the_middle_of_a_stream_of_rows_loses_and_doubles_nothing(
    own_postgres: EmbeddedServers, start_storage: Start, trades: Trades, until: Callable[..., None]
) -> None:
    storage = start_storage(own_postgres.database_url)
    for round_number in range(60):
        storage.submit(trades(200, 1 + round_number * 200))
        if round_number in (10, 35):
            until(lambda: own_postgres.status()["postgres"] == "ok")
            os.kill(own_postgres.pids()["postgres"], signal.SIGKILL)
        time.sleep(0.01)
    until(lambda: storage.stats()["state"] == "writing" and storage.stats()["queue"] == 0)
    assert ids(own_postgres.database_url) == list(range(1, 12_001))
    assert storage.stats()["dropped"] == 0


def test_a_frozen_server_blocks_nobody_and_stopping_keeps_its_limit_and_the_rows(
    own_postgres: EmbeddedServers, start_storage: Start, trades: Trades, until: Callable[..., None], tmp_path: Path
) -> None:
    storage = start_storage(own_postgres.database_url)
    storage.submit(trades(100))
    until(lambda: storage.stats()["rows_written"] == 100)
    freeze(own_postgres, signal.SIGSTOP)
    try:
        started = time.monotonic()
        for first in range(101, 2_101, 100):
            storage.submit(trades(100, first))
        assert time.monotonic() - started < 0.5 * PATIENCE
        time.sleep(0.1)
        started = time.monotonic()
        storage.stop(2.0)
        assert time.monotonic() - started < 2 + 0.2 * PATIENCE
        assert storage.stats()["state"] == "stopped"
    finally:
        freeze(own_postgres, signal.SIGCONT)
    again = start_storage(own_postgres.database_url)
    until(lambda: again.stats()["spool_bytes"] == 0 and again.stats()["state"] == "writing")
    assert ids(own_postgres.database_url) == list(range(1, 2_101))


def test_a_lost_answer_to_commit_is_answered_by_writing_again(
    start_storage: Start, dsn: str, trades: Trades, until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is committed, then the connection breaks before we hear of it."""
    storage = start_storage()
    lost = []
    write = type(storage._writer).write

    def commit_and_break(writer: object, batch: object) -> object:
        written = write(writer, batch)
        if not lost:
            lost.append(batch)
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return written

    monkeypatch.setattr(type(storage._writer), "write", commit_and_break)
    storage.submit(trades(300))
    until(lambda: storage.stats()["duplicates"] == 300)
    assert lost
    assert ids(dsn) == list(range(1, 301))


def test_a_damaged_record_is_reported_and_the_others_arrive(
    start_storage: Start, dsn: str, trades: Trades, until: Callable[..., None], tmp_path: Path
) -> None:
    away = start_storage(NOWHERE)
    for first in (1, 101, 201):
        away.submit(trades(100, first))
        until(lambda: away.stats()["queue"] == 0)
    away.stop(2.0)
    (path,) = (tmp_path / "spool").glob("*.seg")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    again = start_storage()
    until(lambda: again.stats()["spool_damaged"] == 1 and again.stats()["spool_bytes"] == 0)
    stored = ids(dsn)
    assert 0 < len(stored) < 300
    assert set(stored) <= set(range(1, 301))


def test_a_full_spool_pauses_with_an_alarm_keeps_a_queue_drops_the_rest_and_recovers(
    own_postgres: EmbeddedServers, start_storage: Start, trades: Trades, until: Callable[..., None]
) -> None:
    config = msgspec.structs.replace(CONFIG, spool_bytes=40_000, queue_rows=2_000)
    storage = start_storage(own_postgres.database_url, config)
    own_postgres.stop()
    submitted = 0
    while storage.stats()["dropped"] == 0:
        storage.submit(trades(100, 1 + submitted))
        submitted += 100
        time.sleep(0.001)
    # the queue may be full before the writer has even noticed that Postgres is gone
    until(lambda: storage.stats()["state"] == "paused")
    stats = storage.stats()
    assert stats["last_error"].startswith("disk full, storage paused")
    assert stats["queue"] <= 2_000
    assert stats["pressure"] > 0.9
    own_postgres.start()
    until(lambda: storage.stats()["state"] == "writing" and storage.stats()["queue"] == 0)
    stored = ids(own_postgres.database_url)
    assert len(stored) == submitted - storage.stats()["dropped"]
    assert stored[:2_500] == list(range(1, 2_501))
    assert storage.stats()["last_error"] is None


def test_a_disk_that_takes_nothing_pauses_and_recovers(
    start_storage: Start, trades: Trades, until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = start_storage(NOWHERE)
    append = Spool.append

    def no_space(spool: Spool, record: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "append", no_space)
    storage.submit(trades(100))
    until(lambda: storage.stats()["state"] == "paused")
    assert "No space left on device" in storage.stats()["last_error"]
    monkeypatch.setattr(Spool, "append", append)
    until(lambda: storage.stats()["state"] == "spooling")
    assert storage.stats()["dropped"] == 0


def test_a_postgres_whose_disk_is_full_pauses_and_the_rows_wait_on_ours(
    start_storage: Start, dsn: str, trades: Trades, until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = start_storage()

    def disk_full(writer: object, batch: object) -> object:
        raise psycopg.errors.DiskFull("could not extend file: No space left on device")

    monkeypatch.setattr(type(storage._writer), "write", disk_full)
    storage.submit(trades(100))
    until(lambda: storage.stats()["state"] == "paused" and storage.stats()["spool_bytes"] > 0)
    assert "No space left" in storage.stats()["last_error"]
    monkeypatch.undo()
    until(lambda: storage.stats()["state"] == "writing")
    assert ids(dsn) == list(range(1, 101))


def test_a_queue_that_fills_faster_than_postgres_writes_goes_over_the_spool_without_loss(
    start_storage: Start, dsn: str, trades: Trades, until: Callable[..., None]
) -> None:
    config = msgspec.structs.replace(CONFIG, queue_rows=4_000, flush_rows=100, spool_bytes=64_000_000)
    storage = start_storage(config=config)
    everything = trades(30_000)
    for first in range(0, 30_000, 1_000):
        until(lambda: storage.stats()["queue"] <= 3_000)
        storage.submit(everything[first : first + 1_000])
    until(lambda: storage.stats()["rows_written"] == 30_000)
    assert storage.stats()["dropped"] == 0
    assert ids(dsn) == list(range(1, 30_001))


def test_old_days_are_dropped(
    start_storage: Start, dsn: str, clock: ManualClock, trades: Trades, until: Callable[..., None]
) -> None:
    config = msgspec.structs.replace(CONFIG, trade_retention_days=2)
    first = start_storage()
    first.submit(
        [
            *trades(5),
            *[msgspec.structs.replace(t, ts_ms=NOON_MS - 5 * 86_400_000, trade_id=100 + i) for i, t in enumerate(trades(5))],
        ]
    )
    until(lambda: first.stats()["rows_written"] == 10)
    first.stop(2.0)
    start_storage(config=config)
    until(lambda: ids(dsn) == [1, 2, 3, 4, 5])


def test_two_instances_write_the_same_rows_once(
    start_storage: Start, dsn: str, trades: Trades, until: Callable[..., None], tmp_path: Path
) -> None:
    one, two = start_storage(data_dir=tmp_path / "one"), start_storage(data_dir=tmp_path / "two")
    for first in range(1, 3_001, 100):
        one.submit(trades(100, first))
        two.submit(trades(100, first))
    until(lambda: sum(s.stats()["rows_written"] + s.stats()["duplicates"] for s in (one, two)) == 6_000)
    assert ids(dsn) == list(range(1, 3_001))


def test_questions_from_many_threads_are_answered_also_after_their_connections_were_cut(
    start_storage: Start, dsn: str, trades: Trades, until: Callable[..., None]
) -> None:
    storage = start_storage()
    storage.submit(trades(100))
    until(lambda: storage.stats()["rows_written"] == 100)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: storage.count_trades("ETHUSDT"), range(40))) == {100}
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'quintet' AND datname = current_database()"
        )
    assert [storage.count_trades("ETHUSDT") for _ in range(3)] == [100, 100, 100]


def test_a_database_of_a_newer_version_stops_the_start(start_storage: Start, dsn: str) -> None:
    start_storage().stop(2.0)
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO schema_migrations (number, name) VALUES (99, 'later')")
    with pytest.raises(FatalError, match="newer Quintet"):
        start_storage()


def test_a_spool_that_cannot_be_opened_is_one_clear_line(start_storage: Start, tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(FatalError, match="the spool in the data directory cannot be used"):
        start_storage()
