"""Reads requirement files of pip, with what they include."""

from __future__ import annotations

import re
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from app.agents.auditing.checks.dependencies.pins import PYPI, Listed, Pin, normalized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COMMENT = re.compile(r"(^|\s)#.*$")
_INCLUDE = re.compile(r"^(?:-([rc])\s*|--(requirement|constraint)(?:\s+|=))(\S.*)$")
_EDITABLE = re.compile(r"^(?:-e\s*|--editable(?:\s+|=))(\S.*)$")
_OPTIONS = re.compile(r"\s--?[a-z].*$")
"""What belongs to one requirement: `--hash=...`, `--config-settings ...`."""
_REMOTE = re.compile(r"^(?:[a-z][a-z0-9+.-]*://|git\+)")
_LOCAL = re.compile(r"^(?:\.{0,2}[/\\]|\.{1,2}(?:\[|$)|[A-Za-z]:[/\\]|file:)|[/\\]|\.(?:whl|tar\.gz|zip)(?:\[.*\])?$")
_DEEPEST = 20


def exact_version(requirement: Requirement) -> str:
    """Return the one version that a requirement allows; empty when there may be others."""
    given = list(requirement.specifier)
    exact = [each.version for each in given if each.operator in {"==", "==="} and not each.version.endswith(".*")]
    return exact[0] if exact and len(set(exact)) == 1 else ""


class Requirements:
    """Reads requirement files; one that several include is read once.

    Args:
        read: Returns a file's text by its path relative to the project's root. Raises OSError.
    """

    def __init__(self, read: Callable[[str], str]) -> None:
        self._read = read
        self._seen: set[str] = set()

    def file(self, path: str) -> Listed:
        """Return what a file and those that it includes list; nothing when it was read before.

        A name without a version that a constraint pins is pinned.
        """
        listed = Listed()
        self._into(listed, path, 0)
        known = {pin.name for pin in listed.pins}
        listed.unpinned = [name for name in listed.unpinned if normalized(name) not in known]
        return listed

    def _into(self, listed: Listed, path: str, depth: int) -> None:
        if path in self._seen:
            return
        self._seen.add(path)
        try:
            text = self._read(path)
        except (OSError, ValueError) as error:
            listed.troubles.append(f"{path} could not be read: {getattr(error, 'strerror', None) or error}")
            return
        for number, line in _logical(text):
            self._line(listed, path, number, line, depth)

    def _line(self, listed: Listed, path: str, number: int, line: str, depth: int) -> None:
        if included := _INCLUDE.match(line):
            self._include(listed, path, number, included[3].strip().strip("\"'"), depth)
            return
        if editable := _EDITABLE.match(line):
            if _REMOTE.match(editable[1]):
                listed.elsewhere.append(editable[1])
            return
        if line.startswith("-"):
            return  # where to look for packages, and how
        words = _OPTIONS.sub("", line).strip()
        try:
            requirement = Requirement(words)
        except InvalidRequirement:
            if _REMOTE.match(words):
                listed.elsewhere.append(words)
            elif not _LOCAL.search(words):
                listed.troubles.append(f"{path}:{number} is no requirement that could be read")
            return
        if requirement.url:
            listed.elsewhere.append(requirement.name)
        elif version := exact_version(requirement):
            listed.pins.append(Pin(PYPI, normalized(requirement.name), version, path, number, words[:300]))
        else:
            listed.unpinned.append(requirement.name)

    def _include(self, listed: Listed, path: str, number: int, other: str, depth: int) -> None:
        if "://" in other:
            listed.troubles.append(f"{path}:{number} includes a file from elsewhere, which was not read")
            return
        whole = normpath(join(dirname(path), other.replace("\\", "/")))
        if whole.startswith(("../", "/")) or whole == ".." or ":" in whole:
            listed.troubles.append(f"{path}:{number} includes a file outside the project, which was not read")
        elif depth >= _DEEPEST:
            listed.troubles.append(f"{path}:{number} includes files too deeply")
        else:
            self._into(listed, whole, depth + 1)


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line that says something, those that a backslash continues as one, with the number of its first."""
    begun, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first or number
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            begun += line[:-1] + " "
            continue
        whole = _COMMENT.sub("", begun + line).strip()
        if whole:
            yield first, whole
        begun, first = "", 0
    if whole := _COMMENT.sub("", begun).strip():
        yield first, whole
