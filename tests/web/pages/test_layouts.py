"""Every page builds, and what scripts look for in pages is there."""

import inspect
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import dash
import pytest

from core.domain.series import SERIES
from web.components.callbacks import server_callback

PATHS = (
    "/",
    "/books",
    "/signals",
    "/trading",
    "/monitoring",
    "/connections",
    "/workers",
    "/options",
    "/data",
    "/settings",
    "404",
)
Pages = dict[str, list[dict[str, Any]]]


def identities(components: list[dict[str, Any]]) -> list[str]:
    found = (component["props"].get("id") for component in components)
    return [identity if isinstance(identity, str) else json.dumps(identity) for identity in found if identity is not None]


def test_the_pages_are_those_of_the_design(pages: Pages) -> None:
    assert set(pages) == set(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_builds_with_ids_that_are_unique_within_the_shell(pages: Pages, path: str) -> None:
    counts = Counter(identities(pages[path]))
    assert "_pages_content" in counts
    assert any(identity.startswith("page-") for identity in counts)
    assert [identity for identity, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("path", PATHS)
def test_every_button_says_what_it_does(pages: Pages, path: str) -> None:
    buttons = [c["props"] for c in pages[path] if c["type"] == "Button"]
    assert buttons
    for props in buttons:
        assert props.get("aria-label") or props.get("title") or props.get("children"), props


def test_every_page_but_the_404_is_in_the_rail_with_an_icon_and_a_key(pages: Pages, assets: Path) -> None:
    linked = {c["props"]["href"] for c in pages["/"] if c["type"] == "Link" and c["props"]["className"] == "rail-link"}
    assert linked == set(PATHS) - {"404"}
    for page in dash.page_registry.values():
        if page.get("icon"):
            assert (assets / "icons" / f"{page['icon']}.svg").is_file()
            assert page["key"]


def test_live_takes_the_big_chart_from_the_address_and_falls_back_to_the_first(pages: Pages) -> None:
    layout = dash.page_registry["web.pages.live"]["layout"]
    assert getattr(layout(big="eth_1h"), "data-big") == "eth_1h"
    assert getattr(layout(big="<script>"), "data-big") == "eth_ticks"
    assert getattr(layout(unknown="1"), "data-big") == "eth_ticks"


def test_pages_of_parts_to_come_say_that_they_are_empty_and_where_to_look(pages: Pages) -> None:
    for path in ("/signals", "/trading", "/data"):
        text = json.dumps(pages[path])
        assert "not built yet" in text
        assert "empty-meanwhile" in text


def test_every_server_callback_is_a_coroutine(shared_server: Any, pages: Pages) -> None:
    """A plain function would block the web loop. Dash's own page router is one; it only builds a layout."""
    callbacks = {
        output: entry["callback"]
        for output, entry in dash.get_app().callback_map.items()
        if "callback" in entry and not output.startswith("..{_pages_") and "_pages_content" not in output
    }
    assert len(callbacks) >= 4
    assert any("settings-toggles" in output for output in callbacks)
    plain = [o for o, function in callbacks.items() if not inspect.iscoroutinefunction(inspect.unwrap(function))]
    assert plain == []


def test_a_plain_function_is_refused_as_a_callback() -> None:
    def plain() -> None: ...

    with pytest.raises(TypeError, match="plain must be async def"):
        server_callback()(plain)


def test_dash_finds_every_id_that_a_callback_names(shared_server: Any, pages: Pages) -> None:
    with shared_server.client() as client:
        dependencies = client.get("/_dash-dependencies").json()
    known = {identity for components in pages.values() for identity in identities(components)}
    named = {i["id"] for d in dependencies for i in [*d["inputs"], *d["state"]] if not i["id"].startswith("{")}
    assert {"settings-opened", "monitoring-scheme", "chart-eth_ticks"} <= named
    assert {i for i in named - known if not i.startswith("_pages_")} == set()


def test_no_second_socket_is_offered_to_the_renderer_and_mcp_is_off(shared_server: Any) -> None:
    with shared_server.client() as client:
        html = client.get("/").text
        config = json.loads(re.search(r'id="_dash-config"[^>]*>(.*?)</script>', html, re.DOTALL)[1])  # type: ignore[index]
        assert "websocket" not in config
        assert config["suppress_callback_exceptions"] is False
        assert client.get("/_mcp").status_code == 404


def test_the_page_loads_nothing_from_elsewhere(shared_server: Any) -> None:
    with shared_server.client() as client:
        html = client.get("/").text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert any("dash_tvlwc" in a for a in addresses)
    assert any("00_tokens.css" in a for a in addresses)
    assert [a for a in addresses if not a.startswith("/")] == []


def test_ids_that_scripts_look_for_exist_on_some_page(pages: Pages, assets: Path) -> None:
    known = {identity for components in pages.values() for identity in identities(components)} | {"favicon"}
    wanted = {
        identity
        for script in assets.glob("*.js")
        for identity in re.findall(r'byId\("([\w-]+)"\)', script.read_text(encoding="utf-8"))
    }
    assert len(wanted) > 40
    assert wanted - known == set()


def test_the_live_script_knows_the_five_series_as_the_domain_does(assets: Path) -> None:
    script = (assets / "live.js").read_text(encoding="utf-8")
    listed = re.findall(r'\{ name: "(\w+)", symbol: "(\w+)", title: "([^"]+)", step: (\d+) \}', script)
    assert listed == [(s.name, s.symbol, s.title, str(s.step_ms)) for s in SERIES.values()]


def test_the_keys_of_the_keyboard_script_lead_to_the_pages(pages: Pages, assets: Path) -> None:
    script = (assets / "keyboard.js").read_text(encoding="utf-8")
    table = re.search(r"PAGES = \{(.*?)\}", script, re.DOTALL)
    assert table is not None
    keys = {key.strip('"'): path for key, path in re.findall(r'("?[\w,]"?): "(/\w*)"', table[1])}
    assert keys == {page["key"]: page["path"] for page in dash.page_registry.values() if page.get("icon")}


def test_every_explanation_that_a_page_offers_is_written(pages: Pages, assets: Path) -> None:
    offered = {c["props"]["data-how"] for components in pages.values() for c in components if "data-how" in c["props"]}
    texts = (assets / "measures.js").read_text(encoding="utf-8")
    assert {"slo", "latency", "queue"} <= offered
    assert {key for key in offered if f"\n    {key}: " not in texts} == set()
