"""The last trades of one symbol."""

from dash import html

from core.domain.instrument import Instrument

#: trades kept in the page
ROWS = 40


def tape(instrument: Instrument) -> html.Section:
    """The tape, newest on top. assets/tape.js makes its rows, for the reason given in `ladder`."""
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
            html.Div(className="tape-rows", id="tape-rows", **{"data-rows": str(ROWS), "data-loading": "true"}),
            html.Div("", id="cause-tape", className="cause", role="status"),
        ],
        className="card tape",
        id="tape",
        **{"data-symbol": instrument.symbol, "data-state": "NONE", "data-decimals": str(instrument.price_decimals)},
    )
