"""Trading: what do you hold, risk and have working? Not built yet; this is its home."""

import dash
from dash import html

from web.components.empty_state import empty_state

dash.register_page(__name__, path="/trading", name="Trading", title="Trading · Quintet", order=2, icon="trading", key="t")


def layout(**_: str) -> html.Div:
    """What will be here, and where to look meanwhile."""
    return empty_state(
        "Trading",
        "trading",
        "What do you hold, risk and have working?",
        (
            "positions, orders and fills of every venue in one place",
            "each order's verdict by the risk engine, with its reason",
            "a kill switch on every page. There is none today because nothing here can send an order",
        ),
        "Prices and the order book are live already on",
        ("Live", "/"),
    )
