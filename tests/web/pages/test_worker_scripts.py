"""What the scripts of the Workers and Options pages judge from numbers alone, in a real browser."""

import math
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

ASSETS = Path(__file__).resolve().parents[3] / "assets"
POOL = {
    "enabled": True, "paused": False, "workers": [{"name": "a-0", "state": "READING", "age_ms": 100}], "rate_per_s": 1_000.0,
    "lag": 0, "pending": 0, "oldest_unacked_ms": 0, "processed": 5, "redis": "ok", "postgres": "ok", "cause": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def scripted(browser_page: Page) -> Page:
    browser_page.add_script_tag(content="window.quintet = {};")
    for name in ("dom", "format", "option_checks", "option_charts", "option_chain", "pool_verdict", "worker_rows"):
        browser_page.add_script_tag(path=ASSETS / f"{name}.js")
    return browser_page


def verdict(page: Page, pool: dict[str, Any] | None, **seen: Any) -> dict[str, Any]:
    told: dict[str, Any] = page.evaluate(
        "([pool, seen]) => quintet.poolVerdict.of(pool, seen)",
        [pool, {"link": {"up": True}, "silent": 100, "asOf": 0, "passed": 0} | seen],
    )
    return told


@pytest.mark.parametrize(
    ("lag", "before", "words", "level"),
    [
        (20_000, 12_000, "Falling behind by 8\u2009000 in 10 s", "bad"),
        (12_000, 20_000, "Catching up", "warn"),
        (12_000, 12_000, "Catching up", "warn"),
        (900, 0, "The pool keeps up", "ok"),
    ],
)
def test_a_backlog_is_judged_by_where_it_goes(scripted: Page, lag: int, before: int, words: str, level: str) -> None:
    told = verdict(scripted, POOL | {"lag": lag}, lagBefore=before)
    assert (told["words"], told["level"], told["isStale"]) == (words, level, False)


def test_a_backlog_that_shrinks_says_when_it_is_gone(scripted: Page) -> None:
    assert "takes 15 s" in verdict(scripted, POOL | {"lag": 12_000}, lagBefore=20_000)["hint"]


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"silent": 6_000}, "No report of the pool for 6 s"),
        ({"link": {"up": False}}, "The page link is lost"),
    ],
)
def test_a_pool_that_is_not_heard_is_never_said_to_keep_up(scripted: Page, seen: dict[str, Any], words: str) -> None:
    told = verdict(scripted, POOL, **seen)
    assert (told["words"], told["level"], told["isStale"]) == (words, "stale", True)


def test_a_worker_whose_last_report_grows_old_is_lost_between_frames_too(scripted: Page) -> None:
    assert verdict(scripted, POOL, passed=4_000)["words"] == "The pool keeps up"
    assert verdict(scripted, POOL, passed=4_950)["words"] == "1 of 1 workers lost"


def test_shards_are_told_as_ranges(scripted: Page) -> None:
    told = scripted.evaluate("[[7, 0, 2, 1, 3], [1, 2], [5], []].map(quintet.workerRows.ranges)")
    assert told == ["0–3, 7", "1, 2", "5", ""]


def rows(volatility: float, strikes: list[float], **facts: Any) -> list[dict[str, Any]]:
    return [
        {"strike": strike, "right": right, "volatility": volatility, "volatility_state": "FOUND",
         "price": max(0.0, 130 - strike), "underlying_price": 100.0, "ts_ms": 1_782_864_000_000} | facts
        for strike in strikes for right in "CP"
    ]  # fmt: skip


def checked(page: Page, expression: str, given: object) -> Any:
    return page.evaluate(f"(given) => {{ const c = quintet.optionChecks; return {expression}; }}", given)


