"""The disk spool: a queue of records that survives kill -9 and is read in the order it was written.

A folder of segment files. Each starts with a magic word; each record is its length, its CRC-32 and its bytes. An append is
on disk (fsync) when it returns. A segment is deleted when its last record has been taken, so a kill in between repeats at
most one segment; what reads the spool must bear repetition.
"""

import contextlib
import logging
import os
import struct
import zlib
from pathlib import Path

logger = logging.getLogger(__name__)

_MAGIC = b"QSPOOL1\n"
_RECORD = struct.Struct("<II")  # length, CRC-32
_SEGMENT_BYTES = 8 * 1024 * 1024


class SpoolFull(Exception):
    """The record would exceed the spool's bound."""


class Spool:
    """One thread's own, but for `size`. `limit_bytes` bounds what lies on disk."""

    def __init__(self, folder: Path, limit_bytes: int, segment_bytes: int = _SEGMENT_BYTES) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._segment_bytes = segment_bytes
        #: segment numbers, oldest first, and their sizes in bytes
        self._segments: dict[int, int] = {}
        self._next_number = 1
        #: where in the oldest segment the next record to take starts
        self._head = len(_MAGIC)
        #: descriptor of the segment being appended to, and its number
        self._fd = -1
        self._writing = 0
        #: record sizes of the last `peek`, for `advance`
        self._peeked: list[int] = []
        #: records lost to damage: a wrong checksum, a cut in the middle
        self.damaged = 0

    def open(self) -> None:
        """Read what an earlier run left, cutting a record that a kill -9 tore. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._folder.glob("*.seg")):
            number = int(path.stem) if path.stem.isdigit() else 0
            if number > 0:
                self._segments[number] = path.stat().st_size
                self._next_number = number + 1
        if self._segments:
            self._cut_tail(max(self._segments))
        for number in [n for n, size in self._segments.items() if size <= len(_MAGIC)]:
            self._drop(number)

    @property
    def size(self) -> int:
        """Bytes on disk that wait to be taken."""
        return max(0, sum(list(self._segments.values())) - self._head) if self._segments else 0

    @property
    def empty(self) -> bool:
        return not self._segments

    def append(self, record: bytes) -> None:
        """Add a record, durably. Raises SpoolFull, or OSError (a full disk); the spool is as before then."""
        frame = _RECORD.pack(len(record), zlib.crc32(record)) + record
        if sum(self._segments.values()) + len(_MAGIC) + len(frame) > self._limit_bytes:
            raise SpoolFull(f"the spool holds its limit of {self._limit_bytes} bytes")
        if self._fd < 0 or self._segments[self._writing] >= self._segment_bytes:
            self._new_segment(frame)
            return
        size = self._segments[self._writing]
        try:
            _write_all(self._fd, frame, size)
        except OSError:
            self._undo_append(size)
            raise
        self._segments[self._writing] = size + len(frame)

    def peek(self, limit_bytes: int) -> list[bytes]:
        """The oldest records, at least one (if there is any), up to about `limit_bytes`; they stay until `advance`."""
        while self._segments:
            number = next(iter(self._segments))
            records = self._read(number, limit_bytes)
            if records:
                return records
            self._drop(number)
        return []

    def advance(self, count: int) -> None:
        """Take the first `count` records of the last `peek` for good."""
        self._head += sum(self._peeked[:count])
        del self._peeked[:count]
        number = next(iter(self._segments))
        if self._head >= self._segments[number]:
            self._drop(number)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:010d}.seg"

    def _new_segment(self, frame: bytes) -> None:
        self.close()
        number = self._next_number
        path = self._path(number)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, _MAGIC + frame, 0)
            _sync_folder(self._folder)
        except OSError:
            os.close(fd)
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        self._fd, self._writing, self._next_number = fd, number, number + 1
        self._segments[number] = len(_MAGIC) + len(frame)

    def _undo_append(self, size: int) -> None:
        """Cut what a failed append left. Where even that fails the segment takes no more: its tail is cut when read."""
        try:
            os.ftruncate(self._fd, size)
        except OSError:
            self.close()

    def _drop(self, number: int) -> None:
        if number == self._writing:
            self.close()
            self._writing = 0
        with contextlib.suppress(FileNotFoundError):
            self._path(number).unlink()
        del self._segments[number]
        self._head = len(_MAGIC)
        self._peeked = []

    def _read(self, number: int, limit_bytes: int) -> list[bytes]:
        """Whole records of a segment from `_head` on; damaged ones are counted and left out."""
        self._peeked = []
        records: list[bytes] = []
        size = self._segments[number]
        with self._path(number).open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                self._report(number, "has no magic word")
                return []
            file.seek(self._head)
            taken = skipped = 0
            while self._head + taken < size and (taken == 0 or taken < limit_bytes or not records):
                header = file.read(_RECORD.size)
                length, crc = _RECORD.unpack(header) if len(header) == _RECORD.size else (size, 0)
                if self._head + taken + _RECORD.size + length > size:
                    self._report(number, "ends within a record")
                    # nothing after this can be found: the segment ends here
                    self._segments[number] = self._head + taken
                    break
                record = file.read(length)
                taken += _RECORD.size + length
                if zlib.crc32(record) == crc:
                    records.append(record)
                    self._peeked.append(_RECORD.size + length + skipped)
                    skipped = 0
                else:
                    self._report(number, "has a record with a wrong checksum")
                    skipped += _RECORD.size + length
        if self._peeked:
            self._peeked[-1] += skipped
        return records

    def _cut_tail(self, number: int) -> None:
        """Shorten the newest segment to its last whole record; a damaged one before a whole one is left for `peek`."""
        path = self._path(number)
        data = path.read_bytes()
        position = end = len(_MAGIC)
        while position + _RECORD.size <= len(data):
            length, crc = _RECORD.unpack_from(data, position)
            position += _RECORD.size + length
            if position > len(data):
                break
            if zlib.crc32(data[position - length : position]) == crc:
                end = position
        if data[: len(_MAGIC)] == _MAGIC and end < len(data):
            logger.warning("spool: cutting %d bytes of a torn record", len(data) - end)
            os.truncate(path, end)
            self._segments[number] = end

    def _report(self, number: int, fault: str) -> None:
        self.damaged += 1
        logger.error("spool: segment %d %s", number, fault)


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
    os.fsync(fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
