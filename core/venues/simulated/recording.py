"""Reads recorded frames: files of `<local receive ns> <json>` lines, gzip or plain, merged by receive time.

A line's JSON is a combined-stream frame `{"stream":…,"data":…}` or a REST depth snapshot `{"lastUpdateId":…}`, which
belongs to its `symbol` or, where it names none, to the symbol of its file. Other venues' lines are passed over; lines that
are none of these are counted and skipped.
"""

import gzip
import heapq
import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import IO

import msgspec

from core.base.errors import ConfigError
from core.venues.simulated.source import Depth
from core.venues.simulated.wire import parse_decimal

logger = logging.getLogger(__name__)

_GZIP_MAGIC = b"\x1f\x8b"
#: what other venues' lines begin with
_OTHERS = (b'{"channel":', b'{"venue":')


class Record(msgspec.Struct, frozen=True, gc=False):
    """`frame` is the recorded text as it was; `payload` its `data`. A snapshot has no stream."""

    recv_ns: int
    symbol: str
    stream: str
    frame: bytes
    payload: bytes


class _Envelope(msgspec.Struct, gc=False):
    stream: str
    data: msgspec.Raw


class _Snapshot(msgspec.Struct, gc=False):
    lastUpdateId: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    symbol: str = ""


class _Timed(msgspec.Struct, gc=False):
    E: int


_envelope = msgspec.json.Decoder(_Envelope)
_snapshot = msgspec.json.Decoder(_Snapshot)
_timed = msgspec.json.Decoder(_Timed)


def symbol_of(stream: str) -> str:
    """`ethusdt@trade` → `ETHUSDT`."""
    return stream.partition("@")[0].upper()


def parse_snapshot(body: bytes) -> Depth:
    """A recorded REST depth answer. Raises msgspec.DecodeError or ValueError on anything else."""
    return _depth_of(_snapshot.decode(body))


def _depth_of(raw: _Snapshot) -> Depth:
    sides = ([(parse_decimal(p), parse_decimal(q)) for p, q in side] for side in (raw.bids, raw.asks))
    return Depth(raw.lastUpdateId, *sides)


def event_ms_of(payload: bytes) -> int:
    """The event time of a stream payload; 0 if it has none."""
    try:
        return _timed.decode(payload).E
    except msgspec.DecodeError:
        return 0


class RecordedFile:
    """One file. Reading it twice gives the same records; `bad_lines` counts those of the last reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.symbol = ""
        self.bad_lines = 0

    def records(self) -> Iterator[Record]:
        """Usable lines in the file's order. One warning tells of the first that is not."""
        self.bad_lines = 0
        number = 0
        try:
            with _opened(self.path) as lines:
                for number, line in enumerate(lines, 1):
                    record = self._parse(line)
                    if record is not None:
                        yield record
                    elif line.strip() and not line.partition(b" ")[2].startswith(_OTHERS):
                        self._complain(number, "no usable frame")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self._complain(number + 1, str(error))
        except OSError as error:
            raise ConfigError(f"--replay: cannot read {self.path}: {error.strerror or error}") from error

    def _complain(self, number: int, why: str) -> None:
        self.bad_lines += 1
        if self.bad_lines == 1:
            logger.warning("%s line %d: %s; skipped, as all others like it will be", self.path, number, why)

    def _parse(self, line: bytes) -> Record | None:
        stamp, _, body = line.partition(b" ")
        body = body.strip()
        if not stamp.isdigit() or len(stamp) > 20:
            return None
        try:
            if body.startswith(b'{"lastUpdateId"'):
                snapshot = _snapshot.decode(body)
                _depth_of(snapshot)
                return Record(int(stamp), snapshot.symbol or self.symbol, "", body, body)
            envelope = _envelope.decode(body)
        except (msgspec.DecodeError, ValueError):
            return None
        return Record(int(stamp), symbol_of(envelope.stream), envelope.stream, body, bytes(envelope.data))


class Recording:
    """Several files as one. Raises ConfigError for a file that cannot be read or has nothing usable in it."""

    def __init__(self, paths: list[Path]) -> None:
        self._files = [RecordedFile(path) for path in paths]
        self.frames = 0
        self.first_event_ms = 0
        #: symbol -> its first recorded REST book
        self.snapshots: dict[str, Depth] = {}
        streams: dict[str, None] = {}
        for file in self._files:
            self._survey(file, streams)
        self.streams = tuple(streams)
        self.symbols = tuple(dict.fromkeys(symbol_of(stream) for stream in streams if not stream.startswith("!")))

    def _survey(self, file: RecordedFile, streams: dict[str, None]) -> None:
        snapshots = []
        usable = 0
        for record in file.records():
            usable += 1
            if not record.stream:
                snapshots.append(record)
                continue
            self.frames += 1
            if record.stream not in streams:
                streams[record.stream] = None
            file.symbol = file.symbol or record.symbol
            if not self.first_event_ms:
                self.first_event_ms = event_ms_of(record.payload)
        if not usable:
            raise ConfigError(f"--replay: no usable frame in {file.path}")
        for record in snapshots:
            symbol = record.symbol or file.symbol
            if symbol not in self.snapshots:
                self.snapshots[symbol] = parse_snapshot(record.payload)

    @property
    def bad_lines(self) -> int:
        return sum(file.bad_lines for file in self._files)

    def records(self) -> Iterator[Record]:
        """All records by receive time."""
        return heapq.merge(*(file.records() for file in self._files), key=attrgetter("recv_ns"))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        if packed:
            with gzip.open(raw) as lines:
                yield lines  # type: ignore[misc]
        else:
            yield raw
