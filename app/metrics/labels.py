"""What series are called by: names that are few, that are no paths, and that hold no secrets."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.snapshot import Snapshot

LONGEST = 80
"""Characters of a label's value: a folder's name may have 255, and each series repeats it."""


class Labels:
    """The labels of one state of the program.

    A project is called by its folder's name alone, since a path tells who works where; where two would be called the
    same, a digest of the path tells them apart.

    Args:
        snapshot: The state.
        redact: Takes secrets out of a text.
    """

    def __init__(self, snapshot: Snapshot, redact: Callable[[str], str] = str) -> None:
        self._redact = redact
        names = {root: self.plain(PurePath(root).name or "root") for root in snapshot.projects}
        names.update({each.project: self.plain(each.target) for each in snapshot.accounts})
        shared = {name for name, count in Counter(names.values()).items() if count > 1}
        self._projects = {root: f"{name}-{_digest(root)}" if name in shared else name for root, name in names.items()}
        self._watchers = {f"tests:{each.name}": self._projects[root] for root, each in snapshot.projects.items()}

    @property
    def projects(self) -> dict[str, str]:
        """The label of each project that is watched and each account that is audited, by its root."""
        return self._projects

    def agent(self, name: str) -> str:
        """Return the label of an agent; the watcher of a project's tests goes by the project's."""
        project = self._watchers.get(name)
        return f"tests:{project}" if project is not None else self.plain(name)

    def plain(self, text: str) -> str:
        """Return a text as a label's value: short, in UTF-8, without secrets."""
        # A name that is not UTF-8 comes from the system with lone surrogates, which nothing can be sent with.
        whole = self._redact(text).encode("utf-8", "backslashreplace").decode()
        return whole if len(whole) <= LONGEST else f"{whole[:LONGEST]}…"


def _digest(root: str) -> str:
    return hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
