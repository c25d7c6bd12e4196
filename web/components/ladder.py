"""The order book of one symbol as a ladder."""

from dash import html

from core.domain.instrument import Instrument

#: levels shown on each side
LEVELS = 11


def ladder(instrument: Instrument) -> html.Section:
    """Asks above, spread, bids below.

    assets/ladder.js makes the levels: as Dash components each of them would be asked at every update of every chart.
    """
    return html.Section(
        [
            html.Header(
                [
                    html.Span(f"Book {instrument.base}", className="card-title"),
                    html.Span("–", id="book-state", className="badge", **{"data-state": "NONE"}),
                ],
                className="card-head",
            ),
            html.Div(
                [
                    html.Span(f"Price {instrument.quote}"),
                    html.Span(f"Size {instrument.base}"),
                    html.Span("Sum"),
                ],
                className="ladder-columns",
            ),
            html.Div(
                [
                    html.Div(className="ladder-side ladder-asks", id="ladder-asks"),
                    html.Div(
                        [
                            html.Span("–", id="book-mid", className="num book-mid"),
                            html.Span("", id="book-spread", className="num dim"),
                        ],
                        className="ladder-spread",
                    ),
                    html.Div(className="ladder-side", id="ladder-bids"),
                ],
                className="ladder-levels",
                id="ladder-levels",
                **{"data-levels": str(LEVELS), "data-loading": "true"},
            ),
            html.Div(
                [
                    html.Div(
                        [html.Span(className="imbalance-bid", id="imbalance-bar")],
                        className="imbalance-track",
                        **{"aria-hidden": "true"},
                    ),
                    html.Div(
                        [
                            html.Span("Bids –", id="imbalance-bid", className="num"),
                            html.Span("Asks –", id="imbalance-ask", className="num"),
                        ],
                        className="imbalance-words",
                    ),
                ],
                className="imbalance",
                title=f"Share of the size on each side, over the {LEVELS} levels shown",
            ),
            html.Div("", id="cause-book", className="cause", role="status"),
        ],
        className="card ladder",
        id="ladder",
        **{"data-symbol": instrument.symbol, "data-state": "NONE", "data-decimals": str(instrument.price_decimals)},
    )
