"""The venue and Postgres go away while the app runs, and come back: nothing is missing, nothing is there twice."""

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.embedded import EmbeddedServers

ROOT = Path(__file__).resolve().parents[1]
OUTAGE_S = 6.0


class Venue:
    """A simulated Binance on a port of its own, which can be killed and come back."""

    def __init__(self) -> None:
        self.port = 0
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "core.venues.simulated.binance", "--port", str(self.port), "--parent-pipe"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.port = json.loads(self.process.stdout.readline())["port"]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def klines(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> list[list[float]]:
        url = f"http://127.0.0.1:{self.port}/api/v3/klines?symbol={symbol}&interval={interval}&startTime={start_ms}&endTime={end_ms}&limit=1000"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return [[float(x) for x in row[:6]] for row in json.load(answer)]

    @property
    def environ(self) -> dict[str, str]:
        address = f"127.0.0.1:{self.port}"
        return {"BINANCE_REST_URL": f"http://{address}", "BINANCE_WS_URL": f"ws://{address}"}


@pytest.fixture
def venue() -> Iterator[Venue]:
    venue = Venue()
    yield venue
    venue.kill()


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedServers]:
    servers = EmbeddedServers(tmp_path / "elsewhere", want_postgres=True, want_redis=False)
    servers.start()
    yield servers
    servers.stop()


def states(app: Any) -> set[str]:
    return {s["state"] for s in app.series().values()}


def stored_ids(dsn: str) -> dict[str, list[int]]:
    with psycopg.connect(dsn, options="-c search_path=simulated") as connection:
        rows = connection.execute(
            "SELECT i.symbol, array_agg(t.trade_id ORDER BY t.trade_id) FROM trades t "
            "JOIN instruments i ON i.id = t.instrument_id GROUP BY i.symbol"
        ).fetchall()
    return dict(rows)


def each_id_once(app: Any, dsn: str) -> None:
    """Every trade from the first to the last stored one is stored, once; ids that are not consecutive, once."""
    time_of_check = time.time() * 1000
    app.wait_for("rows in Postgres", lambda: app.get("/api/v1/storage")[1]["last_flush_ms"] > time_of_check, 15)
    stored = stored_ids(dsn)
    for symbol in ("ETHUSDT", "BTCUSDT"):
        ids = stored[symbol]
        assert ids == list(range(ids[0], ids[-1] + 1)), f"{symbol}: a trade is missing or twice"
    assert all(len(ids) == len(set(ids)) for ids in stored.values()), "a trade is stored twice"


@pytest.mark.slow
def test_a_venue_that_was_away_leaves_no_hole_and_no_double(start_app: Callable[..., Any], venue: Venue) -> None:
    app = start_app("--market", "live", **venue.environ)
    app.wait_live()
    assert {s["source"] for s in app.series().values()} == {"SIMULATED"}
    before_ms = int(time.time() * 1000)
    venue.kill()
    killed = time.monotonic()
    app.wait_for("stale badges", lambda: "LIVE" not in states(app) and "LATE" not in states(app), 5)
    assert all(s["cause"] for s in app.series().values())
    while time.monotonic() - killed < OUTAGE_S:
        assert "LIVE" not in states(app)
    venue.start()
    app.wait_for("live badges", lambda: states(app) == {"LIVE"}, 10)
    after_ms = int(time.time() * 1000)
    app.wait_for("the gap to be filled", lambda: app.series()["eth_ticks"]["last_timestamp"] > after_ms + 4_000, 15)

    # a bar that ended meanwhile, and in which the app had started, is partial until the venue's own has come
    app.wait_for("whole series", lambda: {s["completeness"] for s in app.series().values()} == {1.0}, 15)

    first, last = before_ms // 1000 * 1000 - 5_000, after_ms // 1000 * 1000
    for name, symbol, interval, step in (
        ("eth_ticks", "ETHUSDT", "1s", 1_000), ("btc_ticks", "BTCUSDT", "1s", 1_000), ("eth_1m", "ETHUSDT", "1m", 60_000),
    ):  # fmt: skip
        begin = first // step * step
        ours = app.get(f"/api/v1/series/{name}?since={begin - 1}&limit=1000")[1]["rows"]
        theirs = [k for k in venue.klines(symbol, interval, begin, last) if k[0] + step <= last]
        assert [r for r in ours if r[0] + step <= last] == [pytest.approx(row, rel=1e-12) for row in theirs]
    incidents = app.get("/api/v1/connections")[1]["connections"][0]["incidents"]
    assert any(i["end_ms"] and "connection" in i["cause"] for i in incidents), incidents
    each_id_once(app, (app.data_dir / "postgres.url").read_text())


@pytest.mark.slow
def test_a_postgres_that_was_away_loses_nothing_and_never_stops_the_charts(
    start_app: Callable[..., Any], postgres: EmbeddedServers
) -> None:
    dsn = postgres.database_url
    assert dsn is not None
    app = start_app("--market", "simulated", DATABASE_URL=dsn)
    app.wait_live()
    app.wait_for("stored rows", lambda: app.get("/api/v1/storage")[1]["rows_written"] > 0)
    postgres.stop()
    stopped = time.monotonic()
    app.wait_for("an honest /ready", lambda: app.get("/ready")[0] == 503, 15)
    assert "postgres" in app.get("/ready")[1]["components"]
    while time.monotonic() - stopped < OUTAGE_S:
        # a busy machine may be two seconds late, but nothing stops
        assert states(app) <= {"LIVE", "LATE"}, f"{app.series()}\n{app.tail()}"
        assert app.series()["eth_ticks"]["age_ms"] < 4_000
    app.wait_for("rows in the spool", lambda: app.get("/api/v1/storage")[1]["spool_bytes"] > 0, 15)
    postgres.start()
    app.wait_for("readiness", lambda: app.get("/ready")[0] == 200, 20)
    app.wait_for("an empty spool", lambda: app.get("/api/v1/storage")[1]["spool_bytes"] == 0, 20)
    each_id_once(app, dsn)


def test_a_redis_that_is_away_is_named_and_stops_nothing(start_app: Callable[..., Any], tmp_path: Path) -> None:
    servers = EmbeddedServers(tmp_path / "elsewhere", want_postgres=False, want_redis=True)
    servers.start()
    assert servers.redis_url is not None
    try:
        app = start_app("--market", "simulated", REDIS_URL=servers.redis_url)
        app.wait_live()
        servers.stop()
        told = app.wait_for("the culprit", lambda: _not_ready(app), 10)
        assert "REDIS_URL" in told["redis"]
        assert told["postgres"] == told["binance"] == "ok"
        assert states(app) == {"LIVE"}
        assert app.get("/api/v1/series/eth_1m?limit=5")[0] == 200
        servers.start()
        app.wait_for("readiness", lambda: app.get("/ready")[0] == 200, 10)
    finally:
        servers.stop()


def _not_ready(app: Any) -> dict[str, str] | None:
    status, body = app.get("/ready")
    return body["components"] if status == 503 else None
