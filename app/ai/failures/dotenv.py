"""Reads the `.env` files of a project, for what must not leave, in whichever encoding a tool left them."""

from __future__ import annotations

import codecs
import itertools
import os
import re
from collections import deque
from typing import TYPE_CHECKING

from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_FILE = 1024 * 1024
LONGEST_VALUE = 256 * 1024
FILES_READ = 200
DEPTH = 4
"""Folders below the project's own."""
_FOLDERS_SEEN = 4000
_ALL_READ = 16 * 1024 * 1024
_LEFT_OUT = frozenset({"node_modules", "bower_components", "site-packages", "__pycache__", "venv", "htmlcov", "vendor"})
_KEPT_HIDDEN = frozenset({".devcontainer", ".github", ".docker", ".config", ".deploy", ".secrets", ".envs", ".env"})

_ASSIGNED = re.compile(
    r"^[ \t]{0,40}(?:export[ \t]{1,8}|set[ \t]{1,8}|\$env:)?"
    r"(?P<name>[A-Za-z_][\w.\-]{0,200})[ \t]{0,40}[=:][ \t]{0,40}(?P<value>.*)$"
)
_COMMENT = re.compile(r"\s#")
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def settings_of(root: Path) -> Iterator[tuple[str, str]]:
    """Return the names and values of all `.env` files of a project. A value may come in several readings.

    Args:
        root: The project's folder. Links to folders are not followed.
    """
    left = _ALL_READ
    for file in _files(root):
        try:
            raw = read_regular(file, min(LARGEST_FILE, left))
        except OSError:
            continue
        left -= len(raw)
        yield from assignments(_text(raw))
        if left <= 0:
            return


def assignments(text: str) -> Iterator[tuple[str, str]]:
    """Read NAME=VALUE lines; a value in quotes may go over several lines."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        found = _ASSIGNED.match(lines[at])
        at += 1
        if found is None:
            continue
        name, value = found["name"], found["value"].strip()
        if value[:1] not in ("'", '"', "`"):
            yield name, value
            yield name, _COMMENT.split(value, maxsplit=1)[0].strip()
            continue
        inside = _up_to(value, value[0], 1)
        if inside is None:
            inside, more = _over_lines(value, lines, at)
            at += more
        yield name, inside
        if "\\" in inside:
            yield name, _ESCAPED.sub(lambda sign: _ESCAPES.get(sign[1], sign[1]), inside)


def _over_lines(value: str, lines: list[str], at: int) -> tuple[str, int]:
    """Return what stands in quotes that are closed on a later line, and how many more lines that takes; or its line."""
    parts, size = [value[1:]], len(value)
    for more, line in enumerate(itertools.islice(lines, at, None), 1):
        end = _up_to(line, value[0], 0)
        if end is not None:
            return "\n".join([*parts, end]), more
        size += len(line) + 1
        if size > LONGEST_VALUE:
            break
        parts.append(line)
    return value[1:], 0


def _up_to(line: str, quote: str, start: int) -> str | None:
    at = start
    while (at := line.find(quote, at)) >= 0:
        slashes = len(line[start:at]) - len(line[start:at].rstrip("\\"))
        if slashes % 2 == 0 or quote == "'":
            return line[start:at]
        at += 1
    return None


def _text(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace")
    if raw[1:2] == b"\0" or raw[:1] == b"\0":
        return raw.decode("utf-16-le" if raw[1:2] == b"\0" else "utf-16-be", "replace")
    return raw.decode("utf-8-sig", "replace")


def _files(root: Path) -> list[Path]:
    """Return `.env` files, those in higher folders first."""
    found: list[Path] = []
    folders = deque([(root, 0)])
    seen = 0
    while folders and seen < _FOLDERS_SEEN and len(found) < FILES_READ:
        folder, depth = folders.popleft()
        seen += 1
        try:
            with os.scandir(folder) as entries:
                here = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        if depth and any(entry.name == "pyvenv.cfg" for entry in here):
            continue  # a virtual environment, whatever it is called
        for entry in here:
            name = entry.name.lower()
            try:
                is_folder = entry.is_dir(follow_symlinks=False)
            except OSError:
                continue
            if is_folder and depth < DEPTH and name not in _LEFT_OUT and (name[0] != "." or name in _KEPT_HIDDEN):
                folders.append((folder / entry.name, depth + 1))
            elif not is_folder and (name.startswith(".env") or name.endswith(".env")):
                found.append(folder / entry.name)
    return found[:FILES_READ]
