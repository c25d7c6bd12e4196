"""Books rebuilt over LOBSTER's samples (2012-06-21, AAPL 10 levels and AMZN best level).

A LOBSTER sample is two files of equal length: messages (time, type, order, size, price, direction) and the book's best
levels after each message. The book file is the truth in all these tests. What is derived how:

* *from rows*: changes are the difference of two neighbouring book rows. That proves that inserting, changing and removing
  levels one by one keeps the order and the sizes, for `OrderBook` (diff depth) and `Level2Book` (row operations).
* *from messages*: changes come from the message file only (a new order adds to its price's size, a cancel, a deletion or a
  visible execution takes from it, a hidden execution changes nothing). That is independent of the book file, but for levels
  that were not known yet: a message file has nothing of orders beyond its levels, so what comes into view from there is
  taken from the book file as a new snapshot, and counted.
"""

import gzip
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.domain.market import BookView, DepthDiff, DepthSnapshot, Level
from core.market.consolidated_book import consolidate
from core.market.level2_book import ASK, BID, DELETE, INSERT, UPDATE, Level2Book
from core.market.order_book import OrderBook

Side = tuple[Level, ...]
#: type, size, price in dollars, is a bid
Message = tuple[int, float, float, bool]
NEW, CANCEL, DELETION, EXECUTION = 1, 2, 3, 4
#: the price that stands for a missing level
ABSENT = 999_999.9999


