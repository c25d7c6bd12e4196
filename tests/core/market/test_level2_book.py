"""A book told as rows: it equals the sender's, or it is void."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.level2_book import ASK, BID, DELETE, INSERT, UPDATE, Level2Book

PRICES = st.integers(1, 40)


def rows(prices: list[int]) -> list[tuple[float, float]]:
    return [(float(price), float(price) + 1) for price in prices]


def filled(book: Level2Book, side: int, prices: list[int]) -> None:
    for position, (price, size) in enumerate(rows(prices)):
        assert book.apply(position, INSERT, side, price, size)


def test_inserts_push_down_deletes_pull_up_and_updates_stay() -> None:
    book = Level2Book(10)
    filled(book, ASK, [11, 12, 13])
    filled(book, BID, [10, 9])
    assert book.apply(1, INSERT, ASK, 11.5, 7)
    assert book.apply(0, DELETE, ASK, 0, 0)
    assert book.apply(1, UPDATE, BID, 8, 3)
    assert book.top() == (((10.0, 11.0), (8.0, 3.0)), ((11.5, 7.0), (12.0, 13.0), (13.0, 14.0)))


@pytest.mark.parametrize(
    ("position", "operation", "side"), [(3, INSERT, ASK), (2, UPDATE, ASK), (2, DELETE, ASK), (-1, INSERT, BID), (0, INSERT, 2), (0, 7, BID)]  # noqa: E501
)  # fmt: skip
def test_a_row_that_cannot_be_makes_the_book_void_until_it_is_cleared(position: int, operation: int, side: int) -> None:
    book = Level2Book(10)
    filled(book, ASK, [11, 12])
    filled(book, BID, [10, 9])
    assert not book.apply(position, operation, side, 5, 5)
    assert book.is_void
    assert book.gaps == 1
    assert not book.apply(0, UPDATE, ASK, 11, 1), "nothing is believed of a void book"
    book.clear()
    assert book.apply(0, INSERT, ASK, 11, 1)


def test_rows_beyond_those_asked_for_are_let_go_and_their_delete_is_no_fault() -> None:
    book = Level2Book(2)
    filled(book, ASK, [12, 13])
    assert book.apply(0, INSERT, ASK, 11, 1)
    assert book.apply(2, DELETE, ASK, 0, 0)
    assert book.top()[1] == ((11.0, 1.0), (12.0, 13.0))


def test_rows_of_one_price_are_one_level_and_empty_ones_none() -> None:
    book = Level2Book(10)
    for position, size in enumerate((5.0, 6.0, 0.0)):
        book.apply(position, INSERT, BID, 10, size)
    assert book.top()[0] == ((10.0, 11.0),)


def test_a_crossed_book_is_counted() -> None:
    book = Level2Book(10)
    filled(book, BID, [12])
    filled(book, ASK, [11])
    assert book.is_crossed
    book.top()
    assert book.crossed == 1


@given(
    st.lists(st.tuples(st.lists(PRICES, unique=True, max_size=8), st.lists(PRICES, unique=True, max_size=8)), max_size=8),
    st.integers(8, 12),
)
def test_any_way_from_one_picture_to_the_next_ends_at_the_senders_book(
    pictures: list[tuple[list[int], list[int]]], kept: int
) -> None:
    """The sender deletes from the bottom up what is gone, then inserts and updates from the top down."""
    book = Level2Book(kept)
    old: list[list[int]] = [[], []]
    for bids, asks in pictures:
        new = [sorted(asks), sorted(bids, reverse=True)]
        for side in (ASK, BID):
            for position in reversed(range(len(old[side]))):
                if old[side][position] not in new[side]:
                    assert book.apply(position, DELETE, side, 0, 0)
            for position, price in enumerate(new[side]):
                operation = UPDATE if price in old[side] else INSERT
                assert book.apply(position, operation, side, price, price + 1.0)
        old = new
        assert book.top() == (tuple(rows(new[BID])), tuple(rows(new[ASK])))
