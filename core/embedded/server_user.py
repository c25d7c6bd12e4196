"""Whom Postgres runs as. It refuses root, so root has to lend it another user."""

import contextlib
import os
import pwd
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import FatalError

#: users that exist without our doing, best first (`_postgres` is macOS's)
_CANDIDATES = ("postgres", "_postgres", "nobody")
#: capabilities that let a user pass directories: CAP_DAC_READ_SEARCH (least), CAP_DAC_OVERRIDE (what containers have)
_CAPABILITIES = (2, 1)


class ServerUser(msgspec.Struct, frozen=True):
    """A user of this machine; `is_other`: not the one this process runs as."""

    uid: int
    gid: int
    name: str
    is_other: bool


class Command(msgspec.Struct, frozen=True):
    """What to give `subprocess`: arguments, and keywords that set the user."""

    args: list[str]
    keywords: dict[str, Any]


def server_user(*directories: Path) -> ServerUser:
    """This process's own user; under root, the owner of the first of `directories` that is not root's, else a system user.

    Raises FatalError when root has nobody to lend.
    """
    uid = os.geteuid()
    if uid != 0:
        return ServerUser(uid, os.getegid(), str(uid), False)
    for directory in directories:
        with contextlib.suppress(OSError, KeyError):
            if owner := directory.stat().st_uid:
                entry = pwd.getpwuid(owner)
                return ServerUser(owner, entry.pw_gid, entry.pw_name, True)
    for name in _CANDIDATES:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return ServerUser(entry.pw_uid, entry.pw_gid, name, True)
    raise FatalError("Postgres does not run as root, and no other user was found: run as a plain user, or set DATABASE_URL")


def command_as(user: ServerUser, args: list[str], paths: Iterable[Path]) -> Command:
    """How to run `args` as `user` so that it can reach `paths`. Raises FatalError naming the path that it cannot."""
    if not user.is_other:
        return Command(args, {})
    barrier = next((b for path in paths if (b := _barrier(path, user)) is not None), None)
    if barrier is None:
        return Command(args, {"user": user.uid, "group": user.gid, "extra_groups": []})
    capability = _lendable_capability()
    if capability is None:
        raise FatalError(
            f"Postgres does not run as root, and user {user.name} cannot pass {barrier}: "
            "run as a plain user, use another --data-dir, or set DATABASE_URL"
        )
    launcher = Path(__file__).with_name("launch_as.py")
    return Command([sys.executable, "-I", "-S", str(launcher), str(user.uid), str(user.gid), str(capability), *args], {})


def _barrier(path: Path, user: ServerUser) -> Path | None:
    """The first directory above `path` that the user may not search."""
    for directory in reversed(path.parents):
        found = directory.stat()
        if found.st_uid == user.uid:
            allowed = found.st_mode & stat.S_IXUSR
        elif found.st_gid == user.gid:
            allowed = found.st_mode & stat.S_IXGRP
        else:
            allowed = found.st_mode & stat.S_IXOTH
        if not allowed:
            return directory
    return None


def _lendable_capability() -> int | None:
    """A capability this process has that lets the other user pass; None where there is none (macOS, locked containers)."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    permitted = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapPrm:")), 0)
    return next((c for c in _CAPABILITIES if permitted >> c & 1), None)
