"""The frames of `/feed`, as text. Pure: state in, one JSON text out, which every client is then given.

Times named `*_ms` are Unix ms. `recv_ms` is when the newest fact of a frame was read from its socket here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from core.domain.market import BarFlag, BookView, Quote, Trade

#: what a chart tints; a bar that is merely closed or agreed upon is plain
TINTED = BarFlag.FROM_REST | BarFlag.CORRECTED | BarFlag.PARTIAL

#: the name under which the feed is a consumer of the stream
CONSUMER = "dashboard"

REPORTS = ("status", "monitoring", "connections")
#: channels of parts that do not exist yet: a client may subscribe, nothing is sent
SILENT = ("signals", "workers")

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
    """Both sides best first; nothing but `synced: false` while the book is not one with the venue's."""
    if view is None:
        return {"bids": [], "asks": [], "event_ms": None, "synced": False}
    return {"bids": view.bids, "asks": view.asks, "event_ms": view.event_ms, "synced": True}


def error_body(message: str) -> dict[str, Any]:
    return {"error": message}
