"""The Connections page as the server builds it, and what its reports tell."""

import json
import re
from pathlib import Path
from typing import Any

import dash
import plotly.io
import pytest

from core.domain.health import Cause, LinkState
from core.domain.instrument import INSTRUMENTS
from web.components.incident_timeline import ANSWERS, DEFAULT_RANGE, RANGES

ASSETS = Path(__file__).resolve().parents[2] / "assets"


def found(node: Any, name: str) -> list[dict[str, Any]]:
    """The properties of every component below `node` that has the property `name`, in order."""
    if isinstance(node, list):
        return [props for child in node for props in found(child, name)]
    if not isinstance(node, dict):
        return []
    own = [node["props"]] if name in node.get("props", {}) else []
    return own + [props for value in node.values() for props in found(value, name)]


@pytest.fixture
def built(shared_server: Any) -> Any:
    """`built(**query)`: the page's layout as a browser gets it."""
    with shared_server.client() as client:
        assert client.get("/connections").status_code == 200
    layout = dash.page_registry["web.pages.connections"]["layout"]
    return lambda **query: json.loads(plotly.io.json.to_json_plotly(layout(**query)))


def test_every_venue_has_its_card_before_any_data(built: Any) -> None:
    page = built()
    venues = list(dict.fromkeys(instrument.venue for instrument in INSTRUMENTS.values()))
    assert [props["id"] for props in found(page, "data-venue")] == [f"venue-{venue}" for venue in venues]
    assert [props["data-venue-filter"] for props in found(page, "data-venue-filter")] == ["", *venues]
    assert [props["data-slot"] for props in found(page, "data-slot")].count("machine") == len(venues)


@pytest.mark.parametrize(
    ("asked", "shown"), [("6h", "6h"), ("24h", "24h"), ("", DEFAULT_RANGE), ("<script>", DEFAULT_RANGE)]
)
def test_the_range_of_the_time_line_comes_from_the_address(built: Any, asked: str, shown: str) -> None:
    page = built(range=asked, unknown="1")
    assert "<script>" not in json.dumps(page)
    choices = found(page, "data-ms")
    assert {props["data-range"]: int(props["data-ms"]) for props in choices} == RANGES
    assert [props["data-range"] for props in choices if props["aria-checked"] == "true"] == [shown]


def test_every_kind_of_cause_has_its_word_its_answer_and_a_colour() -> None:
    css = (ASSETS / "50_connections.css").read_text(encoding="utf-8")
    assert set(ANSWERS) == set(Cause)
    assert all(answer.endswith(".") for answer in ANSWERS.values())
    # a thin market is no fault: it has the ground colour
    assert {kind for kind in Cause if f'[data-kind="{kind}"]' not in css} == {Cause.THIN_MARKET}


def test_the_scripts_know_every_state_of_a_venue() -> None:
    machine = (ASSETS / "state_machine.js").read_text(encoding="utf-8")
    card = (ASSETS / "venue_card.js").read_text(encoding="utf-8")
    nodes = re.search(r"NODES = \{(.*?)\};", machine, re.DOTALL)
    levels = re.search(r"LEVELS = \{(.*?)\};", card, re.DOTALL)
    assert nodes is not None
    assert levels is not None
    for found in (nodes[1], levels[1]):
        assert {name.strip('"') for name in re.findall(r'("[A-Z ]+"|\b[A-Z]+\b)(?=:)', found)} == {str(s) for s in LinkState}


def test_the_channel_tells_venues_and_what_sharing_saves(server: Any) -> None:
    with server.feed(channels=["connections"]) as viewer:
        frame = viewer.until(lambda f: f["channel"] == "connections")
    assert [c["venue"] for c in frame["connections"]] == ["binance"]
    assert "statistics" in frame


def test_a_venue_that_nobody_configured_is_no_incident_for_the_top_bar(server: Any) -> None:
    down = {"component": "ibkr", "cause": "farm is down", "start_ms": 5, "end_ms": 0, "detail": "", "kind": "farm down"}
    away = down | {"component": "hyperliquid", "cause": "nothing answers", "start_ms": 9, "kind": "not configured"}
    server.system.incident_list = [away]
    with server.feed(channels=["status"]) as viewer:
        assert viewer.until(lambda f: f["channel"] == "status")["incident"] is None
        server.system.incident_list = [away, down]
        assert viewer.until(lambda f: f["incident"] is not None)["incident"]["component"] == "ibkr"


def test_the_top_bar_is_told_what_can_be_done_about_a_venue(server: Any) -> None:
    entry = server.system.connections()[0] | {"state": "NOT CONFIGURED", "title": "Binance", "hint": "start it"}
    server.system.connections = lambda: [entry]
    with server.feed(channels=["status"]) as viewer:
        frame = viewer.until(lambda f: f["channel"] == "status")
    assert json.dumps(frame["venues"]).count("start it") == 1
    assert frame["venues"][0]["title"] == "Binance"
