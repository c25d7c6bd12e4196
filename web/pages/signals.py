"""Signals: what do the models think, and should you believe them? Not built yet; this is its home."""

import dash
from dash import html

from web.components.empty_state import empty_state

dash.register_page(__name__, path="/signals", name="Signals", title="Signals · Quintet", order=1, icon="signals", key="s")


def layout(**_: str) -> html.Div:
    """What will be here, and where to look meanwhile."""
    return empty_state(
        "Signals",
        "signals",
        "What do the models think, and should you believe them?",
        (
            "each model's last signal with its confidence and the age of the data it saw",
            "the fused decision with every model's weight in it",
            "markers on the charts of Live",
        ),
        "The five series that feed the models are live already on",
        ("Live", "/"),
    )
