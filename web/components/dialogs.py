"""Command palette and help: native dialogs, opened by assets/keyboard.js."""

from dash import html

KEYS: tuple[tuple[str, str], ...] = (
    ("g l", "Live"),
    ("g b", "Order book"),
    ("g s", "Signals"),
    ("g t", "Trading"),
    ("g m", "Monitoring"),
    ("g c", "Connections"),
    ("g w", "Workers"),
    ("g o", "Options"),
    ("g d", "Data"),
    ("g ,", "Settings"),
    ("/ or Ctrl/⌘ K", "Search pages, series, switches, themes"),
    ("1 … 5", "Live: bring that chart to the big place"),
    ("b", "Live: back to the newest bar"),
    ("+ − ↑ ↓ Home", "Order book: zoom, move and centre the heat map that has the focus"),
    ("[", "Collapse or open the rail"),
    ("?", "This help"),
    ("Esc", "Close what is open"),
)

BAR_TINTS: tuple[tuple[str, str], ...] = (
    ("filled", "Filled from the venue's REST history after a gap."),
    ("corrected", "Built from trades, then replaced: the venue's own bar differed."),
    ("partial", "Only a part of its trades was seen."),
)


def palette_dialog() -> html.Dialog:
    """The command palette; assets/palette.js fills the list."""
    field = html.Div(id="palette-field", className="palette-field")
    listing = html.Div(id="palette-list", className="palette-list", role="listbox", **{"aria-label": "Commands"})
    return html.Dialog([field, listing], id="palette", className="dialog palette", **{"aria-label": "Search and commands"})


def help_dialog() -> html.Dialog:
    """Keys and what the tints on bars mean."""
    rows = [html.Tr([html.Td(html.Kbd(keys)), html.Td(what)]) for keys, what in KEYS]
    tints = [html.Li([html.Span(className=f"tint tint-{name}"), what]) for name, what in BAR_TINTS]
    return html.Dialog(
        [
            html.H2("Help"),
            html.H3("Keys"),
            html.Table(html.Tbody(rows), className="keys"),
            html.H3("Tinted bars"),
            html.Ul(tints, className="tints"),
            html.H3("Freshness"),
            html.P(
                "LIVE: data arrives as expected. LATE: a little overdue. STALE: too old to act on, the values are greyed. "
                "DEAD: nothing for a long time. The badge shows the age, the strip below a stale chart its cause."
            ),
            html.Button("Close", className="button", **{"data-action": "close"}),
        ],
        id="help",
        className="dialog",
        **{"aria-label": "Help"},
    )
