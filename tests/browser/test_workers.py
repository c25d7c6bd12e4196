"""The Workers page in a real browser, on a pool whose state is set by the test."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

THIN = "\u2009"


def worker(slot: int, **facts: Any) -> dict[str, Any]:
    return {
        "name": f"mac-{slot}", "host": "mac", "slot": slot, "pid": 4_200 + slot,
        "state": ("READING", "WORKING", "STORING")[slot % 3], "batch": 50, "processed": 241_000 + slot,
        "rate_per_s": 842.0 + slot,
        "batch_ms": {"p50": 3.1, "p99": 7.4}, "errors": 0, "last_error": "", "since_ms": 0, "age_ms": 120,
        "core_kind": "performance" if slot < 4 else "efficiency", "shards": [slot * 3, slot * 3 + 1, slot * 3 + 2],
    } | facts  # fmt: skip


def pool(now: int, **facts: Any) -> dict[str, Any]:
    """A pool of five workers that keeps up."""
    history = [[now - 1_000 * n, 4_200 + 300 * ((n * 7) % 11 - 5) / 5] for n in range(480, 0, -1) if not 200 < n < 230]
    return {
        "enabled": True, "processor": "optimized", "count": None, "paused": False, "wanted": 5, "batch_size": 50,
        "cores": {"total": 10, "performance": 4, "efficiency": 6, "kind": "Apple M4"},
        "workers": [worker(slot, since_ms=now - 3_720_000) for slot in range(5)],
        "processed": 1_204_331, "rate_per_s": 4_210.0, "batch_ms": {"p50": 3.2, "p99": 7.9}, "pending": 120,
        "oldest_unacked_ms": 9, "lag": 14, "length": 20_000, "dead_letters": 0, "errors": 0, "duplicates": 31, "redis": "ok",
        "postgres": "ok", "cause": "",
        "producer": {"published": 1_204_480, "rate_per_s": 4_212.0, "spooled": 0, "dropped": 0}, "history": history,
    } | facts  # fmt: skip


def letters(now: int, count: int = 3) -> list[dict[str, Any]]:
    reasons = (
        ("price: must be a number, was 'n/a'", 1, {"symbol": "ETHUSDT", "price": "n/a", "ts_ms": str(now)}),
        ("symbol: unknown symbol 'FOO-BAR-BAZ'", 1, {"d": '{"symbol":"FOO-BAR-BAZ","price":1.5,"ts_ms":1719500000000}'}),
        ("division by zero in valuation", 5, {"symbol": "BTC-27JUN25-60000-C", "price": "12", "underlying_price": "0"}),
    )
    return [
        {"id": f"{1_795_276_106_661 - n}-0", "reason": reasons[n % 3][0], "deliveries": reasons[n % 3][1],
         "first_ms": now - 90_000 - n,
         "last_ms": now - 30_000 - n, "fields": reasons[n % 3][2]}
        for n in range(count)
    ]  # fmt: skip


@pytest.fixture
def shown(idle_server: Any) -> Any:
    """The server with a pool that keeps up and three dead letters."""
    system = idle_server.system
    now = system.clock.now_ms()
    system.pool, system.letters = pool(now), letters(now)
    system.settings_now = {"workers.processor": "optimized", "workers.count": None, "workers.paused": False}
    system.changes, system.replayed = [], []
    system.is_redis_away = system.is_postgres_away = system.is_report_broken = False
    return idle_server


@pytest.fixture(scope="module")
def one_page(idle_server: Any, browser: Browser) -> Iterator[Page]:
    """One page for all tests: it follows what the server tells. Its console stays empty, but for an answer of 503."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    lines: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: lines.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: lines.append(f"error: {error}"))
    page.goto(idle_server.base + "/workers")
    yield page
    context.close()
    assert [line for line in lines if "status of 503" not in line] == []


@pytest.fixture
def page(shown: Any, one_page: Page) -> Page:
    """That page, when it shows the pool that keeps up and its three dead letters."""
    expect(one_page.locator("#pool-verdict")).to_have_text("The pool keeps up")
    expect(one_page.locator("#dead-rows .dead-button")).to_have_count(3)
    return one_page


def opened(page: Page) -> Page:
    expect(page.locator("#pool-verdict")).not_to_have_text("Waiting for the first report")
    return page


