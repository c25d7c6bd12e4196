"""The recorded frames through the whole app at full speed: series equal to the venue's own bars, every trade stored once."""

import gzip
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest

FILES = {"ETHUSDT": "spot_ethusdt_20240808.jsonl.gz", "BTCUSDT": "spot_btcusdt_20240808.jsonl.gz"}


def recorded_trades(path: Path) -> dict[int, dict[str, Any]]:
    trades = {}
    with gzip.open(path, "rt") as lines:
        for line in lines:
            frame = json.loads(line.split(" ", 1)[1])
            if frame.get("stream", "").endswith("@trade"):
                trades[frame["data"]["t"]] = frame["data"]
    return trades


@pytest.fixture
def replayed(start_app: Callable[..., Any], shared_data: Path) -> Iterator[Any]:
    files = [str(shared_data / "binance" / name) for name in FILES.values()]
    app = start_app("--market", "replay", "--replay", *files, "--speed", "0")
    app.wait_for(
        "the end of the replay",
        lambda: app.get("/api/v1/connections")[1]["connections"][0]["cause"] == "replay ended",
        timeout_s=90,
    )
    return app


@pytest.mark.slow
def test_a_replay_gives_the_venues_own_bars_every_second_and_every_trade_once(replayed: Any, shared_data: Path) -> None:
    trades = {symbol: recorded_trades(shared_data / "binance" / name) for symbol, name in FILES.items()}
    ours = {r[0]: r[1:] for r in replayed.get("/api/v1/series/eth_1m?limit=1000")[1]["rows"]}
    venue = pl.read_parquet(shared_data / "ohlcv" / "ETHUSDT_1m_20240726_20240825.parquet")
    first, last = (
        t["T"]
        for t in (
            min(trades["ETHUSDT"].values(), key=lambda t: t["T"]),
            max(trades["ETHUSDT"].values(), key=lambda t: t["T"]),
        )
    )
    whole = [m for m in range(first // 60_000 * 60_000 + 60_000, last, 60_000) if m + 60_000 <= last + 1_000]
    assert len(whole) >= 4
    for minute in whole:
        row = venue.filter(pl.col("timestamp").dt.epoch("ms") == minute).row(0, named=True)
        assert ours[minute][:4] == [row["open"], row["high"], row["low"], row["close"]]
        assert ours[minute][4] == pytest.approx(row["volume"], abs=1e-8)

    for series, symbol in (("eth_ticks", "ETHUSDT"), ("btc_ticks", "BTCUSDT")):
        times = [t["T"] // 1000 * 1000 for t in trades[symbol].values()]
        rows = replayed.get(f"/api/v1/series/{series}?limit=5000")[1]["rows"]
        stamps = [r[0] for r in rows]
        assert set(range(min(times), max(times) + 1000, 1000)) <= set(stamps)
        assert all(b - a == 1000 for a, b in itertools.pairwise(stamps))
        quantity = sum(float(t["q"]) for t in trades[symbol].values())
        assert sum(r[5] for r in rows) == pytest.approx(quantity, abs=1e-6)

    assert replayed.get("/ready")[0] == 200
    assert {s["state"] for s in replayed.series().values()} <= {"STALE", "DEAD"}
    assert {s["completeness"] for s in replayed.series().values()} == {1.0}

    expected = sum(map(len, trades.values()))
    replayed.wait_for("all rows written", lambda: replayed.get("/api/v1/storage")[1]["queue"] == 0)
    dsn = (replayed.data_dir / "postgres.url").read_text() if (replayed.data_dir / "postgres.url").exists() else None
    assert dsn, "the embedded server tells nobody its address"
    with psycopg.connect(dsn) as connection:
        stored = connection.execute(
            "SELECT i.symbol, t.trade_id, t.price, t.quantity FROM trades t JOIN instruments i ON i.id = t.instrument_id"
        ).fetchall()
    assert len(stored) == expected
    assert {(s, i): (p, q) for s, i, p, q in stored} == {
        (symbol, i): (float(t["p"]), float(t["q"])) for symbol, group in trades.items() for i, t in group.items()
    }
