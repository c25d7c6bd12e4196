"""Switches that show only what the server confirmed."""

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

#: What a group is for; groups that are not named here are shown under their own name.
GROUPS: dict[str, str] = {
    "Consumers": "Consumers: who is given the stream",
    "Processors": "Processors: what is done with it",
}


def aria(value: bool) -> str:
    """A boolean as ARIA attributes spell it."""
    return "true" if value else "false"


def toggle_groups(toggles: Sequence[Mapping[str, Any]]) -> list[html.Section]:
    """The switches by group, in the order given.

    A toggle is `{key, label, group, value, default, locked, why}`; `locked` is why it cannot be changed, or empty.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for toggle in toggles:
        groups.setdefault(str(toggle.get("group") or "other"), []).append(toggle)
    return [
        html.Section([html.H3(GROUPS.get(name, name)), html.Ul([_row(t) for t in members], className="toggles")])
        for name, members in groups.items()
    ]


def _row(toggle: Mapping[str, Any]) -> html.Li:
    key, value, locked = str(toggle["key"]), bool(toggle["value"]), str(toggle.get("locked") or "")
    label = str(toggle.get("label") or key)
    default = f"Default: {'on' if toggle.get('default') else 'off'}"
    description = f"toggle-why-{key}"
    return html.Li(
        [
            html.Button(
                html.Span(className="switch-knob"),
                id={"type": "toggle", "key": key},
                className="switch",
                role="switch",
                disabled=bool(locked),
                **{
                    "aria-checked": aria(value),
                    "aria-busy": "false",
                    "aria-label": label,
                    "aria-describedby": description,
                    "data-toggle": key,
                },
            ),
            html.Div(
                [
                    html.Span(label, className="toggle-label"),
                    html.Span(
                        [html.Code(key), " · ", default, *([f" · locked: {locked}"] if locked else [])],
                        className="toggle-facts",
                    ),
                    html.Span(str(toggle.get("why") or ""), className="toggle-why", id=description),
                    html.Span("", id={"type": "toggle-error", "key": key}, className="inline-error", role="alert"),
                ],
                className="toggle-words",
            ),
        ],
        className="toggle" + (" toggle-locked" if locked else ""),
    )
