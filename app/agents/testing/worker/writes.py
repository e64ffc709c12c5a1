"""Which files of the project the tests write, so that their changes are not taken for a person's."""

# ruff: noqa: PTH118 - pathlib behaves differently over Python's versions and costs time at each path
from __future__ import annotations

import os

from .audit import WRITING, path_in

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from typing import Any

    from .audit import Audit
    from .results import Results

WRITES_CAP = 10_000
_BYTECODE = os.sep + "__pycache__" + os.sep


class Writes:
    """Tells of files before they are written, and how tests left them.

    It sees what Python itself opens; the audit event comes before the deed, so the line does as well. What other
    programs write is not seen.
    """

    def __init__(self, results: Results, root: str, audit: Audit) -> None:
        self._results = results
        self._inside = os.path.join(root, "")
        self._told: set[str] = set()
        self._open: set[str] = set()
        self._stat, self._abspath = os.stat, os.path.abspath
        audit.on(("open",), self._opened)
        audit.on(("os.rename",), lambda args: self._tell(args[:2]))
        audit.on(("os.link", "os.symlink"), lambda args: self._tell(args[1:2]))
        audit.on(("os.remove", "os.truncate", "os.utime", "sqlite3.connect"), lambda args: self._tell(args[:1]))

    def _opened(self, args: tuple[Any, ...]) -> None:
        flags = args[2]
        if isinstance(flags, int) and flags & WRITING:
            self._tell(args[:1])

    def _tell(self, paths: tuple[Any, ...]) -> None:
        for path in paths:
            named = path_in(path)
            if not named or len(self._told) >= WRITES_CAP:
                continue
            full = self._abspath(named)
            if not full.startswith(self._inside) or _BYTECODE in full:
                continue
            self._open.add(full)
            if full not in self._told:
                self._told.add(full)
                self._results.tell("wrote", path=self._name(full))

    def settle(self) -> None:
        """Tell how the files were left that were written since the last time: what differs later is a person's."""
        written, self._open = self._open, set()
        if written:
            self._results.tell("left", files={self._name(full): self._mark(full) for full in written})

    def _name(self, full: str) -> str:
        return full[len(self._inside) :].replace(os.sep, "/")

    def _mark(self, full: str) -> list[int]:
        try:
            stat = self._stat(full)
        except (OSError, ValueError):
            return [0, -1]
        return [stat.st_mtime_ns, stat.st_size]
