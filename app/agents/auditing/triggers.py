"""Sees that work is declared finished: a marker, a milestone, a tag, a coverage that crosses a threshold, an hour.

Everything here blocks, is called in a thread, and only reads the project.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from app.agents.auditing.context import Context, GitFailed
from app.agents.auditing.ownfiles import is_own
from app.domain.findings import Trigger, TriggerKind
from app.engine.filewatch.ignore import builtin_ignores
from app.engine.filewatch.repository import Repository
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from app.agents.auditing.memory import Memory
    from app.agents.auditing.settings import AuditSettings

DEPTH = 3
"""Folders below the project's own in which markers are looked for."""
MOST_FOLDERS = 2000
LARGEST_MARKER = 1 << 20
MOST_COMMITS = 100
"""Commits that are looked through at once, the newest; the ones before are no news."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A file that declares work finished.

    Attributes:
        path: Relative to the project's root, with `/`.
        digest: Of its path and content, as hexadecimal digits.
        at: When it was written, wall-clock time.
    """

    path: str
    digest: str
    at: float = 0.0


@dataclass
class MarkerLook:
    """Looks for markers; folders that did not change are not read again. For one project."""

    root: Path
    _patterns: tuple[str, ...] = ()
    _folders: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)
    _digests: dict[str, tuple[tuple[int, int, int], str]] = field(default_factory=dict)

    def look(self, patterns: Sequence[str]) -> tuple[Marker, ...]:
        """Return the markers that there are.

        Args:
            patterns: How their names look; case counts as the file system has it. Answers of audits are none.
        """
        if tuple(patterns) != self._patterns:
            self._patterns = tuple(patterns)
            self._folders.clear()
        found = []
        for path in self._files():
            digest = self._digest(path)
            if digest:
                found.append(Marker(path, digest, self._digests[path][0][0] / 1e9))
        return tuple(found)

    def _files(self) -> Iterator[str]:
        left, seen = [("", 0)], 0
        while left and seen < MOST_FOLDERS:
            folder, depth = left.pop()
            seen += 1
            folders, names = self._listed(folder)
            prefix = f"{folder}/" if folder else ""
            yield from (prefix + name for name in names)
            if depth < DEPTH:
                left += [(prefix + name, depth + 1) for name in folders]

    def _listed(self, folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names of the folders in a folder, and those of its markers."""
        path = f"{self.root}{os.sep}{folder}"
        try:
            changed = os.stat(path).st_mtime_ns  # noqa: PTH116 - pathlib's takes ten times as long, and this is often
            known = self._folders.get(folder)
            # A folder that changed just now may change again within the same tick of its clock.
            if known is not None and known[0] == changed and time.time_ns() - changed > 2_000_000_000:  # noqa: PLR2004 - two seconds, FAT's tick
                return known[1], known[2]
            with os.scandir(path) as entries:
                here = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError:
            self._folders.pop(folder, None)
            return (), ()
        folders = tuple(name for name, is_folder in here if is_folder and not builtin_ignores(name, folder=True))
        names = tuple(name for name, is_folder in here if not is_folder and self._is_marker(name))
        self._folders[folder] = (changed, folders, names)
        return folders, names

    def _is_marker(self, name: str) -> bool:
        return not is_own(name) and any(fnmatch(name, pattern) for pattern in self._patterns)

    def _digest(self, path: str) -> str:
        try:
            stat = (self.root / path).stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            known = self._digests.get(path)
            if known is not None and known[0] == stamp:
                return known[1]
            content = read_regular(self.root / path, LARGEST_MARKER)
        except OSError:
            return ""
        digest = hashlib.sha256(os.fsencode(path) + b"\0" + content).hexdigest()
        self._digests[path] = (stamp, digest)
        return digest


@dataclass
class CommitLook:
    """Looks for milestone commits and tags; git is asked only when its files have changed. For one project."""

    root: Path
    is_moved: bool = False
    """Whether the last look found another commit or other tags than the memory had."""
    _stamp: tuple[object, ...] | None = None

    def look(self, memory: Memory, settings: AuditSettings) -> tuple[Trigger, ...]:
        """Return what is new since the last look, and put what was seen into the memory.

        Of a project that is looked at for the first time nothing is new.
        """
        self.is_moved = False
        repository = Repository(str(self.root))  # found anew: it may have been made by now
        stamp = repository.refs()
        if not repository.found or stamp == self._stamp:
            return ()
        self._stamp = stamp
        context = Context(self.root)
        try:
            head = context.git("rev-parse", "--verify", "-q", "HEAD").strip()
            tags = sorted(context.git("tag", "--list").split("\n")[:-1])
            said = "" if not memory.looked or head == memory.commit else self._messages(context, memory.commit)
        except GitFailed:
            return ()  # there is no commit yet
        found = [Trigger(TriggerKind.COMMIT, subject) for subject in _milestones(said, settings.milestones)]
        if memory.looked and settings.tags:
            found += [Trigger(TriggerKind.TAG, tag) for tag in tags if tag not in memory.tags]
        self.is_moved = (head, tags) != (memory.commit, memory.tags)
        memory.commit, memory.tags = head, tags
        return tuple(found)

    def _messages(self, context: Context, since: str) -> str:
        with suppress(GitFailed):
            span = f"{since}..HEAD" if since else "HEAD"
            return context.git("log", f"--max-count={MOST_COMMITS}", "--format=%B%x00", span)
        return ""  # history was written anew: the commit of before is gone


def _milestones(messages: str, words: Iterable[str]) -> Iterator[str]:
    wanted = [word.lower() for word in words if word]
    for message in messages.split("\0"):
        if any(word in message.lower() for word in wanted):
            yield message.strip().partition("\n")[0][:200]


def crossed(before: float, now: float, threshold: float) -> bool:
    """Return whether coverage crossed a threshold, in either direction.

    Args:
        before: The coverage of before in per cent; negative when there was none.
        now: The coverage now.
        threshold: In per cent; 0 for none.
    """
    return threshold > 0 and before >= 0 and (before < threshold) != (now < threshold)


def is_due(daily: str, last: float, now: float) -> bool:
    """Return whether the audit of a day is due: once a day, later when the time was slept through.

    Args:
        daily: The local time of day, `18:30`; empty for never.
        last: When it was done last, wall-clock time.
        now: The wall-clock time now.
    """
    if not daily:
        return False
    today = time.localtime(now)
    hours, _, minutes = daily.partition(":")
    due = time.mktime((*today[:3], int(hours), int(minutes), 0, 0, 0, -1))
    return last < due <= now


def is_quiet(since: str, until: str, now: float) -> bool:
    """Return whether the wall-clock time lies in the quiet hours, which may go over midnight.

    Args:
        since: The local time of day from which on; empty for no quiet hours.
        until: The local time of day until which.
        now: The wall-clock time now.
    """
    if not since or not until or since == until:
        return False
    minute = time.strftime("%H:%M", time.localtime(now))
    first, end = (_padded(each) for each in (since, until))
    return first <= minute < end if first < end else minute >= first or minute < end


def _padded(moment: str) -> str:
    return re.sub(r"^(\d):", r"0\1:", moment)
