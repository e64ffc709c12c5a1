"""Reads a `.env` file: which name has which value, and on which lines.

The parser is python-dotenv's, the one that such files are mostly written for: quotes, escapes, `export`, comments and
values of several lines mean here what they mean to the program that used the file until now. Of that library nothing
else is used: no variable is expanded, and the environment is not touched.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dotenv.parser import parse_stream

from app.domain.errors import CannotError
from app.engine.regular import NotRegular, read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dotenv.parser import Binding

LARGEST_ENV = 256 * 1024
"""Bytes: a hundred times what people have."""

LONGEST_BLANK = 200
"""Blanks in a row. The parser looks for a comment from each of them to the last, which takes an hour for a mebibyte."""

_TOO_BLANK = re.compile(rf"[^\S\n]{{{LONGEST_BLANK}}}")


@dataclass(frozen=True, slots=True)
class Lines:
    """Where something stands in a file, counted from 1; `last` is the same line or a later one."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the file.

    Attributes:
        name: What stands before the `=`; empty where that cannot be read.
        value: What stands behind it, unquoted; None where there is no `=`, or it cannot be read.
        lines: Where it stands.
    """

    name: str
    value: str | None = field(repr=False)
    lines: Lines

    @property
    def is_readable(self) -> bool:
        """False for lines that are no setting, no comment and not blank: a quote is not closed, say."""
        return bool(self.name)


@dataclass(frozen=True, slots=True)
class EnvFile:
    """The file, as it was read.

    Attributes:
        path: Where it lies.
        digest: SHA-256 of its bytes, in hexadecimal.
        settings: In their order; a name may stand there more than once, and then the last one counts.
    """

    path: Path
    digest: str
    settings: tuple[Setting, ...]

    def of(self, name: str) -> tuple[Setting, ...]:
        """Return the settings of one name, in their order."""
        return tuple(setting for setting in self.settings if setting.name == name)


def read_env(path: Path) -> EnvFile:
    """Return what stands in a `.env` file.

    Args:
        path: The file. A symbolic link is followed, since the file is never changed.

    Raises:
        CannotError: It is missing, no file, too large, not UTF-8, or cannot be read. Tells nothing of its content.
    """
    content = _read(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CannotError(f"{path} is not UTF-8.", "Save it as UTF-8 in your editor, and try again.") from None
    # The lines end as they do for a program that opens the file as text.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if blank := _TOO_BLANK.search(text):
        line = text.count("\n", 0, blank.start()) + 1
        raise CannotError(
            f"Line {line} of {path} has {LONGEST_BLANK} blanks in a row.", "Take them out, and try again."
        )
    return EnvFile(path, hashlib.sha256(content).hexdigest(), tuple(_settings(text)))


def _read(path: Path) -> bytes:
    try:
        content = read_regular(path, LARGEST_ENV)
    except FileNotFoundError:
        raise CannotError(f"There is no {path}.", "Name the file that holds the settings.") from None
    except NotRegular as error:
        raise CannotError(f"{path} cannot be read: {error}.", "Copy its content to a file, and name that.") from error
    except OSError as error:
        raise CannotError(f"{path} cannot be read: {error.strerror or error}.", "Check its rights.") from error
    if len(content) > LARGEST_ENV:
        raise CannotError(f"{path} has more than {LARGEST_ENV // 1024} KiB.", "Is it the right file?")
    return content


def _settings(text: str) -> Iterator[Setting]:
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            yield Setting("", None, _lines_of(binding))
        elif binding.key is not None:
            yield Setting(binding.key, binding.value, _lines_of(binding))


def _lines_of(binding: Binding) -> Lines:
    """Return where a setting stands without the blank lines before it, which the parser counts in."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    first = binding.original.line + blank.count("\n")
    return Lines(first, first + text.strip().count("\n"))
