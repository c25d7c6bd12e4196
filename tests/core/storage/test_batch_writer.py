"""Batches through a real Postgres: once each, bars amended, bad rows alone."""

from collections.abc import Callable, Iterator

import numpy as np
import psycopg
import pytest

from core.domain.market import BarFlag, BarUpdate, Trade
from core.storage import queries
from core.storage.batch import Batch, batch_of
from core.storage.batch_writer import BatchWriter
from core.storage.connection import TimedConnection, connect

NOON_MS = 1_723_118_400_000
CLOSED = BarFlag.CLOSED


@pytest.fixture
def writer(connection: TimedConnection) -> BatchWriter:
    return BatchWriter(connection, limit_s=10)


@pytest.fixture
def other(dsn: str, writer: BatchWriter) -> Iterator[TimedConnection]:
    with connect(dsn, limit_s=10) as connection:
        yield connection


def batch(*messages: Trade | BarUpdate) -> Batch:
    return batch_of(messages, NOON_MS)[0]


def test_a_trade_written_twice_is_there_once(writer: BatchWriter, trades: Callable[..., list[Trade]]) -> None:
    ten = trades(10)
    first = writer.write(batch(*ten, *ten[:3]))
    again = writer.write(batch(*ten))
    assert (first.trades, first.trade_duplicates, again.trades, again.trade_duplicates) == (10, 3, 0, 10)
    assert queries.count_trades(writer.connection, "ETHUSDT") == 10


def test_values_are_stored_exactly(writer: BatchWriter) -> None:
    trade = Trade("BTCUSDT", 2**53 + 1, 0.1 + 0.2, 1e-8, NOON_MS - 1, True)
    writer.write(batch(trade))
    row = writer.connection.execute(
        "SELECT trade_id, price, quantity, (extract(epoch FROM ts) * 1000)::int8, is_buyer_maker, origin, symbol, venue "
        "FROM trades JOIN instruments ON id = instrument_id"
    ).fetchone()
    assert row == (2**53 + 1, 0.1 + 0.2, 1e-8, NOON_MS - 1, True, 0, "BTCUSDT", "binance")


def test_a_corrected_bar_replaces_the_first_and_an_equal_one_writes_nothing(
    writer: BatchWriter, bar: Callable[..., BarUpdate]
) -> None:
    assert writer.write(batch(bar(close=2_001.0))).bars == 1
    assert writer.write(batch(bar(close=2_001.0))).bar_duplicates == 1
    assert writer.write(batch(bar(close=2_002.0, flags=CLOSED | BarFlag.CORRECTED))).bars == 1
    assert queries.history(writer.connection, "eth_1m", 10, None) == [[NOON_MS, 2_000.0, 2_010.0, 1_990.0, 2_002.0, 5.0]]


def test_of_several_bars_of_one_time_in_a_batch_the_last_wins(writer: BatchWriter, bar: Callable[..., BarUpdate]) -> None:
    writer.write(batch(bar(close=2_001.0), bar(NOON_MS - 60_000), bar(close=2_003.0), bar(close=2_005.0, series="eth_1h")))
    closes = [row[4] for row in queries.history(writer.connection, "eth_1m", 10, None)]
    assert closes == [2_000.0, 2_003.0]
    assert [row[4] for row in queries.history(writer.connection, "eth_1h", 10, None)] == [2_005.0]


def test_a_bar_we_saw_only_a_part_of_never_replaces_a_whole_one(writer: BatchWriter, bar: Callable[..., BarUpdate]) -> None:
    writer.write(batch(bar(close=2_001.0)))
    assert writer.write(batch(bar(close=1_999.0, flags=CLOSED | BarFlag.PARTIAL))).bars == 0
    writer.write(batch(bar(NOON_MS - 60_000, flags=CLOSED | BarFlag.PARTIAL)))
    assert writer.write(batch(bar(NOON_MS - 60_000, flags=CLOSED))).bars == 1
    assert [row[4] for row in queries.history(writer.connection, "eth_1m", 10, None)] == [2_000.0, 2_001.0]


@pytest.mark.parametrize("bad", [0, 7, 99])
def test_rows_that_postgres_refuses_are_left_out_and_the_others_written(
    writer: BatchWriter, trades: Callable[..., list[Trade]], bar: Callable[..., BarUpdate], bad: int
) -> None:
    whole = batch(*trades(100), bar(), bar(NOON_MS - 60_000))
    rows = whole.trades.copy()
    rows["price"][bad] = np.nan
    written = writer.write(Batch(whole.names, rows, whole.bars))
    assert (written.trades, written.rejected_trades, written.bars) == (99, 1, 2)
    assert queries.count_trades(writer.connection, "ETHUSDT") == 99


def test_a_cut_connection_raises_and_nothing_of_the_batch_is_there(
    writer: BatchWriter, other: TimedConnection, trades: Callable[..., list[Trade]]
) -> None:
    writer.write(batch(*trades(1)))
    other.execute("SELECT pg_terminate_backend(%s)", (writer.connection.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        writer.write(batch(*trades(10)))
    assert queries.count_trades(other, "ETHUSDT") == 1


def test_two_writers_give_a_new_name_one_number_and_two_names_two(
    writer: BatchWriter, other: TimedConnection, trades: Callable[..., list[Trade]]
) -> None:
    second = BatchWriter(other, limit_s=10)
    writer.write(batch(*trades(2, symbol="AAA"), *trades(2, symbol="BBB")))
    second.write(batch(*trades(2, first_id=3, symbol="BBB"), *trades(2, symbol="CCC")))
    assert [queries.count_trades(other, name) for name in ("AAA", "BBB", "CCC")] == [2, 4, 2]
    assert other.execute("SELECT count(DISTINCT id) FROM instruments").fetchone() == (3,)


def test_history_pages_backwards_oldest_first(writer: BatchWriter, bar: Callable[..., BarUpdate]) -> None:
    writer.write(batch(*(bar(NOON_MS - i * 60_000) for i in range(10))))
    newest = queries.history(writer.connection, "eth_1m", 4, None)
    assert [row[0] for row in newest] == [NOON_MS - i * 60_000 for i in (3, 2, 1, 0)]
    assert [row[0] for row in queries.history(writer.connection, "eth_1m", 2, int(newest[0][0]))] == [
        NOON_MS - i * 60_000 for i in (5, 4)
    ]
    assert queries.history(writer.connection, "nothing", 10, None) == []


def test_the_last_trade_id_is_the_largest_over_all_days(writer: BatchWriter) -> None:
    assert queries.last_trade_id(writer.connection, "ETHUSDT") is None
    writer.write(
        batch(Trade("ETHUSDT", 9, 1.0, 1.0, NOON_MS - 86_400_000, True), Trade("ETHUSDT", 5, 1.0, 1.0, NOON_MS, True))
    )
    assert queries.last_trade_id(writer.connection, "ETHUSDT") == 9
