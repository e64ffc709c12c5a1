"""Which files are the project's own, and what they are called."""

# ruff: noqa: PTH100, PTH118 - pathlib behaves differently over Python's versions and costs time at each path
from __future__ import annotations

import os
import sys

NOT_ITS_OWN = frozenset(("site-packages", "dist-packages", ".tox", ".nox", ".git", "__pycache__", ".pytest_cache"))
"""Folders below a project that hold what others wrote, or what is made anew at each run."""


class Project:
    """The project's files.

    Args:
        root: The working folder, absolute. A test that goes elsewhere does not change it.
    """

    def __init__(self, root: str) -> None:
        self._join, self._abspath, self._isabs = os.path.join, os.path.abspath, os.path.isabs
        # On Windows an absolute path may have forward slashes, or lack its drive.
        self._is_whole = os.sep == "/"
        self._exists = os.path.exists
        self.root = root
        self._inside = os.path.join(root, "")
        prefixes = {os.path.abspath(prefix) for prefix in (sys.prefix, sys.exec_prefix, sys.base_prefix)}
        self._others = tuple(os.path.join(prefix, "") for prefix in prefixes if prefix.startswith(self._inside))
        self._known: dict[str, str] = {}

    def name(self, path: str) -> str:
        """Return what a file or folder that was named in passing is called.

        Relative; the root itself is `.`, and what is not the project's is empty.
        """
        return self._name(path if self._is_whole and self._isabs(path) else self._abspath(path))

    def code_name(self, filename: str) -> str:
        """Return the same for the file of a code object; it is asked for often."""
        known = self._known.get(filename)
        if known is None:
            full = filename if self._isabs(filename) else self._join(self.root, filename)
            known = "" if filename.startswith("<") else self._name(self._abspath(full))
            if full is not filename and known and not self._exists(full):
                known = ""  # a module that is frozen into a library has such a name
            self._known[filename] = known
        return known

    def _name(self, full: str) -> str:
        if full == self.root:
            return "."
        if not full.startswith(self._inside) or full.startswith(self._others):
            return ""
        if os.pardir in full or os.curdir + os.sep in full or "//" in full:
            full = self._abspath(full)
        parts = full[len(self._inside) :].split(os.sep)  # noqa: PTH206 - see above
        return "" if NOT_ITS_OWN.intersection(parts) else "/".join(parts)
