"""A unified diff in its hunks, with the lines that each of them changes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADER = re.compile(
    r"^@@ -\d{1,9}(?:,(?P<old>\d{1,9}))? \+(?P<line>\d{1,9})(?:,(?P<new>\d{1,9}))? @@ ?(?P<within>.{0,200})"
)
_GIT = re.compile(r"^diff --git \"?a/(?P<old>.{1,1000}?)\"? \"?b/(?P<new>.{1,1000}?)\"?$")
_ESCAPED = re.compile(r"\\(?:(?P<octal>[0-7]{3})|(?P<sign>[\"\\]))")
NO_FILE = "/dev/null"


@dataclass(frozen=True, slots=True)
class Hunk:
    """A part of a diff: one of its `@@` parts, or all that is said of a file that has none.

    Attributes:
        path: The file as it is named now, relative with forward slashes; of a deleted one, as it was named.
        lines: The hunk's lines, with its `@@` line.
        first: The number that the first line has now.
        last: The number that the last line has now.
        changed: The numbers of added lines, and of those behind which lines were taken out, ascending.
        within: What the `@@` line says of the function around; may be empty.
        is_deleted: Whether the whole file is gone.
    """

    path: str
    lines: tuple[str, ...]
    first: int = 0
    last: int = 0
    changed: tuple[int, ...] = ()
    within: str = ""
    is_deleted: bool = False

    @property
    def head(self) -> tuple[str, str]:
        """The two lines that name the file."""
        new = NO_FILE if self.is_deleted else f"b/{self.path}"
        return f"--- a/{self.path}", f"+++ {new}"


def hunks_of(text: str) -> tuple[Hunk, ...]:
    """Return the hunks of a unified diff in their order. A diff that breaks off gives what is there of it."""
    reading = _Reading()
    for line in text.split("\n"):
        reading.take(line.removesuffix("\r"))
    reading.end()
    return tuple(reading.hunks)


class _Reading:
    def __init__(self) -> None:
        self.hunks: list[Hunk] = []
        self._old = self._new = ""
        self._head: list[str] = []  # what is said of a file before its first hunk
        self._is_told = True
        self._lines: list[str] = []
        self._first = self._at = 0
        self._changed: set[int] = set()
        self._within = ""
        self._left_old = self._left_new = 0

    def take(self, line: str) -> None:
        if self._lines and (self._left_old > 0 or self._left_new > 0 or line.startswith("\\")):
            self._take_inside(line)
            return
        self._end_hunk()
        if found := _HEADER.match(line):
            self._left_old = int(found["old"] or 1)
            self._left_new = int(found["new"] or 1)
            self._first = self._at = int(found["line"]) + (self._left_new == 0)
            self._within = found["within"].strip()
            self._lines = [line]
            self._is_told = True
        elif found := _GIT.match(line):
            self._end_file()
            self._old, self._new = _plain(found["old"]), _plain(found["new"])
        elif line.startswith("--- "):
            if not self._head:
                self._end_file()
            self._old = _path(line[4:], "a/")
        elif line.startswith("+++ "):
            self._new = _path(line[4:], "b/")
        elif line.startswith(("Binary ", "rename ", "new file", "deleted file", "old mode", "new mode")):
            self._head.append(line)
            self._is_told = False

    def end(self) -> None:
        self._end_hunk()
        self._end_file()

    @property
    def _path(self) -> str:
        return self._old if self._new in ("", NO_FILE) else self._new

    def _take_inside(self, line: str) -> None:
        sign = line[:1]
        if sign == "\\":
            self._lines.append(line)
            return
        self._lines.append(line)
        if sign == "+":
            self._changed.add(self._at)
        elif sign == "-":
            self._changed.add(max(self._at, 1))
        if sign != "+":
            self._left_old -= 1
        if sign != "-":
            self._left_new -= 1
            self._at += 1

    def _end_hunk(self) -> None:
        if not self._lines:
            return
        last = max(self._at - 1, self._first)
        changed = tuple(sorted({min(number, last) for number in self._changed}))
        is_deleted = self._new == NO_FILE
        self.hunks.append(
            Hunk(self._path, tuple(self._lines), self._first, last, changed, self._within, is_deleted=is_deleted)
        )
        self._lines, self._changed = [], set()
        self._left_old = self._left_new = 0

    def _end_file(self) -> None:
        if self._head and not self._is_told and self._path:
            self.hunks.append(Hunk(self._path, tuple(self._head), is_deleted=self._new == NO_FILE))
        self._head, self._is_told = [], True


def _path(name: str, prefix: str) -> str:
    name = name.partition("\t")[0].rstrip()
    if name.startswith('"') and name.endswith('"'):
        name = _plain(name[1:-1])
    return name if name == NO_FILE else name.removeprefix(prefix)


def _plain(name: str) -> str:
    """Return a name without git's escapes."""
    if "\\" not in name:
        return name
    raw = _ESCAPED.sub(lambda found: chr(int(found["octal"], 8)) if found["octal"] else found["sign"], name)
    try:
        return raw.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return raw
