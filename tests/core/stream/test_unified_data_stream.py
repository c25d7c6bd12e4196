"""The stream as its publishers and readers see it."""

import random
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core.base.clock import ManualClock
from core.base.settings import StreamConfig
from core.domain.health import Source
from core.domain.market import BarFlag, BarUpdate, BookView, Kline, Origin, Quote, Trade
from core.domain.series import MINUTE_MS, SERIES_NAMES
from core.domain.snapshot import UniversalDataStream
from core.stream import DataType, UnifiedDataStream

NOON = 1_700_000_040_000  # a full minute


def trade(trade_id: int, ts_ms: int, price: float = 100.0, symbol: str = "ETHUSDT", **more: object) -> Trade:
    return Trade(symbol, trade_id, price, 1.0, ts_ms, False, **more)  # type: ignore[arg-type]


def kline(open_ms: int, close: float, interval: str = "1m", origin: Origin = Origin.REST, **more: object) -> Kline:
    fields: dict[str, object] = {"first_id": -1, "last_id": -1, "closed": True, "event_ms": 0} | more
    return Kline("ETHUSDT", interval, open_ms, close, close, close, close, 1.0, origin=origin, **fields)  # type: ignore[arg-type]


def summary(stream: UnifiedDataStream, name: str) -> dict[str, object]:
    return next(one for one in stream.series_summary() if one["name"] == name)


