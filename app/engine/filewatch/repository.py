"""The git repository around a watched folder: where its rules lie, and whether git is at work in it."""

from __future__ import annotations

import os
from pathlib import Path

from app.engine.filewatch.ignore import RULES_NAME, Patterns, Scope
from app.engine.regular import read_regular

LOCK_CEILING_S = 10.0
"""An index.lock older than this was left by a git that died: it is not waited for again."""

REBASE_STILL_S = 1.0
"""A rebase whose state has not moved for this long waits for the person, not the other way round."""

_LARGEST_RULES = 1 << 20
"""Bytes of an ignore file that are read; a larger one is no ignore file."""

_LARGEST_POINTER = 1 << 16

_REBASE_SIGNS = ("rebase-merge", "rebase-merge/msgnum", "rebase-apply", "rebase-apply/next", "HEAD", "index")

_Sign = tuple[int, int, int] | None


class Repository:
    """What git keeps beside the watched folder. Touches the disk: call from a worker thread.

    Args:
        root: The watched folder, absolute. It may be the repository's top, lie below it, or have no repository.
    """

    def __init__(self, root: str) -> None:
        self._root = Path(root)
        self._top, self._gitdir, self._common = _locate(self._root)
        self._lock: _Sign = None
        self._lock_since = 0.0
        self._rebase: tuple[_Sign, ...] = ()
        self._rebase_since = 0.0

    @property
    def found(self) -> bool:
        """Whether there is a repository."""
        return self._gitdir is not None

    @property
    def top(self) -> Path:
        """The top of the working tree; the watched folder itself where there is no repository."""
        return self._top

    def scope(self, chosen: Patterns) -> Scope:
        """Return the rules that reach the root from above: the folders over it, info/exclude, and the user's.

        Args:
            chosen: The user's patterns, relative to the root.
        """
        parts = self._root.relative_to(self._top).parts
        scope = Scope("", (), (sum(len(part) + 1 for part in parts), chosen) if chosen else None)
        if self._common is not None:
            scope = scope.governed_by(read_patterns(self._common / "info" / "exclude"))
        for depth, part in enumerate(parts):
            scope = scope.governed_by(read_patterns(self._top.joinpath(*parts[:depth], RULES_NAME))).below(part)
        return scope

    def refs(self) -> tuple[_Sign, ...]:
        """Return what changes when a commit is made, a branch is changed, or a tag comes or goes."""
        if self._gitdir is None or self._common is None:
            return ()
        own = (self._gitdir / name for name in ("HEAD", "logs/HEAD"))
        shared = (self._common / name for name in ("packed-refs", "refs/heads", "refs/tags"))
        return tuple(map(_sign, (*own, *shared)))

    def outer_rules(self) -> tuple[_Sign, ...]:
        """Return what changes when a rule outside the root does: compare two of them."""
        above = len(self._root.parts) - len(self._top.parts)
        files = [folder / RULES_NAME for folder in self._root.parents[:above]]
        if self._common is not None:
            files.append(self._common / "info" / "exclude")
        return tuple(_sign(path) for path in files)

    def busy(self, now: float) -> bool:
        """Return whether git is changing the working tree just now: its index is locked, or a rebase moves on.

        Args:
            now: Monotonic seconds.
        """
        if self._gitdir is None:
            return False
        lock = _sign(self._gitdir / "index.lock")
        if lock is not None:
            if lock != self._lock:
                self._lock, self._lock_since = lock, now
            if now - self._lock_since < LOCK_CEILING_S:
                return True
        if not any(os.path.lexists(self._gitdir / name) for name in ("rebase-merge", "rebase-apply")):
            return False
        rebase = tuple(_sign(self._gitdir / name) for name in _REBASE_SIGNS)
        if rebase != self._rebase:
            self._rebase, self._rebase_since = rebase, now
        return now - self._rebase_since < REBASE_STILL_S


def read_patterns(path: str | Path) -> Patterns | None:
    """Return the patterns of an ignore file; None if there is none, or it is no plain file (git follows no link)."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
            text = file.read(_LARGEST_RULES)
    except OSError:
        return None
    return Patterns(os.fsdecode(text.removeprefix(b"\xef\xbb\xbf")).split("\n"))


def _locate(root: Path) -> tuple[Path, Path | None, Path | None]:
    """Return the working tree's top, its git folder, and the git folder that all worktrees share."""
    for folder in (root, *root.parents):
        mark = folder / ".git"
        if mark.is_dir():
            return folder, mark, mark
        if mark.is_file():
            gitdir = _pointer(mark, "gitdir:", folder)
            if gitdir is not None:
                return folder, gitdir, _pointer(gitdir / "commondir", "", gitdir) or gitdir
    return root, None, None


def _pointer(path: Path, label: str, base: Path) -> Path | None:
    """Return the folder that a file of git's names on its only line (gitrepository-layout(5)), or None."""
    try:
        line = os.fsdecode(read_regular(path, _LARGEST_POINTER)).strip()
    except OSError:
        return None
    return base / line.removeprefix(label).strip() if line.startswith(label) else None


def _sign(path: Path) -> _Sign:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
