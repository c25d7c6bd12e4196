"""The page for addresses that lead nowhere."""

import dash
from dash import dcc, html

dash.register_page(__name__, name="Not found", title="Not found · Quintet")


def layout(**_: str) -> html.Div:
    """Says so, and shows the way back."""
    return html.Div(
        html.Section(
            [
                html.H1("There is no such page"),
                html.P("The address may be mistyped, or the page has moved."),
                html.P([dcc.Link("Go to Live", href="/"), ", or press ", html.Kbd("/"), " to search."]),
            ],
            className="card empty",
        ),
        className="page page-empty",
        id="page-not-found",
        **{"data-page": "not-found"},
    )
