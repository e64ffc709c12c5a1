"""How editors save a file, system call by system call.

Each way takes a path and the new content, and returns when (on the monotonic clock, seconds) its last system call was
through: the measurement begins there. A watcher that answers before, at the first of several calls, is welcome to.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def save_as_vim(path: Path, content: bytes) -> float:
    """Probe `4913`, move the file to `name~`, create it anew and sync it, delete the backup."""
    probe, backup = path.with_name("4913"), path.with_name(f"{path.name}~")
    probe.touch()
    probe.unlink()
    path.rename(backup)
    with path.open("wb", buffering=0) as file:
        file.write(content)
        os.fsync(file.fileno())
    backup.unlink()
    return time.monotonic()


def save_as_vscode(path: Path, content: bytes) -> float:
    """Cut the same file to nothing and write it again."""
    with path.open("r+b", buffering=0) as file:
        file.truncate(0)
        file.write(content)
    return time.monotonic()


def save_as_pycharm(path: Path, content: bytes) -> float:
    """Write beside it (the "safe write"), move the old file aside, the new one into its place, delete the old one."""
    new, old = path.with_name(f"{path.name}___jb_tmp___"), path.with_name(f"{path.name}___jb_old___")
    new.write_bytes(content)
    path.rename(old)
    new.rename(path)
    old.unlink()
    return time.monotonic()


SAVES: dict[str, Callable[[Path, bytes], float]] = {
    "vim": save_as_vim,
    "vscode": save_as_vscode,
    "pycharm": save_as_pycharm,
}