def test_the_page_says_whether_the_pool_keeps_up_with_every_figure(page: Page) -> None:
    expect(page.locator("#pool-verdict")).to_have_text("The pool keeps up")
    expect(page.locator("#pool-verdict")).to_have_attribute("data-level", "ok")
    figures = {
        "rate": f"4{THIN}210", "p50": "3.2 ms", "p99": "7.9 ms", "pending": "120", "oldest": "9 ms", "lag": "14",
        "dead": "3", "errors": "0", "duplicates": "31",
    }  # fmt: skip
    for key, text in figures.items():
        expect(page.locator(f"#pool-{key}")).to_have_text(text)
    expect(page.locator("#core-words")).to_have_text("Apple M4, 10 cores: 4 performance, 6 efficiency")
    expect(page.locator(".core[data-core=performance]")).to_have_count(4)
    expect(page.locator("#throughput-note")).to_contain_text("ticks/s")


def test_each_worker_has_its_row_and_one_without_a_status_is_lost(page: Page, shown: Any) -> None:
    rows = page.locator("#worker-rows tr")
    expect(rows).to_have_count(5)
    for text in ("mac-1", "WORKING", "843", "3.1 ms", "7.4 ms", "3–5", "62 min"):
        expect(rows.nth(1)).to_contain_text(text)
    expect(rows.nth(4)).to_contain_text("E")
    workers = shown.system.pool["workers"]
    broken = worker(1, age_ms=6_100, errors=2, last_error="connection reset")
    # two workers that overtake each other are every pool's day; what could not be used is a fault
    lagging = workers[2] | {"late": 3}
    shown.system.pool = {
        **shown.system.pool, "workers": [workers[0] | {"late": 3, "refused": 1}, broken, lagging, *workers[3:]]
    }  # fmt: skip
    expect(rows.nth(1)).to_contain_text("LOST")
    expect(rows.nth(1)).to_contain_text("connection reset")
    told = "owner of shards 0, 1, 2. In this process came after newer ones: 3 entries; could not be used: 1 ticks or states"
    expect(rows.nth(0).locator(".shards-cell")).to_have_attribute("title", told)
    expect(rows.nth(0).locator(".shards-cell")).to_have_attribute("data-level", "warn")
    expect(rows.nth(2).locator(".shards-cell")).not_to_have_attribute("data-level", "warn")
    expect(page.locator("#pool-verdict")).to_have_text("1 of 5 workers lost")


STATES = (
    ({"enabled": False, "reason": "Set REDIS_URL."}, "The pool is off", "stale", "Set REDIS_URL."),
    ({"redis": "connection refused"}, "Redis is away", "bad", "nothing is lost"),
    ({"postgres": "server closed"}, "Postgres is away", "bad", "nothing is acknowledged before it is stored"),
    ({"paused": True, "lag": 900}, "Paused", "warn", f"1{THIN}020 ticks wait"),
    ({"workers": []}, "The pool is starting", "warn", "No worker has reported yet"),
    ({"rate_per_s": 0.0, "lag": 0, "pending": 0}, "Idle: no ticks come", "stale", "The market may be closed"),
    ({"cause": "the disk is full"}, "Held up", "warn", "the disk is full"),
    ({"oldest_unacked_ms": 12_000}, "A tick waits 12 s for its acknowledgement", "warn", "claims it"),
)


def test_every_state_of_the_pool_says_what_happens_and_what_to_do(page: Page, shown: Any) -> None:
    healthy = shown.system.pool
    for facts, verdict, level, hint in STATES:
        shown.system.pool = {**healthy, **facts}
        expect(page.locator("#pool-verdict")).to_have_text(verdict)
        expect(page.locator("#pool-verdict")).to_have_attribute("data-level", level)
        expect(page.locator("#pool-hint")).to_contain_text(hint)


def test_numbers_of_a_pool_that_is_not_heard_are_greyed_and_dated(page: Page, shown: Any) -> None:
    expect(page.locator("#page-workers")).not_to_have_attribute("data-stale", "true")
    shown.system.is_report_broken = True
    expect(page.locator("#pool-verdict")).to_have_text(re.compile(r"No report of the pool for \d"))
    expect(page.locator("#page-workers")).to_have_attribute("data-stale", "true")
    expect(page.locator("#worker-rows tr").first).to_contain_text("LOST")


