"""Mounts a file system that never answers over each folder that is named, until its stdin ends.

It is FUSE whose daemon reads no request, not even the first: whoever touches a path below waits, as on a dead server.
When the daemon ends, they are told that nobody is there (ENOTCONN).
"""

from __future__ import annotations

import ctypes
import os
import sys

MNT_DETACH = 2


def main(folders: list[str]) -> int:
    """Mount, wait, unmount. Returns an error number where it cannot be mounted."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        held = [os.open("/dev/fuse", os.O_RDWR) for _ in folders]
    except OSError as error:
        return error.errno or 1
    for folder, descriptor in zip(folders, held, strict=True):
        how = f"fd={descriptor},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
        if libc.mount(b"hung", os.fsencode(folder), b"fuse", 0, how.encode()):
            return ctypes.get_errno()
    sys.stdout.write("hung\n")
    sys.stdout.flush()
    sys.stdin.read()
    for folder in folders:
        libc.umount2(os.fsencode(folder), MNT_DETACH)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
