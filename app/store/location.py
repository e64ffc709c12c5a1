"""Where a history lies and how it is to be opened: plain values, cheap to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from app.domain.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FILE_NAME = "history.sqlite3"
_SQLITE = "sqlite:///"
_POSTGRES = ("postgres", "postgresql", "postgresql+psycopg")


@dataclass(frozen=True, slots=True)
class Revisions:
    """The schema versions that this program knows, and where their migrations lie.

    Attributes:
        known: Revision ids, oldest first; the last one is what the program's code expects.
        folders: Folders with Alembic revision files.
    """

    known: tuple[str, ...]
    folders: tuple[Path, ...]

    @property
    def head(self) -> str:
        """The revision that the program's code expects."""
        return self.known[-1]


RELEASED = Revisions(("0001", "0002", "0003"), (Path(__file__).parent / "migrations" / "versions",))
"""Baked in, so that a start with the schema at its head need not import Alembic; a test compares it with the files."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How a history is to be opened.

    Attributes:
        url: Kept out of the repr, since it may carry a password.
        backup_folder: Where backups of an SQLite history go; None for none but the ones before a migration.
        wall: Seconds since the epoch (UTC); names backups and what is moved aside.
        read_only: Neither create, nor migrate, nor mend, nor write.
        distrust: It was found damaged while in use: check all of it, indices too.
        beside: Another process may be recording: its runs are left open, and tidying up is left to it.
    """

    url: str = field(repr=False)
    backup_folder: Path | None
    wall: Callable[[], float] = field(repr=False)
    revisions: Revisions = RELEASED
    read_only: bool = False
    distrust: bool = False
    beside: bool = False


def history_url(environ: Mapping[str, str], data_folder: Path) -> str:
    """Return the URL of the history: PostgreSQL where DATABASE_URL names one, else a file in the data folder.

    A DATABASE_URL of another kind is not taken: where people develop, it usually belongs to the project that is
    being watched.
    """
    url = environ.get("DATABASE_URL", "").strip()
    return url if url and is_postgres(url) else sqlite_url(data_folder / FILE_NAME)


def sqlite_url(path: Path) -> str:
    """Return the URL of a history in this file."""
    return f"{_SQLITE}{path.absolute().as_posix()}"


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite URL, taken as it stands (nothing in it is quoted), or None for another database.

    Raises:
        StoreError: It is an SQLite URL without a file.
    """
    if not url.startswith("sqlite:"):
        return None
    name = url.removeprefix(_SQLITE)
    if name == url or name in {"", ":memory:"}:
        raise StoreError("The address of the history names no file.", f"Write it as {_SQLITE}/folder/{FILE_NAME}.")
    return Path(name)


def is_postgres(url: str) -> bool:
    """True when the URL is one of PostgreSQL."""
    return url.partition("://")[0].lower() in _POSTGRES


def secrets_of(url: str) -> tuple[str, ...]:
    """Return the texts in a URL that must never be shown, longest first, both as written and unquoted."""
    found: set[str] = set()
    # The password of a malformed URL may hold anything, so it is also cut out by hand: from ':' to the last '@'.
    authority = url.partition("://")[2].rpartition("@")[0]
    found.add(authority.partition(":")[2])
    try:
        parts = urlsplit(url)
        found.add(parts.password or "")
        found.update(value for key, value in parse_qsl(parts.query) if "pass" in key.lower())
    except ValueError:
        pass
    found.update([unquote(each) for each in found])
    return tuple(sorted((each for each in found if each), key=len, reverse=True))


def scrub(text: str, url: str) -> str:
    """Return `text` without the secrets of the URL, and without the URL itself where it carries any."""
    for secret in secrets_of(url):
        text = text.replace(secret, "***")
    return text
