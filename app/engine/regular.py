"""Reading a small file that anybody may have put there."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class NotRegular(OSError):
    """What lies there is a folder, a FIFO, a socket or a device."""


def read_regular(path: Path, limit: int) -> bytes:
    """Return the first `limit` bytes of a file, and one more when there are more.

    What is no file is not opened at all, since a program that waits at a FIFO's other end would notice. Where one is
    put there just then, it is still not waited for.

    Raises:
        NotRegular: It is no regular file.
        OSError: It is not there or cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise NotRegular("it is not a regular file")
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NotRegular("it is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            # Python takes as much memory as it is asked to read: 16 MiB for ten bytes, if that is the limit.
            content = file.read(min(found.st_size, limit) + 1)
            if found.st_size < len(content) <= limit:  # it has grown since, or is one of those in /proc
                content += file.read(limit + 1 - len(content))
            return content
    finally:
        os.close(descriptor)
