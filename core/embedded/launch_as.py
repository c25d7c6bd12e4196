"""Run a program as another user who may search all directories: `launch_as.py UID GID CAPABILITY PROGRAM ARGUMENTS…`

Postgres refuses to run as root, and the user it runs as instead often cannot pass the directories above the project or
the data (a home of mode 0700). Widening their modes would expose them to every user of the machine; the program gets one
ambient capability instead (capabilities(7), Linux). Runs on the bare interpreter, imports nothing of the project.
"""

import ctypes
import os
import struct
import sys

PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 28, 47, 2
#: keep capabilities over the change of user, and let access(2), which initdb asks, respect them
SECBIT_NO_SETUID_FIXUP = 4
LINUX_CAPABILITY_VERSION_3 = 0x20080522


def main() -> None:
    uid, gid, capability = (int(text) for text in sys.argv[1:4])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setregid(gid, gid)
    os.setreuid(uid, uid)
    mask = 1 << capability
    header = struct.pack("=Ii", LINUX_CAPABILITY_VERSION_3, 0)
    if libc.capset(header, struct.pack("=6I", mask, mask, mask, 0, 0, 0)) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    if libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_CAP_AMBIENT_RAISE)")
    os.execv(sys.argv[4], sys.argv[4:])  # noqa: S606 - the program is our own server


if __name__ == "__main__":
    main()
