"""The order-book page in a real browser, on books that the test makes: what is shown, and what never is."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from core.domain.health import Source
from core.domain.instrument import AAPL, INSTRUMENTS
from core.domain.market import BookView
from web.components.book_header import DEPTH_BPS
from web.components.book_panels import INTEGRITY, LEVELS

pytestmark = pytest.mark.browser

NONE = "–"


def view(symbol: str, bid: float, levels: int = 30, known: tuple[float, float] | None = None) -> BookView:
    """Levels a cent apart; a level's size is its number, counted from 1 at the best."""
    bids = tuple((round(bid - i / 100, 2), float(i + 1)) for i in range(levels))
    asks = tuple((round(bid + 0.01 + i / 100, 2), float(i + 1)) for i in range(levels))
    return BookView(symbol, 7, bids, asks, 1_000, venue=INSTRUMENTS[symbol].venue, known_range=known)


def entry(symbol: str, **facts: Any) -> dict[str, Any]:
    """A line of `books`."""
    usual = {
        "symbol": symbol, "venue": INSTRUMENTS[symbol].venue, "kind": "level II", "state": "SYNCED", "cause": "",
        "updates": 12_345, "updates_per_s": 12.3, "gaps": 2, "resyncs": 3, "crossed": 1, "last_update_id": 77, "age_ms": 12,
        "known_range": [99.5, 100.5], "bid_levels": 30, "ask_levels": 31,
    }  # fmt: skip
    return usual | facts


@pytest.fixture
def open_book(server: Any, browser_page: Page) -> Iterator[Callable[[str], Page]]:
    """`open_book("AAPL")`; at the end the console must have stayed empty."""
    lines: list[str] = []
    context = browser_page.context.browser.new_context(viewport={"width": 1440, "height": 900})  # type: ignore[union-attr]
    page = context.new_page()
    page.on("console", lambda message: lines.append(message.text))
    page.on("pageerror", lambda error: lines.append(str(error)))

    def open_one(address: str) -> Page:
        page.goto(f"{server.base}/books?symbol={address}")
        return page

    open_one.console = lines  # type: ignore[attr-defined]
    yield open_one
    context.close()
    assert lines == []


def prices(page: Page, side: str) -> list[str]:
    """What the slots of a side show as price, best first."""
    found = page.locator(f"#ob-{side} .level-price").all_inner_texts()
    return found if side == "bids" else found[::-1]


def test_a_book_is_shown_with_its_measures_and_twenty_levels_a_side(server: Any, open_book: Any) -> None:
    server.system.book_list = [entry("ETHUSDT")]
    server.system.stream.publish_book(view("ETHUSDT", 100.0))
    page = open_book("ETHUSDT")
    expect(page.locator("#ob-mid")).to_have_text("100.005")
    expect(page.locator("#ob-spread")).to_have_text("0.01")
    expect(page.locator("#ob-imbalance")).to_have_text("0.00 even")
    assert prices(page, "bids") == [f"{100 - i / 100:.2f}" for i in range(LEVELS)]
    assert prices(page, "asks") == [f"{100.01 + i / 100:.2f}" for i in range(LEVELS)]
    sums = page.locator("#ob-bids .level-sum").all_inner_texts()
    assert sums[:3] == ["1.000", "3.000", "6.000"]
    # within 5 bp of 100.005 lie the bids from 99.955 on: 100.00 … 99.96, sizes 1 … 5
    expect(page.locator("#ob-depth-bid-5")).to_have_text("15.0")


def test_the_integrity_of_the_book_is_told_line_by_line(server: Any, open_book: Any) -> None:
    server.system.book_list = [entry("ETHUSDT")]
    server.system.stream.publish_book(view("ETHUSDT", 100.0))
    page = open_book("ETHUSDT")
    expected = {
        "state": "SYNCED", "venue": "binance, level II", "source": "SIMULATED", "gaps": "2", "resyncs": "3", "crossed": "1",
        "last": "77", "levels": "30 bids, 31 asks", "range": "99.50 … 100.50", "rate": "12.3 /s, 12.3\u2009k in all",
    }  # fmt: skip
    for key, words in expected.items():
        expect(page.locator(f"#ob-fact-{key}")).to_have_text(words)
    expect(page.locator("#ob-fact-age")).to_have_text(re.compile(r"\d+ ms|\d"))
    for _, label, measure in INTEGRITY:
        page.locator(f"#ob-integrity [data-how='{measure}']").click()
        expect(page.locator(".measure-card")).to_be_visible()
        page.keyboard.press("Escape")
        assert label


