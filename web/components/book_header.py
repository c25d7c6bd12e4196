"""The measures of one consolidated book: mid, spread, microprice, imbalance, and depth by distance."""

from dash import html

from web.components.panel import how

#: distances from the mid, basis points, as `core.market.book_metrics` measures them
DEPTH_BPS = (1, 2, 5, 10, 25, 50)


def book_header(pair: str) -> html.Header:
    """The header; assets/books.js fills it from `cob`."""
    return html.Header(
        [
            html.Div(
                [
                    html.Span(pair, id="ob-pair", className="head-pair"),
                    html.Span(
                        "–", id="ob-mid", className="ob-mid num ageing", title="Mid: halfway between best bid and ask"
                    ),
                ],
                className="ob-title",
            ),
            html.Dl(
                [
                    _figure("Spread", "ob-spread", "ob-spread-bp"),
                    _figure("Microprice", "ob-micro", "ob-micro-bp", "microprice"),
                ],
                className="ob-figures",
            ),
            html.Div(
                [
                    html.Div(
                        [html.Span("Imbalance", className="dim"), how("imbalance", "Imbalance")],
                        className="ob-imbalance-head",
                    ),
                    html.Div(
                        html.Span(className="imbalance-bid", id="ob-imbalance-bar"),
                        className="imbalance-track",
                        **{"aria-hidden": "true"},
                    ),
                    html.Span("–", id="ob-imbalance", className="num ageing"),
                ],
                className="ob-imbalance",
            ),
            _depth_table(),
            html.Div(
                [
                    html.Span("–", id="ob-state", className="badge badge-large", **{"data-state": "NONE"}),
                    html.Span("–", id="ob-source", className="source", title="Where these numbers come from"),
                    html.Div("", id="ob-cause", className="ob-cause", role="status"),
                ],
                className="ob-standing",
            ),
        ],
        className="ob-header card",
        id="ob-header",
        **{"data-state": "NONE"},
    )


def _figure(title: str, identity: str, detail: str, measure: str = "") -> html.Div:
    head = [title, how(measure, title)] if measure else [title]
    return html.Div(
        [
            html.Dt(head),
            html.Dd("–", id=identity, className="num ageing"),
            html.Dd("", id=detail, className="num dim"),
        ]
    )


def _depth_table() -> html.Table:
    """Size resting within each distance of the mid; a size that is only a lower bound gets a `≥`."""

    def row(side: str, name: str) -> html.Tr:
        cells = [html.Td("–", id=f"ob-depth-{side}-{bps}", className="num ageing") for bps in DEPTH_BPS]
        return html.Tr([html.Th(name, scope="row"), *cells], className=f"ob-depth-{side}")

    heads = [html.Th(str(bps), scope="col", className="num") for bps in DEPTH_BPS]
    corner = html.Th(["Depth, bp", how("depth", "Depth")], scope="col")
    return html.Table(
        [html.Thead(html.Tr([corner, *heads])), html.Tbody([row("bid", "Bids"), row("ask", "Asks")])],
        className="ob-depth",
        id="ob-depth",
    )
