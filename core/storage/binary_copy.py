"""Rows into Postgres's binary COPY format, all at once.

The format (PostgreSQL manual, COPY, "Binary Format"): a header, then per row the number of fields and per field its length
and its bytes, big-endian, then −1. With fixed-width types every row has the same layout, so a numpy record holds it: the
columns are assigned, and one `tobytes` makes the payload of a batch while the interpreter lock is held for microseconds.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"

#: Postgres type -> numpy type on the wire
_WIRE = {"int2": ">i2", "int4": ">i4", "int8": ">i8", "float8": ">f8", "bool": "u1", "timestamptz": ">i8"}

#: Unix ms of Postgres's epoch, 2000-01-01 UTC; its timestamps are microseconds since then
_EPOCH_MS = 946_684_800_000


class BinaryCopy:
    """The layout of one table's rows. `columns`: name -> Postgres type, in the table's order."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        fields: list[tuple[str, str]] = [("fields", ">i2")]
        for name, kind in columns.items():
            fields += [(f"{name} length", ">i4"), (name, _WIRE[kind])]
        self._columns = dict(columns)
        self._layout = np.dtype(fields)
        self._template = np.zeros((), self._layout)
        self._template["fields"] = len(columns)
        for name in columns:
            self._template[f"{name} length"] = self._layout[name].itemsize

    def encode(self, columns: Mapping[str, npt.NDArray[np.generic]]) -> bytes:
        """The COPY payload of equally long columns. A `timestamptz` column is given in Unix milliseconds (int64).

        Values must fit their column's type; the caller has checked them.
        """
        rows = np.full(len(next(iter(columns.values()))), self._template)
        for name, kind in self._columns.items():
            values = columns[name]
            rows[name] = (values - _EPOCH_MS) * 1_000 if kind == "timestamptz" else values
        return b"".join((_HEADER, rows.tobytes(), _TRAILER))
