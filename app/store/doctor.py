"""What `watchkeeper doctor db` shows and does. Blocks, prints nothing, and imports SQLAlchemy and Alembic."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from app.store import migrate, recovery
from app.store.database import Database
from app.store.location import RELEASED, Opening, Revisions
from app.store.opening import backup_folder, change_schema, newer, version_of
from app.store.schema import projects, results, runs, tests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Position(StrEnum):
    """Where a schema stands against what this program knows."""

    EMPTY = "empty"
    """There is no database yet, or nothing in it."""
    BEHIND = "behind"
    CURRENT = "current"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Where the schema of a history stands.

    Attributes:
        database: The file, or the address without its password.
        revision: Its schema version; None when it is empty.
        head: The version that this program works with.
        position: How the two compare.
    """

    database: str
    revision: str | None
    head: str
    position: Position

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.database}: {self.revision or 'empty'} ({self.position.value}; this program's is {self.head})"


@dataclass(frozen=True, slots=True)
class SchemaRevision:
    """One revision, and whether the database has it."""

    revision: str
    before: str | None
    text: str
    applied: bool
    is_head: bool

    def __str__(self) -> str:
        """Return it in one line."""
        marks = ("applied" if self.applied else "not applied") + (", head" if self.is_head else "")
        return f"{self.revision} ({marks}): {self.text}"


@dataclass(frozen=True, slots=True)
class Description:
    """A history at a glance.

    Attributes:
        size_bytes: Of an SQLite file with its log; None for a server.
        sound: What SQLite's quick check says; None for a server, and where there is no file.
        backups: Of an SQLite history, newest first.
    """

    state: SchemaState
    size_bytes: int | None
    sound: bool | None
    projects: int
    runs: int
    tests: int
    results: int
    backups: tuple[str, ...]


def current(url: str, *, revisions: Revisions = RELEASED) -> SchemaState:
    """Return where the schema stands. Changes nothing.

    Raises:
        StoreError: The database is out of reach, damaged, or somebody else's. So does each function here.
    """
    with _reading(url) as database:
        return _state(database, revisions)


def history(url: str, *, revisions: Revisions = RELEASED) -> tuple[SchemaRevision, ...]:
    """Return all revisions that this program knows, oldest first, and which of them the database has."""
    state = current(url, revisions=revisions)
    found = migrate.revisions_of(revisions)
    names = [each.revision for each in found]
    reached = names.index(state.revision) if state.revision in names else len(names) if state.revision else -1
    return tuple(
        SchemaRevision(each.revision, each.before, each.text, index <= reached, each.revision == revisions.head)
        for index, each in enumerate(found)
    )


def describe(url: str, backups: Path | None = None, *, revisions: Revisions = RELEASED) -> Description:
    """Return the history at a glance; a large SQLite file is read through for it.

    Args:
        url: The history.
        backups: Where its backups lie.
        revisions: The schema versions that are known.
    """
    with _reading(url) as database:
        state = _state(database, revisions)
        counts = {table.name: 0 for table in (projects, runs, tests, results)}
        if state.position is Position.CURRENT:
            with database.reading() as connection:
                for table in (projects, runs, tests, results):
                    counts[table.name] = connection.execute(select(func.count()).select_from(table)).scalar_one()
        path = database.path
        size = sound = None
        if path is not None and path.exists():
            parts = (path, recovery.beside(path, "-wal"))
            size = sum(part.stat().st_size for part in parts if part.exists())
            sound = recovery.is_sound(path, recovery.Check.QUICK)
        folder = backups or (path.parent / "backups" if path is not None else None)
        kept = tuple(str(each) for each in recovery.backups(folder)) if folder is not None else ()
        return Description(
            state, size, sound, counts["projects"], counts["runs"], counts["tests"], counts["results"], kept
        )


def upgrade(
    url: str,
    target: str = "head",
    *,
    backups: Path | None,
    wall: Callable[[], float],
    revisions: Revisions = RELEASED,
) -> SchemaState:
    """Bring the schema up to `target`; an SQLite file is copied to `backups` before. Returns where it stands then.

    Args:
        url: The history.
        target: A revision, `head`, or a relative one such as `+1`.
        backups: Where the copy goes; None for a folder beside the file.
        wall: Tells seconds since the epoch, for the copy's name.
        revisions: The schema versions that are known.
    """
    return _move(Opening(url, backups, wall, revisions), target, down=False)


def downgrade(
    url: str, target: str, *, backups: Path | None, wall: Callable[[], float], revisions: Revisions = RELEASED
) -> SchemaState:
    """Bring the schema down to `target`; see `upgrade`. What the older schema has no place for is lost.

    No other Watchkeeper may be using the history meanwhile: the caller makes sure of it.
    """
    return _move(Opening(url, backups, wall, revisions), target, down=True)


def _move(opening: Opening, target: str, *, down: bool) -> SchemaState:
    database = Database(opening.url)
    try:
        if database.path is None:
            _change(database, opening, target, down=down)
        else:
            with recovery.opening_lock(database.path):
                recovery.prepare(database.path, backup_folder(opening, database.path), opening.wall())
                _change(database, opening, target, down=down)
        return _state(database, opening.revisions)
    finally:
        database.close()


def _change(database: Database, opening: Opening, target: str, *, down: bool) -> None:
    version = version_of(database)
    if version is not None and version not in opening.revisions.known:
        raise newer(database.name)
    change_schema(database, opening, target, down=down)


@contextmanager
def _reading(url: str) -> Iterator[Database]:
    database = Database(url, read_only=True)
    try:
        yield database
    finally:
        database.close()


def _state(database: Database, revisions: Revisions) -> SchemaState:
    missing = database.path is not None and not database.path.exists()
    version = None if missing else version_of(database)
    if version is None:
        position = Position.EMPTY
    elif version == revisions.head:
        position = Position.CURRENT
    else:
        position = Position.BEHIND if version in revisions.known else Position.NEWER
    return SchemaState(database.name, version, revisions.head, position)
