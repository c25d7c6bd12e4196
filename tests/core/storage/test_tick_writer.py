"""The worker pool's rows in Postgres: stored once, whatever is written again."""

import concurrent.futures

import numpy as np
import pytest

from core.storage import tick_queries
from core.storage.connection import TimedConnection, connect
from core.storage.tick_tables import GREEK_ROW, INDICATOR_NAMES, INDICATOR_ROW, TICK_ROW, Packed
from core.storage.tick_writer import LostShard, ShardRows, TickWriter

NOON_MS = 1_723_118_400_000
NO_GREEKS = np.zeros(0, GREEK_ROW)


def ticks(count: int, first: int = 0) -> Packed:
    rows = np.zeros(count, TICK_ROW)
    numbers = np.arange(first, first + count)
    rows["symbol_id"], rows["ts"], rows["event_key"] = 1 + numbers % 3, NOON_MS + numbers, numbers * 7
    rows["entry"], rows["price"], rows["volume"] = numbers, 100 + numbers, 1.5
    rows["bid"] = np.where(numbers % 2, np.nan, 99.0)
    rows["ask"] = np.where(numbers % 5, 101.0, np.nan)
    return rows


def greeks(of: Packed) -> Packed:
    rows = np.zeros(len(of), GREEK_ROW)
    for name in ("symbol_id", "ts", "event_key"):
        rows[name] = of[name]
    rows["delta"], rows["underlying_price"], rows["vega"] = 0.5, 100.0, np.nan
    return rows


@pytest.fixture
def writer(connection: TimedConnection) -> TickWriter:
    return TickWriter(connection, 10)


def count(connection: TimedConnection, table: str = "worker_ticks") -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    return int(row[0]) if row else 0


def test_rows_are_stored_with_unknown_quotes_as_null(writer: TickWriter) -> None:
    batch = ticks(20)
    assert writer.write(batch, NO_GREEKS).stored == 20
    stored = writer.connection.execute("SELECT entry, price, volume, bid, ask FROM worker_ticks ORDER BY entry").fetchall()
    for row, (entry, price, volume, bid, ask) in zip(batch, stored, strict=True):
        assert (entry, price, volume) == (row["entry"], row["price"], row["volume"])
        assert bid == (None if np.isnan(row["bid"]) else row["bid"])
        assert ask == (None if np.isnan(row["ask"]) else row["ask"])


def test_writing_again_changes_nothing_and_is_no_duplicate(writer: TickWriter) -> None:
    batch = ticks(50)
    writer.write(batch[:30], greeks(batch[:30]))
    for _ in range(3):
        again = writer.write(batch, greeks(batch))
        assert (again.duplicates, again.rejected) == ([], {})
    assert count(writer.connection) == count(writer.connection, "worker_greeks") == 50


def test_the_same_event_from_another_entry_is_a_duplicate_by_its_place(writer: TickWriter) -> None:
    batch = ticks(10)
    writer.write(batch, NO_GREEKS)
    again = np.concatenate([ticks(5, 10), batch[3:6], ticks(2, 15), ticks(1, 16)])
    again["entry"][5:8] += 1_000
    again["entry"][-1] = 2_000  # twice in one batch
    written = writer.write(again, NO_GREEKS)
    assert written.stored == 7
    assert written.duplicates == [5, 6, 7, 10]
    assert count(writer.connection) == 17


@pytest.mark.parametrize("is_careful", [False, True])
def test_a_row_that_postgres_refuses_costs_no_neighbour(writer: TickWriter, is_careful: bool) -> None:
    if is_careful:
        writer.write(ticks(1), NO_GREEKS)
        writer.write(ticks(1), NO_GREEKS)
    batch = ticks(100, 10)
    batch["price"][[0, 41]] = -1
    batch["volume"][99] = np.inf
    written = writer.write(batch, greeks(batch))
    assert sorted(written.rejected) == [0, 41, 99]
    assert all(why.startswith("23514:") for why in written.rejected.values())
    assert count(writer.connection) == 97 + is_careful
    assert count(writer.connection, "worker_greeks") == 97


def test_a_partition_dropped_behind_our_back_is_made_again(writer: TickWriter) -> None:
    writer.write(ticks(1), greeks(ticks(1)))
    writer.connection.execute("DROP TABLE worker_ticks_20240808, worker_greeks_20240808")
    written = writer.write(ticks(5), greeks(ticks(5)))
    assert written.rejected == {}
    assert count(writer.connection) == count(writer.connection, "worker_greeks") == 5


