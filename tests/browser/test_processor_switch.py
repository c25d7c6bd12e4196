"""The processor is switched on the settings page while ticks flow: none is lost, none is stored twice."""

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect

from core.workers.tick import event_key

pytestmark = pytest.mark.browser

#: ticks that each processor has to store
BY_EACH = 20

#: what was traded: (venue, symbol, trade id)
_TRADES = """SELECT i.venue, i.symbol, t.trade_id FROM simulated.trades t
JOIN simulated.instruments i ON i.id = t.instrument_id WHERE t.ts >= to_timestamp(%s) AND t.ts <= to_timestamp(%s)"""
#: what the workers stored: (venue, symbol, key of the event)
_TICKS = """SELECT s.venue, s.text, t.event_key FROM simulated.worker_ticks t
JOIN simulated.worker_symbols s ON s.id = t.symbol_id WHERE t.ts >= to_timestamp(%s) AND t.ts <= to_timestamp(%s)"""


def test_a_switch_to_the_standard_processor_and_back_loses_no_tick(
    simulated_app: Any, open_page: Callable[..., Page]
) -> None:
    app = simulated_app

    def pool() -> dict[str, Any]:
        body: dict[str, Any] = app.get("/api/v1/workers")[1]
        return body

    def active() -> str | None:
        body = pool()
        scanner = body["scanner"]
        return str(scanner["active"]) if scanner["active"] == body["processor"] and not scanner["is_switching"] else None

    def done_by(processor: str) -> int:
        """Ticks that the workers of that processor have stored."""
        workers = pool()["workers"]
        return sum(w["processed"] for w in workers if ("standard" in w["name"]) == (processor == "standard"))

    app.wait_for("the pool at work", lambda: active() == "optimized" and done_by("optimized") > 0)
    before = pool()
    page = open_page(app.base + "/settings")
    chosen = page.locator("[data-setting='workers.processor'][aria-checked=true]")
    expect(chosen).to_have_text("Optimised")
    with psycopg.connect((app.data_dir / "postgres.url").read_text(), autocommit=True) as connection:
        since = time.time()
        for words, processor in (("Standard", "standard"), ("Optimised", "optimized")):
            began = done_by(processor)
            page.get_by_role("radio", name=words).click()
            expect(chosen).to_have_text(words)
            app.wait_for(f"the {processor} processor", lambda processor=processor: active() == processor, 15)
            app.wait_for("ticks by it", lambda processor=processor, began=began: done_by(processor) > began + BY_EACH, 15)
        until = time.time()
        published = pool()["producer"]["published"]

        def traded() -> list[tuple[str, str, int]]:
            rows = connection.execute(_TRADES, (since, until)).fetchall()
            return sorted((venue, symbol, event_key(f"{venue}:{symbol}:{number}")) for venue, symbol, number in rows)

        def stored() -> list[tuple[str, str, int]]:
            return sorted(connection.execute(_TICKS, (since, until)).fetchall())

        def count() -> int:
            ((rows,),) = connection.execute("SELECT count(*) FROM simulated.worker_ticks").fetchall()
            return int(rows)

        app.wait_for("all that was published", lambda: count() >= published, 10)
        app.wait_for("a pool that holds nothing back", lambda: (pool()["pending"], pool()["lag"]) == (0, 0), 10)
        later = (until, until + 3_600)
        for what, query in (("trades", _TRADES), ("ticks", _TICKS)):
            try:
                app.wait_for(f"later {what}", lambda query=query: connection.execute(query, later).fetchall(), 30)
            except pytest.fail.Exception as error:
                now, series = time.time(), {s["name"]: s["age_ms"] for s in app.series().values()}
                pytest.fail(f"{error}\n{now - until:.1f} s on, {series}\n{app.get('/api/v1/storage')[1]}\n{pool()}")
        app.wait_for("each trade of the time as one tick", lambda: stored() == traded(), 10)
        assert len(traded()) > 2 * BY_EACH
        assert {"ETHUSDT", "BTCUSDT"} <= {symbol for _, symbol, _ in traded()}
    after = pool()
    assert after["scanner"]["switches"] - before["scanner"]["switches"] == 2
    for key in ("duplicates", "dead_letters", "errors"):
        assert after[key] == before[key], key
    assert after["producer"]["dropped"] == before["producer"]["dropped"]
    expect(page.locator("#settings-history")).to_contain_text("workers.processor")
