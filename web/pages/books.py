"""Order book: where does size rest, how did it get there, and how far can the book be believed?"""

import dash
from dash import html

from core.domain.instrument import INSTRUMENTS
from web.components.book_header import book_header
from web.components.book_panels import book_ladder, depth_panel, heat_panel, integrity_panel
from web.components.book_tabs import book_tabs, full_name, size_title
from web.components.context import current_system
from web.components.tape import tape

dash.register_page(
    __name__, path="/books", name="Order book", title="Order book · Quintet", order=0.5, icon="books", key="b"
)


def layout(symbol: str = "ETHUSDT", **_: str) -> html.Div:
    """The page; `?symbol=AAPL` opens that book. Span, range and centring of the heat map are read by its script."""
    instruments = {**INSTRUMENTS, **current_system().stream.instruments}
    chosen = instruments.get(symbol) or next(iter(instruments.values()))
    return html.Div(
        [
            html.H1("Order book", className="sr-only"),
            book_tabs(list(instruments.values()), chosen.symbol),
            html.Div(
                [
                    book_header(full_name(chosen)),
                    heat_panel(),
                    book_ladder(size_title(chosen), chosen.quote),
                    tape(chosen),
                    depth_panel(),
                    integrity_panel(),
                ],
                className="ob-body",
                id="ob-body",
                role="tabpanel",
            ),
        ],
        className="page page-books",
        id="page-books",
        **{"data-page": "books", "data-symbol": chosen.symbol},
    )
