"""Options: does the volatility surface make sense, and what are the Greeks? Filled by assets/options.js from the API."""

import dash
from dash import Input, Output, dcc, html

from web.components.callbacks import server_callback
from web.components.option_panels import chain_panel, greeks_panel, no_options, option_header, smile_panel
from web.figures.options import greeks_by_strike, volatility_smile
from web.figures.tokens import scheme_tokens

dash.register_page(__name__, path="/options", name="Options", title="Options · Quintet", order=5.5, icon="options", key="o")


def layout(**_: str) -> html.Div:
    """The page; `?underlying=BTC&venue=DERIBIT&expiry=2026-12-25&strikes=all` is read by its script."""
    return html.Div(
        [
            html.H1("Options", className="sr-only"),
            option_header(),
            no_options(),
            html.Div([smile_panel(), greeks_panel()], className="option-row"),
            chain_panel(),
            dcc.Store(id="options-scheme"),
        ],
        className="page page-options",
        id="page-options",
        **{"data-page": "options"},
    )


@server_callback(
    Output("option-smile", "figure"),
    Output("option-greeks", "figure"),
    Input("options-scheme", "data"),
    prevent_initial_call=True,
)
async def draw_options(scheme: str) -> tuple[object, object]:
    """Empty figures in the theme's colours; the numbers of the API are put into them in the browser."""
    tokens = scheme_tokens(scheme)
    return volatility_smile(tokens), greeks_by_strike(tokens)
