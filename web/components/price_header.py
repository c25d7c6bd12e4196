"""The price of the big chart's symbol, its day, its spread, and how fresh that is."""

from dash import html

FIGURES: tuple[tuple[str, str, str], ...] = (
    ("high", "24 h high", "Highest price of the last 24 h, by the venue's own statistics"),
    ("low", "24 h low", "Lowest price of the last 24 h, by the venue's own statistics"),
    ("volume", "24 h volume", "Traded in the last 24 h, in the base currency, by the venue's own statistics"),
    ("spread", "Spread", "Best ask less best bid, in the quote currency"),
)


def price_header() -> html.Header:
    """The header; assets/live.js fills it from `trades`, `quotes` and `status`."""
    return html.Header(
        [
            html.Span("ETH/USDT", id="head-pair", className="head-pair"),
            html.Span("–", id="head-price", className="head-price num ageing"),
            html.Span("", id="head-change", className="head-change num ageing"),
            html.Dl(
                [
                    html.Div([html.Dt(label), html.Dd("–", id=f"head-{name}", className="num ageing")], title=title)
                    for name, label, title in FIGURES
                ],
                className="head-figures",
            ),
            html.Span("–", id="head-source", className="source", title="Where these numbers come from"),
            html.Span("–", id="head-fresh", className="badge badge-large", **{"data-state": "NONE"}),
        ],
        className="price-header",
        id="price-header",
    )
