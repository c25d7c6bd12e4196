"""Connections: is each venue sound? Filled once a second from the `connections` channel by assets/connections.js."""

import dash
from dash import html

from web.components.incident_timeline import DEFAULT_RANGE, RANGES, incident_list, incident_timeline
from web.components.sharing_strip import sharing_strip
from web.components.subscription_table import subscription_table
from web.components.venue_card import VENUES, venue_card

dash.register_page(
    __name__, path="/connections", name="Connections", title="Connections · Quintet", order=4, icon="connections", key="c"
)


def layout(range: str = DEFAULT_RANGE, **_: str) -> html.Div:  # the parameter has its name in the URL
    """The page with every slot at its size, before any data; `?range=6h` is how much of the past the time line shows."""
    chosen = range if range in RANGES else DEFAULT_RANGE
    return html.Div(
        [
            html.H1("Connections", className="sr-only"),
            sharing_strip(),
            html.Div([venue_card(venue) for venue in VENUES], id="connection-cards", className="connection-cards"),
            incident_timeline(chosen),
            html.Div([subscription_table(VENUES), incident_list()], className="connections-tables"),
        ],
        className="page page-connections",
        id="page-connections",
        **{"data-page": "connections"},
    )
