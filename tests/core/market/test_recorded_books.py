"""Recorded Binance frames through our own parsers and book: its best prices are those that the venue announced itself."""

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.base.codec import from_json
from core.domain.market import BookView, DepthDiff, DepthSnapshot, Level, Quote
from core.market.consolidated_book import consolidate
from core.market.order_book import OrderBook
from core.venues.binance.rest_wire import parse_depth
from core.venues.binance.wire import parser_for, stream_name

LATEST_MS = 1_800_000_000_000


def recorded(path: Path, symbol: str) -> Iterator[DepthDiff | DepthSnapshot | Quote]:
    """Depth, snapshot and quotes, in the order they were received."""
    parsers = {
        f"{symbol.lower()}@{name}".encode(): parser_for(f"{symbol.lower()}@{name}") for name in ("depth@100ms", "bookTicker")
    }
    with gzip.open(path, "rb") as lines:
        for line in lines:
            frame = line.partition(b" ")[2].strip()
            if frame.startswith(b'{"lastUpdateId"'):
                yield parse_depth(from_json(frame), symbol)
            elif (name := stream_name(frame)) in parsers:
                value = parsers[name](frame, 0, LATEST_MS)
                assert isinstance(value, DepthDiff | Quote)
                yield value


def best_of(quote: Quote) -> tuple[Level, Level]:
    return (quote.bid, quote.bid_size), (quote.ask, quote.ask_size)


@pytest.mark.parametrize("symbol", ["ETHUSDT", "BTCUSDT"])
def test_the_rebuilt_book_has_the_venues_best_prices_wherever_update_ids_coincide(
    symbol: str, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = OrderBook()
    quotes: dict[int, tuple[Level, Level]] = {}
    bests: dict[int, tuple[Level, Level]] = {}
    diffs = 0
    for value in recorded(shared_data / "binance" / f"spot_{symbol.lower()}_20240808.jsonl.gz", symbol):
        if isinstance(value, Quote):
            quotes[value.update_id] = best_of(value)
        elif isinstance(value, DepthSnapshot):
            book.apply_snapshot(value)
            assert book.synced, "the diffs before the snapshot were held"
        else:
            diffs += 1
            if book.apply(value):
                bids, asks = book.top(1)
                bests[book.last_update_id] = bids[0], asks[0]
    both = bests.keys() & quotes.keys()
    equal = sum(bests[update_id] == quotes[update_id] for update_id in both)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{symbol}: {diffs:,} diffs, {len(quotes):,} quotes, {len(both):,} ids coincide, {equal:,} equal\n"
        )
    assert (book.gaps, book.crossed, book.synced) == (0, 0, True)
    assert len(both) > 0
    assert equal == len(both)


@pytest.mark.parametrize("symbol", ["ETHUSDT", "BTCUSDT"])
def test_between_coinciding_ids_the_book_has_the_last_quote_before_each_diffs_end(symbol: str, shared_data: Path) -> None:
    """The venue sends a quote at each change of the best prices, so the last one up to a diff's `u` still stands there."""
    book = OrderBook()
    values = list(recorded(shared_data / "binance" / f"spot_{symbol.lower()}_20240808.jsonl.gz", symbol))
    quotes = sorted((v for v in values if isinstance(v, Quote)), key=lambda q: q.update_id)
    upcoming, last, checked = iter(quotes), quotes[0], 0
    following = next(upcoming, None)
    for value in values:
        if isinstance(value, DepthSnapshot):
            book.apply_snapshot(value)
        elif isinstance(value, DepthDiff) and book.apply(value):
            while following is not None and following.update_id <= book.last_update_id:
                last, following = following, next(upcoming, None)
            bids, asks = book.top(1)
            assert (bids[0], asks[0]) == best_of(last)
            checked += 1
    assert checked > 1_000


@pytest.mark.parametrize("symbol", ["ETHUSDT", "BTCUSDT"])
def test_one_diff_left_out_is_noticed_at_the_very_next(symbol: str, shared_data: Path) -> None:
    book = OrderBook()
    values = recorded(shared_data / "binance" / f"spot_{symbol.lower()}_20240808.jsonl.gz", symbol)
    for value in values:
        if isinstance(value, DepthSnapshot):
            book.apply_snapshot(value)
            break
        if isinstance(value, DepthDiff):
            book.apply(value)
    diffs = (value for value in values if isinstance(value, DepthDiff))
    assert all(book.apply(next(diffs)) for _ in range(20))
    next(diffs)
    assert not book.apply(next(diffs))
    assert (book.gaps, book.synced) == (1, False)


@pytest.mark.parametrize("symbol", ["ETHUSDT", "BTCUSDT"])
def test_the_measures_of_recorded_books_keep_their_bounds(symbol: str, shared_data: Path) -> None:
    book, seen = OrderBook(), 0
    for number, value in enumerate(recorded(shared_data / "binance" / f"spot_{symbol.lower()}_20240808.jsonl.gz", symbol)):
        if isinstance(value, DepthSnapshot):
            book.apply_snapshot(value)
        elif isinstance(value, DepthDiff) and book.apply(value) and number % 7 == 0:
            bids, asks = book.top(200)
            cob = consolidate(symbol, (BookView(symbol, 1, bids, asks, 0, 0, "binance"),))
            assert cob.spread is not None
            assert cob.spread > 0
            assert cob.microprice is not None
            assert bids[0][0] <= cob.microprice <= asks[0][0]
            assert cob.imbalance is not None
            assert -1 <= cob.imbalance <= 1
            assert [d[0] for d in cob.depth] == [1, 2, 5, 10, 25, 50]
            assert all(a[1] <= b[1] and a[2] <= b[2] for a, b in zip(cob.depth, cob.depth[1:], strict=False))
            assert book.known_range is not None
            assert book.knows(200) == (book.known_range[0] <= bids[-1][0] and asks[-1][0] <= book.known_range[1])
            seen += 1
    assert seen > 100
