"""Connections: is each venue sound? Not built yet; this is its home."""

import dash
from dash import html

from web.components.empty_state import empty_state

dash.register_page(
    __name__, path="/connections", name="Connections", title="Connections · Quintet", order=4, icon="connections", key="c"
)


def layout(**_: str) -> html.Div:
    """What will be here, and where to look meanwhile."""
    return empty_state(
        "Connections",
        "connections",
        "Is each venue sound?",
        (
            "one card a venue with its state, since when and why, and its subscriptions",
            "a time line of incidents by cause",
            "request budgets and ban timers",
        ),
        "The venue dots in the top bar and the channel table tell the essence already on",
        ("Monitoring", "/monitoring#channels"),
    )
