"""A mutation, and a source tree that takes one as an editor would save it, and can be put back as it was."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

LEFT_OUT = frozenset({".git", ".venv", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"})
"""Folders that are no part of the sources."""

LEFT_OUT_FILES = (".testmondata",)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change to a source tree.

    Attributes:
        kind: What sort of change it is: `constant`, `decorator removed`, ...
        what: Where and what, for people.
        changes: The new content of each changed file by its relative path, None for one that is deleted.
    """

    kind: str
    what: str
    changes: Mapping[str, bytes | None]


class SaveStyle(StrEnum):
    """How editors write a file."""

    IN_PLACE = "in place"
    """Truncated and written anew, as VS Code and nano do."""
    RENAME = "rename"
    """Written beside it and moved over it, as gedit and many tools do."""
    BACKUP = "backup"
    """The old file moved away, the new one written, the old one deleted, as vim does."""


def save(file: Path, content: bytes, style: SaveStyle) -> None:
    """Write a file as an editor does; one that is not there yet is created."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if style is SaveStyle.RENAME:
        beside = file.with_name(f".{file.name}.a1b2c3.tmp")
        beside.write_bytes(content)
        beside.replace(file)
    elif style is SaveStyle.BACKUP and file.exists():
        backup = file.with_name(f"{file.name}~")
        file.rename(backup)
        file.write_bytes(content)
        backup.unlink()
    else:
        file.write_bytes(content)


class Tree:
    """A source tree whose content is known, so that it can be put back.

    Args:
        root: Its folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.content = dict(self._read())
        self._folders = set(self._all_folders())

    def apply(self, mutation: Mutation, style: SaveStyle = SaveStyle.IN_PLACE) -> None:
        """Save, create and delete what the mutation changes."""
        self._write(mutation.changes, style)

    def revert(self, mutation: Mutation, style: SaveStyle = SaveStyle.IN_PLACE) -> None:
        """Take back what the mutation changed."""
        self._write({path: self.content.get(path) for path in mutation.changes}, style)

    def tidy(self) -> list[str]:
        """Put back whatever else is not as it was, such as files that tests left, and return which."""
        now = dict(self._read())
        odd = sorted(path for path in {*now, *self.content} if now.get(path) != self.content.get(path))
        self._write({path: self.content.get(path) for path in odd}, SaveStyle.IN_PLACE)
        for folder in sorted(set(self._all_folders()) - self._folders, reverse=True):
            shutil.rmtree(self.root / folder, ignore_errors=True)
        return odd

    def drop_bytecode(self, paths: Iterable[str]) -> None:
        """Remove the bytecode of files: Python takes it for a changed file's that has the same size and second."""
        for path in paths:
            file = self.root / path
            for cached in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
                cached.unlink(missing_ok=True)

    def _write(self, changes: Mapping[str, bytes | None], style: SaveStyle) -> None:
        for path, content in changes.items():
            file = self.root / path
            if content is not None:
                save(file, content, style)
            elif file.is_dir():
                shutil.rmtree(file)
            else:
                file.unlink(missing_ok=True)

    def _read(self) -> Iterator[tuple[str, bytes]]:
        for folder, names in self._walk():
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118 - as os.walk gives them
                if os.path.isfile(path) and not name.endswith((".pyc", *LEFT_OUT_FILES)):  # noqa: PTH113 - likewise
                    with open(path, "rb") as file:  # noqa: PTH123 - likewise
                        yield os.path.relpath(path, self.root).replace(os.sep, "/"), file.read()

    def _all_folders(self) -> Iterator[str]:
        for folder, _names in self._walk():
            yield os.path.relpath(folder, self.root)

    def _walk(self) -> Iterator[tuple[str, list[str]]]:
        for folder, inner, names in os.walk(self.root):
            inner[:] = sorted(each for each in inner if each not in LEFT_OUT and not each.endswith(".egg-info"))
            yield folder, sorted(names)
