"""Data: is history complete, and where does it come from? Not built yet; this is its home."""

import dash
from dash import html

from web.components.empty_state import empty_state

dash.register_page(__name__, path="/data", name="Data", title="Data · Quintet", order=6, icon="data", key="d")


def layout(**_: str) -> html.Div:
    """What will be here, and where to look meanwhile."""
    return empty_state(
        "Data",
        "data",
        "Is history complete, and where does it come from?",
        (
            "completeness of each series by day, with every gap and how it was filled",
            "providers with their health, priority and budget",
            "downloads of any range",
        ),
        "Completeness of the five series is one of the success metrics on",
        ("Monitoring", "/monitoring#slo"),
    )
