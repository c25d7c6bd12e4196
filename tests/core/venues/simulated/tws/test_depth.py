"""Level II changes turn the client's book into the new one, whichever manner."""

from hypothesis import given
from hypothesis import strategies as st

from core.venues.simulated.tws.depth import Change, Operation, shifting, update_only
from core.venues.simulated.tws.market import Row, Rows

rows = st.dictionaries(st.integers(1, 30), st.integers(1, 5), max_size=12).map(
    lambda sizes: tuple(Row(price, size, "ARCA" if price % 2 else "IEX") for price, size in sorted(sizes.items()))
)


def applied(old: Rows, changes: list[Change]) -> tuple[Rows, int]:
    """The book of a client that inserts, sets and removes at positions; and how long it ever was."""
    book = list(old)
    longest = len(book)
    for position, operation, row in changes:
        if operation is Operation.INSERT:
            book.insert(position, row)
        elif operation is Operation.UPDATE:
            book[position] = row
        else:
            del book[position]
        longest = max(longest, len(book))
    return tuple(book), longest


@given(old=rows, new=rows)
def test_shifting_changes_lead_from_one_book_to_the_next(old: Rows, new: Rows) -> None:
    book, longest = applied(old, shifting(old, new))
    assert book == new
    assert longest <= max(len(old), len(new))


@given(old=rows, new=rows)
def test_updates_in_place_lead_from_one_book_to_the_next(old: Rows, new: Rows) -> None:
    changes = update_only(old, new)
    assert applied(old, changes)[0] == new
    ends = [change for change in changes if change.operation is not Operation.UPDATE]
    assert all(change.position >= min(len(old), len(new)) for change in ends)


@given(book=rows)
def test_nothing_is_said_of_a_book_that_stays(book: Rows) -> None:
    assert shifting(book, book) == update_only(book, book) == []
