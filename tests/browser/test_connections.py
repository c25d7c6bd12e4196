"""The Connections page in a real browser, on venues whose states are set by the test."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from core.base.settings import Settings
from core.system import System
from tests.patience import PATIENCE

pytestmark = pytest.mark.browser

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


def subscription(channel: str, symbol: str, state: str = "LIVE", **facts: Any) -> dict[str, Any]:
    return {
        "channel": channel, "symbol": symbol, "state": state, "age_ms": 40, "messages": 12_345, "rate_per_s": 21.5,
        "gaps": 0, "last_cause": "", "source": "LIVE",
    } | facts  # fmt: skip


def incident(now: int, kind: str, cause: str, ago_ms: int, lasted_ms: int | None, detail: str = "") -> dict[str, Any]:
    start = now - ago_ms
    return {
        "cause": cause, "kind": kind, "start_ms": start, "end_ms": 0 if lasted_ms is None else start + lasted_ms,
        "detail": detail,
    }  # fmt: skip


def budget(name: str, used: int, limit: int, unit: str, window: str, detail: str = "") -> dict[str, Any]:
    return {"name": name, "used": used, "limit": limit, "unit": unit, "window": window, "detail": detail}


def venue(name: str, title: str, state: str, **facts: Any) -> dict[str, Any]:
    return {
        "venue": name, "title": title, "transport": "WebSocket", "state": state, "since": 0, "cause": "", "hint": "",
        "detail": "", "endpoint": "", "source": "LIVE", "delayed": False, "reconnects": 0, "messages": 0, "rate_per_s": 0.0,
        "malformed": 0, "malformed_kinds": {}, "api_calls": 0, "clock_offset_ms": None, "budgets": [], "subscriptions": [],
        "transitions": [], "farms": [], "accounts": [], "incidents": [],
    } | facts  # fmt: skip


def binance(now: int) -> dict[str, Any]:
    channels = ("trade", "depth@100ms", "bookTicker", "kline_1s", "kline_1m")
    return venue(
        "binance", "Binance", "LIVE", since=now - 52 * MINUTE, endpoint="wss://data-stream.binance.vision/stream",
        detail="market-data-only endpoints", reconnects=2, messages=1_204_331, rate_per_s=342.5, malformed=3, api_calls=87,
        malformed_kinds={"not JSON": 2, "unknown event": 1}, clock_offset_ms=-12.4,
        budgets=[budget("request weight", 1_204, 6_000, "weight", "1 min", "told by the venue"),
                 budget("orders", 66, 100, "orders", "10 s"), budget("connects", 3, 300, "connects", "5 min")],
        subscriptions=[subscription(f"{s.lower()}@{c}", s, gaps=2 if c == "trade" and s == "ETHUSDT" else 0,
                                    last_cause="fetched 42 trades by REST" if c == "trade" and s == "ETHUSDT" else "")
                       for s in ("ETHUSDT", "BTCUSDT") for c in channels],
        transitions=[{"at_ms": now - 52 * MINUTE, "state": "LIVE", "cause": ""},
                     {"at_ms": now - 52 * MINUTE - 900, "state": "SYNCING", "cause": "waiting for the first message"},
                     {"at_ms": now - 52 * MINUTE - 2_100, "state": "CONNECTING", "cause": ""},
                     {"at_ms": now - 52 * MINUTE - 4_000, "state": "RECONNECTING", "cause": "reset by the venue"}],
        incidents=[incident(now, "sequence gap", "ETHUSDT: 42 trades missing", 14 * MINUTE, 800, "ids 91 to 132"),
                   incident(now, "our loop blocked", "our loop was blocked for 320 ms", 31 * MINUTE, 320),
                   incident(now, "network", "connection reset by the venue", 52 * MINUTE, 3_100, "TCP reset after 20 min"),
                   incident(now, "exchange late", "trades 2.3 s behind their event time", 3 * HOUR, 4 * MINUTE)],
    )  # fmt: skip


def ibkr(now: int) -> dict[str, Any]:
    stocks = ("AAPL", "MSFT", "GOOGL")
    late = {"state": "STALE", "age_ms": 9_400, "rate_per_s": 0.0, "last_cause": "farm usfarm.nj is down"}
    slow = {"age_ms": 2_300, "rate_per_s": 0.2}
    return venue(
        "ibkr", "Interactive Brokers", "STALE", transport="TWS socket", since=now - 94 * SECOND, source="SIMULATED",
        cause="farm usfarm.nj is down: no quotes for AAPL, MSFT, GOOGL", endpoint="127.0.0.1:4002", detail="simulated TWS",
        hint="Nothing: IB brings the farm back by itself. If it lasts, check the system status page of IB.",
        reconnects=0, messages=48_211, rate_per_s=0.4, api_calls=31, clock_offset_ms=3.0,
        budgets=[budget("messages", 12, 45, "messages", "1 s"), budget("history requests", 51, 60, "requests", "10 min"),
                 budget("depth slots", 3, 3, "slots", "")],
        subscriptions=[subscription(c, s, source="SIMULATED", **(slow if c == "5 s bars" else late))
                       for s in stocks for c in ("tick by tick", "level II", "5 s bars")],
        transitions=[{"at_ms": now - 94 * SECOND, "state": "STALE", "cause": "farm usfarm.nj is down"},
                     {"at_ms": now - 49 * MINUTE, "state": "LIVE", "cause": ""}],
        farms=[{"farm": "usfarm", "kind": "market data", "state": "OK", "since_ms": now - HOUR},
               {"farm": "usfarm.nj", "kind": "market data", "state": "DOWN", "since_ms": now - 94 * SECOND},
               {"farm": "ushmds", "kind": "history", "state": "IDLE", "since_ms": now - HOUR}],
        accounts=[{"account": "SIM1234567", "kind": "simulated",
                   "values": {"NetLiquidation": 1_000_250.5, "TotalCashValue": 880_000.0, "BuyingPower": 3_520_000.0,
                              "UnrealizedPnL": -420.25},
                   "positions": [{"symbol": "AAPL", "quantity": 200, "average_cost": 188.42}]}],
        incidents=[incident(now, "farm down", "farm usfarm.nj is down", 94 * SECOND, None, "code 2103"),
                   incident(now, "competing session", "another session has the data", 22 * MINUTE, 5 * MINUTE, "code 10197"),
                   incident(now, "scheduled reset", "nightly reset", 5 * HOUR, 9 * MINUTE)],
    )  # fmt: skip


def hyperliquid(now: int) -> dict[str, Any]:
    return venue(
        "hyperliquid", "Hyperliquid", "NOT CONFIGURED", since=now - 52 * MINUTE, source="LIVE",
        cause="nothing answers at api.hyperliquid.xyz", hint="Set HYPERLIQUID_URL, or allow connections to it.",
        endpoint="wss://api.hyperliquid.xyz/ws", budgets=[budget("connects", 0, 100, "connects", "1 min")],
        transitions=[{"at_ms": now - 52 * MINUTE, "state": "NOT CONFIGURED", "cause": "nothing answers"}],
        incidents=[incident(now, "not configured", "nothing answers at api.hyperliquid.xyz", 52 * MINUTE, None)],
    )  # fmt: skip


def three_venues(now: int) -> list[dict[str, Any]]:
    return [binance(now), ibkr(now), hyperliquid(now)]


class ShownSystem(System):
    """A system that never starts an engine: what it tells of venues is `scene(now_ms)`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.started = True
        self.scene: Callable[[int], list[dict[str, Any]]] = three_venues
        self.born_ms = self.clock.now_ms()
        self.frames = 0

    def stop(self) -> None:
        pass

    def connections(self) -> list[dict[str, Any]]:
        return self.scene(self.born_ms)

    def statistics(self) -> dict[str, Any]:
        self.frames += 1
        venues = self.connections()
        return {
            "total_updates": 1_252_542, "updates_per_s": 342.9, "api_calls": sum(v["api_calls"] for v in venues),
            "connections": 2, "subscriptions": sum(len(v["subscriptions"]) for v in venues), "subscribers": 63,
            "cache": {"hits": 970, "misses": 30, "hit_rate": 0.97, "entries": 40}, "memory": {"bytes": 21_400_000},
            "symbols": [],
        }  # fmt: skip


