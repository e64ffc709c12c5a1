"""Opening a history: examined, mended, brought to the schema that this program knows, or refused with a clear word."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import text

from app.store import recovery
from app.store.database import Database, tables_of
from app.store.faults import Fault, Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.store.location import Opening, Revisions
    from app.store.recovery import Mended

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A history that is ready, and what had to be mended to get there."""

    database: Database
    mended: Mended | None = None


def open_history(opening: Opening) -> Opened:
    """Open a history. Blocks, for seconds when a large file must be checked or migrated.

    Raises:
        Fault: It cannot be opened; `remedy` says whether to try again.
    """
    database = Database(opening.url, read_only=opening.read_only)
    try:
        mended = None
        if opening.read_only:
            _check_readable(database, opening.revisions)
        elif database.path is not None:
            with recovery.opening_lock(database.path):
                folder = backup_folder(opening, database.path)
                mended = recovery.prepare(database.path, folder, opening.wall(), distrust=opening.distrust)
                _bring_to_head(database, opening)
        else:
            _bring_to_head(database, opening)
        with database.reading() as connection:
            connection.execute(text("SELECT 1"))
    except BaseException:
        database.close()
        raise
    return Opened(database, mended)


def backup_folder(opening: Opening, path: Path) -> Path:
    """Return where the backups of this SQLite history lie."""
    return opening.backup_folder or path.parent / "backups"


def version_of(database: Database) -> str | None:
    """Return the schema version of a database, or None when it holds nothing yet; imports no Alembic.

    Raises:
        Fault: It is somebody else's, or out of reach.
    """
    if database.path is not None:
        return recovery.schema_version(database.path)
    with database.reading() as connection:
        tables = tables_of(connection)
        if "alembic_version" in tables:
            version = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return None if version is None else str(version)
    if tables:
        raise recovery.foreign(database.name)
    return None


def change_schema(database: Database, opening: Opening, target: str, *, down: bool = False) -> None:
    """Move the schema; an SQLite file is copied before, and is as it was when that does not come to its end.

    Raises:
        Fault: There is no such revision, or the database cannot do it.
    """
    # Imported here because it costs about 300 ms, and a history is almost always at its head.
    from app.store import migrate  # noqa: PLC0415 - see above

    version = version_of(database)
    _log.info("the history's format changes", database=database.name, before=version, target=target)
    with _protection(database, opening, fresh=version is None), database.translated():
        plain = Database(opening.url, plain=True)
        try:
            with plain.writing() as connection:
                migrate.move(connection, opening.revisions, target, down=down)
        finally:
            plain.close()


def _bring_to_head(database: Database, opening: Opening) -> None:
    revisions = opening.revisions
    version = version_of(database)
    if version == revisions.head:
        return
    if version is not None and version not in revisions.known:
        raise newer(database.name)
    change_schema(database, opening, "head")


def _check_readable(database: Database, revisions: Revisions) -> None:
    if database.path is not None and not database.path.exists():
        raise _nothing_yet()
    version = version_of(database)
    if version is None:
        raise _nothing_yet()
    if version not in revisions.known:
        raise newer(database.name)
    if version != revisions.head:
        raise Fault(
            f"The history {database.name} has an older format.",
            "Start Watchkeeper once, or run: watchkeeper doctor db upgrade",
            remedy=Remedy.GIVE_UP,
        )


def newer(name: str) -> Fault:
    """Return the fault of a history that a newer program wrote."""
    return Fault(
        f"The history {name} was written by a newer Watchkeeper; it is left as it is, and nothing is recorded.",
        "Install the newer version again, or move that file away to begin a new history.",
        remedy=Remedy.GIVE_UP,
    )


def _nothing_yet() -> Fault:
    return Fault("There is no history yet.", "Watch a project first: watchkeeper PATH", remedy=Remedy.GIVE_UP)


@contextmanager
def _protection(database: Database, opening: Opening, *, fresh: bool) -> Iterator[None]:
    if database.path is None:
        yield  # PostgreSQL undoes a migration that is cut short by itself: its DDL is part of the transaction
        return
    folder = backup_folder(opening, database.path)
    with recovery.protected_migration(database.path, folder, opening.wall(), fresh=fresh):
        yield
