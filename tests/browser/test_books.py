"""The order-book page of the real app on the simulated market."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


def counts(page: Page) -> dict[str, int]:
    found: dict[str, int] = page.evaluate("quintet.heatmap.counts()")
    return found


def wait_for_columns(app: Any, page: Page, least: int = 2) -> None:
    app.wait_for("columns of the heat map", lambda: page.evaluate("quintet.heatmap.counts().columns") >= least)


@pytest.mark.parametrize("symbol", ["ETHUSDT", "BTCUSDT"])
def test_a_live_book_is_in_step_and_its_heat_map_scrolls(simulated_app: Any, open_page: Open, symbol: str) -> None:
    page = open_page(f"{simulated_app.base}/books?symbol={symbol}")
    expect(page.locator("#ob-state")).to_have_text("IN STEP")
    expect(page.locator("#ob-mid")).to_have_text(re.compile(r"\d\.\d{3}$"))
    expect(page.locator("#ob-fact-state")).to_have_text("SYNCED")
    wait_for_columns(simulated_app, page)

    def painted_in_a_second() -> int:
        before = counts(page)["painted"]
        page.wait_for_timeout(1_000)
        return counts(page)["painted"] - before

    simulated_app.wait_for("twenty frames in a second", lambda: painted_in_a_second() >= 20)
    mid = page.locator("#ob-mid").inner_text()
    expect(page.locator("#ob-mid")).not_to_have_text(mid)


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
    page = open_page(simulated_app.base + "/books?symbol=GOOGL")
    places = """() => Object.fromEntries([...document.querySelectorAll("#page-books [id]")]
        .filter((e) => e.tagName !== "SPAN")
        .map((e) => [e.id, e.getBoundingClientRect()]).filter(([id, box]) => box.width && !/note|legend|tab-/.test(id))
        .map(([id, box]) => [id, [box.x, box.y, box.width, box.height].map(Math.round)]))"""
    expect(page.locator("#page-books")).to_be_visible()
    expect(page.locator("#ob-bids .level")).to_have_count(20)
    first = page.evaluate(places)
    assert {"ob-header", "heat-body", "ob-levels", "ob-depth-bid-50", "ob-fact-range", "tape-rows"} <= first.keys()
    for symbol in ("ETHUSDT", "BTCUSDT"):
        page.locator(f"[data-book='{symbol}']").click()
        expect(page.locator("#ob-state")).to_have_text("IN STEP")
        expect(page.locator("#ob-fact-last")).not_to_have_text("–")
        now = page.evaluate(places)
        assert {identity: (first[identity], now[identity]) for identity in first if now[identity] != first[identity]} == {}


def test_the_phone_has_one_column_and_the_tabs_scroll_aside(simulated_app: Any, open_page: Open) -> None:
    page = open_page(simulated_app.base + "/books", 390, 844, is_mobile=True, has_touch=True)
    expect(page.locator("#ob-state")).to_have_text("IN STEP")
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
    page = open_page(simulated_app.base + "/books?span=2", reduced_motion="reduce")
    wait_for_columns(simulated_app, page, 4)
    # what is painted after each column is kept as an address of the picture: as many pictures as columns, not one a frame
    pictures = """() => new Promise((resolve) => {
        const canvas = document.getElementById("heat-canvas");
        const started = quintet.heatmap.counts(), seen = new Set();
        const look = () => {
            seen.add(canvas.toDataURL());
            const now = quintet.heatmap.counts();
            if (now.columns - started.columns < 4) return setTimeout(look, 30);
            resolve({pictures: seen.size, columns: now.columns - started.columns, painted: now.painted - started.painted});
        };
        look();
    })"""
    told = page.evaluate(pictures)
    assert told["painted"] > 2 * told["columns"]
    assert 2 <= told["pictures"] <= told["columns"] + 2


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
