"""The verdict over all venues, and what the sharing of one connection a venue saves."""

from dash import html

from web.components.panel import how

FIGURES: tuple[tuple[str, str, str], ...] = (
    ("connections", "Connections", "Open connections to venues: one each, whatever the number of listeners"),
    ("subscriptions", "Subscriptions", "Channels asked for at the venues: one a symbol and channel"),
    ("subscribers", "Subscribers", "Models, charts and workers that listen to them"),
    ("calls", "API calls", "Requests sent to the venues since the start"),
    ("updates", "Updates /s", "Updates of all symbols a second"),
    ("cache", "Cache hits", "Requests for history answered without asking a venue"),
    ("memory", "Memory", "Books, prices and bars kept for all who ask"),
)


def sharing_strip() -> html.Section:
    """The strip; assets/connections.js fills it from `connections` and `statistics` of the `connections` channel."""
    return html.Section(
        [
            html.Div(
                [
                    html.P("Waiting for the first report", id="connections-verdict", className="verdict", role="status"),
                    html.P("", id="sharing-sentence", className="sharing-sentence num"),
                ],
                className="sharing-words",
            ),
            html.Dl(
                [
                    html.Div([html.Dt(label), html.Dd("–", id=f"sharing-{key}", className="num ageing")], title=title)
                    for key, label, title in FIGURES
                ],
                className="sharing-figures",
            ),
            how("sharing", "Sharing"),
        ],
        className="card sharing-strip",
        id="sharing",
        **{"aria-label": "All venues"},
    )