def test_a_withheld_book_shows_no_number_but_the_cause_and_since_when(server: Any, open_book: Any) -> None:
    stream = server.system.stream
    server.system.book_list = [entry("ETHUSDT")]
    stream.publish_book(view("ETHUSDT", 100.0))
    page = open_book("ETHUSDT")
    expect(page.locator("#ob-mid")).to_have_text("100.005")
    server.system.book_list = [entry("ETHUSDT", state="SYNCING", cause="<b>gap</b> in the update ids")]
    stream.book_lost("ETHUSDT")
    expect(page.locator("#ob-state")).to_have_text("WITHHELD")
    expect(page.locator("#ob-note")).to_contain_text("<b>gap</b> in the update ids")
    expect(page.locator("#ob-note")).to_contain_text(re.compile(r"since \d\d:\d\d:\d\d"))
    assert {*prices(page, "bids"), *prices(page, "asks")} == {""}
    for identity in ("mid", "spread", "micro", "imbalance", "ladder-mid", *(f"depth-bid-{bps}" for bps in DEPTH_BPS)):
        expect(page.locator(f"#ob-{identity}")).to_have_text(NONE)
    expect(page.locator("#depth-note")).to_have_text("Withheld")
    stream.publish_book(view("ETHUSDT", 101.0))
    expect(page.locator("#ob-mid")).to_have_text("101.005")
    expect(page.locator("#ob-note")).to_be_empty()


def test_a_stock_whose_depth_is_refused_says_so_and_keeps_its_tape(server: Any, market: Any, open_book: Any) -> None:
    server.system.stream.add_instrument(AAPL)
    server.system.stream.set_source("AAPL", Source.DELAYED)
    server.system.book_list = [entry("AAPL", state="REFUSED", cause="3 of 3 depth slots are taken")]
    page = open_book("AAPL")
    trade = market.trade("AAPL", price=187.25)
    expect(page.locator("#ob-state")).to_have_text("REFUSED")
    expect(page.locator("#ob-note")).to_contain_text("3 of 3 depth slots are taken")
    expect(page.locator("#ob-source")).to_have_text("DELAYED")
    expect(page.locator("[data-book='AAPL'] .ob-tab-source")).to_have_text("DELAYED")
    expect(page.locator("#tape-rows")).to_contain_text(f"{trade.price}")


def test_a_symbol_that_no_venue_brings_says_so(server: Any, open_book: Any) -> None:
    page = open_book("AAPL")
    expect(page.locator("#ob-state")).to_have_text("NO SOURCE")
    expect(page.locator("#ob-note")).to_contain_text("No venue brings this symbol now")
    expect(page.locator("#heat-note")).to_contain_text("Connections says what to do")
    expect(page.locator("#ob-mid")).to_have_text(NONE)


def test_levels_beyond_the_known_range_are_marked_and_missing_ones_are_called_unknown(server: Any, open_book: Any) -> None:
    server.system.stream.publish_book(view("ETHUSDT", 100.0, levels=8, known=(99.97, 100.03)))
    page = open_book("ETHUSDT")
    expect(page.locator("#ob-mid")).to_have_text("100.005")
    assert prices(page, "bids")[8] == "unknown beyond"
    assert page.locator("#ob-bids .level[data-beyond] .level-price").all_inner_texts() == [
        "99.96",
        "99.95",
        "99.94",
        "99.93",
    ]
    assert page.locator("#ob-asks .level[data-beyond]").count() == 5
    # 50 bp reach beyond what is known: the size is at least so much
    expect(page.locator("#ob-depth-bid-50")).to_have_text(re.compile("^≥36"))
    expect(page.locator("#ob-depth-bid-2")).to_have_text("3.00")


def test_a_link_that_breaks_turns_the_book_stale(server: Any, open_book: Any) -> None:
    server.system.stream.publish_book(view("ETHUSDT", 100.0))
    page = open_book("ETHUSDT")
    expect(page.locator("#ob-mid")).to_have_text("100.005")
    server.stop()
    expect(page.locator("#ob-state")).to_have_text("STALE")
    expect(page.locator("#ob-cause")).to_contain_text("link to its server is down")
    page.close()
    # the browser itself notes each attempt to reach the dead server
    open_book.console[:] = [line for line in open_book.console if "ERR_CONNECTION_REFUSED" not in line]
