"""What a test watcher has been asked to do and has not done yet: changed files, and wishes for a run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.domain.verdicts import Cause, CauseKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


class Inbox:
    """Collects reasons for a run until the next one takes them all."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self._paths: dict[str, None] = {}
        self._wish: CauseKind | None = None
        self._cancel = False

    def saved(self, paths: Iterable[str]) -> None:
        """Take in changed files."""
        self._paths.update(dict.fromkeys(paths))
        self.woken.set()

    def wish(self, kind: CauseKind) -> None:
        """Ask for a run though nothing changed."""
        self._wish = kind
        self.woken.set()

    def cancel(self) -> None:
        """Ask that the run which goes on is ended."""
        self._cancel = True
        self.woken.set()

    def drop(self, paths: Collection[str]) -> None:
        """Forget changes that the tests themselves made."""
        for path in paths:
            self._paths.pop(path, None)

    @property
    def has_work(self) -> bool:
        """True when there is a reason for a run."""
        return bool(self._paths) or self._wish is not None

    @property
    def waiting(self) -> int:
        """How many reasons for a run wait."""
        return len(self._paths) + (self._wish is not None)

    def has_changes(self, *, beside: Collection[str] = ()) -> bool:
        """Return whether a file changed since the last run took its reasons, other than those `beside`."""
        return any(path not in beside for path in self._paths)

    def take(self) -> Cause:
        """Return all reasons as one cause, and forget them. A wish to cancel is of the past then, too."""
        kind = CauseKind.SAVE if self._paths else self._wish or CauseKind.REQUEST
        cause = Cause(kind, tuple(self._paths))
        self._paths.clear()
        self._wish = None
        self._cancel = False
        return cause

    def give_back(self, cause: Cause) -> None:
        """Keep the reasons of a run that was ended before its verdict."""
        self._paths = {**dict.fromkeys(cause.paths), **self._paths}
        if not cause.paths:
            self._wish = self._wish or cause.kind
        self.woken.set()

    def take_cancel(self) -> bool:
        """Return whether the run was to be ended, and forget it."""
        wanted, self._cancel = self._cancel, False
        return wanted