def test_at_the_money_is_the_strike_nearest_to_the_underlying_that_has_a_volatility(scripted: Page) -> None:
    chain = rows(0.5, [90, 100, 110])
    chain[2] |= {"volatility": None, "volatility_state": "BELOW_INTRINSIC"}
    chain[3] |= {"volatility": 0.3}
    assert checked(scripted, "c.atTheMoney(c.byStrike(given), c.underlyingPrice(given))", chain) == 0.3
    chain[3] |= {"volatility": None, "volatility_state": "EXPIRED"}
    assert checked(scripted, "c.atTheMoney(c.byStrike(given), c.underlyingPrice(given))", chain) == 0.5
    assert checked(scripted, "c.atTheMoney(c.byStrike(given), c.underlyingPrice(given))", []) is None


def test_put_call_parity_is_the_median_gap_of_pairs(scripted: Page) -> None:
    chain = rows(0.5, [80, 90, 100, 110])
    for row, volatility in zip(chain[1::2], (0.52, 0.9, 0.51, 0.53), strict=True):
        row["volatility"] = volatility
    assert checked(scripted, "c.parityGap(c.byStrike(given))", chain) == pytest.approx(0.025)
    assert checked(scripted, "c.parityGap(c.byStrike(given))", chain[::2]) is None


def test_a_call_above_the_line_between_its_neighbours_is_a_broken_butterfly(scripted: Page) -> None:
    chain = rows(0.5, [80, 90, 100, 120])
    assert checked(scripted, "c.butterflies(c.byStrike(given))", chain) == 0, "on the line is not above it"
    chain[4]["price"] += 0.01
    assert checked(scripted, "c.butterflies(c.byStrike(given))", chain) == 1
    assert checked(scripted, "c.butterflies(c.byStrike(given))", chain[:4]) is None


def test_total_variance_must_grow_with_the_expiry(scripted: Page) -> None:
    at = 1_782_864_000_000  # 2026-07-01
    flat = [{"expiry": expiry, "atm": 0.5, "at": at} for expiry in ("2026-08-01", "2026-12", "2027-06-25")]
    assert checked(scripted, "c.calendar(given)", flat) == 0
    falling = [flat[0], flat[1] | {"atm": 0.5 * math.sqrt(31 / 184) * 0.9}, flat[2]]
    assert checked(scripted, "c.calendar(given)", falling) == 1
    assert checked(scripted, "c.calendar(given)", [flat[0], flat[1] | {"atm": None}]) is None


def test_a_day_ends_at_its_end_and_a_month_with_its_last_day(scripted: Page) -> None:
    told = scripted.evaluate("['2026-12-25', '2026-12', 'soon'].map(quintet.optionChecks.expiryMs)")
    assert told[:2] == [1_798_243_200_000, 1_798_761_600_000]
    assert math.isnan(told[2])


def test_greeks_are_told_per_point_day_and_percent(scripted: Page) -> None:
    row = {"delta": 0.5, "gamma": 0.01, "vega": 20.0, "theta": -36.5, "rho": 50.0, "vanna": 3.0}
    told = scripted.evaluate("(row) => Object.keys(row).map((name) => quintet.optionCharts.greek(row, name))", row)
    assert told == pytest.approx([0.5, 0.01, 0.2, -0.1, 0.5, 0.03])
    assert scripted.evaluate("quintet.optionCharts.greek({ vega: null }, 'vega')") is None


def test_the_strikes_shown_are_those_nearest_to_the_money_and_as_many_at_an_edge(scripted: Page) -> None:
    def near(price: float | None, whole: bool = False) -> list[int]:
        pairs = "Array.from({ length: 40 }, (_, n) => ({ strike: n }))"
        shown: list[int] = scripted.evaluate(
            f"([price, whole]) => quintet.optionChain.near({pairs}, price, whole).map((pair) => pair.strike)", [price, whole]
        )
        return shown

    assert near(20.2) == list(range(10, 31))
    assert near(1) == list(range(21))
    assert near(99) == list(range(19, 40))
    assert len(near(20, True)) == len(near(None)) == 40
