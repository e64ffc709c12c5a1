"""Reading what a file is now, without ever following a link or waiting for a writer."""

# ruff: noqa: PTH115 - plain strings, as in tree.py
from __future__ import annotations

import errno
import os
import stat as modes
from hashlib import blake2b

import structlog

from app.engine.filewatch.fold import Fingerprint

_log = structlog.get_logger(__name__)

LARGEST_DIGESTED = 8 << 20
"""Bytes up to which a file's content is compared; a larger one counts as changed when its size or time did."""

GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""What the system says of an entry that is not there, or that turned into a link since it was looked at."""

_CHUNK = 1 << 18
_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
"""A file that was swapped for a link or a FIFO since it was looked at is neither followed nor waited for."""


def fingerprint(path: str) -> Fingerprint | None:
    """Return what a file or symbolic link is now; None if it is gone, cannot be read, or is something else."""
    try:
        status = os.lstat(path)
        if modes.S_ISLNK(status.st_mode):
            return stat_only(status, blake2b(b"link:" + os.fsencode(os.readlink(path)), digest_size=16).digest())
        if not modes.S_ISREG(status.st_mode):
            return None
        if status.st_size > LARGEST_DIGESTED:
            return stat_only(status)
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            status = os.fstat(descriptor)
            if not modes.S_ISREG(status.st_mode):
                return None
            digest, left = blake2b(digest_size=16), LARGEST_DIGESTED
            while left > 0 and (chunk := os.read(descriptor, min(_CHUNK, left))):
                digest.update(chunk)
                left -= len(chunk)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in GONE:
            _log.debug("a file cannot be read", path=path, error=str(error))
        return None
    return stat_only(status, digest.digest() if left > 0 else None)


def stat_only(status: os.stat_result, digest: bytes | None = None) -> Fingerprint:
    """Return a fingerprint from what the file system says of a file."""
    return Fingerprint(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, digest)
