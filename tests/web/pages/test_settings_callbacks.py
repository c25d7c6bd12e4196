"""The switches of the Settings page, as a browser works them."""

from collections.abc import Callable
from typing import Any

Call = Callable[..., tuple[int, Any]]
STORAGE = {"type": "toggle", "key": "consumer.storage"}


def click(call: Call, server: Any, key: str, shown: str, clicks: int | None = 1) -> tuple[int, Any]:
    toggle, error = {"type": "toggle", "key": key}, {"type": "toggle-error", "key": key}
    return call(
        server,
        [(toggle, "aria-checked"), (error, "children")],
        [(toggle, "n_clicks", clicks)],
        [(toggle, "aria-checked", shown)],
    )


def answer(response: Any, key: str) -> tuple[Any, Any]:
    """What the switch and its error line were set to; None where nothing was."""
    parts = response["response"]
    switch = parts.get(f'{{"key":"{key}","type":"toggle"}}', {}).get("aria-checked")
    return switch, parts.get(f'{{"key":"{key}","type":"toggle-error"}}', {}).get("children")


def test_a_click_sets_the_other_side_and_shows_what_the_server_has(call: Call, server: Any) -> None:
    status, response = click(call, server, "consumer.storage", "true")
    assert status == 200
    assert answer(response, "consumer.storage") == ("false", "")
    assert server.system.values["consumer.storage"] is False
    assert server.system.audit[0] == {"at_ms": 1, "who": "local", "key": "consumer.storage", "old": True, "new": False}
    _, response = click(call, server, "consumer.storage", "false")
    assert answer(response, "consumer.storage") == ("true", "")
    assert server.system.values["consumer.storage"] is True


def test_a_switch_that_was_only_drawn_changes_nothing(call: Call, server: Any) -> None:
    click(call, server, "consumer.storage", "true", clicks=None)
    assert server.system.audit == []


def test_a_locked_or_unknown_switch_stays_and_says_why(call: Call, server: Any) -> None:
    _, response = click(call, server, "consumer.dashboard", "true")
    switch, error = answer(response, "consumer.dashboard")
    assert switch is None
    assert error.startswith("Not changed")
    server.system.values.pop("consumer.storage")
    _, response = click(call, server, "consumer.storage", "true")
    switch, error = answer(response, "consumer.storage")
    assert switch is None
    assert "does not know" in error


def test_without_the_database_the_switch_stays_and_no_address_leaks(call: Call, server: Any, canary: str) -> None:
    server.system.storage_away = True
    status, response = click(call, server, "consumer.storage", "true")
    switch, error = answer(response, "consumer.storage")
    assert (status, switch) == (200, None)
    assert "database is away" in error
    assert canary not in error
    _, response = call(
        server, [("settings-audit", "data")], [("settings-opened", "data", True), [(STORAGE, "aria-checked", "true")]]
    )
    data = response["response"]["settings-audit"]["data"]
    assert data["rows"] == []
    assert "database is away" in data["error"]
    assert canary not in data["error"]


def test_the_history_is_read_again_after_a_change(call: Call, server: Any) -> None:
    click(call, server, "consumer.storage", "true")
    _, response = call(
        server, [("settings-audit", "data")], [("settings-opened", "data", True), [(STORAGE, "aria-checked", "false")]]
    )
    data = response["response"]["settings-audit"]["data"]
    assert data["error"] == ""
    assert [(row["key"], row["old"], row["new"]) for row in data["rows"]] == [("consumer.storage", True, False)]


def test_the_switches_are_shown_by_group_with_default_and_lock(call: Call, server: Any) -> None:
    _, response = call(server, [("settings-toggles", "children")], [("settings-opened", "data", True)])
    text = str(response)
    assert "Consumers: who is given the stream" in text
    assert "locked: the pages live on it" in text
    assert "Default: on" in text


def test_without_a_session_nobody_sets_a_switch_on_a_public_server(
    call: Call, make_server: Callable[..., Any], password: str
) -> None:
    public = make_server(public=True)
    assert click(call, public, "consumer.storage", "true")[0] == 401
    assert public.system.audit == []


def test_the_figures_of_monitoring_come_in_the_asked_theme(call: Call, server: Any) -> None:
    colours = {}
    for scheme in ("dark", "light"):
        _, response = call(
            server, [("waterfall", "figure"), ("histogram", "figure")], [("monitoring-scheme", "data", scheme)]
        )
        figure = response["response"]["waterfall"]["figure"]
        assert [trace["name"] for trace in figure["data"]] == ["p50", "p95", "p99"]
        colours[scheme] = figure["layout"]["font"]["color"]
    assert colours["dark"] != colours["light"]
