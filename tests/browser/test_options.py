"""The Options page in a real browser, on chains that are set by the test."""

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def option(now: int, strike: float, right: str, spot: float, base: float, **facts: Any) -> dict[str, Any]:
    """A plausible option: a smile of volatilities, Black-Scholes prices without rates, half a year to go."""
    volatility = base + 0.6 * math.log(strike / spot) ** 2 - 0.05 * math.log(strike / spot)
    root = volatility * math.sqrt(0.5)
    d1 = math.log(spot / strike) / root + root / 2
    cumulative = lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2)))  # noqa: E731
    call = spot * cumulative(d1) - strike * cumulative(d1 - root)
    density = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    price = call if right == "C" else call - spot + strike
    return {
        "symbol": f"BTC-{strike:.0f}-{right}", "strike": strike, "right": right, "price": round(price, 2),
        "bid": round(price * 0.99, 2), "ask": None, "underlying_price": spot, "volatility": volatility,
        "volatility_state": "FOUND",
        "delta": cumulative(d1) - (right == "P"), "gamma": density / spot / root, "vega": spot * density * math.sqrt(0.5),
        "theta": -spot * density * volatility / 2 / math.sqrt(0.5), "rho": 100.0, "vanna": 1.0,
        "vomma": 2.0, "ts_ms": now, "age_ms": 400,
    } | facts  # fmt: skip


def chains(now: int, strikes: int = 31) -> dict[str, Any]:
    """Two expiries of BTC; of the first one put is below its intrinsic value."""
    spot = 98_400.0
    ladder = [70_000 + 2_000.0 * n for n in range(strikes)]

    def rows(base: float) -> list[dict[str, Any]]:
        return [option(now, strike, right, spot, base) for strike in ladder for right in "CP"]

    first = rows(0.52)
    first[-1] |= {"volatility": None, "volatility_state": "BELOW_INTRINSIC", **dict.fromkeys(("delta", "gamma", "vega"))}
    return {"expiries": ["2026-12-25", "2027-06-25"], "chains": {"2026-12-25": first, "2027-06-25": rows(0.48)}}


@pytest.fixture
def shown(idle_server: Any) -> Any:
    system = idle_server.system
    now = system.clock.now_ms()
    system.chains = {"BTC": {"DERIBIT": chains(now)}, "NIFTY": {"NFO": {"expiries": ["2026-06"], "chains": {"2026-06": [
        option(now - 86_400_000, 24_000.0, "C", 24_100.0, 0.14, age_ms=86_400_000)]}}}}  # fmt: skip
    system.is_postgres_away = False
    return idle_server


@pytest.fixture
def page(shown: Any, open_page: Callable[..., Page]) -> Page:
    return opened(open_page(shown.base + "/options"))


def opened(page: Page) -> Page:
    expect(page.locator("#chain-rows tr").first).to_contain_text(re.compile(r"\d"))
    return page


SMILE = "document.querySelector('#option-smile .js-plotly-plot')"


def expect_soon(page: Page, condition: Callable[[], bool]) -> None:
    """The page's policy forbids what Playwright waits for functions with, so the waiting is done here."""
    for _ in range(100):
        if condition():
            return
        page.wait_for_timeout(50)
    pytest.fail("it did not come to pass in 5 s")


def drawn_with(page: Page, graph: str, points: list[int]) -> None:
    """Wait until the traces of a figure have so many points."""
    counted = (
        f"[...(document.querySelector('#{graph} .js-plotly-plot')?.data || [])]"
        ".map((trace) => (trace.y || []).filter((value) => value !== null).length)"
    )
    expect_soon(page, lambda: page.evaluate(counted) == points)


def test_the_chain_stands_around_its_strikes_with_greeks_in_the_units_of_the_headings(page: Page) -> None:
    expect(page.locator("#chain-rows tr")).to_have_count(21)
    middle = page.locator("#chain-rows tr[aria-selected=true]")
    expect(middle.locator(".strike")).to_have_text("98\u2009000")
    cells = middle.locator("td")
    assert float(cells.nth(9).inner_text()) == pytest.approx(52, abs=0.1)  # volatility, percent
    assert float(cells.nth(5).inner_text()) == pytest.approx(0.58, abs=0.01)  # delta
    vega = float(cells.nth(3).inner_text().replace("\u2009", ""))
    assert vega == pytest.approx(98_400 * 0.39 * math.sqrt(0.5) / 100, rel=0.02), "per volatility point"
    assert cells.nth(1).inner_text() == "1.00", "rho per percent"
    assert cells.nth(7).inner_text() == "–", "no ask was given"
    expect(page.locator("#option-price")).to_have_text("98\u2009400.0")


def test_smile_and_greeks_are_drawn_and_survive_a_change_of_theme(page: Page) -> None:
    drawn_with(page, "option-greeks", [21] * 12)
    drawn_with(page, "option-smile", [21, 21])
    assert page.evaluate("document.querySelector('#option-smile .js-plotly-plot').layout.shapes[0].x0") == 98_400
    dark = page.evaluate(f"{SMILE}.layout.font.color")
    page.evaluate("window.quintet.appearance.set('theme', 'light')")
    expect_soon(page, lambda: page.evaluate(f"{SMILE}.layout.font.color") != dark)
    drawn_with(page, "option-smile", [21, 21])


