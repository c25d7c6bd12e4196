"""How Quintet looks in this browser. Kept in the browser's own storage by assets/appearance.js."""

from collections.abc import Sequence

from dash import html

from web.components.panel import panel

CHOICES: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("theme", "Theme", (("dark", "Dark"), ("light", "Light"), ("auto", "Auto"))),
    ("pair", "Up and down", (("green-red", "▲ green ▼ red"), ("blue-orange", "▲ blue ▼ orange"))),
    ("density", "Density", (("compact", "Compact"), ("comfortable", "Comfortable"))),
)


def appearance_panel() -> html.Section:
    """Theme, colours of up and down, density; radio groups whose state assets/appearance.js keeps."""
    rows = [_choice(name, label, options) for name, label, options in CHOICES]
    note = html.P("Kept in this browser only.", className="note")
    return panel("Appearance", [note, *rows], identity="appearance", class_name="span-5")


def _choice(name: str, label: str, options: Sequence[tuple[str, str]]) -> html.Div:
    buttons = [
        html.Button(
            text,
            className="segment",
            role="radio",
            **{"data-appearance": name, "data-value": value, "aria-checked": "false"},
        )
        for value, text in options
    ]
    return html.Div(
        [
            html.Span(label, className="choice-label"),
            html.Div(buttons, className="segments", role="radiogroup", **{"aria-label": label}),
        ],
        className="choice",
    )
