"""Recorded trades, and a stream on a clock that tests move."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.base.clock import ManualClock
from core.base.settings import StreamConfig
from core.domain.market import Trade
from core.stream import UnifiedDataStream
from tests.patience import wait_until


@pytest.fixture(scope="session")
def recorded_trades(shared_data: Path) -> Callable[[str], list[Trade]]:
    """`recorded_trades("eth")`: the recorded trades of a symbol, in order."""

    def trades(asset: str) -> list[Trade]:
        with gzip.open(shared_data / "binance" / f"spot_{asset}usdt_20240808.jsonl.gz", "rt") as lines:
            frames = (json.loads(line.partition(" ")[2]) for line in lines)
            facts = (frame["data"] for frame in frames if frame.get("stream", "").endswith("@trade"))
            return [Trade(d["s"], d["t"], float(d["p"]), float(d["q"]), d["T"], d["m"]) for d in facts]

    return trades


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def stream(clock: ManualClock) -> UnifiedDataStream:
    return UnifiedDataStream(StreamConfig(), clock)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    return wait_until
