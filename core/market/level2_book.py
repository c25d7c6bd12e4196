"""A Level II book told as rows: inserts push the rows below down, deletes pull them up."""

from core.domain.market import Level

INSERT, UPDATE, DELETE = 0, 1, 2
ASK, BID = 0, 1


class Level2Book:
    """Rows per side, best first, as Interactive Brokers' market depth tells them (`updateMktDepth`, `updateMktDepthL2`).

    A row number that cannot be (an update or delete where there is no row, an insert beyond the end) makes the book void:
    nothing in it is to be believed until `clear()`. Rows pushed beyond the `rows` that were asked for are let go, and a
    delete of such a row is no fault.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._sides: tuple[list[Level], list[Level]] = ([], [])
        self.is_void = False
        self.changes = 0
        #: times the book became void
        self.gaps = 0
        #: times the best bid was not below the best ask when asked for the top
        self.crossed = 0

    def clear(self) -> None:
        """Start anew with no row."""
        for side in self._sides:
            side.clear()
        self.is_void = False

    def apply(self, position: int, operation: int, side: int, price: float, size: float) -> bool:
        """One row's change; False: the book is void."""
        if self.is_void:
            return False
        self.changes += 1
        if side not in (ASK, BID) or not self._change(self._sides[side], position, operation, (price, size)):
            self.is_void = True
            self.gaps += 1
            return False
        return True

    def _change(self, rows: list[Level], position: int, operation: int, level: Level) -> bool:
        if operation == INSERT and 0 <= position <= len(rows):
            rows.insert(position, level)
            del rows[self._rows :]
            return True
        if operation == UPDATE and 0 <= position < len(rows):
            rows[position] = level
            return True
        if operation == DELETE and 0 <= position < len(rows):
            del rows[position]
            return True
        return operation == DELETE and position >= self._rows

    @property
    def has_both_sides(self) -> bool:
        return bool(self._sides[ASK] and self._sides[BID])

    @property
    def is_full(self) -> bool:
        """Whether both sides have all the rows that were asked for."""
        return all(len(side) >= self._rows for side in self._sides)

    @property
    def is_crossed(self) -> bool:
        return self.has_both_sides and self._sides[BID][0][0] >= self._sides[ASK][0][0]

    def top(self) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Bids and asks, best first; rows of one price (several market makers) are one level."""
        self.crossed += self.is_crossed
        return _levels(self._sides[BID], is_bid=True), _levels(self._sides[ASK], is_bid=False)


def _levels(rows: list[Level], *, is_bid: bool) -> tuple[Level, ...]:
    """Rows of one price as one level, best first; a row alone at its price is that level itself."""
    levels: list[Level] = []
    for row in sorted(rows, reverse=is_bid):
        if row[1] <= 0:
            continue
        if levels and levels[-1][0] == row[0]:
            levels[-1] = (row[0], levels[-1][1] + row[1])
        else:
            levels.append(row)
    return tuple(levels)
