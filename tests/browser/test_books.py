"""The order-book page of the real app on the simulated market."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

Open = Callable[..., Page]


def counts(page: Page) -> dict[str, int]:
    found: dict[str, int] = page.evaluate("quintet.heatmap.counts()")
    return found


def wait_for_columns(app: Any, page: Page, least: int = 2) -> None:
    app.wait_for("columns of the heat map", lambda: page.evaluate("quintet.heatmap.counts().columns") >= least)


@pytest.mark.parametrize("symbol", ["ETHUSDT", "BTCUSDT"])
def test_a_live_book_is_in_step_and_its_heat_map_scrolls(simulated_app: Any, open_page: Open, symbol: str) -> None:
    page = open_page(f"{simulated_app.base}/books?symbol={symbol}")
    expect(page.locator("#ob-state")).to_have_text("IN STEP", timeout=15_000)
    expect(page.locator("#ob-mid")).to_have_text(re.compile(r"\d\.\d{3}$"))
    expect(page.locator("#ob-fact-state")).to_have_text("SYNCED")
    wait_for_columns(simulated_app, page)
    before = counts(page)["painted"]
    page.wait_for_timeout(2_000)
    assert counts(page)["painted"] - before >= 40, "twenty frames a second"
    mid = page.locator("#ob-mid").inner_text()
    expect(page.locator("#ob-mid")).not_to_have_text(mid, timeout=20_000)


def test_a_tab_changes_the_symbol_and_the_address_opens_it_again(simulated_app: Any, open_page: Open) -> None:
    page = open_page(simulated_app.base + "/books")
    expect(page.locator("#ob-pair")).to_have_text("ETH/USDT")
    page.locator("[data-book='BTCUSDT']").click()
    expect(page.locator("#ob-pair")).to_have_text("BTC/USDT")
    expect(page).to_have_url(re.compile("symbol=BTCUSDT"))
    expect(page.locator("#tape .card-title")).to_have_text("Trades BTC")
    expect(page.locator("[data-book='BTCUSDT']")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#ob-pair")).to_have_text("ETH/USDT")
    page.keyboard.press("ArrowRight")
    page.reload()
    expect(page.locator("#ob-pair")).to_have_text("BTC/USDT")


def test_what_the_heat_map_shows_is_chosen_by_buttons_wheel_and_keys_and_kept_in_the_address(
    simulated_app: Any, open_page: Open
) -> None:
    page = open_page(simulated_app.base + "/books")
    wait_for_columns(simulated_app, page)
    page.locator("[data-heat='span'][data-value='2']").click()
    expect(page).to_have_url(re.compile("span=2"))
    page.locator("[data-heat='in']").click()
    expect(page).to_have_url(re.compile(r"range=[\d.]+"))
    bps = page.evaluate("quintet.heatmap.view.bps")
    page.locator("#heat-canvas").hover()
    page.mouse.wheel(0, 100)
    simulated_app.wait_for("the wheel", lambda: page.evaluate("quintet.heatmap.view.bps") > bps)
    page.locator("#heat-canvas").focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#heat-centre")).to_have_attribute("aria-pressed", "false")
    expect(page).to_have_url(re.compile("centre=off"))
    page.reload()
    expect(page.locator("#heat-centre")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("[data-heat='span'][data-value='2']")).to_have_attribute("aria-pressed", "true")
    wait_for_columns(simulated_app, page)
    page.locator("#heat-canvas").hover()
    expect(page.locator("#heat-readout")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d"))


def test_the_whole_page_is_in_view_at_1440_by_900(simulated_app: Any, open_page: Open) -> None:
    page = open_page(simulated_app.base + "/books")
    wait_for_columns(simulated_app, page)
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
    assert page.locator(".ob-tab").count() == 7
    for tab in page.locator(".ob-tab").all():
        expect(tab).to_be_in_viewport(ratio=1)


def test_nothing_moves_when_data_arrives_or_is_withdrawn(simulated_app: Any, open_page: Open) -> None:
    page = open_page("about:blank")
    page.add_init_script(
        "window.shifts = []; new PerformanceObserver((list) => shifts.push(...list.getEntries().map((e) => e.value)))"
        ".observe({type: 'layout-shift', buffered: true});"
    )
    page.goto(simulated_app.base + "/books")
    wait_for_columns(simulated_app, page)
    page.locator("[data-book='AAPL']").click()
    page.wait_for_timeout(1_500)
    page.locator("[data-book='ETHUSDT']").click()
    page.wait_for_timeout(1_500)
    assert sum(page.evaluate("window.shifts")) < 0.02


def test_the_phone_has_one_column_and_the_tabs_scroll_aside(simulated_app: Any, open_page: Open) -> None:
    page = open_page(simulated_app.base + "/books", 390, 844, is_mobile=True, has_touch=True)
    expect(page.locator("#ob-state")).to_have_text("IN STEP", timeout=15_000)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    boxes = [
        page.locator(f"#{name}").bounding_box()
        for name in ("ob-header", "heat", "ob-ladder", "tape", "depth", "ob-integrity")
    ]
    tops = [box["y"] for box in boxes if box]
    assert tops == sorted(tops)
    assert len(tops) == 6
    assert all(box and box["width"] > 350 for box in boxes)
    for button in page.locator("[data-heat]").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44


def test_motion_that_is_not_wanted_goes_column_by_column(simulated_app: Any, open_page: Open) -> None:
    page = open_page(simulated_app.base + "/books", reduced_motion="reduce")
    wait_for_columns(simulated_app, page, 4)
    still = """() => new Promise((resolve) => {
        const canvas = document.getElementById("heat-canvas");
        const strip = () => canvas.getContext("2d").getImageData(canvas.width - 200, 0, 100, canvas.height).data.slice();
        const read = () => {
            const columns = quintet.heatmap.counts().columns, one = strip();
            setTimeout(() => {
                if (quintet.heatmap.counts().columns !== columns) return read();
                resolve(strip().every((v, i) => v === one[i]));
            }, 120);
        };
        setTimeout(read, 400);
    })"""
    assert page.evaluate(still) is True


def test_g_b_opens_the_page_and_leaving_it_ends_its_subscriptions(simulated_app: Any, open_page: Open) -> None:
    page = open_page(simulated_app.base + "/settings")
    expect(page.locator("#page-settings")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("b")
    expect(page.locator("#page-books")).to_be_visible()
    wait_for_columns(simulated_app, page)
    page.keyboard.press("g")
    page.keyboard.press("l")
    expect(page.locator("#page-live")).to_be_visible()
    assert counts(page)["columns"] == 0
    page.keyboard.press("g")
    page.keyboard.press("b")
    wait_for_columns(simulated_app, page)
