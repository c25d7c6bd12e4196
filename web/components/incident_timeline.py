"""The incidents of all venues: a lane a venue, a bar an incident, coloured by its cause; details beside it, a list below."""

from collections.abc import Mapping

from dash import html

from core.domain.health import Cause
from web.components.live_table import Column, live_table
from web.components.panel import how, panel

#: value in the URL -> milliseconds shown
RANGES: dict[str, int] = {"1h": 3_600_000, "6h": 21_600_000, "24h": 86_400_000}
DEFAULT_RANGE = "1h"

#: kind of cause -> what Quintet does about it by itself
ANSWERS: Mapping[Cause, str] = {
    Cause.EXCHANGE_LATE: "Reads on. Ages count from the venue's own times, so the delay shows on every number.",
    Cause.NETWORK: "Connects anew after growing pauses, subscribes everything again, and fetches what was missed.",
    Cause.LOOP_BLOCKED: "Reads on as soon as its loop is free. Nothing is dropped; messages are late by the block.",
    Cause.THIN_MARKET: "Nothing: a market without trades is no fault. The age goes on counting.",
    Cause.MARKET_CLOSED: "Waits for the session to open. The last values stay readable, with their age.",
    Cause.FARM_DOWN: "Marks the symbols of that farm stale, and takes them for live again at their first message.",
    Cause.COMPETING_SESSION: "Stays connected without data until the user's other session ends.",
    Cause.NO_PERMISSION: "Does not ask again for what the account may not have. Delayed data is marked DELAYED.",
    Cause.RATE_LIMIT: "Sends no request before the venue allows it again. Streams that are open go on.",
    Cause.SEQUENCE_GAP: "Asks for what is missing, and withholds the book until it joins without a hole.",
    Cause.BAD_FRAMES: "Drops what it cannot read, counts it by kind, and reads on.",
    Cause.CLOCK: "Measures the offset again and corrects latencies by it.",
    Cause.SCHEDULED_RESET: "Expects it: waits it out, connects again and subscribes everything anew.",
    Cause.VENUE_DOWN: "Tries again after growing pauses, for ever. The last values stay, marked stale.",
    Cause.NOT_CONFIGURED: "Looks again from time to time. The other venues are not affected.",
    Cause.UNKNOWN: "Treats it as an outage: connects anew, subscribes everything again, fetches what was missed.",
}

LIST_COLUMNS = (
    Column("Since", figures=False),
    Column("Lasted"),
    Column("Venue", figures=False),
    Column("Kind", figures=False),
    Column("Cause", figures=False),
)


def incident_timeline(chosen: str) -> html.Section:
    """The panel of the time line; `chosen` is one of `RANGES`. assets/incidents.js draws lanes, axis and details."""
    segments = [
        html.Button(
            label.replace("h", " h"),
            className="segment",
            role="radio",
            title=f"The last {label.replace('h', ' hours') if label != '1h' else 'hour'}",
            **{"data-range": label, "data-ms": str(span), "aria-checked": "true" if label == chosen else "false"},
        )
        for label, span in RANGES.items()
    ]
    return html.Section(
        [
            html.Header(
                [
                    html.H2("Incidents by cause", className="card-title"),
                    how("timeline", "Incidents by cause"),
                    html.Span("", id="timeline-note", className="card-note num"),
                    html.Div(
                        segments, id="timeline-ranges", className="segments", role="radiogroup", **{"aria-label": "Time"}
                    ),
                ],
                className="card-head",
            ),
            html.Div(
                [
                    html.Div(
                        [
                            html.Div(id="timeline", className="timeline graph", role="group", **{"aria-label": "Time line"}),
                            _legend(),
                        ],
                        className="timeline-side",
                    ),
                    html.Div(id="incident-details", className="incident-details", role="status"),
                ],
                className="timeline-body",
            ),
        ],
        className="card panel timeline-panel",
        id="incidents",
        **{"data-range": chosen, "data-loading": "true"},
    )


def incident_list() -> html.Section:
    """The same incidents as a table, newest first."""
    return panel(
        "Incidents, newest first",
        live_table("connection-incidents", LIST_COLUMNS, "No incident in this time.", rows=6),
        identity="incident-list",
        measure="incidents",
        note_id="incident-list-note",
    )


def _legend() -> html.Ul:
    """All kinds with their words; the script shows those that are on the time line."""
    items = [
        html.Li(
            [html.Span(className="swatch", **{"data-kind": kind.value}), kind.value],
            hidden=True,
            title=f"What Quintet does: {answer}",
            **{"data-legend": kind.value, "data-answer": answer},
        )
        for kind, answer in ANSWERS.items()
    ]
    return html.Ul(items, id="timeline-legend", className="timeline-legend", **{"aria-label": "Kinds of causes"})