@pytest.mark.parametrize("order", ["as recorded", "shuffled"])
def test_recorded_trades_give_the_venues_own_minutes_and_a_row_for_each_second(
    order: str, recorded_trades: Callable[[str], list[Trade]], shared_data: Path, clock: ManualClock
) -> None:
    for asset, minutes, seconds in (("eth", "eth_1m", "eth_ticks"), ("btc", None, "btc_ticks")):
        stream = UnifiedDataStream(StreamConfig(), clock)
        trades = recorded_trades(asset)
        if order == "shuffled":
            for start in range(0, len(trades), 800):
                some = trades[start : start + 800]
                random.Random(start).shuffle(some)
                trades[start : start + 800] = some
        for one in trades:
            assert stream.publish_trade(one)
        stamps = [row[0] for row in stream.rows(seconds, 10_000)]
        times = [one.ts_ms // 1_000 * 1_000 for one in trades]
        assert stamps == list(range(min(times), max(times) + 1, 1_000))
        if minutes is None:
            continue
        venue = pl.read_parquet(shared_data / "ohlcv" / "ETHUSDT_1m_20240726_20240825.parquet")
        expected = venue.with_columns(pl.col("timestamp").dt.epoch("ms").cast(pl.Float64)).filter(
            (pl.col("timestamp") > min(times)) & (pl.col("timestamp") < max(times) // MINUTE_MS * MINUTE_MS)
        )
        built = [row for row in stream.rows(minutes, 100) if min(times) < row[0] < max(times) // MINUTE_MS * MINUTE_MS]
        assert len(built) == len(expected) == 5
        for row, own in zip(built, expected.rows(), strict=True):
            assert row[:5] == list(own[:5])
            assert row[5] == pytest.approx(own[5], abs=1e-8, rel=0)


def test_a_duplicate_or_foreign_trade_reaches_nobody(stream: UnifiedDataStream) -> None:
    subscription = stream.register_consumer("one", [DataType.UI_DATA])
    assert stream.publish_trade(trade(1, NOON))
    assert not stream.publish_trade(trade(1, NOON))
    assert not stream.publish_trade(trade(2, NOON, symbol="XRPUSDT"))
    assert sum(isinstance(message, Trade) for message in subscription.drain()) == 1
    assert stream.totals()["trades"] == stream.totals()["duplicates"] == 1
    assert stream.rows("eth_1m", 5) == [[NOON, 100, 100, 100, 100, 1]]


def test_state_is_there_before_consumers_are_told(stream: UnifiedDataStream) -> None:
    seen: list[object] = []

    def look() -> None:
        seen.append((stream.rows("eth_1m", 1)[0][4], stream.trades("ETHUSDT", 1)[0].trade_id, stream.quote("ETHUSDT")))

    stream.register_consumer("one", [DataType.UI_DATA], on_ready=look)
    stream.publish_trade(trade(5, NOON, 123.0))
    assert seen == [(123.0, 5, None)]


def test_one_trade_changes_the_four_eth_series_but_only_the_one_of_btc(stream: UnifiedDataStream) -> None:
    subscription = stream.register_consumer("one", [DataType.OHLCV])
    stream.publish_trade(trade(1, NOON, recv_ns=77))
    stream.publish_trade(trade(1, NOON, symbol="BTCUSDT"))
    updates = [message for message in subscription.drain() if isinstance(message, BarUpdate)]
    assert [update.series for update in updates] == ["eth_ticks", "eth_1m", "eth_1h", "eth_1d", "btc_ticks"]
    assert [update.recv_ns for update in updates] == [77, 77, 77, 77, 0]


def test_models_get_one_shared_snapshot_for_each_second_of_eth(stream: UnifiedDataStream) -> None:
    first = stream.register_consumer("first", [DataType.TRAINING_DATA])
    second = stream.register_consumer("second", [DataType.TRAINING_DATA])
    for index in range(21):
        stream.publish_trade(trade(index, NOON + index * 100))
        stream.publish_trade(trade(index, NOON + index * 100, symbol="BTCUSDT"))
    snapshots, others = first.drain(), second.drain()
    assert len(snapshots) == 3
    assert all(mine is other for mine, other in zip(snapshots, others, strict=True))
    last = snapshots[-1]
    assert isinstance(last, UniversalDataStream)
    assert [row[0] for row in last.eth_ticks] == [NOON, NOON + 1_000, NOON + 2_000]
    assert np.shares_memory(last.eth_ticks, stream.adapter.buffers["eth_ticks"].window(1))
    assert not last.eth_ticks.flags.writeable
    assert last.metadata["source"] == "SIMULATED"
    assert set(last.metadata["eth_1m"]) == {"freshness", "age_ms", "completeness"}
    stream.adapter.validate(last)


def test_no_snapshot_is_made_when_nobody_wants_one(stream: UnifiedDataStream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.register_consumer("off", [DataType.TRAINING_DATA])
    stream.set_enabled("off", False)
    monkeypatch.setattr(stream, "snapshot", lambda: pytest.fail("a snapshot nobody asked for"))
    stream.publish_trade(trade(1, NOON))
    stream.publish_trade(trade(2, NOON + 1_000))


def test_freshness_follows_trades_and_the_link_with_a_cause(stream: UnifiedDataStream, clock: ManualClock) -> None:
    stream.set_link("ETHUSDT", True, "")
    stream.publish_trade(trade(1, NOON))
    assert (summary(stream, "eth_1d")["state"], summary(stream, "btc_ticks")["state"]) == ("LIVE", "STALE")
    clock.advance(3)
    stream.advance("ETHUSDT", NOON + 3_000)
    assert summary(stream, "eth_ticks")["state"] == "LATE"
    assert summary(stream, "eth_ticks")["cause"] == "no message for 3.0 s"
    assert summary(stream, "eth_ticks")["age_ms"] == 3_000
    stream.set_link("ETHUSDT", False, "connection lost: closed by the venue")
    stream.publish_trade(trade(2, NOON + 100, origin=Origin.REST))
    assert summary(stream, "eth_1h")["state"] == "STALE"
    assert summary(stream, "eth_1h")["cause"] == "connection lost: closed by the venue"


def test_a_trade_fetched_by_rest_does_not_look_fresh_but_a_kline_does(stream: UnifiedDataStream) -> None:
    stream.publish_trade(trade(1, NOON, origin=Origin.REST))
    assert summary(stream, "eth_1m")["state"] == "STALE"
    stream.publish_kline(kline(NOON, 100, origin=Origin.STREAM, closed=False, event_ms=NOON + 500))
    assert summary(stream, "eth_1m")["state"] == "LIVE"


def test_a_venue_clock_ahead_of_ours_shows_as_a_negative_age(stream: UnifiedDataStream, clock: ManualClock) -> None:
    stream.publish_trade(trade(1, clock.now_ms() + 1_270))
    assert summary(stream, "eth_1m")["event_age_ms"] == -1_270


def test_flags_tell_partial_corrected_and_filled_rows_only(stream: UnifiedDataStream) -> None:
    stream.seed("ETHUSDT", "1m", [kline(NOON - MINUTE_MS * n, 100) for n in (3, 2)])
    stream.seed("ETHUSDT", "1m", [kline(NOON - MINUTE_MS, 100)])
    stream.publish_trade(trade(7, NOON + 10))
    stream.publish_trade(trade(8, NOON + MINUTE_MS + 10))
    stream.publish_kline(
        kline(NOON + MINUTE_MS, 99, origin=Origin.STREAM, event_ms=NOON + 2 * MINUTE_MS + 5, first_id=8, last_id=8)
    )
    assert stream.flags("eth_1m", 0) == {
        NOON - MINUTE_MS: BarFlag.FROM_REST | BarFlag.CLOSED,
        NOON: BarFlag.PARTIAL | BarFlag.CLOSED,
        NOON + MINUTE_MS: BarFlag.CORRECTED | BarFlag.CLOSED,
    }
    assert list(stream.flags("eth_1m", NOON + 1)) == [NOON + MINUTE_MS]
    found = summary(stream, "eth_1m")
    assert (found["differences"], found["reconciled"], found["filled"]) == (1, 0, 1)
    assert found["completeness"] == pytest.approx(5 / 6, abs=1e-6)


def test_a_minute_the_link_was_away_is_partial_until_the_venues_bar_comes(stream: UnifiedDataStream) -> None:
    stream.seed("ETHUSDT", "1m", [kline(NOON - MINUTE_MS, 100)])
    stream.advance("ETHUSDT", NOON - 1)
    for one in (trade(7, NOON + 10), trade(20, NOON + 900)):
        stream.publish_trade(one)
    stream.mark_partial("ETHUSDT", NOON + 10, NOON + 900)
    assert set(stream.flags("eth_1m")) == {NOON}
    stream.publish_kline(kline(NOON, 100, origin=Origin.STREAM, closed=False, event_ms=NOON + 2_000, first_id=7, last_id=20))
    assert stream.flags("eth_1m") == {}


def test_trades_from_before_the_first_go_before_it_in_every_series(stream: UnifiedDataStream) -> None:
    stream.publish_trade(trade(9, NOON + 61_000, 9))
    stream.publish_trade(trade(5, NOON + 58_000, 5))
    assert [row[0] for row in stream.rows("eth_ticks", 9)] == [NOON + 1_000 * second for second in (58, 59, 60, 61)]
    assert [row[4] for row in stream.rows("eth_ticks", 9)] == [5, 5, 5, 9]
    assert [row[0] for row in stream.rows("eth_1m", 9)] == [NOON, NOON + MINUTE_MS]
    assert [row[0] for row in stream.rows("eth_1d", 9)] == [NOON // 86_400_000 * 86_400_000]


def test_the_time_of_a_kline_moves_all_series_of_its_symbol(stream: UnifiedDataStream) -> None:
    stream.publish_trade(trade(5, NOON + 59_500, 5))
    stream.publish_kline(kline(NOON + 59_000, 5, "1s", Origin.STREAM, event_ms=NOON + 60_004))
    assert [row[0] for row in stream.rows("eth_1m", 9)] == [NOON, NOON + MINUTE_MS]


def test_a_book_is_withheld_when_it_is_lost(stream: UnifiedDataStream) -> None:
    view = BookView("ETHUSDT", 1, ((99.0, 1.0),), ((101.0, 1.0),), NOON)
    subscription = stream.register_consumer("ui", [DataType.UI_DATA])
    stream.publish_book(view)
    assert stream.book("ETHUSDT") == view
    stream.book_lost("ETHUSDT")
    assert stream.book("ETHUSDT") is None
    assert subscription.drain() == [view]


def test_quotes_and_the_newest_trades_can_be_read(stream: UnifiedDataStream) -> None:
    stream.publish_quote(Quote("ETHUSDT", 99, 1, 101, 1, 5))
    for index in range(5):
        stream.publish_trade(trade(index, NOON + index))
    assert stream.quote("ETHUSDT") == Quote("ETHUSDT", 99, 1, 101, 1, 5)
    assert [one.trade_id for one in stream.trades("ETHUSDT", 3)] == [2, 3, 4]
    assert stream.trades("ETHUSDT", 0) == stream.trades("XRPUSDT", 3) == []


def test_rows_from_a_time_on_come_oldest_first(stream: UnifiedDataStream) -> None:
    stream.publish_trade(trade(1, NOON))
    stream.advance("ETHUSDT", NOON + 9_000)
    assert [row[0] for row in stream.rows("eth_ticks", 2, since=NOON + 4_000)] == [NOON + 4_000, NOON + 5_000]
    assert [row[0] for row in stream.rows("eth_ticks", 2)] == [NOON + 8_000, NOON + 9_000]
    with pytest.raises(KeyError):
        stream.rows("xyz", 1)


def test_every_summary_has_the_five_series_and_the_source(stream: UnifiedDataStream) -> None:
    stream.source = Source.REPLAY
    assert [one["name"] for one in stream.series_summary()] == list(SERIES_NAMES)
    assert {one["source"] for one in stream.series_summary()} == {"REPLAY"}
    assert {one["rows"] for one in stream.series_summary()} == {0}


def test_reading_from_other_threads_while_trades_come_never_fails(stream: UnifiedDataStream) -> None:
    stop, faults, reads = threading.Event(), [], [0]

    def read() -> None:
        try:
            while not stop.is_set():
                stream.series_summary()
                rows = stream.rows("eth_ticks", 1_500)
                assert [row[0] for row in rows] == [rows[0][0] + 1_000 * n for n in range(len(rows))] if rows else True
                stream.flags("eth_ticks", 0)
                stream.trades("ETHUSDT", 50)
                stream.consumers()
                stream.totals()
                stream.snapshot()
                reads[0] += 1
        except BaseException as fault:
            faults.append(fault)

    stream.register_consumer("one", [DataType.UI_DATA])
    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    index = 0
    while reads[0] < 60 and not faults:
        index += 1
        stream.publish_trade(trade(index, NOON + index * 40, 100 + index % 7))
        if index % 50 == 0:
            stream.mark_partial("ETHUSDT", NOON + index * 40 - 3_000, NOON + index * 40 - 2_000)
    stop.set()
    for reader in readers:
        reader.join()
    assert faults == []
