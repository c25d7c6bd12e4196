"""From one book to the next as Level II messages. Pure.

The venue names rows by position. In the shifting manner an insert moves the rows below it down and a delete moves them up;
in the update-only manner positions stay and each row that differs is written anew.
"""

from enum import IntEnum
from typing import NamedTuple

from core.venues.simulated.tws.market import Row, Rows


class Operation(IntEnum):
    INSERT = 0
    UPDATE = 1
    DELETE = 2


class Change(NamedTuple):
    position: int
    operation: Operation
    row: Row


def shifting(old: Rows, new: Rows) -> list[Change]:
    """Deletes from the bottom up, then inserts and updates from the top down: the list never outgrows the longer of both."""
    kept = {row.price for row in new}
    changes = [
        Change(position, Operation.DELETE, Row(0, 0, row.maker))
        for position, row in reversed(list(enumerate(old)))
        if row.price not in kept
    ]
    left = {row.price: row for row in old if row.price in kept}
    for position, row in enumerate(new):
        before = left.get(row.price)
        if before is None:
            changes.append(Change(position, Operation.INSERT, row))
        elif before != row:
            changes.append(Change(position, Operation.UPDATE, row))
    return changes


def update_only(old: Rows, new: Rows) -> list[Change]:
    """Rows that differ, in place; inserts and deletes only at the end, as the number of rows changes."""
    changes = [
        Change(position, Operation.UPDATE, after)
        for position, (before, after) in enumerate(zip(old, new, strict=False))
        if before != after
    ]
    changes += [Change(position, Operation.INSERT, new[position]) for position in range(len(old), len(new))]
    changes += [
        Change(position, Operation.DELETE, Row(0, 0, old[position].maker))
        for position in reversed(range(len(new), len(old)))
    ]
    return changes
