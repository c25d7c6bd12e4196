"""One tab a symbol: its price, how fresh it is, and what kind of market stands behind it."""

from collections.abc import Sequence

from dash import html

from core.domain.instrument import Instrument


def label(instrument: Instrument) -> str:
    """What a tab calls a symbol: the base of a spot pair, else the symbol."""
    return instrument.base if instrument.kind == "spot" else instrument.symbol


def full_name(instrument: Instrument) -> str:
    """The pair of a spot instrument, else the symbol."""
    return instrument.pair if instrument.kind == "spot" else instrument.symbol


def unit(instrument: Instrument) -> str:
    """What its sizes count."""
    return "shares" if instrument.kind == "stock" else instrument.base


def size_title(instrument: Instrument) -> str:
    """The heading of a column of its sizes."""
    return "Shares" if instrument.kind == "stock" else f"Size {unit(instrument)}"


def book_tabs(instruments: Sequence[Instrument], chosen: str) -> html.Div:
    """The tabs; assets/books.js reads an instrument's facts from its tab, and fills it from the `books` channel."""
    return html.Div(
        [_tab(instrument, instrument.symbol == chosen) for instrument in instruments],
        className="ob-tabs",
        id="ob-tabs",
        role="tablist",
        **{"aria-label": "Symbol"},
    )


def _tab(instrument: Instrument, is_chosen: bool) -> html.Button:
    return html.Button(
        [
            html.Span(className="dot", **{"aria-hidden": "true"}),
            html.Span(label(instrument), className="ob-tab-name"),
            html.Span("–", className="ob-tab-price num"),
            html.Span("no source", className="ob-tab-source"),
        ],
        className="ob-tab",
        role="tab",
        tabIndex="0" if is_chosen else "-1",
        title=f"{full_name(instrument)} at {instrument.venue}",
        **{
            "aria-selected": "true" if is_chosen else "false",
            "aria-controls": "ob-body",
            "data-book": instrument.symbol,
            "data-label": label(instrument),
            "data-pair": full_name(instrument),
            "data-unit": unit(instrument),
            "data-quote": instrument.quote,
            "data-venue": instrument.venue,
            "data-decimals": str(instrument.price_decimals),
            "data-tick": f"{instrument.tick_size:.10g}",
            "data-lot": f"{instrument.lot_size:.10g}",
            "data-kind": instrument.kind,
            "data-level": "stale",
        },
    )
