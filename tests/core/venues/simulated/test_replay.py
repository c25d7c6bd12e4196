"""Recorded frames played back: byte for byte, at any pace, with a REST side that knows nothing of the future."""

import asyncio
import gzip
import heapq
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from core.base.errors import ConfigError
from core.venues.simulated.recording import RecordedFile, Recording
from core.venues.simulated.replay_history import BookHistory
from core.venues.simulated.replay_source import ReplaySource
from core.venues.simulated.source import Depth
from core.venues.simulated.wire import parse_decimal
from tests.patience import PATIENCE

DIFF = (
    '{"stream":"ethusdt@depth@100ms","data":'
    '{"e":"depthUpdate","E":%d,"s":"ETHUSDT","U":%d,"u":%d,"b":[["10.00","%s"]],"a":[]}}'
)
TRADE = (
    '{"stream":"ethusdt@trade","data":{"e":"trade","E":%d,"s":"ETHUSDT","t":%d,"p":"10.5","q":"2","T":%d,"m":true,"M":true}}'
)


def lines_of(path: Path) -> list[tuple[int, str]]:
    with gzip.open(path, "rt") as lines:
        return [(int(ns), text.strip()) for ns, _, text in (line.partition(" ") for line in lines)]


@pytest.fixture(scope="session")
def merged(recordings: list[Path]) -> list[str]:
    """All stream frames of both recordings, by receive time."""
    rows = heapq.merge(*(lines_of(path) for path in recordings), key=lambda row: row[0])
    return [text for _, text in rows if text.startswith('{"stream"')]


@pytest.fixture
async def replay(start_venue, recordings):
    async def start(speed: float, paths: list[Path] | None = None):
        return await start_venue(ReplaySource(Recording(paths or recordings), speed))

    return start


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


def trades_file(path: Path, count: int, step_ms: int = 100) -> Path:
    rows = (f"{n * step_ms * 1_000_000 + 1} {TRADE % (n * step_ms, n, n * step_ms)}" for n in range(1, count + 1))
    return write(path, *rows)


async def read_all(ws, count: int) -> list[str]:
    async with asyncio.timeout(50):
        return [await ws.receive_str() for _ in range(count)]


async def ended(venue) -> bool:
    return (await venue.stats())["source"]["ended"]


async def test_all_frames_come_byte_for_byte_and_in_order_and_rest_ends_where_they_do(
    replay, merged: list[str], shared_data: Path
) -> None:
    venue = await replay(0)
    source_streams = venue.server._source.streams
    assert set(source_streams) == {
        f"{s}@{c}" for s in ("ethusdt", "btcusdt") for c in ("trade", "bookTicker", "depth@100ms")
    }
    assert (await venue.get("klines?symbol=ETHUSDT&interval=1m"))[1] == []
    async with venue.connect(*source_streams) as ws:
        got = await read_all(ws, len(merged))
    assert got == merged
    await venue.until(lambda: ended(venue))
    last = {json.loads(text)["stream"]: json.loads(text)["data"] for text in merged[-2_000:]}
    for symbol in ("ETHUSDT", "BTCUSDT"):
        await _klines_equal_the_venues_own(venue, symbol, shared_data)
        ticker, diff = last[f"{symbol.lower()}@bookTicker"], last[f"{symbol.lower()}@depth@100ms"]
        _, depth, _ = await venue.get(f"depth?symbol={symbol}&limit=5000")
        assert depth["lastUpdateId"] == diff["u"]
        if ticker["u"] == diff["u"]:
            assert (depth["bids"][0], depth["asks"][0]) == ([ticker["b"], ticker["B"]], [ticker["a"], ticker["A"]])
        assert parse_decimal(depth["bids"][0][0]) < parse_decimal(depth["asks"][0][0])
        trade = last[f"{symbol.lower()}@trade"]
        assert (await venue.get(f"trades?symbol={symbol}&limit=1"))[1][0]["id"] == trade["t"]