def lines(path: Path) -> Iterator[list[str]]:
    data = path.read_bytes()
    for line in (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines():
        yield line.split(",")


def rows(path: Path) -> list[tuple[Side, Side]]:
    """Bids and asks after each message; prices in dollars."""
    found = []
    for line in lines(path):
        numbers = [int(field) for field in line]
        levels = [(price / 10_000, float(size)) for price, size in zip(numbers[::2], numbers[1::2], strict=True)]
        asks, bids = levels[::2], levels[1::2]
        found.append((tuple(x for x in bids if abs(x[0]) < ABSENT), tuple(x for x in asks if abs(x[0]) < ABSENT)))
    return found


def messages(path: Path) -> list[Message]:
    return [(int(kind), float(size), int(price) / 10_000, way == "1") for _, kind, _, size, price, way in lines(path)]


def difference(before: Side, after: Side) -> Side:
    old, new = dict(before), dict(after)
    gone = tuple((price, 0.0) for price in old if price not in new)
    return gone + tuple((price, size) for price, size in new.items() if old.get(price) != size)


@pytest.fixture(scope="module")
def aapl(shared_data: Path) -> tuple[list[Message], list[tuple[Side, Side]]]:
    folder = shared_data / "lobster"
    return (
        messages(folder / "AAPL_2012-06-21_message_10_first999.csv"),
        rows(folder / "AAPL_2012-06-21_orderbook_10_first999.csv.gz"),
    )


@pytest.fixture(scope="module")
def amzn(shared_data: Path) -> tuple[list[Message], list[tuple[Side, Side]]]:
    folder = shared_data / "lobster"
    return (
        messages(folder / "AMZN_2012-06-21_34200000_57600000_message_1.csv.gz"),
        rows(folder / "AMZN_2012-06-21_34200000_57600000_orderbook_1.csv.gz"),
    )


def test_from_rows_ten_levels_follow_as_diff_depth(aapl: tuple[list[Message], list[tuple[Side, Side]]]) -> None:
    book, truth = OrderBook(), aapl[1]
    book.apply_snapshot(DepthSnapshot("AAPL", 0, *truth[0]))
    for number, ((old_bids, old_asks), (bids, asks)) in enumerate(itertools.pairwise(truth), start=1):
        diff = DepthDiff("AAPL", number, number, difference(old_bids, bids), difference(old_asks, asks), number)
        assert book.apply(diff)
        assert book.top(10) == (bids, asks)
    assert (book.updates, book.gaps, book.crossed, book.levels) == (998, 0, 0, (10, 10))


def operations(before: Side, after: Side) -> Iterator[tuple[int, int, Level]]:
    """The row operations of a venue that shows so many levels: deletes from below, then inserts and updates from above."""
    kept = list(before)
    for row in reversed(range(len(kept))):
        if kept[row][0] not in dict(after):
            yield row, DELETE, kept.pop(row)
    for row, level in enumerate(after):
        if row < len(kept) and kept[row][0] == level[0]:
            if kept[row] != level:
                kept[row] = level
                yield row, UPDATE, level
        else:
            kept.insert(row, level)
            yield row, INSERT, level


def test_from_rows_ten_levels_follow_as_level_ii_rows(aapl: tuple[list[Message], list[tuple[Side, Side]]]) -> None:
    book, before, kinds = Level2Book(10), ((), ()), set()
    for bids, asks in aapl[1]:
        for side, old, new in ((BID, before[0], bids), (ASK, before[1], asks)):
            for row, operation, (price, size) in operations(old, new):
                kinds.add(operation)
                assert book.apply(row, operation, side, price, size)
        assert book.top() == (bids, asks)
        before = bids, asks
    assert kinds == {INSERT, UPDATE, DELETE}
    assert (book.gaps, book.crossed) == (0, 0)


class MessageBook:
    """An order book fed with messages; what it knows of each price, it knows from the last snapshot and messages since."""

    def __init__(self) -> None:
        self.book = OrderBook()
        self.snapshots = 0

    def load(self, row: tuple[Side, Side]) -> None:
        self.book.apply_snapshot(DepthSnapshot("X", self.book.last_update_id + 1, *row))
        self.snapshots += 1

    def apply(self, message: Message) -> None:
        kind, size, price, is_bid = message
        if kind not in (NEW, CANCEL, DELETION, EXECUTION):
            return
        known = dict(self.book.top(1_000)[0 if is_bid else 1]).get(price, 0.0)
        change = ((price, known + size if kind == NEW else max(0.0, known - size)),)
        number = self.book.last_update_id + 1
        assert self.book.apply(DepthDiff("X", number, number, change if is_bid else (), () if is_bid else change, number))


def within(side: Side, low: float, high: float) -> Side:
    return tuple(level for level in side if low <= level[0] <= high)


def test_from_messages_every_known_level_of_ten_has_the_right_size(
    aapl: tuple[list[Message], list[tuple[Side, Side]]],
) -> None:
    ours, compared, deepest = MessageBook(), 0, 0
    low = high = 0.0
    for message, (bids, asks) in zip(*aapl, strict=True):
        if not ours.snapshots:
            ours.load((bids, asks))
            low, high = bids[-1][0], asks[-1][0]
            continue
        ours.apply(message)
        # nothing is told of levels that are beyond the tenth now: from here on they are unknown
        low, high = max(low, bids[-1][0]), min(high, asks[-1][0])
        known_bids, known_asks = ours.book.top(1_000)
        if low > bids[2][0] or high < asks[2][0]:
            ours.load((bids, asks))
            low, high = bids[-1][0], asks[-1][0]
            continue
        assert within(known_bids, low, high) == within(bids, low, high)
        assert within(known_asks, low, high) == within(asks, low, high)
        compared += 1
        deepest = max(deepest, len(within(bids, low, high)))
    assert ours.book.crossed == 0
    assert deepest >= 8
    assert compared > 900, (compared, ours.snapshots)


def test_from_messages_the_best_level_of_a_whole_day_follows(amzn: tuple[list[Message], list[tuple[Side, Side]]]) -> None:
    """Where the best level was used up the next one was never told; every other row follows from its message, but for eight
    in which the recording contradicts itself (the first is an order of 33,570 shares, of which the rows have 50).
    """
    ours, derived, contradicted = MessageBook(), 0, []
    for number, (message, row) in enumerate(zip(*amzn, strict=True)):
        if number == 0:
            ours.load(row)
            continue
        ours.apply(message)
        after = ours.book.top(1)
        if after == row:
            derived += 1
        elif after[0 if message[3] else 1] or message[0] not in (CANCEL, DELETION, EXECUTION):
            contradicted.append(number)
        # a used up best level gives way to one that was never told; and nothing is told of what lies behind a better one
        if ours.book.top(2) != row:
            ours.load(row)
    assert contradicted[0] == 19_302
    assert (len(contradicted), derived) == (8, 43_551)
    assert ours.book.crossed == 0


def test_the_measures_of_every_row_keep_their_bounds(
    aapl: tuple[list[Message], list[tuple[Side, Side]]], amzn: tuple[list[Message], list[tuple[Side, Side]]]
) -> None:
    checked = 0
    for truth in (aapl[1], amzn[1][::20]):
        for bids, asks in truth:
            cob = consolidate("X", (BookView("X", 1, bids, asks, 0, 0, "lobster"),))
            assert cob.spread is not None
            assert cob.spread > 0
            assert cob.microprice is not None
            assert bids[0][0] <= cob.microprice <= asks[0][0]
            assert cob.imbalance is not None
            assert -1 <= cob.imbalance <= 1
            assert all(bid >= 0 and ask >= 0 for _, bid, ask in cob.depth)
            assert cob.depth[-1][1] <= sum(size for _, size in bids)
            checked += 1
    assert checked > 3_800
