"""Live: what is the market doing? Five charts, the book, the trades."""

import dash
from dash import ClientsideFunction, Input, clientside_callback, html

from core.domain.instrument import ETHUSDT
from core.domain.series import SERIES, SERIES_NAMES
from web.components.chart_card import chart_card, chart_id
from web.components.ladder import ladder
from web.components.price_header import price_header
from web.components.tape import tape

dash.register_page(__name__, path="/", name="Live", title="Live · Quintet", order=0, icon="live", key="l")


def layout(big: str = SERIES_NAMES[0], **_: str) -> html.Div:
    """The page; `?big=eth_1h` puts that chart into the big place."""
    chosen = big if big in SERIES else SERIES_NAMES[0]
    return html.Div(
        [
            html.H1("Live", className="sr-only"),
            price_header(),
            html.Div(
                [
                    html.Div(
                        [chart_card(spec, big=spec.name == chosen) for spec in SERIES.values()],
                        className="charts",
                        id="charts",
                    ),
                    ladder(ETHUSDT),
                    tape(ETHUSDT),
                ],
                className="live-grid",
            ),
        ],
        className="page page-live",
        id="page-live",
        **{"data-page": "live", "data-big": chosen},
    )


clientside_callback(
    ClientsideFunction("live", "crosshair"),
    [Input(chart_id(name), "crosshair") for name in SERIES_NAMES],
    prevent_initial_call=True,
)
clientside_callback(
    ClientsideFunction("live", "range"),
    [Input(chart_id(name), "visibleLogicalRange") for name in SERIES_NAMES],
    prevent_initial_call=True,
)