async def _klines_equal_the_venues_own(venue, symbol: str, shared_data: Path) -> None:
    _, rows, _ = await venue.get(f"klines?symbol={symbol}&interval=1m")
    full = rows[1:-1]  # the recording begins and ends within a minute
    assert len(full) >= 5
    opens = [datetime.fromtimestamp(row[0] / 1000, UTC) for row in full]
    frame = pl.read_parquet(shared_data / "ohlcv" / f"{symbol}_1m_20240726_20240825.parquet")
    stamps = (
        frame["timestamp"].dt.replace_time_zone("UTC") if frame["timestamp"].dtype.time_zone is None else frame["timestamp"]
    )
    wanted = frame.with_columns(stamps.alias("timestamp")).filter(pl.col("timestamp").is_in(opens)).sort("timestamp")
    assert len(wanted) == len(full)
    for row, bar in zip(full, wanted.iter_rows(named=True), strict=True):
        assert [float(v) for v in row[1:5]] == [bar["open"], bar["high"], bar["low"], bar["close"]]
        assert float(row[5]) == pytest.approx(bar["volume"], abs=1e-8)
    _, seconds, _ = await venue.get(f"klines?symbol={symbol}&interval=1s&startTime={full[0][0]}&endTime={full[-1][6]}")
    assert [s[0] for s in seconds] == list(range(full[0][0], full[-1][6], 1_000))
    assert sum(parse_decimal(s[5]) for s in seconds) == sum(parse_decimal(row[5]) for row in full)


async def test_the_past_is_all_that_rest_knows_and_the_first_book_is_the_recorded_one(
    replay, recordings: list[Path]
) -> None:
    venue = await replay(1.0)
    snapshot = next(json.loads(text) for _, text in lines_of(recordings[0]) if text.startswith('{"lastUpdateId"'))
    _, depth, _ = await venue.get("depth?symbol=ETHUSDT&limit=1000")
    assert depth == snapshot
    _, before, _ = await venue.get("time")
    assert (await venue.get("trades?symbol=ETHUSDT"))[1] == []
    async with venue.connect("ethusdt@trade") as ws:
        first = (await ws.receive_json(timeout=30))["data"]
        _, now, _ = await venue.get("time")
        _, trades, _ = await venue.get("trades?symbol=ETHUSDT")
    assert before["serverTime"] <= first["E"] <= now["serverTime"] < first["E"] + 5_000
    assert trades[0]["id"] == first["t"]
    assert all(t["time"] <= now["serverTime"] for t in trades)


async def test_at_a_set_speed_frames_keep_their_distances(replay, tmp_path: Path) -> None:
    venue = await replay(10.0, [trades_file(tmp_path / "x.jsonl", 21)])
    loop = asyncio.get_running_loop()
    async with venue.connect("ethusdt@trade") as ws:
        await ws.receive_str()
        began = loop.time()
        await read_all(ws, 20)
        took = loop.time() - began
    assert 0.15 < took < 1.5 * PATIENCE


async def test_it_goes_on_by_its_own_time_while_nobody_listens(replay, tmp_path: Path) -> None:
    venue = await replay(10.0, [trades_file(tmp_path / "x.jsonl", 400)])
    async with venue.connect("ethusdt@trade") as ws:
        await read_all(ws, 5)
    await asyncio.sleep(0.1)
    async with venue.connect("ethusdt@trade") as ws:
        again = json.loads(await ws.receive_str(timeout=30))["data"]["t"]
    assert again > 6
    _, trades, _ = await venue.get("trades?symbol=ETHUSDT")
    assert [t["id"] for t in trades][:again] == list(range(1, again + 1))


async def test_at_full_speed_it_waits_for_a_client(replay, tmp_path: Path) -> None:
    venue = await replay(0, [trades_file(tmp_path / "x.jsonl", 30_000)])
    async with venue.connect("ethusdt@trade") as ws:
        await read_all(ws, 10)
    await venue.until(lambda: _nobody(venue))
    position = (await venue.stats())["source"]["position_ms"]
    assert position < 3_000_000
    await asyncio.sleep(0.1)
    assert (await venue.stats())["source"]["position_ms"] == position
    async with venue.connect("ethusdt@trade") as ws:
        assert json.loads(await ws.receive_str(timeout=30))["data"]["E"] >= position
        while json.loads(await ws.receive_str(timeout=30))["data"]["t"] < 30_000:
            pass
    await venue.until(lambda: ended(venue))


async def _nobody(venue) -> bool:
    return (await venue.stats())["connections"] == 0


async def test_a_slow_reader_at_full_speed_loses_nothing(replay, tmp_path: Path) -> None:
    count, padding = 8_000, '"M":true,"pad":"' + "x" * 4_000 + '"'
    rows = (f"{n} {TRADE % (n, n, n)}".replace('"M":true', padding) for n in range(1, count + 1))
    venue = await replay(0, [write(tmp_path / "x.jsonl", *rows)])
    ids = []
    async with venue.connect("ethusdt@trade") as ws:
        for n in range(count):
            ids.append(json.loads(await ws.receive_str(timeout=30))["data"]["t"])
            if n in (10, 50, 200):  # 32 MB are more than the sockets' own buffers hold
                await asyncio.sleep(0.2)
                stats = await venue.stats()
                assert not stats["source"]["ended"]
                assert stats["unread_bytes"] < 1_000_000
    assert ids == list(range(1, count + 1))