def test_pause_and_resume_show_what_the_server_has(page: Page, shown: Any) -> None:
    button = page.locator("#pool-pause")
    expect(button).to_have_text("Pause")
    button.click()
    expect(button).to_have_text("Resume")
    expect(page.locator("#pool-verdict")).to_have_text("Paused")
    button.click()
    expect(button).to_have_text("Pause")
    assert shown.system.changes == [("workers.paused", True), ("workers.paused", False)]


def test_processor_and_number_of_workers_are_chosen_and_confirmed(page: Page, shown: Any) -> None:
    chosen = page.locator("#pool-controls [aria-checked=true]")
    expect(chosen).to_have_text(["Optimised", "Auto"])
    page.get_by_role("radio", name="Standard").click()
    page.get_by_role("radio", name="8", exact=True).click()
    expect(chosen).to_have_text(["Standard", "8"])
    page.get_by_role("radio", name="Auto").click()
    expect(chosen).to_have_text(["Standard", "Auto"])
    assert shown.system.changes == [("workers.processor", "standard"), ("workers.count", 8), ("workers.count", None)]


def test_a_change_that_cannot_be_stored_stays_undone_and_says_why(page: Page, shown: Any) -> None:
    expect(page.locator("#pool-controls [aria-checked=true]")).to_have_text(["Optimised", "Auto"])
    shown.system.is_postgres_away = True
    page.get_by_role("radio", name="Standard").click()
    expect(page.locator("[data-setting-error='workers.processor']")).to_contain_text(
        "Not changed: settings cannot be stored"
    )
    expect(page.locator("#pool-controls [aria-checked=true]")).to_have_text(["Optimised", "Auto"])


def test_a_dead_letter_shows_reason_and_fields_and_is_replayed_after_a_question(page: Page, shown: Any) -> None:
    rows = page.locator("#dead-rows tr")
    expect(rows).to_have_count(3)
    for text in ("unknown symbol", "FOO-BAR-BAZ", "price 1.5"):
        expect(rows.nth(1)).to_contain_text(text)
    rows.nth(1).locator("summary").click()
    expect(rows.nth(1).locator("dl")).to_contain_text("1719500000000")
    entry = shown.system.letters[1]["id"]
    page.get_by_role("button", name=f"Replay {entry}").click()
    expect(page.locator("#replay-dialog")).to_contain_text("unknown symbol")
    page.get_by_role("button", name="Cancel").click()
    assert shown.system.replayed == []
    page.get_by_role("button", name=f"Replay {entry}").click()
    page.locator("#replay-confirm").click()
    expect(page.locator(".toast")).to_contain_text("1 put back onto the stream")
    expect(rows).to_have_count(2)
    assert shown.system.replayed == [entry]


def test_all_dead_letters_are_replayed_at_once(page: Page, shown: Any) -> None:
    page.locator("#replay-all").click()
    expect(page.locator("#replay-what")).to_have_text("Put all 3 dead letters back onto the stream?")
    page.locator("#replay-confirm").click()
    expect(page.locator("#dead-rows")).to_contain_text("nothing is dropped silently")
    expect(page.locator("#replay-all")).to_be_hidden()
    assert shown.system.replayed == ["all"]


def test_the_settings_page_has_the_same_choices_and_tells_the_change_in_its_history(shown: Any, open_page: Any) -> None:
    page = open_page(shown.base + "/settings")
    page.get_by_role("radio", name="Standard").click()
    expect(page.locator("[data-setting='workers.processor'][aria-checked=true]")).to_have_text("Standard")
    expect(page.locator("#settings-history")).to_contain_text("workers.processor")
    assert shown.system.changes == [("workers.processor", "standard")]


def test_everything_but_dead_letters_is_in_view_at_1440_by_900(page: Page) -> None:
    box = page.locator("#worker-list").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 900
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_on_a_phone_rows_are_cards_and_targets_are_large(shown: Any, open_page: Callable[..., Page]) -> None:
    page = opened(open_page(shown.base + "/workers", 390, 844))
    expect(page.locator("#worker-rows tr").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    for name in ("#pool-pause", "#replay-all", "#pool-controls .segment", ".dead-button .chip"):
        box = page.locator(name).first.bounding_box()
        assert box is not None
        assert box["height"] >= 44, name
