"""One ring of rows for all readers."""

import struct
import time
from collections.abc import Iterable, Sequence

import numpy as np

from core.domain.series import COLUMNS
from core.domain.snapshot import Rows

_WIDTH = len(COLUMNS)
_ROW = struct.Struct(f"{_WIDTH}d")
_ROW_BYTES = _ROW.size
_pack_row = _ROW.pack_into
#: the newest writes that a reader can still look up; a power of two
_JOURNAL = 256


class SharedDataBuffer:
    """The newest `capacity` rows of one series, contiguous, float64, one row each `step_ms` without a hole.

    Storage is over-allocated. When its end is reached the newest rows move to a NEW array, so a view handed out keeps its
    rows for ever; only an amendment of a row inside the array in use shows through.

    One thread writes. Any thread reads: views are free but may change under the reader's eyes; `copy` and `since` give
    the rows of one moment. They use a sequence counter (odd while a row is being written) and a journal of the newest
    writes: rows written meanwhile are copied again until none was. That relies on attribute reads and writes being atomic
    and seen in order, which CPython grants, with its global lock and in the free-threaded build. Torn rows never
    come out: with the lock a row is written by one call that holds it, without it the counter tells.
    """

    def __init__(self, capacity: int, step_ms: int) -> None:
        self.capacity = capacity
        self.step_ms = step_ms
        self._length = capacity + max(64, capacity // 4)
        self._start = self._end = 0
        #: timestamp of array position 0
        self._origin = 0
        self._sequence = 0
        #: array positions of the newest writes, by write number modulo its size
        self._journal = [0] * _JOURNAL
        self._install(np.empty((self._length, _WIDTH)))

    def _install(self, array: Rows) -> None:
        self._array = array
        self._bytes = array.data.cast("B")

    # -- writing: one thread

    def append(self, row: Sequence[float]) -> None:
        """Add the row one step after the last. Raises ValueError for any other timestamp."""
        timestamp = int(row[0])
        if self._end == self._start:
            self._origin = timestamp
        elif timestamp != self._origin + self._end * self.step_ms:
            raise ValueError(f"row at {timestamp} does not follow {self.last_timestamp}")
        if self._end == self._length:
            self._move()
        position = self._end
        sequence = self._sequence = self._sequence + 1
        _pack_row(self._bytes, position * _ROW_BYTES, *row)
        self._end = position + 1
        if self._end - self._start > self.capacity:
            self._start += 1
        self._journal[(sequence >> 1) & (_JOURNAL - 1)] = position
        self._sequence = sequence + 1

    def amend(self, row: Sequence[float]) -> bool:
        """Overwrite the row of the same timestamp, in place. False: there is none."""
        position = int(row[0] - self._origin) // self.step_ms
        if not self._start <= position < self._end:
            return False
        sequence = self._sequence = self._sequence + 1
        _pack_row(self._bytes, position * _ROW_BYTES, *row)
        self._journal[(sequence >> 1) & (_JOURNAL - 1)] = position
        self._sequence = sequence + 1
        return True

    def put(self, row: Sequence[float]) -> None:
        """Amend or append one row. A row that leaves a hole behind the last starts the series anew.

        Raises ValueError for a row older than the first.
        """
        if self.amend(row):
            return
        if self._end > self._start and int(row[0]) > self._origin + self._end * self.step_ms:
            self._reset(int(row[0]))
        self.append(row)

    def prepend(self, rows: Sequence[Sequence[float]]) -> int:
        """Put older rows, without a hole, before the first, as far as there is room. Returns how many were taken."""
        room = self.capacity - self.rows
        taken = rows[-room:] if room else []
        if not taken:
            return 0
        if int(taken[-1][0]) != self.first_timestamp - self.step_ms:
            raise ValueError(f"rows to {int(taken[-1][0])} do not precede {self.first_timestamp}")
        array = np.empty((self._length, _WIDTH))
        count = len(taken)
        array[:count] = taken
        array[count : count + self.rows] = self._array[self._start : self._end]
        self._replace(array, int(taken[0][0]), count + self.rows)
        return count

    def _reset(self, timestamp: int) -> None:
        self._replace(np.empty((self._length, _WIDTH)), timestamp, 0)

    def _move(self) -> None:
        keep = self.capacity - 1
        array = np.empty((self._length, _WIDTH))
        array[:keep] = self._array[self._end - keep : self._end]
        self._replace(array, self._origin + (self._end - keep) * self.step_ms, keep)

    def _replace(self, array: Rows, origin: int, rows: int) -> None:
        self._sequence += 1
        self._install(array)
        self._origin, self._start, self._end = origin, 0, rows
        # a reader under way must start again: make its journal too short
        self._sequence += 2 * _JOURNAL + 1

    # -- reading: any thread

    @property
    def rows(self) -> int:
        return self._end - self._start

    @property
    def first_timestamp(self) -> int:
        """Unix ms of the oldest row; 0 while there is none."""
        return self._origin + self._start * self.step_ms if self.rows else 0

    @property
    def last_timestamp(self) -> int:
        """Unix ms of the newest row; 0 while there is none."""
        return self._origin + (self._end - 1) * self.step_ms if self.rows else 0

    @property
    def version(self) -> int:
        """Grows with every write."""
        return self._sequence >> 1

    @property
    def nbytes(self) -> int:
        """Bytes allocated for the array in use."""
        return self._array.nbytes

    def window(self, rows: int) -> Rows:
        """A read-only view of the newest `rows` rows, oldest first; shape (≤ rows, 6). Nothing is copied."""
        while True:
            sequence = self._even()
            view = self._array[max(self._start, self._end - max(rows, 0)) : self._end]
            if self._settled(sequence):
                view.flags.writeable = False
                return view

    def copy(self, rows: int) -> Rows:
        """The newest `rows` rows as they stood at one moment, as the caller's own array."""
        while True:
            sequence = self._even()
            array, start, end = self._array, max(self._start, self._end - max(rows, 0)), self._end
            if self._settled(sequence) and (copied := self._consistent(array, start, end, sequence)) is not None:
                return copied

    def since(self, timestamp_ms: int, limit: int) -> Rows:
        """The oldest `limit` rows with a timestamp of at least `timestamp_ms`, as they stood at one moment, copied."""
        while True:
            sequence = self._even()
            array, start, end, origin = self._array, self._start, self._end, self._origin
            if not self._settled(sequence):
                continue
            start = min(max(start, -((origin - timestamp_ms) // self.step_ms)), end)
            end = min(end, start + max(limit, 0))
            if (copied := self._consistent(array, start, end, sequence)) is not None:
                return copied

    def _even(self) -> int:
        while (sequence := self._sequence) & 1:
            time.sleep(0)
        return sequence

    def _settled(self, sequence: int) -> bool:
        """Whether the array in use is still the one of `sequence`, with its rows in place."""
        return self._sequence == sequence

    def _consistent(self, array: Rows, start: int, end: int, sequence: int) -> Rows | None:
        """Rows from `start` to `end` as of one moment. None: more happened meanwhile than can be looked up."""
        copied = array[start:end].copy()
        while (now := self._even()) != sequence:
            if (now - sequence) // 2 >= _JOURNAL // 2:
                return None
            for write in self._written(sequence, now):
                if start <= write < end:
                    copied[write - start] = array[write]
            sequence = now
        return copied

    def _written(self, sequence: int, now: int) -> Iterable[int]:
        return {self._journal[number & (_JOURNAL - 1)] for number in range(sequence >> 1, now >> 1)}
