"""All venues' books of one symbol as one."""

from collections.abc import Iterable, Sequence

from core.domain.market import BookView, ConsolidatedBook, Level
from core.market.book_metrics import depth, imbalance, microprice, mid, spread


def consolidate(symbol: str, views: Sequence[BookView]) -> ConsolidatedBook:
    """Add up the views of one symbol, one of each venue that is in step.

    Sizes at one price add up. Bids of one venue may lie above asks of another: both stay, and the spread is negative.
    Times are the newest of the views; without a view both sides are empty.
    """
    if len(views) == 1:
        view = views[0]
        bids, asks = view.bids, view.asks
        sources: tuple[str, ...] = (view.venue,)
        event_ms, recv_ns = view.event_ms, view.recv_ns
    else:
        bids = _merged((view.bids for view in views), is_bid=True)
        asks = _merged((view.asks for view in views), is_bid=False)
        sources = tuple(view.venue for view in views)
        event_ms = max((view.event_ms for view in views), default=0)
        recv_ns = max((view.recv_ns for view in views), default=0)
    return ConsolidatedBook(
        symbol,
        bids,
        asks,
        sources,
        mid(bids, asks),
        spread(bids, asks),
        microprice(bids, asks),
        imbalance(bids, asks),
        depth(bids, asks),
        event_ms,
        recv_ns,
    )


def _merged(sides: Iterable[tuple[Level, ...]], is_bid: bool) -> tuple[Level, ...]:
    sizes: dict[float, float] = {}
    for levels in sides:
        for price, size in levels:
            sizes[price] = sizes.get(price, 0.0) + size
    return tuple(sorted(sizes.items(), reverse=is_bid))
