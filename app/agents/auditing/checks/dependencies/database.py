"""Reads a folder or zip of advisories as OSV publishes them for each ecosystem, without the network.

An index of which package each advisory tells is made once, and again when a file has changed: the advisories of npm are
some hundred thousand.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import struct
import tempfile
import zipfile
import zlib
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.agents.auditing.checks.dependencies.pins import NPM, PYPI, normalized
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.agents.auditing.checks.dependencies.advisories import Package

_LARGEST_RECORD = 4 * 1024 * 1024
_INDEX = "advisories.sqlite"
_FORMAT = "1"
_WHOLE = -1
"""In place of an offset: the file is no zip, but one advisory."""
_HEADER = struct.Struct("<4s5H3L2H")
_HEADER_MARK = b"PK\x03\x04"
"""What stands before each member of a zip (APPNOTE.TXT 4.3.7). With its place known, a zip of some hundred thousand
members is not to be listed, which takes seconds and some hundred MiB."""
_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE advisory (
    ecosystem TEXT NOT NULL, package TEXT NOT NULL, file TEXT NOT NULL, offset INTEGER NOT NULL, size INTEGER NOT NULL
);
"""


class Unusable(Exception):
    """A database of advisories cannot be used; the text says why, for people."""


class Database:
    """Advisories in files.

    Args:
        path: A folder that holds, at any depth, `*.json` of one advisory each and zips of such; or such a zip.
        cache: A folder for the index.

    Raises:
        Unusable: There is nothing of that kind, or it cannot be read.
    """

    def __init__(self, path: Path, cache: Path) -> None:
        self._path = path
        self._index = cache / _INDEX
        try:
            files = sorted(_files(path))
            signature = _signature(path, files)
            if not files:
                raise Unusable(f"{path} holds no advisories")
            if _about(self._index, "signature") != signature:
                self._make(files, signature, cache)
        except (OSError, sqlite3.Error) as error:
            raise Unusable(f"{path} could not be read ({_said(error)})") from error
        self.ecosystems = frozenset(_about(self._index, "ecosystems").split())
        """Of which it holds advisories."""
        self.newest = _about(self._index, "newest")
        """When the advisory that was changed last was changed, in ISO 8601; may be empty."""
        self.unread = int(_about(self._index, "unread") or 0)
        """How many of its files are no advisories."""

    def records(self, packages: Iterable[Package]) -> Iterator[tuple[Package, dict[str, Any]]]:
        """Yield each package with each advisory that tells of it, at whichever version.

        Raises:
            Unusable: An advisory cannot be read any more.
        """
        try:
            with closing(sqlite3.connect(self._index)) as index:
                for package in packages:
                    found = index.execute(
                        "SELECT DISTINCT file, offset, size FROM advisory WHERE ecosystem = ? AND package = ?",
                        (package.ecosystem, package.name),
                    )
                    for file, offset, size in found:
                        content = _of_file(Path(file)) if offset == _WHOLE else _at(Path(file), offset, size)
                        yield package, json.loads(content)
        except (OSError, ValueError, zlib.error, struct.error, sqlite3.Error) as error:
            raise Unusable(f"{self._path} could not be read ({_said(error)})") from error

    def _make(self, files: list[Path], signature: str, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix="advisories-", dir=cache)
        os.close(descriptor)
        seen = _Seen()
        try:
            with closing(sqlite3.connect(name)) as index:
                index.execute("PRAGMA journal_mode = OFF")
                index.execute("PRAGMA synchronous = OFF")
                index.executescript(_TABLES)
                index.executemany("INSERT INTO advisory VALUES (?, ?, ?, ?, ?)", seen.rows(files))
                index.execute("CREATE INDEX by_package ON advisory (ecosystem, package)")
                about = {
                    "signature": signature,
                    "ecosystems": " ".join(sorted(seen.ecosystems)),
                    "newest": seen.newest,
                    "unread": str(seen.unread),
                }
                index.executemany("INSERT INTO about VALUES (?, ?)", about.items())
                index.commit()
            Path(name).replace(self._index)
        finally:
            with suppress(OSError):
                Path(name).unlink()


class _Seen:
    """What is learned of all advisories while they are put into the index."""

    def __init__(self) -> None:
        self.ecosystems: set[str] = set()
        self.newest = ""
        self.unread = 0

    def rows(self, files: Iterable[Path]) -> Iterator[tuple[str, str, str, int, int]]:
        for file in files:
            for offset, size, content in _contents(file):
                try:
                    record = json.loads(content)
                    _checked(record)
                    packages = {_named(each["package"]) for each in record.get("affected") or ()}
                    self.newest = max(self.newest, str(record.get("modified") or ""))
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    self.unread += 1
                    continue
                for ecosystem, name in packages:
                    if ecosystem in {PYPI, NPM}:
                        self.ecosystems.add(ecosystem)
                        yield ecosystem, name, str(file), offset, size


def _checked(record: dict[str, Any]) -> None:
    """Refuse what has no id: it could not be told.

    Raises:
        TypeError: It has none.
    """
    if not isinstance(record["id"], str) or not record["id"]:
        raise TypeError("no id")


def _named(package: dict[str, Any]) -> tuple[str, str]:
    ecosystem, name = str(package["ecosystem"]), str(package["name"])
    return ecosystem, normalized(name) if ecosystem == PYPI else name


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for folder, _, names in os.walk(path, onerror=_raised):
        yield from (Path(folder, name) for name in names if name.endswith((".json", ".zip")))


def _raised(error: OSError) -> None:
    raise error


def _signature(path: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256(f"{_FORMAT}\0{path}".encode("utf-8", "surrogateescape"))
    for file in files:
        about = file.stat()
        digest.update(f"\0{file}\0{about.st_size}\0{about.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _contents(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield each advisory of a file, with its place and its packed size; empty bytes for what is too large."""
    if file.suffix != ".zip":
        yield _WHOLE, 0, _of_file(file)
        return
    try:
        with zipfile.ZipFile(file) as archive:
            for each in archive.infolist():
                if each.filename.endswith(".json"):
                    with archive.open(each) as member:
                        content = member.read(_LARGEST_RECORD + 1)
                    is_fine = len(content) <= _LARGEST_RECORD
                    yield each.header_offset, each.compress_size, content if is_fine else b""
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error) as error:
        raise Unusable(f"{file} is no zip that could be read ({_said(error)})") from error


def _at(file: Path, offset: int, size: int) -> bytes:
    """Return a member of a zip."""
    with file.open("rb") as opened:
        opened.seek(offset)
        mark, _, _, method, *_, name, extra = _HEADER.unpack(opened.read(_HEADER.size))
        if mark != _HEADER_MARK or method not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise ValueError("it was changed, or is packed in a way that is not understood")
        opened.seek(name + extra, os.SEEK_CUR)
        content = opened.read(size)
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, _LARGEST_RECORD) if method else content


def _of_file(file: Path) -> bytes:
    content = read_regular(file, _LARGEST_RECORD)
    return content if len(content) <= _LARGEST_RECORD else b""


def _about(index: Path, name: str) -> str:
    """Return what the index says of itself; empty when it is none."""
    if not index.is_file():
        return ""
    try:
        with closing(sqlite3.connect(index)) as opened:
            found = opened.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
    except sqlite3.Error:
        return ""
    return str(found[0]) if found else ""


def _said(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error)[:100] or type(error).__name__
