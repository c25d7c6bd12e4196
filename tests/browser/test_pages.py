"""What a person sees, in a real browser, against the real app on the simulated market."""

import contextlib
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as NotInTime

from core.domain.series import SERIES_NAMES
from tests.patience import PATIENCE, Deadline

pytestmark = pytest.mark.browser

PAGES = ("/", "/books", "/signals", "/trading", "/monitoring", "/connections", "/workers", "/options", "/data", "/settings")


def test_five_live_charts_are_there_within_three_seconds(simulated_app: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(simulated_app.base + "/")
    started = time.monotonic()
    for name in SERIES_NAMES:
        expect(page.locator(f"#fresh-{name}")).to_have_attribute("data-state", "LIVE")
        expect(page.locator(f"#card-{name}")).not_to_have_attribute("data-loading", "true")
        expect(page.locator(f"#card-{name} canvas").first).to_be_visible()
    assert time.monotonic() - started < 10 * PATIENCE
    expect(page.locator("body")).to_contain_text("SIMULATED")
    expect(page).to_have_title(re.compile("SIMULATED", re.IGNORECASE))
    legend = page.locator("#legend-eth_ticks")
    first = legend.inner_text()
    expect(legend).not_to_have_text(first)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)], ids=["desktop", "phone"])
def test_every_page_fits_and_leaves_the_console_empty(
    simulated_app: Any, open_page: Callable[..., Page], path: str, width: int, height: int
) -> None:
    page = open_page(simulated_app.base + path, width, height)
    expect(page.locator("[data-page]")).to_be_visible()
    page.wait_for_function("window.quintet && document.readyState === 'complete'")
    page.wait_for_timeout(700)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{path} is {overflow} px too wide"


def test_live_shows_everything_without_scrolling_at_1440_by_900(simulated_app: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(simulated_app.base + "/")
    expect(page.locator("#card-btc_ticks canvas").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")


def test_a_click_brings_a_chart_to_the_big_place_and_into_the_url(
    simulated_app: Any, open_page: Callable[..., Page]
) -> None:
    page = open_page(simulated_app.base + "/")
    page.locator("#card-eth_1h .chart-title").click()
    expect(page.locator("#card-eth_1h")).to_have_class(re.compile("chart-big"))
    expect(page).to_have_url(re.compile("big=eth_1h"))
    page.reload()
    expect(page.locator("#card-eth_1h")).to_have_class(re.compile("chart-big"))


def test_a_switch_is_carried_out_stored_and_told_in_the_history(simulated_app: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(simulated_app.base + "/settings")
    switch = page.locator("[data-toggle='consumer.storage']")
    expect(switch).to_have_attribute("aria-checked", "true")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    simulated_app.wait_for("the consumer to be off", lambda: simulated_app.toggles()["consumer.storage"] is False, 2)
    consumers = {c["name"]: c for c in simulated_app.get("/api/v1/consumers")[1]["consumers"]}
    assert consumers["storage"]["enabled"] is False
    expect(page.locator("#settings-history")).to_contain_text("consumer.storage")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    simulated_app.wait_for("the consumer to be on", lambda: simulated_app.toggles()["consumer.storage"] is True, 2)


def press_until_there(page: Page, key: str, url: re.Pattern[str]) -> None:
    """Press `g` and a letter; again when the two came too far from each other, as they may on a busy machine."""
    deadline = Deadline(10)
    while not url.search(page.url):
        page.keyboard.press("g")
        page.keyboard.press(key)
        with contextlib.suppress(NotInTime):
            page.wait_for_url(url, timeout=2_000)
        deadline.check(f"{url.pattern}, at {page.url}")


def test_the_keyboard_reaches_every_page_and_the_palette(simulated_app: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(simulated_app.base + "/")
    expect(page.locator("#fresh-eth_ticks")).to_have_attribute("data-state", "LIVE")
    for key, path in (("m", "/monitoring"), ("s", "/signals"), ("c", "/connections"), (",", "/settings"), ("l", "/")):
        press_until_there(page, key, re.compile(re.escape(path) + r"(\?.*)?$"))
    page.keyboard.press("Control+k")
    page.keyboard.type("monit")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/monitoring"))


def test_monitoring_measures_the_running_system(simulated_app: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(simulated_app.base + "/monitoring")
    body = page.locator("[data-page='monitoring']")
    for text in ("Source → consumer", "storage", "dashboard", "ethusdt@trade", "Rows written"):
        expect(body).to_contain_text(text)


def test_an_unknown_address_is_told_as_such(simulated_app: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(simulated_app.base + "/settings")
    answer = page.request.get(simulated_app.base + "/no-such-page")
    assert answer.status == 404
    assert page.request.get(simulated_app.base + "/.env").status == 404


def test_a_lost_server_turns_every_badge_stale_and_its_return_makes_them_live(
    start_app: Callable[..., Any], browser: Any
) -> None:
    app = start_app("--market", "simulated")
    app.wait_ready()
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(app.base + "/")
    badge = page.locator("#fresh-eth_ticks")
    expect(badge).to_have_attribute("data-state", "LIVE")
    app.stop()
    expect(badge).not_to_have_attribute("data-state", "LIVE", timeout=4_000 * PATIENCE)
    again = start_app("--market", "simulated", "--port", str(app.port))
    again.wait_for("the server", lambda: again.process.poll() is None and _answers(app.base))
    expect(badge).to_have_attribute("data-state", "LIVE")
    context.close()


def _answers(base: str) -> bool:
    import urllib.request

    with urllib.request.urlopen(base + "/health", timeout=2) as answer:
        return bool(answer.status == 200)
