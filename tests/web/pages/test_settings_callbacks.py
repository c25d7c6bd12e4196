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


def history(call: Call, server: Any, shown: str) -> dict[str, Any]:
    """What the page shows as history, asked when the switch of storage stands as `shown`."""
    inputs = [("settings-opened", "data", True), [(STORAGE, "aria-checked", shown)], ("settings-changed", "data", None)]
    _, response = call(server, [("settings-audit", "data")], inputs)
    data: dict[str, Any] = response["response"]["settings-audit"]["data"]
    return data


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
    data = history(call, server, "true")
    assert data["rows"] == []
    assert "database is away" in data["error"]
    assert canary not in data["error"]


def test_the_history_is_read_again_after_a_change(call: Call, server: Any) -> None:
    click(call, server, "consumer.storage", "true")
    data = history(call, server, "false")
    assert data["error"] == ""
    assert [(row["key"], row["old"], row["new"]) for row in data["rows"]] == [("consumer.storage", True, False)]


def test_the_switches_are_shown_by_group_with_default_and_lock(call: Call, server: Any) -> None:
    _, response = call(server, [("settings-toggles", "children")], [("settings-opened", "data", True)])
    text = str(response)
    assert "Consumers: who is given the stream" in text
    assert "locked: the pages live on it" in text
    assert "Default: on" in text


def test_a_setting_with_choices_has_a_button_for_each_and_that_in_force_is_pressed(call: Call, server: Any) -> None:
    server.system.values["workers.count"] = 3
    _, response = call(server, [("settings-toggles", "children")], [("settings-opened", "data", True)])

    def buttons(node: Any) -> list[dict[str, Any]]:
        if isinstance(node, list):
            return [button for child in node for button in buttons(child)]
        if not isinstance(node, dict):
            return []
        own = [node] if "data-setting" in node else []
        return own + [button for child in node.values() for button in buttons(child)]

    found = [(b["data-setting"], b["children"], b["data-value"], b["aria-checked"]) for b in buttons(response)]
    assert found[:2] == [
        ("workers.processor", "Optimised", '"optimized"', "true"),
        ("workers.processor", "Standard", '"standard"', "false"),
    ]
    counts = [("Auto", "null"), *((str(n), str(n)) for n in range(1, 9))]
    assert found[2:] == [("workers.count", words, value, str(value == "3").lower()) for words, value in counts]


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