def test_writers_of_the_same_rows_at_once_do_not_hinder_each_other(dsn: str, writer: TickWriter) -> None:
    def write(seed: int) -> int:
        with connect(dsn, 10) as connection:
            own, stored = TickWriter(connection, 10), 0
            order = np.random.default_rng(seed).permutation(400)
            for part in np.array_split(order, 8):
                stored += own.write(ticks(400)[part], NO_GREEKS).stored
            return stored

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(write, range(3))) == 400
    assert count(writer.connection) == 400


def indicators(symbol_id: int, second: int, value: float) -> Packed:
    rows = np.zeros(1, INDICATOR_ROW)
    rows["symbol_id"], rows["ts"], rows["ema"], rows["rsi"] = symbol_id, NOON_MS + second * 1_000, value, np.nan
    return rows


def test_a_shard_goes_on_where_its_last_owner_stored(writer: TickWriter) -> None:
    epoch, position, states = writer.take_shard(3, "one")
    assert (epoch, position, states) == (1, "0-0", [])
    writer.write_shards([ShardRows(3, epoch, "5-1", indicators(7, 0, 1.0), {7: b"first"})])
    writer.write_shards([ShardRows(3, epoch, "6-0", indicators(7, 0, 2.0), {7: b"second", 8: b"other"})])
    assert writer.take_shard(3, "two") == (2, "6-0", [(7, b"second"), (8, b"other")])
    row = writer.connection.execute("SELECT ema, rsi FROM worker_indicators").fetchall()
    assert row == [(2.0, None)]


def test_an_owner_of_yesterday_writes_nothing(writer: TickWriter) -> None:
    old, _, _ = writer.take_shard(3, "one")
    writer.take_shard(3, "two")
    good, _, _ = writer.take_shard(4, "one")
    with pytest.raises(LostShard) as lost:
        writer.write_shards([
            ShardRows(4, good, "9-0", indicators(1, 0, 1.0), {1: b"x"}),
            ShardRows(3, old, "9-0", indicators(2, 0, 1.0), {2: b"x"}),
        ])  # fmt: skip
    assert lost.value.shard == 3
    assert count(writer.connection, "worker_indicators") == count(writer.connection, "worker_states") == 0
    assert writer.take_shard(4, "three")[1] == "0-0"


def test_retention_drops_whole_days(writer: TickWriter) -> None:
    day_ms = 86_400_000
    for day in range(3):
        batch = ticks(4, day * 10)
        batch["ts"] += day * day_ms
        writer.write(batch, greeks(batch))
    epoch, _, _ = writer.take_shard(0, "one")
    rows = np.concatenate([indicators(1, 0, 1.0), indicators(1, 86_400, 1.0)])
    writer.write_shards([ShardRows(0, epoch, "1-0", rows, {})])
    dropped = writer.drop_before(NOON_MS + day_ms)
    assert sorted(dropped) == ["worker_greeks_20240808", "worker_ticks_20240808"]
    assert count(writer.connection) == count(writer.connection, "worker_greeks") == 8
    assert count(writer.connection, "worker_indicators") == 1


def test_the_newest_chain_indicators_and_ticks_are_found(writer: TickWriter) -> None:
    writer.connection.execute(
        """INSERT INTO worker_symbols (venue, text, kind, underlying, expiry, strike, side) VALUES
        ('deribit', 'BTC-25SEP26-60000-C', 'option', 'BTC', '2026-09-25', 60000, 'C'),
        ('deribit', 'BTC-25SEP26-60000-P', 'option', 'BTC', '2026-09-25', 60000, 'P'),
        ('binance', 'BTCUSDT', 'spot', 'BTC', NULL, NULL, NULL)"""
    )
    batch = ticks(9)
    writer.write(batch, greeks(batch[batch["symbol_id"] != 3]))
    epoch, _, _ = writer.take_shard(0, "one")
    rows = np.concatenate([indicators(3, 0, 1.0), indicators(3, 1, 2.0)])
    writer.write_shards([ShardRows(0, epoch, "1-0", rows, {})])

    assert tick_queries.underlyings(writer.connection) == {"BTC": ["DERIBIT"]}
    chain = tick_queries.chains(writer.connection, "BTC", NOON_MS + 1_000)
    assert chain["expiries"] == ["2026-09-25"]
    call, put = chain["chains"]["2026-09-25"]
    assert (call["symbol"], call["right"], call["strike"]) == ("BTC-25SEP26-60000-C", "C", 60_000.0)
    assert (call["delta"], call["vega"], call["underlying_price"]) == (0.5, None, 100.0)
    assert (call["price"], call["ts_ms"], call["age_ms"]) == (106.0, NOON_MS + 6, 994)
    assert put["price"] == 107.0
    assert (chain["venue"], chain["venues"]) == ("DERIBIT", ["DERIBIT"])
    nothing = {"underlying": "ETH", "venue": "", "venues": [], "expiries": [], "chains": {}}
    assert tick_queries.chains(writer.connection, "ETH", NOON_MS) == nothing

    (found,) = tick_queries.indicators(writer.connection)
    assert (found["symbol"], found["ts_ms"], found["ema"], found["rsi"]) == ("BTCUSDT", NOON_MS + 1_000, 2.0, None)
    assert set(INDICATOR_NAMES) <= set(found)
    assert tick_queries.indicators(writer.connection, ["ETHUSDT"]) == []
    assert [row[0] for row in tick_queries.ticks(writer.connection, "BTCUSDT", 2)] == [NOON_MS + 5, NOON_MS + 8]


