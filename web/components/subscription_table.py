"""Every subscription of every venue in one table that can be sorted and filtered."""

from collections.abc import Sequence

from dash import html

from web.components.live_table import Column
from web.components.panel import how
from web.components.venue_card import venue_title

#: key in the URL and in assets/subscriptions.js -> its column, in order
COLUMNS: dict[str, Column] = {
    "venue": Column("Venue", figures=False),
    "symbol": Column("Symbol", figures=False),
    "channel": Column("Channel", figures=False),
    "state": Column("State", figures=False),
    "age": Column("Age"),
    "rate": Column("Rate", "/s"),
    "messages": Column("Messages"),
    "gaps": Column("Gaps"),
    "source": Column("Source", figures=False),
    "cause": Column("Last cause", figures=False),
}


def subscription_table(venues: Sequence[str]) -> html.Section:
    """The panel; rows, sorting and filters are assets/subscriptions.js's."""
    chips = [("", "All venues"), *((venue, venue_title(venue)) for venue in venues)]
    return html.Section(
        [
            html.Header(
                [
                    html.H2("Subscriptions", className="card-title"),
                    how("subscriptions", "Subscriptions"),
                    html.Span("", id="subscription-note", className="card-note num"),
                ],
                className="card-head",
            ),
            html.Div(
                [
                    html.Div(id="subscription-search", className="subscription-search"),
                    *(
                        html.Button(
                            label,
                            className="chip",
                            title=f"Show {label}",
                            **{"data-venue-filter": venue, "aria-pressed": "false" if venue else "true"},
                        )
                        for venue, label in chips
                    ),
                    html.Button(
                        "Faults only",
                        id="subscription-faults",
                        className="chip",
                        title="Only subscriptions that are not LIVE, or have gaps",
                        **{"aria-pressed": "false"},
                    ),
                ],
                id="subscription-filters",
                className="subscription-filters",
                role="group",
                **{"aria-label": "Filter"},
            ),
            html.Div(
                html.Table(
                    [
                        html.Thead(
                            html.Tr([_head(key, column) for key, column in COLUMNS.items()]), id="subscription-heads"
                        ),
                        html.Tbody(id="subscription-rows", **{"data-empty": "No venue is subscribed to anything yet."}),
                    ],
                    className="live-table",
                ),
                className="table-scroll reserve-8",
                tabIndex="0",
            ),
        ],
        className="card panel",
        id="subscriptions",
    )


def _head(key: str, column: Column) -> html.Th:
    unit = html.Span(f" {column.unit}", className="unit") if column.unit else None
    button = html.Button(
        [column.label, unit] if unit else column.label, className="sort", title=f"Sort by {column.label.lower()}"
    )
    return html.Th(
        button,
        className="figure" if column.figures else "",
        scope="col",
        **{"data-sort": key, "aria-sort": "none"},
    )
