"""The verdict on the worker pool, and the figures that tell whether it keeps up."""

from dash import html

from web.components.panel import how

FIGURES: tuple[tuple[str, str, str], ...] = (
    ("rate", "Ticks /s", "Ticks stored a second, all workers together"),
    ("p50", "Batch p50", "From the first tick of a batch being read to its COMMIT and acknowledgement: the median"),
    ("p99", "Batch p99", "The same, 99th percentile; 10 ms is what we promise at 5,000 ticks a second"),
    ("pending", "Pending", "Ticks that a worker has read and not acknowledged yet"),
    ("oldest", "Oldest unacked", "Since the oldest of them was handed out"),
    ("lag", "Lag", "Ticks in the stream that no worker has read yet"),
    ("dead", "Dead letters", "Entries given up, with their reason: see below"),
    ("errors", "Errors", "Attempts that failed, and entries that could not be understood, since the workers started"),
    (
        "duplicates",
        "Duplicates",
        "Ticks that were delivered or published again and were stored already: nothing was stored twice",
    ),
)


def pool_header() -> html.Section:
    """The strip; assets/workers.js fills it from the `workers` channel."""
    return html.Section(
        [
            html.Div(
                [
                    html.P("Waiting for the first report", id="pool-verdict", className="verdict", role="status"),
                    html.P("", id="pool-hint", className="pool-hint num"),
                ],
                className="sharing-words",
            ),
            html.Dl(
                [
                    html.Div([html.Dt(label), html.Dd("–", id=f"pool-{key}", className="num ageing")], title=title)
                    for key, label, title in FIGURES
                ],
                className="sharing-figures pool-figures",
            ),
            how("pool", "The pool"),
        ],
        className="card sharing-strip pool-strip",
        id="pool",
        **{"aria-label": "The worker pool"},
    )