def test_a_chain_is_of_one_venue_by_default_of_that_with_the_most_options(writer: TickWriter) -> None:
    writer.connection.execute(
        """INSERT INTO worker_symbols (venue, text, kind, exchange, underlying, expiry, strike, side) VALUES
        ('binance', 'BTC-260925-60000-C', 'option', 'BINANCE_OPTIONS', 'BTC', '2026-09-25', 60000, 'C'),
        ('deribit', 'BTC-25SEP26-60000-C', 'option', 'DERIBIT', 'BTC', '2026-09-25', 60000, 'C'),
        ('DERIBIT', 'BTC-25SEP26-60000-P', 'option', 'DERIBIT', 'BTC', '2026-09-25', 60000, 'P')"""
    )
    batch = ticks(9)
    writer.write(batch, greeks(batch))
    both = ["DERIBIT", "BINANCE_OPTIONS"]
    assert tick_queries.underlyings(writer.connection) == {"BTC": both}
    for wanted, told, symbols in (
        (None, "DERIBIT", ["BTC-25SEP26-60000-C", "BTC-25SEP26-60000-P"]),
        ("binance_options", "BINANCE_OPTIONS", ["BTC-260925-60000-C"]),
        ("OPRA", "", []),
    ):
        chain = tick_queries.chains(writer.connection, "BTC", NOON_MS, wanted)
        assert (chain["venue"], chain["venues"]) == (told, both)
        options = [option for options in chain["chains"].values() for option in options]
        assert [option["symbol"] for option in options] == symbols
        assert {option["venue"] for option in options} <= {told}


def test_texts_of_one_contract_are_one_row_of_its_chain(writer: TickWriter) -> None:
    writer.connection.execute(
        """INSERT INTO worker_symbols (venue, text, kind, exchange, underlying, root, expiry, strike, side) VALUES
        ('opra', 'AAPL  260116C00200000', 'option', 'OPRA', 'AAPL', 'AAPL', '2026-01-16', 200, 'C'),
        ('', 'AAPL260116C00200000', 'option', 'OPRA', 'AAPL', 'AAPL', '2026-01-16', 200, 'C'),
        ('opra', 'AAPL7 260116C00200000', 'option', 'OPRA', 'AAPL', 'AAPL7', '2026-01-16', 200, 'C'),
        ('ibkr', 'AAPL  260116C00200000', 'option', 'IBKR', 'AAPL', 'AAPL', '2026-01-16', 200, 'C')"""
    )
    rows = ticks(4)
    rows["symbol_id"] = [1, 2, 3, 4]  # the compact text traded after the padded one
    writer.write(rows, greeks(rows))
    assert tick_queries.underlyings(writer.connection) == {"AAPL": ["OPRA", "IBKR"]}
    found = tick_queries.chains(writer.connection, "AAPL", NOON_MS)["chains"]["2026-01-16"]
    assert [(option["symbol"], option["price"]) for option in found] == [
        ("AAPL260116C00200000", 101.0),
        ("AAPL7 260116C00200000", 102.0),
    ]


def test_options_that_cannot_be_read_stay_apart_and_what_was_never_valued_is_not_listed(writer: TickWriter) -> None:
    writer.connection.execute(
        """INSERT INTO worker_symbols (venue, text, kind, exchange, underlying, root, month, strike, side) VALUES
        ('nse', 'A1', 'option', 'NFO', 'A', 'A', '2026-01', 100, 'C'),
        ('nse', 'A2', 'option', 'NFO', 'A', 'A', '2026-01', 100, 'C'),
        ('nse', 'B1', 'option', 'NFO', 'B', 'B', '2026-01', 100, 'C')"""
    )
    rows = ticks(2)
    writer.write(rows, greeks(rows))
    assert tick_queries.underlyings(writer.connection) == {"A": ["NFO"]}
    assert [option["symbol"] for option in tick_queries.chains(writer.connection, "A", NOON_MS)["chains"]["2026-01"]] == [
        "A1",
        "A2",
    ]


def test_venues_of_equally_many_options_are_told_by_name() -> None:
    assert tick_queries.by_size({"OPRA": 2, "IBKR": 2, "CBOE": 3}) == ["CBOE", "IBKR", "OPRA"]