def test_the_page_tells_which_prices_have_no_volatility_and_why(page: Page) -> None:
    expect(page.locator("#option-verdict")).to_have_text("1 of 62 without a volatility")
    expect(page.locator("#chain-states")).to_contain_text(
        "1 < intrinsic: the price is less than the discounted intrinsic value"
    )
    page.locator("[data-strikes=all]").click()
    expect(page.locator("#chain-rows tr")).to_have_count(31)
    expect(page.locator("#chain-rows tr").last).to_contain_text("< intrinsic")
    expect(page).to_have_url(re.compile("strikes=all"))


def test_another_expiry_and_underlying_are_chosen_and_stand_in_the_address(page: Page, shown: Any) -> None:
    page.locator("[data-expiry='2027-06-25']").click()
    expect(page).to_have_url(re.compile("underlying=BTC&expiry=2027-06-25"))
    expect(page.locator("#option-verdict")).to_have_text("Every price has its volatility")
    expect(page.locator("#option-calendar")).to_have_text("sound")
    page.reload()
    expect(page.locator("[data-expiry='2027-06-25']")).to_have_attribute("aria-checked", "true")
    page.get_by_label("Underlying", exact=True).select_option("NIFTY")
    expect(page.locator("#chain-rows tr")).to_have_count(1)
    expect(page.locator("#option-verdict")).to_have_text(re.compile("Old ticks: the newest is 24 h old"))
    expect(page.locator("#option-verdict")).to_have_attribute("data-level", "stale")


def test_each_venue_has_its_chain_and_its_checks_and_stands_in_the_address(
    shown: Any, open_page: Callable[..., Page]
) -> None:
    now = shown.system.clock.now_ms()
    spot = 98_500.0
    binance = [option(now, strike, right, spot, 0.6) for strike in (96_000.0, 98_000.0, 100_000.0) for right in "CP"]
    shown.system.chains["BTC"]["BINANCE_OPTIONS"] = {"expiries": ["2026-12-25"], "chains": {"2026-12-25": binance}}
    page = opened(open_page(shown.base + "/options"))
    venue = page.get_by_label("Venue", exact=True)
    expect(venue).to_have_value("DERIBIT")
    expect(page).to_have_url(re.compile("venue=DERIBIT"))
    expect(page.locator("#smile-note")).to_have_text("BTC · DERIBIT · 25 Dec 2026")
    venue.select_option("BINANCE_OPTIONS")
    expect(page.locator("#chain-rows tr")).to_have_count(3)
    expect(page).to_have_url(re.compile("underlying=BTC.*venue=BINANCE_OPTIONS"))
    expect(page.locator("#option-price")).to_have_text("98\u2009500.0")
    expect(page.locator("#option-verdict")).to_have_text("Every price has its volatility")
    expect(page.locator("#option-calendar")).to_have_text("–")  # the other expiry is Deribit's alone
    for width, height in ((1440, 900), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        expect(venue).to_be_in_viewport(ratio=1)
        fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        expect_soon(page, lambda fits=fits: page.evaluate(fits))
    page.reload()
    expect(venue).to_have_value("BINANCE_OPTIONS")
    expect(page.locator("#chain-rows tr")).to_have_count(3)
    page.get_by_label("Underlying", exact=True).select_option("NIFTY")
    expect(page.locator("#option-at")).to_have_text("NFO")
    expect(venue).to_be_hidden()
    expect(page).not_to_have_url(re.compile("venue="))


def test_without_an_option_tick_the_page_tells_how_to_make_one(shown: Any, open_page: Callable[..., Page]) -> None:
    shown.system.chains = {}
    page = open_page(shown.base + "/options")
    expect(page.locator("#option-empty")).to_be_visible()
    expect(page.locator("#option-empty")).to_contain_text("XADD ticks:intraday:processed")
    expect(page.locator("#chain")).to_be_hidden()
    shown.system.chains = {"BTC": {"DERIBIT": chains(shown.system.clock.now_ms())}}
    expect(page.locator("#chain-rows tr")).to_have_count(21)
    expect(page.locator("#option-empty")).to_be_hidden()


def test_without_an_answer_the_chain_stays_greyed_with_its_time_and_the_reason(
    page: Page, shown: Any, open_page: Any
) -> None:
    shown.system.is_postgres_away = True
    expect(page.locator("#option-verdict")).to_have_text(re.compile(r"As of \d\d:\d\d:\d\d: no newer answer"))
    expect(page.locator("#option-hint")).to_contain_text("the database")
    expect(page.locator("#page-options")).to_have_attribute("data-stale", "true")
    expect(page.locator("#chain-rows tr")).to_have_count(21)
    shown.system.is_postgres_away = False
    expect(page.locator("#page-options")).not_to_have_attribute("data-stale", "true")
    assert [line for line in open_page.console if "503" not in line] == []
    open_page.console.clear()  # the browser itself notes an answer of 503


def test_on_a_phone_the_chain_opens_on_the_strikes(shown: Any, open_page: Callable[..., Page]) -> None:
    page = opened(open_page(shown.base + "/options", 390, 844))
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    box = page.locator("#chain-rows tr[aria-selected=true] .strike").bounding_box()
    assert box is not None
    assert 100 < box["x"] + box["width"] / 2 < 290
