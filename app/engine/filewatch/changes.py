"""What a batch of file changes says, and how two batches become one."""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass


class ChangeKind(enum.Enum):
    """What became of a file between two looks at it."""

    CREATED = "created"
    MODIFIED = "modified"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class FileChange:
    r"""One file whose content is not what it was.

    Args:
        path: Relative to the watched root, with forward slashes. Safe for JSON and UTF-8: a byte that is no UTF-8
            stands as ``\xNN``, so such a path can be shown, but not opened.
        kind: What became of it.
    """

    path: str
    kind: ChangeKind


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that belong together.

    Args:
        changes: Sorted by path, each path once. Empty only when `rescanned` is set: then files vanished while the
            root itself was away, and are not told one by one.
        rescanned: The tree was compared as a whole, because events were lost or the root came back.
        last_at: Monotonic seconds of the last event; 0 when there was none.
    """

    changes: tuple[FileChange, ...]
    rescanned: bool = False
    last_at: float = 0.0


_FOLLOWED_BY: dict[tuple[ChangeKind, ChangeKind], ChangeKind | None] = {
    (ChangeKind.CREATED, ChangeKind.DELETED): None,
    (ChangeKind.CREATED, ChangeKind.MODIFIED): ChangeKind.CREATED,
    (ChangeKind.DELETED, ChangeKind.CREATED): ChangeKind.MODIFIED,
    (ChangeKind.MODIFIED, ChangeKind.CREATED): ChangeKind.MODIFIED,
}


def merge(earlier: Batch, later: Batch) -> Batch:
    """Return one batch that says the same as two that follow each other.

    A file that was created and deleted again is left out. Any other pair of kinds comes down to the later one, save
    that a created file stays created and one that was deleted and came back counts as modified.
    """
    folded = {change.path: change.kind for change in earlier.changes}
    for change in later.changes:
        before = folded.get(change.path)
        kind = change.kind if before is None else _FOLLOWED_BY.get((before, change.kind), change.kind)
        if kind is None:
            del folded[change.path]
        else:
            folded[change.path] = kind
    changes = tuple(FileChange(path, folded[path]) for path in sorted(folded))
    return Batch(changes, rescanned=earlier.rescanned or later.rescanned, last_at=max(earlier.last_at, later.last_at))


def json_safe(path: str) -> str:
    r"""Return a path that JSON and UTF-8 can carry, bytes that are no UTF-8 (surrogates here) written as ``\xNN``."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    return path
