"""Rows into Postgres's binary COPY format, all at once.

The format (PostgreSQL manual, COPY, "Binary Format"): a header, then per row the number of fields and per field its length
and its bytes, big-endian, then −1. With fixed-width types every row has the same layout, so a numpy record holds it: the
columns are assigned, and one `tobytes` makes the payload of a batch while the interpreter lock is held for microseconds.
"""

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"

#: Postgres type -> numpy type on the wire
_WIRE = {"int2": ">i2", "int4": ">i4", "int8": ">i8", "float8": ">f8", "bool": "u1", "timestamptz": ">i8"}

#: Unix ms of Postgres's epoch, 2000-01-01 UTC; its timestamps are microseconds since then
_EPOCH_MS = 946_684_800_000


class BinaryCopy:
    """The layout of one table's rows. `columns`: name -> Postgres type, in the table's order.

    Columns in `absent` are NULL in every row.
    """

    def __init__(self, columns: Mapping[str, str], absent: Collection[str] = ()) -> None:
        fields: list[tuple[str, str]] = [("fields", ">i2")]
        for name, kind in columns.items():
            fields.append((f"{name} length", ">i4"))
            if name not in absent:
                fields.append((name, _WIRE[kind]))
        self._columns = {name: kind for name, kind in columns.items() if name not in absent}
        self._layout = np.dtype(fields)
        self._template = np.zeros((), self._layout)
        self._template["fields"] = len(columns)
        for name in columns:
            self._template[f"{name} length"] = -1 if name in absent else self._layout[name].itemsize

    def encode(self, columns: Mapping[str, npt.NDArray[np.generic]]) -> bytes:
        """The COPY payload of equally long columns. A `timestamptz` column is given in Unix milliseconds (int64).

        Values must fit their column's type; the caller has checked them.
        """
        return payload(self.rows(columns))

    def rows(self, columns: Mapping[str, npt.NDArray[np.generic]] | npt.NDArray[np.void]) -> bytes:
        """The rows alone, so that those of several layouts can share a payload."""
        rows = np.full(len(columns[next(iter(self._columns))]), self._template)
        for name, kind in self._columns.items():
            values = columns[name]
            rows[name] = (values - _EPOCH_MS) * 1_000 if kind == "timestamptz" else values
        return rows.tobytes()


def payload(*rows: bytes) -> bytes:
    """What COPY takes, out of the rows of one or more layouts."""
    return b"".join((_HEADER, *rows, _TRAILER))
