"""What kind of file system a path lies on, as far as the system tells without being asked twice."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_NETWORK = ("nfs", "cifs", "smb", "afs", "ceph", "gluster", "lustre", "fuse.sshfs", "fuse.rclone", "fuse.glusterfs",
            "beegfs", "davfs", "9p", "drvfs", "vboxsf", "fuse.vmhgfs")  # fmt: skip
"""Beginnings of the names of file systems that lie elsewhere: they tell of no change that is made there. 9p and drvfs
are Windows' disks as seen from WSL, vboxsf and vmhgfs the host's as seen from a virtual machine."""


def kind_of(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the name of the file system that a path lies on; empty where the system does not list them.

    Blocks while links in the path are followed.

    Args:
        path: It need not exist.
        mounts: The list of mounts, proc(5): `DEVICE FOLDER KIND OPTIONS 0 0`, with blanks in octal.
    """
    found, longest = "", -1
    with suppress(OSError):
        where = Path(os.path.realpath(path))
        for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            _, _, rest = line.partition(" ")
            folder, _, rest = rest.partition(" ")
            folder = folder.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
            # Of two mounts on one folder the later one is seen.
            if len(folder) >= longest and where.is_relative_to(folder):
                found, longest = rest.partition(" ")[0], len(folder)
    return found


def is_network(kind: str) -> bool:
    """Return whether a file system of this name lies on another machine, or on the host of this one."""
    return kind.startswith(_NETWORK)
