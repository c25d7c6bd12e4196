"""Workers: does the pool keep up? Not built yet; this is its home."""

import dash
from dash import html

from web.components.empty_state import empty_state

dash.register_page(__name__, path="/workers", name="Workers", title="Workers · Quintet", order=5, icon="workers", key="w")


def layout(**_: str) -> html.Div:
    """What will be here, and where to look meanwhile."""
    return empty_state(
        "Workers",
        "workers",
        "Does the pool keep up?",
        (
            "each worker's throughput, batch time and errors",
            "the stream's lag, pending and dead-lettered messages",
            "starting, stopping and resizing of the pool",
        ),
        "The consumers inside the main process are listed already on",
        ("Monitoring", "/monitoring#consumers"),
    )
