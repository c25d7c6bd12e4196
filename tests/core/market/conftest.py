"""Recorded Binance frames."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def recorded_frames(shared_data: Path) -> Callable[[str], Iterator[dict[str, Any]]]:
    """`recorded_frames("eth")`: the recorded frames of a symbol as parsed JSON, in order."""

    def frames(asset: str) -> Iterator[dict[str, Any]]:
        with gzip.open(shared_data / "binance" / f"spot_{asset}usdt_20240808.jsonl.gz", "rt") as lines:
            for line in lines:
                yield json.loads(line.partition(" ")[2])

    return frames
