"""Fifty switches over the API of a running app, while somebody publishes ticks."""

import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import redis

from core.workers.stream_names import GROUP, STREAM
from core.workers.tick import Tick, encode

NOON_MS = 1_723_118_400_000
SYMBOL = "SWITCHED"


@pytest.mark.slow
def test_fifty_switches_by_the_settings_api_lose_nothing_and_store_nothing_twice(start_app: Callable[..., Any]) -> None:
    app = start_app("--market", "simulated")
    app.wait_ready()
    redis_url = (app.data_dir / "redis.url").read_text()
    database_url = (app.data_dir / "postgres.url").read_text()
    app.wait_for("the pool", lambda: app.get("/api/v1/workers")[1]["processed"])
    ending, published = threading.Event(), 0

    def load() -> None:
        nonlocal published
        with redis.Redis.from_url(redis_url) as client:
            while not ending.wait(0.05):
                pipe = client.pipeline(transaction=False)
                for n in range(published, published + 50):
                    pipe.xadd(STREAM, encode(Tick(SYMBOL, NOON_MS + n, 100.0, f"test:{n}", "test", 1.0)))  # type: ignore[arg-type]
                pipe.execute()
                published += 50

    publisher = threading.Thread(target=load, daemon=True)
    publisher.start()
    took = []
    for number in range(50):
        began = time.monotonic()
        wanted = "optimized" if number % 2 else "standard"
        assert app.patch_settings({"workers.processor": wanted}) == 200
        assert app.get("/api/v1/workers")[1]["processor"] == wanted, "at once"
        app.wait_for(f"switch {number}", lambda wanted=wanted: app.get("/api/v1/workers")[1]["scanner"]["active"] == wanted)
        took.append(time.monotonic() - began)
    ending.set()
    publisher.join()
    assert statistics.median(took) < 2
    with psycopg.connect(database_url, autocommit=True) as connection, redis.Redis.from_url(redis_url) as client:
        find = (
            "SELECT count(*), sum(t.volume) FROM simulated.worker_ticks t "
            "JOIN simulated.worker_symbols s ON s.id = t.symbol_id WHERE s.text = %s"
        )

        def stored() -> tuple[Any, ...]:
            return connection.execute(find, (SYMBOL,)).fetchone() or ()

        app.wait_for("the last ticks", lambda: stored() == (published, float(published)))
        app.wait_for("acknowledgements", lambda: client.xpending(STREAM, GROUP)["pending"] < 100)
    body = app.get("/api/v1/workers")[1]
    assert (body["scanner"]["switches"], body["duplicates"], body["dead_letters"]) == (50, 0, 0)
    assert app.get("/ready")[0] == 200