def test_the_book_follows_the_recorded_diffs_by_the_venues_rule(tmp_path: Path) -> None:
    snapshot = '{"lastUpdateId":20,"bids":[["9.00","1"]],"asks":[["11.00","1"]]}'
    path = write(
        tmp_path / "x.jsonl",
        f"1 {DIFF % (1, 5, 15, '7')}",
        f"2 {DIFF % (2, 16, 25, '8')}",
        f"3 {snapshot}",
        f"4 {DIFF % (4, 26, 30, '0')}",
    )
    recording = Recording([path])
    source = ReplaySource(recording, 0)
    assert source.depth("ETHUSDT", 10).last_update_id == 20
    seen = []
    for record in recording.records():
        source._show(record, _Deaf())
        depth = source.depth("ETHUSDT", 10)
        seen.append((depth.last_update_id, dict(depth.bids).get(10 * 10**8)))
    assert seen == [(20, None), (20, None), (25, 8 * 10**8), (30, None)]


class _Deaf:
    def publish_recorded(self, stream: str, frame: bytes, payload: bytes) -> None:
        pass


def test_bad_lines_are_counted_and_passed_over_with_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    good = TRADE % (5, 1, 5)
    path = write(
        tmp_path / "x.jsonl", f"1 {good}", f"2 {good[:-20]}", "nonsense", f"x3 {good}", '4 {"result":null,"id":1}',
        '5 {"lastUpdateId":"x"}', f"6 {good}", '7 {"stream":"a@b","data":{"x":nul}}', "",
    )  # fmt: skip
    file = RecordedFile(path)
    assert [record.recv_ns for record in file.records()] == [1, 6]
    assert file.bad_lines == 6
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "line 2" in caplog.text


def test_a_gzip_file_that_breaks_off_gives_what_it_had(tmp_path: Path) -> None:
    whole = gzip.compress("".join(f"{n} {TRADE % (n, n, n)}\n" for n in range(1, 5_000)).encode())
    path = tmp_path / "x.gz"
    path.write_bytes(whole[: len(whole) // 2])
    file = RecordedFile(path)
    assert 100 < len(list(file.records())) < 4_999
    assert file.bad_lines == 1


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b"\x1f\x8bnot really gzip"])
def test_a_file_without_any_frame_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"no usable frame in .*empty\.jsonl"):
        Recording([path])


def test_flat_bars_fill_the_seconds_without_a_trade(tmp_path: Path) -> None:
    source = ReplaySource(Recording([trades_file(tmp_path / "x.jsonl", 3, step_ms=4_000)]), 0)
    for record in source._recording.records():
        source._show(record, _Deaf())
    bars = source.candles("ETHUSDT", "1s", None, None, 100)
    assert [bar.open_ms for bar in bars] == list(range(4_000, 13_000, 1_000))
    assert [bar.trades for bar in bars] == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert all(bar.close == 1_050_000_000 for bar in bars)


def _diff(first: int, last: int, bids: list[tuple[str, str]]) -> bytes:
    return json.dumps({"E": last, "U": first, "u": last, "b": bids, "a": []}).encode()


def test_a_book_that_lost_diffs_stays_as_it_was_until_the_next_recorded_snapshot() -> None:
    book = BookHistory(None)
    book.snapshot(Depth(10, [(100, 1)], [(200, 1)]))
    book.add(_diff(11, 12, [("0.00000101", "0.00000002")]))
    assert book.depth(5).last_update_id == 12
    book.add(_diff(15, 16, [("0.00000102", "0.00000003")]))
    assert book.depth(5) == Depth(12, [(101, 2), (100, 1)], [(200, 1)])
    book.snapshot(Depth(14, [(99, 1)], [(200, 1)]))
    assert book.depth(5) == Depth(16, [(102, 3), (99, 1)], [(200, 1)])


def test_levels_beyond_the_recorded_snapshot_are_not_told_for_others_among_them_may_be_missing() -> None:
    book = BookHistory(None)
    book.snapshot(Depth(10, [(101, 1), (100, 1)], [(200, 1)]))
    book.add(_diff(11, 12, [("0.00000099", "0.00000002"), ("0.00000101", "0")]))
    assert book.depth(5) == Depth(12, [(100, 1)], [(200, 1)])
