"""Writes frames to a file in the replay format, `<receive time, Unix ns> <json>` a line, from a thread of its own."""

import gzip
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import IO, cast

from core.base.errors import ConfigError

#: frames waiting to be written; those that come on top are dropped and counted
BOUND = 200_000
_WRITE_S = 0.2
_FLUSH_S = 1.0


class FrameFile:
    """`add` never blocks; what it was given is on disk about a second later. `.gz` files are compressed."""

    def __init__(self, path: Path, bound: int = BOUND) -> None:
        """Raises ConfigError when the file is there already or cannot be made: a recording is never overwritten."""
        self._path = path
        self._bound = bound
        try:
            self._file = _created(path)
        except FileExistsError:
            raise ConfigError(f"--out: {path} is there already") from None
        except OSError as error:
            raise ConfigError(f"--out: {path}: {error.strerror}") from error
        self._queue: deque[tuple[int, bytes]] = deque()
        self._stop = threading.Event()
        #: venue -> frames taken
        self.frames: Counter[str] = Counter()
        self.dropped = self.skipped = 0
        self.bytes = 0
        #: what ended the writing, empty while it goes on
        self.error = ""
        self._thread = threading.Thread(target=self._run, name="frame file", daemon=True)
        self._thread.start()

    def add(self, venue: str, recv_unix_ns: int, frame: bytes) -> None:
        """Take a frame; any thread. One that is no JSON has no place in the format."""
        if not frame.startswith((b"{", b"[")):
            self.skipped += 1
            return
        if len(self._queue) >= self._bound or self.error:
            self.dropped += 1
            return
        self.frames[venue] += 1
        self._queue.append((recv_unix_ns, frame))

    @property
    def waiting(self) -> int:
        """Frames not written yet."""
        return len(self._queue)

    def close(self) -> None:
        """Write what is left, and end the file."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        flushed = time.monotonic()
        try:
            with self._file:
                while not self._stop.wait(_WRITE_S):
                    self._write()
                    if time.monotonic() - flushed >= _FLUSH_S:
                        self._file.flush()
                        flushed = time.monotonic()
                self._write()
        except OSError as error:
            self.error = f"{self._path}: {error.strerror or error}"

    def _write(self) -> None:
        lines = []
        while self._queue:
            recv_ns, frame = self._queue.popleft()
            # a line is a frame: JSON may be written over several lines, which means nothing in it
            lines.append(b"%d %s\n" % (recv_ns, frame.replace(b"\n", b" ")))
        data = b"".join(lines)
        self.bytes += len(data)
        self._file.write(data)


def _created(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "xb", compresslevel=5))
    return path.open("xb")
