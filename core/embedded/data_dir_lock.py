"""One app a data directory."""

import contextlib
import fcntl
import os
from pathlib import Path

from core.base.errors import FatalError


class DataDirLock:
    """An exclusive lock on `data_dir/lock`, which names its holder's pid.

    The kernel drops an flock with its process, so a kill -9 leaves nothing behind that has to be judged stale.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._fd: int | None = None

    def acquire(self) -> None:
        """Make the directory and lock it. Raises FatalError when it is unusable or somebody else's."""
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            if not os.access(self._data_dir, os.R_OK | os.W_OK | os.X_OK):
                raise FatalError(f"data directory {self._data_dir} cannot be read and written by this user")
            fd = os.open(self._data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FatalError(f"data directory {self._data_dir} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise FatalError(
                f"data directory {self._data_dir} is in use by another Quintet (pid {holder}); "
                "stop it, or start this one with its own --data-dir"
            ) from error
        except OSError as error:
            os.close(fd)
            raise FatalError(f"data directory {self._data_dir} cannot be locked: {error.strerror}") from error
        self._fd = fd

    def release(self) -> None:
        """Let the next one in; harmless when not held."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)
