"""The frames of `/feed`, as text. Pure: state in, one JSON text out, which every client is then given.

Times named `*_ms` are Unix ms. `recv_ms` is when the newest fact of a frame was read from its socket here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from core.domain.health import Source
from core.domain.market import BarFlag, BookView, ConsolidatedBook, Quote, Trade

#: what a chart tints; a bar that is merely closed or agreed upon is plain
TINTED = BarFlag.FROM_REST | BarFlag.CORRECTED | BarFlag.PARTIAL

#: the name under which the feed is a consumer of the stream
CONSUMER = "dashboard"

REPORTS = ("status", "monitoring", "connections", "books", "workers")
#: channels of parts that do not exist yet: a client may subscribe, nothing is sent
SILENT = ("signals",)

#: levels a side of `book:SYM` and `cob:SYM`, of the 200 that a view may have
BOOK_LEVELS = 25

#: `heat:SYM` of a symbol that no venue brings; the form is that of `core.market.liquidity`
NO_LIQUIDITY: Mapping[str, Any] = {
    "full": True, "last": -1, "bin": 1.0, "period_ms": 500, "scale": {"unit": 1.0, "base": 1.1}, "columns": []
}  # fmt: skip

_encode = msgspec.json.Encoder().encode


def frame(channel: str, seq: int, sent_ms: int, body: Mapping[str, Any]) -> str:
    """One frame: the three fields that all have, then `body`."""
    return _encode({"channel": channel, "seq": seq, "sent_ms": sent_ms, **body}).decode()


def series_body(
    rows: Sequence[Sequence[float]], flags: Mapping[int, int], recv_ms: float | None, full: bool = False
) -> dict[str, Any]:
    """`flags` maps the timestamps of rows to be tinted to their BarFlag bits."""
    body: dict[str, Any] = {"rows": rows, "flags": {str(ts): int(flag) for ts, flag in flags.items()}, "recv_ms": recv_ms}
    return {**body, "full": True} if full else body


def trade_row(trade: Trade) -> tuple[int, int, float, float, bool]:
    return trade.trade_id, trade.ts_ms, trade.price, trade.quantity, trade.is_buyer_maker


def trades_body(trades: Iterable[Trade], full: bool) -> dict[str, Any]:
    """Trades oldest first."""
    body: dict[str, Any] = {"rows": [trade_row(trade) for trade in trades]}
    return {**body, "full": True} if full else body


def quotes_body(quotes: Iterable[Quote]) -> dict[str, Any]:
    return {"rows": [(q.symbol, q.bid, q.bid_size, q.ask, q.ask_size, q.update_id) for q in quotes]}


def book_body(view: BookView | None) -> dict[str, Any]:
    """The best 25 of both sides, best first; nothing but `synced: false` while the book is not one with the venue's."""
    if view is None:
        return {"bids": [], "asks": [], "event_ms": None, "synced": False}
    return {
        "bids": view.bids[:BOOK_LEVELS],
        "asks": view.asks[:BOOK_LEVELS],
        "event_ms": view.event_ms,
        "synced": True,
    }


def cob_body(
    book: ConsolidatedBook | None, source: Source | None, known_range: tuple[float, float] | None
) -> dict[str, Any]:
    """The consolidated book with its measures; a book that is withheld (None) has no numbers at all.

    `state` is SYNCED or WITHHELD; `source` null while no venue brings the symbol; `known_range` that of the only book in it.
    """
    state: dict[str, Any] = {"state": "WITHHELD" if book is None else "SYNCED", "source": source, "known_range": known_range}
    if book is None:
        nothing = dict.fromkeys(("mid", "spread", "microprice", "imbalance", "event_ms"))
        return {"bids": [], "asks": [], "sources": [], "depth": [], **nothing, **state}
    return {
        "bids": book.bids[:BOOK_LEVELS],
        "asks": book.asks[:BOOK_LEVELS],
        "sources": book.sources,
        "depth": book.depth,
        "mid": book.mid,
        "spread": book.spread,
        "microprice": book.microprice,
        "imbalance": book.imbalance,
        "event_ms": book.event_ms,
        **state,
    }


def error_body(message: str) -> dict[str, Any]:
    return {"error": message}
