"""TOML as people write it: read with a bound, parsed with an error that names the line, keys found again by line."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from app.domain.errors import SettingsError
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LARGEST_FILE = 1024 * 1024
"""Bytes: a settings file beyond this is none."""

_LONGEST_VALUE_LINES = 200
_LINES_SEARCHED_WITHOUT_A_CLUE = 300


def read_text(path: Path) -> str | None:
    """Return a settings file's text, None when there is none. Never waits, whatever lies there (a FIFO, say).

    Raises:
        SettingsError: It is no regular file, too large, unreadable, or not UTF-8.
    """
    try:
        content = read_regular(path, LARGEST_FILE)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    if len(content) > LARGEST_FILE:
        raise _unreadable(path, f"it is larger than {LARGEST_FILE // 1024} KiB")
    try:
        return content.decode("utf-8-sig")  # Windows editors put a byte order mark in front
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError(f"{path}, line {line}: this is not UTF-8 text.", "Save the file as UTF-8.") from error


def parse(text: str, path: Path) -> dict[str, Any]:
    """Return the document as plain values.

    Raises:
        SettingsError: It is not TOML; names the line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Python below 3.14 has the line in the message alone.
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        what = str(error).split(" (at ")[0]
        raise SettingsError(
            f"{path}, line {line}: this is not TOML: {what}.", "Mend that line; text stands in double quotes."
        ) from error
    except RecursionError as error:
        raise SettingsError(f"{path}: brackets are nested too deep.", "Take the nesting out.") from error


def line_of(text: str, key: Sequence[str | int]) -> int | None:
    """Return the line, counted from 1, on which a valid document sets `key`; None when it does not.

    An item of a list (an int in `key`) stands on the line of its list. What says the line is the parser itself: the
    statement is the one after which the key is there and before which it is not. So text that merely looks like the
    key, in a string or a comment, misleads nobody.
    """
    path = [part for part in key if isinstance(part, str)]
    if not path:
        return None
    lines = text.splitlines(keepends=True)
    named = [number for number, line in enumerate(lines) if path[-1] in line]
    for number in named or range(min(len(lines), _LINES_SEARCHED_WITHOUT_A_CLUE)):
        before = _parsed(lines[:number])
        if before is None or _has(before, path):
            continue
        for end in range(number + 1, min(len(lines), number + _LONGEST_VALUE_LINES) + 1):
            after = _parsed(lines[:end])
            if after is not None:
                if _has(after, path):
                    return number + 1
                break
    return None


def _parsed(lines: Sequence[str]) -> dict[str, Any] | None:
    try:
        return tomllib.loads("".join(lines))
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _has(document: object, path: Sequence[str]) -> bool:
    for part in path:
        if isinstance(document, list) and document:
            document = document[-1]
        if not isinstance(document, dict) or part not in document:
            return False
        document = document[part]
    return True


def _unreadable(path: Path, why: str) -> SettingsError:
    return SettingsError(f"{path} cannot be read: {why}.", "Mend or remove it; without it the defaults hold.")