#: that system behind the real server on a port of its own
Shown = Any


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Any], Shown]) -> Iterator[Shown]:
    shown = serve(ShownSystem(Settings(data_dir=tmp_path_factory.mktemp("shown"))))
    yield shown
    shown.stop()


@pytest.fixture
def shown(running: Shown) -> Shown:
    """The server with the three venues; a test may put another scene in their place."""
    running.system.scene = three_venues
    running.system.born_ms = running.system.clock.now_ms()
    return running


@pytest.fixture
def connections(shown: Shown, open_page: Callable[..., Page]) -> Page:
    """The page with its first frame drawn."""
    return opened(open_page(shown.base + "/connections"))


@pytest.fixture(scope="module")
def one_page(running: Shown, browser: Browser) -> Iterator[Page]:
    """One page for all tests that only look at the three venues; its console must stay empty too."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    lines: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: lines.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: lines.append(f"error: {error}"))
    page.goto(running.base + "/connections")
    yield opened(page)
    context.close()
    assert lines == []


@pytest.fixture
def seen(shown: Shown, one_page: Page) -> Page:
    """That page, when it shows the three venues."""
    expect(one_page.locator(".connection-card:visible")).to_have_count(3)
    expect(one_page.locator("#venue-ibkr")).to_have_attribute("data-state", "STALE")
    return one_page


def opened(page: Page) -> Page:
    expect(page.locator("#venue-binance")).to_have_attribute("data-state", re.compile("[A-Z]{4}"))
    expect(page.locator("#venue-binance")).not_to_have_attribute("data-state", "NONE")
    return page


def test_each_venue_tells_state_cause_and_what_to_do(seen: Page) -> None:
    card = seen.locator("#venue-binance")
    expect(card.locator("[data-slot=state]")).to_have_text("LIVE")
    expect(card.locator("[data-slot=since]")).to_have_text("for 52 min")
    expect(card).to_have_attribute("data-level", "ok")
    for text in ("WebSocket", "data-stream.binance.vision", "−12 ms", "87"):
        expect(card).to_contain_text(text)
    card = seen.locator("#venue-ibkr")
    expect(card.locator("[data-slot=state]")).to_have_text("STALE")
    expect(card.locator("[data-slot=cause]")).to_contain_text("farm usfarm.nj is down")
    expect(card.locator("[data-slot=hint]")).to_contain_text("IB brings the farm back by itself")
    expect(card.locator("[data-slot=source]")).to_have_text("SIMULATED")
    card = seen.locator("#venue-hyperliquid")
    expect(card.locator("[data-slot=state]")).to_have_text("NOT CONFIGURED")
    expect(card).to_have_attribute("data-level", "stale")
    expect(seen.locator("#connections-verdict")).to_have_text("Interactive Brokers is STALE")


def test_the_state_machine_lights_the_present_state_only_and_marks_those_of_the_last_changes(seen: Page) -> None:
    lit = {v: seen.locator(f"#venue-{v} [data-lit]") for v in ("binance", "ibkr", "hyperliquid")}
    for name, state in (("binance", "LIVE"), ("ibkr", "STALE"), ("hyperliquid", "NOT CONFIGURED")):
        expect(lit[name]).to_have_count(1)
        expect(lit[name].locator("text")).to_have_text(state)
    assert seen.locator("#venue-binance .machine-node").count() == 8
    assert seen.locator("#venue-binance [data-visited]").count() == 4
    rows = seen.locator("#venue-binance .transition")
    expect(rows).to_have_count(4)
    expect(rows.last).to_contain_text("reset by the venue")


def test_budgets_are_gauges_that_turn_amber_at_60_and_red_at_80_percent(seen: Page) -> None:
    def level(venue: str, name: str) -> str | None:
        return seen.locator(f"#venue-{venue} .budget", has_text=name).get_attribute("data-level")

    assert level("binance", "request weight") == "ok"
    assert level("binance", "orders") == "warn"
    assert level("ibkr", "history requests") == "bad"
    row = seen.locator("#venue-binance .budget", has_text="request weight")
    expect(row).to_contain_text("1\u2009204 / 6\u2009000")
    expect(row).to_contain_text("per min")
    filled, whole = (row.locator(s).bounding_box() for s in (".gauge-fill", ".gauge"))
    assert filled is not None
    assert whole is not None
    assert filled["width"] / whole["width"] == pytest.approx(1_204 / 6_000, abs=0.02)


def test_a_ban_counts_down(shown: Shown, connections: Page) -> None:
    def banned(now: int) -> list[dict[str, Any]]:
        left_s = 600 - (shown.system.clock.now_ms() - now) // SECOND
        told = {"state": "BANNED", "cause": "418", "budgets": [budget("ban", left_s, 600, "s", "")]}
        return [binance(now) | told, *three_venues(now)[1:]]

    timer = connections.locator("#venue-binance [data-slot=ban]")
    expect(timer).to_be_hidden()
    shown.system.scene = banned
    expect(timer).to_have_text(re.compile(r"free again in 9:\d\d"))
    first = timer.inner_text()
    expect(timer).not_to_have_text(first)


def test_farms_are_told_by_name_and_an_account_by_its_worth(seen: Page) -> None:
    farms = seen.locator("#venue-ibkr .farm")
    assert [farms.nth(i).get_attribute("data-level") for i in range(3)] == ["ok", "bad", "stale"]
    expect(farms.nth(1)).to_have_text("usfarm.nj down")
    account = seen.locator("#venue-ibkr .account")
    expect(account.locator("summary")).to_contain_text("SIM1234567")
    account.locator("summary").click()
    expect(account).to_contain_text("Unrealized PnL")
    expect(account.locator("tbody tr")).to_contain_text("AAPL")
    expect(seen.locator("#venue-binance [data-slot=farms]")).to_be_hidden()


def test_sharing_is_told_in_one_sentence_with_its_figures(seen: Page) -> None:
    expect(seen.locator("#sharing-sentence")).to_contain_text("1 connection a venue, 19 subscriptions, 63 subscribers")
    for key, text in (("connections", "2"), ("calls", "118"), ("updates", "343"), ("cache", "97.0 %"), ("memory", "21 MB")):
        expect(seen.locator(f"#sharing-{key}")).to_have_text(text)


def test_the_time_line_has_a_lane_a_venue_and_open_incidents_reach_to_now(seen: Page) -> None:
    lanes = seen.locator("#timeline .lane[data-venue]")
    assert [lanes.nth(i).get_attribute("data-venue") for i in range(lanes.count())] == ["binance", "ibkr", "hyperliquid"]
    assert seen.locator("#timeline .bar").count() == 6
    track = seen.locator(".lane[data-venue=ibkr] .lane-track").bounding_box()
    bar = seen.locator(".bar[data-kind='farm down']").bounding_box()
    assert track is not None
    assert bar is not None
    assert bar["x"] + bar["width"] == pytest.approx(track["x"] + track["width"], abs=5)
    assert bar["width"] / track["width"] == pytest.approx(94 / 3_600, abs=0.01)
    legend = seen.locator("#timeline-legend li:visible")
    assert {legend.nth(i).inner_text() for i in range(legend.count())} == {
        "network", "our loop blocked", "competing session", "farm down", "sequence gap", "not configured"
    }  # fmt: skip


def test_a_longer_range_shows_older_incidents_and_stands_in_the_url(shown: Shown, connections: Page) -> None:
    connections.locator("[data-range='6h'][role=radio]").click()
    expect(connections).to_have_url(re.compile("range=6h"))
    expect(connections.locator("#timeline .bar")).to_have_count(8)
    connections.reload()
    opened(connections)
    expect(connections.locator("[data-range='6h'][role=radio]")).to_have_attribute("aria-checked", "true")
    expect(connections.locator("#timeline .bar")).to_have_count(8)


def test_a_chosen_incident_tells_cause_duration_and_what_quintet_did(seen: Page) -> None:
    details = seen.locator("#incident-details")
    expect(details).to_contain_text("farm usfarm.nj is down")
    expect(details).to_contain_text("still open")
    seen.locator(".bar[data-kind='sequence gap']").click()
    for text in ("ETHUSDT: 42 trades missing", "sequence gap", "800 ms", "ids 91 to 132", "withholds the book"):
        expect(details).to_contain_text(text)
    seen.keyboard.press("ArrowLeft")
    expect(details).to_contain_text("another session has the data")
    expect(seen.locator(":focus")).to_have_attribute("data-kind", "competing session")
    rows = seen.locator("#connection-incidents tr")
    expect(rows).to_have_count(6)
    expect(rows.first).to_contain_text("farm down")
    rows.filter(has_text="network").first.press("Enter")
    expect(details).to_contain_text("TCP reset after 20 min")


def test_subscriptions_are_filtered_and_sorted_and_a_link_shows_the_same(connections: Page) -> None:
    rows = connections.locator("#subscription-rows tr")
    expect(rows).to_have_count(19)
    assert rows.first.locator("td").nth(3).inner_text() == "STALE"
    connections.get_by_label("Filter subscriptions").fill("level")
    expect(rows).to_have_count(3)
    expect(connections.locator("#subscription-note")).to_contain_text("3 of 19")
    connections.get_by_label("Filter subscriptions").fill("")
    connections.locator("[data-venue-filter=ibkr]").click()
    expect(rows).to_have_count(9)
    connections.locator("th[data-sort=age] button").click()
    expect(connections.locator("th[data-sort=age]")).to_have_attribute("aria-sort", "descending")
    connections.locator("th[data-sort=age] button").click()
    expect(rows.first).to_contain_text("5 s bars")
    expect(connections).to_have_url(re.compile(r"sort=age&venue=ibkr|venue=ibkr&sort=age"))
    connections.reload()
    expect(rows).to_have_count(9)
    expect(rows.first).to_contain_text("5 s bars")
    connections.locator("#subscription-faults").click()
    expect(rows).to_have_count(6)
    connections.get_by_label("Filter subscriptions").fill("nothing like it")
    expect(connections.locator("#subscription-rows")).to_contain_text("No subscription matches the filter.")


def test_before_the_first_venue_is_there_the_cards_wait(shown: Shown, open_page: Callable[..., Page]) -> None:
    shown.system.scene = lambda _: []
    page = open_page(shown.base + "/connections")
    expect(page.locator("#connections-verdict")).to_have_text("The venues are being started")
    expect(page.locator(".connection-card[data-loading]:visible")).to_have_count(3)
    expect(page.locator("#subscription-rows")).to_contain_text("No venue is subscribed to anything yet.")


def test_a_venue_that_the_page_did_not_know_gets_a_card_and_a_lane(shown: Shown, connections: Page) -> None:
    shown.system.scene = lambda now: [*three_venues(now), venue("example", "Example", "SYNCING", rate_per_s=5.0)]
    card = connections.locator("#venue-example")
    expect(card.locator("[data-slot=state]")).to_have_text("SYNCING")
    expect(card.locator("[data-lit] text")).to_have_text("SYNCING")
    expect(card.locator(".budgets")).to_have_text("No limit told yet.")
    expect(connections.locator(".lane[data-venue=example]")).to_be_visible()


def test_statuses_of_the_last_version_without_the_newer_facts_are_drawn_too(shown: Shown, connections: Page) -> None:
    old = {"venue": "binance", "state": "LIVE", "since": 1, "cause": "", "messages": 9, "reconnects": 2, "malformed": 0,
           "subscriptions": [{"channel": "trade", "symbol": "ETHUSDT", "state": "LIVE", "age_ms": 3, "messages": 9,
                              "gaps": 1}], "incidents": []}  # fmt: skip
    shown.system.scene = lambda _: [old | {"api_calls": 0}]
    expect(connections.locator("#venue-ibkr")).to_be_hidden()
    expect(connections.locator("#subscription-rows tr")).to_have_count(1)
    expect(connections.locator("#incident-details")).to_contain_text("No incident in this time")
    expect(connections.locator("#connections-verdict")).to_have_text("binance is sound")


def test_nothing_moves_and_nothing_is_written_when_a_frame_says_the_same(shown: Shown, connections: Page) -> None:
    connections.evaluate(
        """() => {
            window.shifts = 0;
            new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) window.shifts += entry.value;
            }).observe({type: "layout-shift", buffered: false});
            window.slow = 0;
            new PerformanceObserver((list) => { window.slow += list.getEntries().length; }).observe({type: "longtask"});
            window.written = [];
            new MutationObserver((records) => {
                for (const {target} of records) window.written.push(target.getAttribute("class") || "");
            }).observe(document.getElementById("connection-cards"), {childList: true, subtree: true, attributes: true});
        }"""
    )
    # a machine that is busy with other things makes any task long now and then; three frames in a row must not be
    deadline = time.monotonic() + 30
    calm, slow = shown.system.frames, 0
    while shown.system.frames < calm + 3 and time.monotonic() < deadline:
        connections.wait_for_timeout(100)
        if (count := connections.evaluate("window.slow")) != slow:
            calm, slow = shown.system.frames, count
    assert shown.system.frames >= calm + 3, f"{slow} long tasks"
    assert connections.evaluate("window.shifts") < 0.01
    written = set(connections.evaluate("window.written"))
    # the line of messages a second goes on, and durations
    assert written <= {"num dim", "spark", "", "connection-rate"}, written


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_on_a_phone_the_cards_stand_in_one_column_and_nothing_is_too_wide(
    shown: Shown, open_page: Callable[..., Page], theme: str
) -> None:
    page = opened(open_page(shown.base + "/connections", 390, 844, color_scheme=theme))
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    boxes = [page.locator(f"#venue-{v}").bounding_box() for v in ("binance", "ibkr", "hyperliquid")]
    assert {round(box["x"]) for box in boxes if box} == {8}
    assert all(box and box["width"] > 360 for box in boxes)
    small = page.evaluate(
        """[...document.querySelectorAll(':is(#subscription-filters, #timeline-ranges, #subscription-heads) button')]
           .filter((b) => b.offsetHeight < 44).map((b) => b.textContent)"""
    )
    assert small == []


def test_the_top_bar_has_a_dot_a_venue_and_a_venue_that_is_not_configured_is_no_alarm(seen: Page) -> None:
    dots = seen.locator("#venue-dots .venue")
    expect(dots).to_have_count(3)
    assert [dots.nth(i).get_attribute("data-level") for i in range(3)] == ["ok", "bad", "stale"]
    dots.nth(2).locator("summary").click()
    for text in ("Hyperliquid · NOT CONFIGURED", "nothing answers", "Set HYPERLIQUID_URL"):
        expect(dots.nth(2).locator(".venue-card")).to_contain_text(text)
    expect(seen.locator("#incident-text")).to_contain_text("farm usfarm.nj is down")


def test_without_the_server_the_page_says_so_and_greys_its_numbers(
    tmp_path: Path, browser: Any, open_page: Callable[..., Page], serve: Callable[[Any], Shown]
) -> None:
    own = serve(ShownSystem(Settings(data_dir=tmp_path)))
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = opened_in(context, own.base)
    own.stop()
    expect(page.locator("#connections-verdict")).to_contain_text("the page link is lost", timeout=6_000 * PATIENCE)
    expect(page.locator("html")).to_have_attribute("data-link", "down")
    age = page.locator("#subscription-rows tr").first.locator("td").nth(4)
    first = age.inner_text()
    expect(age).not_to_have_text(first)
    context.close()


def opened_in(context: Any, base: str) -> Page:
    page: Page = context.new_page()
    page.goto(base + "/connections")
    return opened(page)
