"""What has changed since the last audit: from a commit to the working tree, with what git does not know yet."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from app.agents.auditing.context import LARGEST_FILE, GitFailed
from app.agents.auditing.ownfiles import is_own
from app.ai.failures.hunks import Hunk, hunks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.agents.auditing.context import Context

COMMITS = 20
"""So many commits are the change when no audit came before."""
MOST_FILES = 5000
"""More changed files than this are not read."""
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
SOURCES = ("*.py", "*.pyi", "pyproject.toml", "setup.cfg", "pytest.ini", "tox.ini")
"""What the outcome of Python tests depends on."""

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_REGULAR = ("100644", "100755")
_AT_ONCE = 64
_BYTES_AT_ONCE = 8 * 1024 * 1024
_TO_COMPARE = 60
_ALIKE = 0.5
_PLAIN = ("--no-color", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "--relative", "-M", "-l400")


@dataclass(frozen=True, slots=True)
class Patch:
    """What changed in a file that is there now.

    Attributes:
        path: The file, relative to the project's root.
        was: What it was called at the commit from which the change is reckoned; empty for a new one.
        added: The text of each added line by its number, from 1.
        removed: The text of the lines that are gone.
    """

    path: str
    was: str
    added: dict[int, str]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """All that changed from a commit to the working tree.

    Attributes:
        context: The project.
        base: The commit, or the empty tree where there is no commit yet.
        is_guessed: Whether no audit came before, so that the commit is only one of some time ago.
        was: For each file that is there now and was changed or is new, what it was called before; empty for new ones.
        deleted: Files that are gone, and were not renamed.
        untracked: Those of `was` that git does not know yet.
        reasons: What of the change could not be looked at.
    """

    context: Context
    base: str
    is_guessed: bool
    was: dict[str, str]
    deleted: tuple[str, ...] = ()
    untracked: frozenset[str] = frozenset()
    reasons: list[str] = field(default_factory=list)

    def before(self, path: str) -> str | None:
        """Return a file's text at the commit, by its name there; None when it was not there."""
        try:
            raw = self.context.git_bytes("cat-file", "blob", f"{self.base}:./{path}")
        except GitFailed:
            return None
        return raw[:LARGEST_FILE].decode("utf-8-sig", "replace")

    def now(self, path: str) -> str | None:
        """Return a file's text now; None when it cannot be read, holds no text, or is too large for source."""
        if not self._is_readable(path):
            return None
        try:
            text = self.context.text(path)
        except OSError as error:
            self.reasons.append(f"{path} cannot be read ({type(error).__name__})")
            return None
        return None if "\0" in text else text

    def patches(self) -> Iterator[Patch]:
        """Return what changed, file by file, those that git knows first. Files that hold no text are left out."""
        known = [path for path in sorted(self.was) if path not in self.untracked]
        for batch in self._batches(known):
            try:
                yield from self._patches(batch)
            except GitFailed as error:
                self.reasons.append(f"what changed in {batch[0]} and {len(batch) - 1} others is not known: {error}")
        for path in sorted(self.untracked):
            text = self.now(path)
            if text is not None:
                yield Patch(path, self.was[path], dict(enumerate(text.split("\n"), 1)))

    def hunks(self, around: int) -> Iterator[Hunk]:
        """Return what changed with so many lines around it; a file that git does not know yet is one hunk."""
        for batch in self._batches([path for path in sorted(self.was) if path not in self.untracked]):
            try:
                yield from hunks_of(self._diff(batch, around))
            except GitFailed as error:
                self.reasons.append(f"what changed in {batch[0]} and {len(batch) - 1} others is not known: {error}")
        for path in sorted(self.untracked):
            text = self.now(path)
            if text:
                lines = text.removesuffix("\n").split("\n")
                numbers = tuple(range(1, len(lines) + 1))
                head = f"@@ -0,0 +1,{len(lines)} @@"
                yield Hunk(path, (head, *(f"+{line.removesuffix(chr(13))}" for line in lines)), 1, len(lines), numbers)

    def added_in(self, path: str) -> frozenset[int] | None:
        """Return the numbers of a file's added lines; None when the file was not changed, or is not known."""
        if path not in self.was or not self._is_readable(path):
            return None
        if not self.was[path]:
            return frozenset(range(1, (self.now(path) or "").count("\n") + 2))
        try:
            return frozenset(number for patch in self._patches([path]) for number in patch.added)
        except GitFailed:
            return None

    @cached_property
    def recent(self) -> frozenset[str]:
        """The files of the change and of the last commits: what recent work may have touched, now or before it went."""
        touched = set(self.was) | set(self.was.values()) | set(self.deleted)
        try:
            said = self.context.git_bytes(
                "log", f"-n{COMMITS}", "--format=", "--name-only", "-z", *_PLAIN[1:5], "HEAD", "--"
            )
        except GitFailed:
            said = b""
        touched.update(os.fsdecode(name).strip("\n") for name in said.split(b"\0"))
        return frozenset(touched - {""})

    def _patches(self, paths: Sequence[str]) -> Iterator[Patch]:
        said = self._diff(paths, 0)
        added: dict[str, dict[int, str]] = {}
        removed: dict[str, list[str]] = {}
        for hunk in hunks_of(said):
            lines, gone = added.setdefault(hunk.path, {}), removed.setdefault(hunk.path, [])
            number = hunk.first
            for line in hunk.lines[1:]:
                if line.startswith("-"):
                    gone.append(line[1:])
                elif line.startswith("+"):
                    lines[number] = line[1:]
                    number += 1
        for path in paths:
            if path in added:
                yield Patch(path, self.was[path], added[path], tuple(removed[path]))

    def _diff(self, paths: Sequence[str], around: int) -> str:
        names = [*paths, *(self.was[path] for path in paths if self.was[path] not in {"", path})]
        return self.context.git(
            "--literal-pathspecs", *_without_filters(self.context), "diff", f"-U{around}", "--inter-hunk-context=0",
            "--src-prefix=a/", "--dst-prefix=b/", *_PLAIN, self.base, "--", *names,
        )  # fmt: skip

    def _batches(self, paths: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        size = 0
        for path in paths:
            if not self._is_readable(path):
                continue
            batch.append(path)
            size += (self.context.root / path).lstat().st_size if (self.context.root / path).exists() else 0
            if len(batch) == _AT_ONCE or size > _BYTES_AT_ONCE:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _is_readable(self, path: str) -> bool:
        try:
            about = (self.context.root / path).lstat()
        except OSError:
            return False
        return stat.S_ISREG(about.st_mode) and about.st_size <= LARGEST_FILE


def change_of(context: Context) -> Change:
    """Return what changed since the last audit; without one, in the last 20 commits, or since the first.

    What audits themselves write into the project is no part of it.

    Args:
        context: The project.

    Raises:
        GitFailed: There is no git, or the commit of the last audit is not there (a shallow clone, a rewritten history).
    """
    base = _base(context)
    said = context.git_bytes(*_without_filters(context), "diff", "--raw", "-z", "--no-abbrev", *_PLAIN, base, "--")
    was: dict[str, str] = {}
    deleted: list[str] = []
    fields = iter(os.fsdecode(said).split("\0"))
    for entry in fields:
        if not entry.startswith(":"):
            continue
        old_mode, new_mode, _, _, status = entry[1:].split(" ")
        old = path = next(fields, "")
        if status[0] in "RC":
            path = next(fields, "")
        if is_own(path):
            continue
        if status[0] == "D":
            if old_mode in _REGULAR:
                deleted.append(path)
        elif new_mode in _REGULAR:
            was[path] = old if old_mode in _REGULAR and status[0] != "C" else ""
    others = os.fsdecode(context.git_bytes("ls-files", "-z", "--others", "--exclude-standard")).split("\0")
    untracked = {name for name in others if name and not name.endswith("/") and not is_own(name)}
    was.update(dict.fromkeys(untracked, ""))
    reasons = []
    if len(was) > MOST_FILES:
        reasons.append(f"{len(was):,} files were changed; only {MOST_FILES:,} of them were looked at")
        was = dict(sorted(was.items())[:MOST_FILES])
    change = Change(
        context, base, not context.since, was, tuple(sorted(deleted)), frozenset(untracked & was.keys()), reasons
    )
    return _with_moved(change)


def last_change(context: Context) -> float:
    """Return when a source file of the project was last written, wall-clock seconds; 0 when there is none."""
    newest = 0.0
    for path in context.files(*SOURCES):
        try:
            about = (context.root / path).stat()
        except OSError:
            continue
        newest = max(newest, about.st_mtime)
    return newest


def _base(context: Context) -> str:
    if context.since:
        if not _COMMIT.fullmatch(context.since):
            raise GitFailed("the commit of the last audit is not named as one")
        try:
            return context.git("rev-parse", "--verify", "--quiet", context.since + "^{commit}").strip()
        except GitFailed:
            raise GitFailed(
                f"the commit of the last audit ({context.since[:12]}) is not in this repository;"
                " its history was rewritten, or the clone is shallow"
            ) from None
    context.git("rev-parse", "--git-dir")
    try:
        commits = context.git("rev-list", "--first-parent", f"--max-count={COMMITS + 1}", "HEAD", "--").split()
    except GitFailed:
        return EMPTY_TREE
    return commits[-1] if commits else EMPTY_TREE


def _without_filters(context: Context) -> tuple[str, ...]:
    """Return what keeps git from running the programs that its settings name for files' content."""
    try:
        said = context.git("config", "--null", "--name-only", "--get-regexp", r"^filter\..*\.(clean|process|required)$")
    except GitFailed:
        return ()
    words: list[str] = []
    for name in sorted(set(said.split("\0")) - {""}):
        if "=" not in name:
            words += ["-c", f"{name}={'false' if name.endswith('required') else ''}"]
    return tuple(words)


def _with_moved(change: Change) -> Change:
    """Take a file that is gone and a new, alike one that git does not know yet for one that was moved."""
    new = [path for path in sorted(change.untracked) if path.endswith(".py")][:_TO_COMPARE]
    gone = [path for path in change.deleted if path.endswith(".py")][:_TO_COMPARE]
    if not new or not gone:
        return change
    texts = {path: Counter((change.now(path) or "").split()) for path in new}
    moved: dict[str, str] = {}
    for old in gone:
        words = Counter((change.before(old) or "").split())
        likeness = {path: _likeness(words, texts[path]) for path in new if path not in moved}
        best = max(likeness, key=likeness.__getitem__, default="")
        if best and likeness[best] >= _ALIKE:
            moved[best] = old
    if not moved:
        return change
    deleted = tuple(path for path in change.deleted if path not in moved.values())
    return Change(
        change.context, change.base, change.is_guessed, change.was | moved, deleted, change.untracked, change.reasons
    )


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    whole = max(one.total(), other.total())
    return (one & other).total() / whole if whole else 0.0
