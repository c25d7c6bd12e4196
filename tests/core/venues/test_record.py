"""The recorder as a process of its own, and what it recorded played again."""

import asyncio
import gzip
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.base.clock import SystemClock
from core.base.errors import ConfigError
from core.base.settings import Settings, StreamConfig
from core.domain.health import Source
from core.domain.market import BookView, Trade
from core.stream.messages import DataType, Message, Policy
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.binance.connector import BinanceConnector
from core.venues.endpoints import Endpoints
from core.venues.frame_file import FrameFile
from core.venues.symbol_feed import SymbolFeed

ROOT = Path(__file__).resolve().parents[3]
Record = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def record() -> Iterator[Record]:
    """Start a recorder with the given arguments, on a venue if one is given."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, venue: Any = None, **more: str) -> "subprocess.Popen[str]":
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("BINANCE", "IBKR", "HYPERLIQUID", "MARKET"))}
        addresses = {"BINANCE_REST_URL": venue.rest, "BINANCE_WS_URL": venue.stream} if venue is not None else {}
        command = [sys.executable, "-m", "core.venues.record", *arguments]
        process = subprocess.Popen(
            command, cwd=ROOT, env=clean | addresses | more, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def lines_of(path: Path) -> list[tuple[int, dict[str, Any]]]:
    with gzip.open(path, "rt") as lines:
        return [(int(stamp), json.loads(body)) for stamp, _, body in (line.partition(" ") for line in lines)]


class Player:
    """A connector on a replay, and what it published."""

    def __init__(self, venue: Any) -> None:
        config = StreamConfig(history_rows=2)
        self.stream = UnifiedDataStream(config, SystemClock())
        self.stream.attach()
        self.got: list[Message] = []
        types = [DataType.TICKS, DataType.UI_DATA]
        self.stream.register_consumer("test", types, self._keep, policy=Policy.LOSSLESS, bound=500_000)
        endpoints = Endpoints(venue.rest, venue.stream, "", Source.REPLAY, "replay", tuple(venue.hello["streams"]))
        feeds = {symbol: SymbolFeed(symbol, self.stream, lambda key: True) for symbol in ("ETHUSDT", "BTCUSDT")}
        self.connector = BinanceConnector(
            Settings(stream=config), endpoints, self.stream, feeds, SystemClock(), lambda key: True
        )
        self.task = asyncio.create_task(self.connector.run())

    async def _keep(self, messages: Sequence[Message]) -> None:
        self.got += messages

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.stream.close()


async def test_a_recorded_session_replays_to_the_same_trades_and_books(
    start_venue: Any, record: Record, wait_until: Any, tmp_path: Path
) -> None:
    venue, path = start_venue("--rate", "5"), tmp_path / "session.jsonl.gz"
    recorder = record("--symbols", "ETHUSDT,BTCUSDT", "--out", str(path), venue=venue)
    assert recorder.stdout is not None
    assert "SIMULATED" in recorder.stdout.readline()
    await asyncio.sleep(3)
    await venue.fault(kind="drop")  # so that there is a second snapshot
    await asyncio.sleep(3)
    recorder.send_signal(signal.SIGINT)
    out, errors = await asyncio.to_thread(recorder.communicate, None, 10)
    assert recorder.returncode == 0, errors
    assert ", 0 dropped" in out

    lines = lines_of(path)
    assert all(earlier[0] <= later[0] + 50_000_000 for earlier, later in itertools.pairwise(lines))
    assert abs(lines[-1][0] / 1e9 - time.time()) < 30
    snapshots = [body["symbol"] for _, body in lines if "lastUpdateId" in body]
    assert all(snapshots.count(symbol) >= 2 for symbol in ("ETHUSDT", "BTCUSDT"))
    recorded = {
        (body["data"]["s"], body["data"]["t"]) for _, body in lines if body.get("stream", "").endswith("@trade")
    }  # fmt: skip

    player = Player(start_venue("--replay", str(path), "--speed", "0"))
    try:
        await wait_until(lambda: player.connector.status()["state"] == "STOPPED", within_s=15)
        assert player.connector.status()["malformed"] == 0
        played = {(m.symbol, m.trade_id): m for m in player.got if isinstance(m, Trade)}
        assert recorded <= set(played)
        for symbol in ("ETHUSDT", "BTCUSDT"):
            ours = [t for (name, _), t in played.items() if name == symbol]
            known = await venue.get(
                "/sim/trades", symbol=symbol, from_ms=min(t.ts_ms for t in ours), to_ms=max(t.ts_ms for t in ours)
            )
            theirs = {known["first_id"] + n: tuple(row) for n, row in enumerate(known["trades"])}
            assert all(theirs[t.trade_id] == (t.ts_ms, t.price, t.quantity) for t in ours)
            views = [m for m in player.got if isinstance(m, BookView) and m.symbol == symbol]
            assert len(views) > 5
            own = await venue.get("/sim/book", symbol=symbol, update_id=views[-1].last_update_id)
            low, high = views[-1].known_range
            for side, levels in ((views[-1].bids, own["bids"]), (views[-1].asks, own["asks"])):
                inside = [level for level in side if low <= level[0] <= high]
                assert inside == [tuple(level) for level in levels if low <= level[0] <= high][: len(inside)]
    finally:
        await player.stop()


def test_stocks_and_perpetuals_are_recorded_beside_it(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl.gz"
    recorder = record(
        "--symbols", "ETHUSDT,AAPL,ETH-PERP", "--out", str(path), "--seconds", "6", "--market", "simulated"
    )  # fmt: skip
    _, errors = recorder.communicate(timeout=40)
    assert recorder.returncode == 0, errors
    bodies = [body for _, body in lines_of(path)]
    assert {body["symbol"] for body in bodies if body.get("venue") == "ibkr"} == {"AAPL"}
    assert {body["kind"] for body in bodies if body.get("venue") == "ibkr"} >= {"trades", "quotes", "depth"}
    assert {"trades", "l2Book"} <= {body["channel"] for body in bodies if "channel" in body}
    assert any(body.get("stream") == "ethusdt@trade" for body in bodies)
    assert not any("btcusdt" in body.get("stream", "") for body in bodies)


def test_an_unknown_symbol_is_refused_by_name(record: Record, tmp_path: Path) -> None:
    recorder = record("--symbols", "ETHUSDT,NOPE", "--out", str(tmp_path / "x.gz"), "--market", "simulated")
    _, errors = recorder.communicate(timeout=20)
    assert recorder.returncode == 2
    assert "NOPE" in errors
    assert not (tmp_path / "x.gz").exists()


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="is there already"):
        FrameFile(path)
    assert path.read_text() == "precious"


def test_what_was_taken_is_on_disk_within_a_second_or_two_and_a_full_queue_drops(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    file = FrameFile(path, bound=2)
    for number in range(5):
        file.add("binance", 1_000 + number, b'{"n":\n%d}' % number)
    deadline = time.monotonic() + 4
    while path.read_bytes() != b'1000 {"n": 0}\n1001 {"n": 1}\n' and time.monotonic() < deadline:
        time.sleep(0.05)
    assert path.read_bytes() == b'1000 {"n": 0}\n1001 {"n": 1}\n'
    assert (file.dropped, file.frames["binance"]) == (3, 2)
    file.close()
