"""A short private directory for a server's socket.

A unix socket's path has room for 104 bytes on macOS and 108 on Linux, the closing NUL included, and a data directory may
well be deeper. So the socket stands under the system's temporary directory, in a folder named by a hash of the data
directory, that only the server's user (and root) can enter.
"""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from core.base.errors import FatalError

_LIMIT = 103


def private_socket_dir(data_dir: Path, server: str, file_name: str, uid: int, gid: int) -> Path:
    """An empty directory of mode 0700, owned by `uid`, the same at every start of the same data directory.

    A folder of that name that belongs to somebody else is left alone, and the next name taken. The caller holds the data
    directory's lock, so what lies in the folder is a leftover. Raises FatalError when no usable one can be made.
    """
    base = Path(tempfile.gettempdir())
    for attempt in range(8):
        digest = hashlib.sha256(f"{data_dir}|{server}|{uid}|{attempt}".encode()).hexdigest()[:12]
        folder = base / f"quintet-{digest}"
        if len(os.fsencode(folder / file_name)) > _LIMIT:
            raise FatalError(f"the temporary directory {base} is too long a path for a socket: set TMPDIR to a shorter one")
        try:
            if _claim(folder, uid, gid):
                return folder
        except OSError as error:
            raise FatalError(f"no socket directory can be made in {base}: {error.strerror}") from error
    raise FatalError(f"no socket directory can be made in {base}: its names are taken by other users")


def _claim(folder: Path, uid: int, gid: int) -> bool:
    """Make or empty the folder; False when it is not ours."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, os.geteuid()):
            return False
        for leftover in folder.iterdir():
            leftover.unlink()
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder, uid, gid)
    return True
