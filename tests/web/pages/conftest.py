"""What the tests of pages share: the app's layouts, its assets, a Dash callback over HTTP, a browser."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dash
import plotly.io
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.patience import PATIENCE

expect.set_options(timeout=10_000 * PATIENCE)

ROOT = Path(__file__).resolve().parents[3]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def components(node: Any) -> Iterator[dict[str, Any]]:
    """Every component of a layout in its JSON form, depth first; also those inside properties."""
    if isinstance(node, dict):
        if "type" in node and "props" in node:
            yield node
            node = node["props"]
        for value in node.values():
            yield from components(value)
    elif isinstance(node, list):
        for value in node:
            yield from components(value)


@pytest.fixture(scope="module")
def pages(shared_server: Any) -> dict[str, list[dict[str, Any]]]:
    """Path of each page (`404` for the page of unknown addresses) -> all components a browser gets there, shell included."""
    with shared_server.client() as client:
        shell = client.get("/_dash-layout").json()
        assert client.get("/").status_code == 200
    found = {}
    for module, page in dash.page_registry.items():
        layout = json.loads(plotly.io.json.to_json_plotly(page["layout"]()))
        found["404" if module.endswith("not_found_404") else page["path"]] = [*components(shell), *components(layout)]
    return found


@pytest.fixture
def assets() -> Path:
    return ROOT / "assets"


@pytest.fixture
def call() -> Callable[..., tuple[int, Any]]:
    """`call(server, outputs, inputs, state)`: run one Dash callback as the browser does; lists of (id, property[, value]).

    Outputs with an id of parts are those of a callback by MATCH over `key`.
    """

    def run(server: Any, outputs: list[Any], inputs: list[Any], state: list[Any] | None = None) -> tuple[int, Any]:
        def named(identity: Any) -> str:
            return json.dumps(identity, separators=(",", ":"), sort_keys=True) if isinstance(identity, dict) else identity

        def filled(items: list[Any]) -> list[Any]:
            return [filled(i) if isinstance(i, list) else {"id": i[0], "property": i[1], "value": i[2]} for i in items]

        listed = [{"id": i, "property": p} for i, p in outputs]
        text = [f"{named(i | {'key': ['MATCH']}) if isinstance(i, dict) else i}.{p}" for i, p in outputs]
        body = {
            "output": text[0] if len(text) == 1 else f"..{'...'.join(text)}..",
            "outputs": listed[0] if len(listed) == 1 else listed,
            "inputs": filled(inputs),
            "state": filled(state or []),
            "changedPropIds": [f"{named(i[0])}.{i[1]}" for i in inputs if isinstance(i, tuple)],
        }
        with server.client(headers={"Origin": server.base}) as client:
            answer = client.post("/_dash-update-component", json=body)
        return answer.status_code, answer.json() if answer.content else None

    return run


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    """An empty page in a real Chromium."""
    executable = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser.new_page()
        browser.close()
