"""The last trades of one symbol."""

from dash import html

from core.domain.instrument import Instrument

#: trades kept in the page
ROWS = 40


def tape(instrument: Instrument) -> html.Section:
    """The tape's fixed slots, newest on top. assets/tape.js writes into them."""
    return html.Section(
        [
            html.Header(
                [
                    html.Span(f"Trades {instrument.base}", className="card-title"),
                    html.Span("–", id="tape-rate", className="num dim", title="Trades a second over the last 10 s"),
                ],
                className="card-head",
            ),
            html.Div(
                [html.Span("Time"), html.Span(f"Price {instrument.quote}"), html.Span(f"Size {instrument.base}")],
                className="tape-columns",
            ),
            html.Div([_row() for _ in range(ROWS)], className="tape-rows", id="tape-rows", **{"data-loading": "true"}),
            html.Div("", id="cause-tape", className="cause", role="status"),
        ],
        className="card tape",
        id="tape",
        **{"data-symbol": instrument.symbol, "data-state": "NONE", "data-decimals": str(instrument.price_decimals)},
    )


def _row() -> html.Div:
    return html.Div(
        [html.Span("", className="num dim"), html.Span("", className="num tape-price"), html.Span("", className="num")],
        className="tape-row",
    )
