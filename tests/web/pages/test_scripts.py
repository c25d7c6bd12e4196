"""Scripts whose answers can be told without a server, run in a real browser."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

THIN, NARROW = "\u2009", "−"

FORMATS: list[tuple[str, str]] = [
    ("price(3120.55)", f"3{THIN}120.55"),
    ("price(-1234567.891)", f"{NARROW}1{THIN}234{THIN}567.89"),
    ("price(-0.001)", "0.00"),
    ("price(NaN)", "–"),
    ("price(undefined)", "–"),
    ("si(9999)", f"9{THIN}999"),
    ("si(12345)", f"12.3{THIN}k"),
    ("si(4560000)", f"4.56{THIN}M"),
    ("si(999999)", f"1{THIN}000{THIN}k"),
    ("size(0.5, 4)", "0.5000"),
    ("size(123456, 4)", f"123{THIN}k"),
    ("micros(85)", "85 µs"),
    ("micros(1.25)", "1.3 µs"),
    ("micros(340000)", "340 ms"),
    ("micros(1234567)", "1.2 s"),
    ("micros(600e6)", "10 min"),
    ("micros(-5)", "0 µs"),
    ("micros(null)", "–"),
    ("age(84.4)", "84 ms"),
    ("age(0.2)", "0 ms"),
    ("age(1234)", "1.2 s"),
    ("bytes(0)", "0 B"),
    ("bytes(157900000)", "158 MB"),
    ("percent(0.9942, 2)", "99.42 %"),
    ("change(0.012)", "▲ +1.20 %"),
    ("change(-0.0035)", f"▼ {NARROW}0.35 %"),
    ("change(0)", "● 0.00 %"),
    ("change(NaN)", ""),
    ("utc(0)", "1970-01-01 00:00:00.000 UTC"),
]


@pytest.fixture(scope="module")
def scripted(browser_page: Page) -> Page:
    """A page with the formatting and chart modules, and a Dash that notes what it is told."""
    assets = Path(__file__).resolve().parents[3] / "assets"
    browser_page.add_script_tag(
        content="window.told = []; window.dash_clientside = {set_props: (id, props) => told.push([id, props])};"
        "window.quintet = {appearance: {token: (name) => name}};"
    )
    for name in ("format.js", "charts.js"):
        browser_page.add_script_tag(path=assets / name)
    return browser_page


@pytest.mark.browser
@pytest.mark.parametrize(("expression", "text"), FORMATS)
def test_numbers_are_written_as_the_design_says(scripted: Page, expression: str, text: str) -> None:
    assert scripted.evaluate(f"quintet.format.{expression}") == text


@pytest.fixture
def chart(scripted: Page) -> Page:
    """A mounted chart `s` of 1-second bars with three rows, told once."""
    scripted.evaluate(
        """() => {
            quintet.charts.define("s", 1000);
            quintet.charts.mount();
            told.length = 0;
            const rows = [1, 2, 3].map((t) => [t * 1000, 10, 12, 9, 11, 5]);
            quintet.charts.apply("s", {rows, full: true, flags: {2000: 2}});
            quintet.charts.flush();
        }"""
    )
    return scripted


def told(page: Page) -> list[Any]:
    """What the chart component was told since the last time."""
    return page.evaluate("told.splice(0).map(([id, props]) => props)")


@pytest.mark.browser
def test_a_full_frame_sets_candles_and_volume_with_times_in_seconds_and_tints_flagged_bars(chart: Page) -> None:
    (props,) = told(chart)
    candles, _, volume = props["series"]
    assert [bar["time"] for bar in candles["data"]] == [1, 2, 3]
    assert [bar.get("color") for bar in candles["data"]] == [None, "filled", None]
    assert [bar["value"] for bar in volume["data"]] == [5, 5, 5]


@pytest.mark.browser
def test_frames_of_one_batch_reach_the_chart_as_one_update_in_order(chart: Page) -> None:
    told(chart)
    chart.evaluate(
        """() => {
            quintet.charts.apply("s", {rows: [[3000, 10, 13, 9, 13, 6]]});
            quintet.charts.apply("s", {rows: [[4000, 13, 13, 13, 13, 0]]});
            quintet.charts.apply("s", {rows: [[2000, 10, 12, 9, 12, 7]], flags: {2000: 4}});
            quintet.charts.flush();
        }"""
    )
    (props,) = told(chart)
    candles = [t for t in props["tick"] if t["id"] == "candles"]
    assert [(t["bar"]["time"], t["bar"]["close"], t["historicalUpdate"]) for t in candles] == [
        (2, 12, True),
        (3, 13, False),
        (4, 13, False),
    ]
    assert candles[0]["bar"]["color"] == "corrected"
    chart.evaluate("quintet.charts.flush()")
    assert told(chart) == []


@pytest.mark.browser
def test_a_late_row_where_none_was_draws_the_chart_anew(chart: Page) -> None:
    chart.evaluate("quintet.charts.apply('s', {rows: [[6000, 1, 1, 1, 1, 1]]})")
    chart.evaluate("quintet.charts.flush()")
    told(chart)
    chart.evaluate("quintet.charts.apply('s', {rows: [[5000, 1, 1, 1, 1, 1]]})")
    chart.evaluate("quintet.charts.flush()")
    (props,) = told(chart)
    assert [bar["time"] for bar in props["series"][0]["data"]] == [1, 2, 3, 5, 6]


@pytest.mark.browser
def test_after_a_reconnection_older_rows_stay_only_where_they_join_without_a_hole(chart: Page) -> None:
    told(chart)
    frame = "quintet.charts.apply('s', {full: true, rows: [[%d, 1, 1, 1, 1, 1]]})"
    chart.evaluate(frame % 3000)
    assert [b["time"] for b in told(chart)[0]["series"][0]["data"]] == [1, 2, 3]
    chart.evaluate(frame % 90000)
    assert [b["time"] for b in told(chart)[0]["series"][0]["data"]] == [90]


@pytest.mark.browser
def test_scrolling_away_is_noticed_and_a_reconnection_then_leaves_the_view_alone(chart: Page) -> None:
    assert chart.evaluate("quintet.charts.ranged('s', {from: 0, to: 3.5})") is True
    assert chart.evaluate("quintet.charts.ranged('s', {from: -5, to: 0.4})") is False
    told(chart)
    chart.evaluate("quintet.charts.apply('s', {full: true, rows: [[3000, 1, 1, 1, 1, 1]]})")
    assert [list(props) for props in told(chart)] == [["series"]]
    chart.evaluate("quintet.charts.ranged('s', {from: 0, to: 3.5})")
    chart.evaluate("quintet.charts.apply('s', {full: true, rows: [[3000, 1, 1, 1, 1, 1]]})")
    assert [list(props) for props in told(chart)] == [["series"], ["timeScaleAction"]]
