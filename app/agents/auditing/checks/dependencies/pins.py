"""What a project's requirement and lock files pin."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

PYPI = "PyPI"
NPM = "npm"
"""Ecosystems, by the names that OSV gives them."""

_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True)
class Pin:
    """A dependency at an exact version.

    Attributes:
        ecosystem: `PYPI` or `NPM`.
        name: As its registry has it; of PyPI normalized.
        version: As the file has it.
        path: The file, relative to the project's root.
        line: Counted from 1; 0 when it could not be told.
        evidence: The line.
    """

    ecosystem: str
    name: str
    version: str
    path: str
    line: int = 0
    evidence: str = ""


@dataclass(slots=True)
class Listed:
    """What a file lists.

    Attributes:
        pins: At exact versions.
        unpinned: Names whose versions are left to whoever installs.
        elsewhere: Names that come from git or an address, of which no registry knows. What comes from a folder is the
            project's own, and in none of these.
        troubles: What could not be read, in words for people.
    """

    pins: list[Pin] = field(default_factory=list)
    unpinned: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


class NotUnderstood(Exception):
    """A file is not what its name says; the text says why."""


def normalized(name: str) -> str:
    """Return a name of PyPI as all its spellings are compared: `Foo_Bar` is `foo-bar`."""
    return _SEPARATORS.sub("-", name).lower()


class Lines:
    """Finds in which line of a TOML or JSON file something stands, which their parsers do not tell.

    Args:
        text: The file's text.
    """

    _KEY = re.compile(r'^\s*"((?:[^"\\]|\\.)*)"\s*:\s*\{')
    _VERSION = re.compile(r"""^\s*"?version"?\s*[:=]\s*["'](?:==)?([^"']*)["']""")

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._keys: dict[str, list[int]] | None = None

    def at(self, number: int) -> str:
        """Return a line without the white space around it; empty when there is no such line."""
        return self._lines[number - 1].strip()[:300] if 0 < number <= len(self._lines) else ""

    def headers(self, name: str) -> list[int]:
        """Return where the tables `[[name]]` of an array of tables begin, in order."""
        header = re.compile(rf"^\s*\[\[\s*{re.escape(name)}\s*\]\]")
        return [number for number, line in enumerate(self._lines, 1) if header.match(line)]

    def version_after(self, number: int, version: str) -> int:
        """Return the line of a version that follows a line, within the same table; the line itself without it."""
        for later in range(number, min(number + 12, len(self._lines))):
            found = self._VERSION.match(self._lines[later])
            if found:
                return later + 1 if found[1] == version else number
        return number

    def key(self, name: str, version: str) -> int:
        """Return the line of the version in the object that a key of JSON names; 0 when there is none."""
        if self._keys is None:
            self._keys = {}
            for number, line in enumerate(self._lines, 1):
                if found := self._KEY.match(line):
                    self._keys.setdefault(found[1], []).append(number)
        numbers = self._keys.get(name, [])
        for number in numbers:
            if (later := self.version_after(number, version)) != number:
                return later
        return numbers[0] if numbers else 0

    def assigning(self, name: str) -> int:
        """Return the first line of TOML that gives a key a value; 0 when none does."""
        key = re.compile(rf"""^\s*["']?{re.escape(name)}["']?\s*=""")
        return next((number for number, line in enumerate(self._lines, 1) if key.match(line)), 0)

    def holding(self, text: str) -> int:
        """Return the first line that holds a text; 0 when none does."""
        return next((number for number, line in enumerate(self._lines, 1) if text in line), 0)
