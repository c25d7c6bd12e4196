"""Entries that the pool gave up: why, what they were, and putting them back."""

from dash import html

from web.components.live_table import Column, live_table
from web.components.panel import panel

COLUMNS = (
    Column("Reason", figures=False),
    Column("Symbol", figures=False),
    Column("Deliveries", measure="deliveries"),
    Column("First"),
    Column("Last"),
    Column("Fields", figures=False),
    Column("Entry", figures=False, hide_on_phone=True),
    Column("", figures=False),
)


def dead_letters() -> html.Section:
    """The table; assets/dead_letters.js asks the API for it and replays what is asked for."""
    return panel(
        "Dead letters",
        live_table(
            "dead-rows",
            COLUMNS,
            "None. An entry that cannot be understood, or that failed five times, comes here with its reason and fields: "
            "nothing is dropped silently.",
            rows=2,
        ),
        identity="dead-letters",
        measure="dead_letters",
        note_id="dead-note",
        class_name="cards-on-phone dead-letters",
        action=html.Button("Replay all", id="replay-all", className="chip", hidden=True),
    )


def replay_dialog() -> html.Dialog:
    """Asks once before anything is put back; what came of it is told in the panel and in a message."""
    return html.Dialog(
        [
            html.H2("Replay", id="replay-title"),
            html.P("", id="replay-what", className="replay-what"),
            html.P(
                "Replayed entries go back to the end of the stream and are processed as new. Ticks that were stored already "
                "are not stored twice. What fails again comes back here.",
                className="note",
            ),
            html.Div(
                [
                    html.Button("Replay", id="replay-confirm", className="button button-primary"),
                    html.Button("Cancel", className="button", **{"data-action": "close"}),
                ],
                className="dialog-buttons",
            ),
        ],
        id="replay-dialog",
        className="dialog",
        **{"aria-labelledby": "replay-title"},
    )
