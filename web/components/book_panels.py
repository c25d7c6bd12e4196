"""The panels of the order-book page: heat map, depth chart, ladder, integrity."""

from typing import Any

from dash import html

from web.components.panel import how

#: levels a side
LEVELS = 20
#: minutes that the heat map shows
SPANS = (2, 5, 10)

#: (key, label, key of its explanation) of each line of the integrity panel
INTEGRITY: tuple[tuple[str, str, str], ...] = (
    ("state", "State", "book_state"),
    ("venue", "Venue and kind", "book_kind"),
    ("source", "Source", "book_source"),
    ("age", "Age", "book_age"),
    ("rate", "Updates", "book_rate"),
    ("gaps", "Gaps", "book_gaps"),
    ("resyncs", "Resyncs", "book_resyncs"),
    ("crossed", "Crossed", "book_crossed"),
    ("last", "Last update id", "book_last"),
    ("levels", "Levels known", "book_levels"),
    ("range", "Known range", "book_range"),
)


def heat_panel() -> html.Section:
    """Resting size by price and time. assets/heatmap.js draws it and answers its buttons (`data-heat`)."""
    spans = [
        html.Button(
            f"{minutes} min",
            className="chip",
            title=f"Show the last {minutes} minutes",
            **{"data-heat": "span", "data-value": str(minutes), "aria-pressed": "true" if minutes == SPANS[-1] else "false"},
        )
        for minutes in SPANS
    ]
    return html.Section(
        [
            html.Header(
                [
                    html.H2("Liquidity", className="card-title"),
                    how("heat", "Liquidity"),
                    html.Span("", id="heat-readout", className="heat-readout num"),
                    html.Div(
                        [
                            *spans,
                            _tool("out", "−", "Show more prices (wheel, or the minus key)"),
                            _tool("in", "+", "Show fewer prices (wheel, or the plus key)"),
                            html.Button(
                                "Auto-centre",
                                id="heat-centre",
                                className="chip",
                                title="Keep the mid in the middle (Home); dragging up or down turns it off",
                                **{"data-heat": "centre", "aria-pressed": "true"},
                            ),
                        ],
                        className="heat-tools",
                    ),
                ],
                className="card-head",
            ),
            html.Div(
                [
                    html.Canvas(
                        id="heat-canvas",
                        className="heat-canvas",
                        role="img",
                        tabIndex="0",
                        **{"aria-label": "Liquidity heat map: resting size by price over the last ten minutes"},
                    ),
                    html.Div(
                        [
                            html.Span("", id="heat-low", className="num"),
                            html.Canvas(id="heat-legend", className="heat-legend-bar", **{"aria-hidden": "true"}),
                            html.Span("", id="heat-high", className="num"),
                        ],
                        className="heat-legend",
                        id="heat-legend-box",
                        title="Resting size, on a logarithmic scale",
                    ),
                    html.Div("", id="heat-note", className="ob-note", role="status"),
                    html.Div(className="skeleton", **{"aria-hidden": "true"}),
                ],
                className="heat-body",
                id="heat-body",
                **{"data-loading": "true"},
            ),
        ],
        className="card heat",
        id="heat",
    )


def _tool(action: str, sign: str, title: str) -> html.Button:
    return html.Button(
        sign,
        className="chip heat-tool",
        title=title,
        **{"data-heat": action, "aria-label": title.split(" (", maxsplit=1)[0]},
    )


def depth_panel() -> html.Section:
    """Cumulative size by distance from the mid, with the bounds of what is known."""
    return html.Section(
        [
            html.Header(
                [
                    html.H2("Depth", className="card-title"),
                    how("depth_chart", "Depth"),
                    html.Span("", id="depth-readout", className="card-note num"),
                ],
                className="card-head",
            ),
            html.Div(
                [
                    html.Canvas(
                        id="depth-canvas", className="depth-canvas", role="img", **{"aria-label": "Cumulative depth chart"}
                    ),
                    html.Div("", id="depth-note", className="ob-note", role="status"),
                    html.Div(className="skeleton", **{"aria-hidden": "true"}),
                ],
                className="depth-body",
                id="depth-body",
                **{"data-loading": "true"},
            ),
        ],
        className="card depth",
        id="depth",
    )


def book_ladder(size_title: str, quote: str) -> html.Section:
    """Twenty levels a side. assets/book_ladder.js makes them."""
    return html.Section(
        [
            html.Header(
                [
                    html.H2("Book", className="card-title"),
                    how("ladder", "Book"),
                    html.Span("", id="ob-venues", className="card-note"),
                ],
                className="card-head",
            ),
            html.Div(
                [
                    html.Span(f"Price {quote}", id="ob-price-unit"),
                    html.Span(size_title, id="ob-size-unit"),
                    html.Span("Sum"),
                ],
                className="ladder-columns",
            ),
            html.Div(
                [
                    html.Div(className="ladder-side ladder-asks", id="ob-asks"),
                    html.Div(
                        [
                            html.Span("–", id="ob-ladder-mid", className="num book-mid"),
                            html.Span("", id="ob-ladder-spread", className="num dim"),
                        ],
                        className="ladder-spread",
                    ),
                    html.Div(className="ladder-side", id="ob-bids"),
                    html.Div("", id="ob-note", className="ob-note", role="status"),
                ],
                className="ladder-levels ob-levels",
                id="ob-levels",
                **{"data-levels": str(LEVELS), "data-loading": "true"},
            ),
        ],
        className="card ladder ob-ladder",
        id="ob-ladder",
        **{"data-state": "NONE"},
    )


def integrity_panel() -> html.Section:
    """How far the book can be believed, and how each line of that is known."""

    def line(key: str, label: str, measure: str) -> html.Div:
        name: list[Any] = [label, how(measure, label)]
        return html.Div([html.Dt(name), html.Dd("–", id=f"ob-fact-{key}", className="num")])

    return html.Section(
        [
            html.Header(
                [
                    html.H2("Integrity", className="card-title"),
                    how("integrity", "Integrity"),
                    html.Span("", id="ob-integrity-note", className="card-note"),
                ],
                className="card-head",
            ),
            html.Dl([line(*facts) for facts in INTEGRITY], className="ob-facts"),
        ],
        className="card integrity",
        id="ob-integrity",
    )
