"""Switches that show only what the server confirmed."""

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from web.components.setting_choice import WORDS, setting_choice

#: What a group is for; groups that are not named here are shown under their own name.
GROUPS: dict[str, str] = {
    "Consumers": "Consumers: who is given the stream",
    "Processors": "Processors: what is done with it",
    "Workers": "Workers: who stores every tick, with indicators and Greeks",
}


def aria(value: bool) -> str:
    """A boolean as ARIA attributes spell it."""
    return "true" if value else "false"


def toggle_groups(toggles: Sequence[Mapping[str, Any]]) -> list[html.Section]:
    """The switches by group, in the order given.

    A toggle is `{key, label, group, value, default, locked, why}`; `locked` is why it cannot be changed, or empty. One that
    has more sides than on and off lists them as `choices`.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for toggle in toggles:
        groups.setdefault(str(toggle.get("group") or "other"), []).append(toggle)
    return [
        html.Section([html.H3(GROUPS.get(name, name)), html.Ul([_row(t) for t in members], className="toggles")])
        for name, members in groups.items()
    ]


def _row(toggle: Mapping[str, Any]) -> html.Li:
    key, locked, choices = str(toggle["key"]), str(toggle.get("locked") or ""), toggle.get("choices")
    label = str(toggle.get("label") or key)
    default = toggle.get("default")
    description = f"toggle-why-{key}"
    words = WORDS.get(default, str(default)) if choices else "on" if default else "off"
    facts = [html.Code(key), f" · Default: {words}", *([f" · locked: {locked}"] if locked else [])]
    why = str(toggle.get("why") or "")
    if choices:
        control = setting_choice(key, label, choices, toggle["value"], is_locked=bool(locked), described_by=description)
        slots: list[Any] = [_words(label, facts, why, description), control]
    else:
        error = html.Span("", id={"type": "toggle-error", "key": key}, className="inline-error", role="alert")
        slots = [
            _switch(key, label, bool(toggle["value"]), bool(locked), description),
            _words(label, facts, why, description, error),
        ]
    return html.Li(slots, className="toggle" + (" toggle-locked" if locked else "") + (" toggle-choice" if choices else ""))


def _switch(key: str, label: str, value: bool, is_locked: bool, description: str) -> html.Button:
    return html.Button(
        html.Span(className="switch-knob"),
        id={"type": "toggle", "key": key},
        className="switch",
        role="switch",
        disabled=is_locked,
        **{
            "aria-checked": aria(value),
            "aria-busy": "false",
            "aria-label": label,
            "aria-describedby": description,
            "data-toggle": key,
        },
    )


def _words(label: str, facts: list[Any], why: str, description: str, *more: Any) -> html.Div:
    return html.Div(
        [
            html.Span(label, className="toggle-label"),
            html.Span(facts, className="toggle-facts"),
            html.Span(why, className="toggle-why", id=description),
            *more,
        ],
        className="toggle-words",
    )
