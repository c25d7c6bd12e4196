"""One venue's card on the Connections page: is it sound, since when, why, and what can be done."""

from dash import html

from core.domain.instrument import INSTRUMENTS
from web.components.panel import how

#: venue -> its name for people, until the venue's own status tells it
TITLES: dict[str, str] = {"binance": "Binance", "ibkr": "Interactive Brokers", "hyperliquid": "Hyperliquid"}

#: the venues of the instruments that are there from the start, in the order pages show them
VENUES: tuple[str, ...] = tuple(dict.fromkeys(instrument.venue for instrument in INSTRUMENTS.values()))


def venue_title(venue: str) -> str:
    """The name of a venue for people."""
    return TITLES.get(venue, venue)


def venue_card(venue: str) -> html.Article:
    """The card with every slot at its size. assets/venue_card.js fills the slots, found by `data-slot`, from the
    `connections` channel; a venue that the page did not know gets a copy of this card."""
    return html.Article(
        [
            html.Header(
                [
                    html.H2(venue_title(venue), className="card-title", **{"data-slot": "title"}),
                    html.Span("", className="connection-transport", **{"data-slot": "transport"}),
                    html.Span("–", className="source-badge", **{"data-slot": "source", "data-source": "NONE"}),
                ],
                className="card-head",
            ),
            html.Div(
                [
                    html.P(
                        [
                            html.Strong("–", className="connection-word", **{"data-slot": "state"}),
                            html.Span("", className="num dim", **{"data-slot": "since"}),
                            html.Span("", className="ban-timer num", hidden=True, **{"data-slot": "ban"}),
                        ],
                        className="connection-headline",
                    ),
                    html.P("", className="connection-cause", **{"data-slot": "cause"}),
                    html.P("", className="connection-hint", **{"data-slot": "hint"}),
                ],
                className="connection-state",
                role="status",
            ),
            html.Div(className="state-machine", **{"data-slot": "machine"}),
            html.Div(
                [
                    html.Dl(className="connection-figures", **{"data-slot": "figures"}),
                    html.Div(className="connection-rate", **{"data-slot": "rate"}),
                ],
                className="connection-facts",
            ),
            html.Div(
                [
                    html.H3(["Budgets", how("budget", f"budgets of {venue_title(venue)}")], className="slot-title"),
                    html.Ul(className="budgets", **{"data-slot": "budgets", "data-empty": "No limit told yet."}),
                ],
                className="connection-budgets",
            ),
            html.Div(
                [
                    html.H3("Last changes of state", className="slot-title"),
                    html.Ol(
                        className="transitions",
                        tabIndex="0",
                        **{"data-slot": "transitions", "data-empty": "None yet.", "aria-label": "Last changes of state"},
                    ),
                ],
                className="connection-changes",
            ),
            html.Div(
                [
                    html.Ul(className="farms", hidden=True, **{"data-slot": "farms", "aria-label": "Data farms"}),
                    html.Div(className="accounts", hidden=True, **{"data-slot": "accounts"}),
                ],
                className="connection-extras",
            ),
            html.Div(className="skeleton", **{"aria-hidden": "true"}),
        ],
        className="card panel connection-card",
        id=f"venue-{venue}",
        **{"data-venue": venue, "data-loading": "true", "data-state": "NONE", "aria-label": venue_title(venue)},
    )
