"""Alembic, configured in code, run on one connection. Only what is behind, and the doctor, import this."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import text

from app.store.faults import Fault, Remedy
from app.store.schema import POSTGRES_SCHEMA

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.store.location import Revisions

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_KEY = 0x5741544348  # "WATCH": any number that all copies of this program agree on


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of the schema; `before` is the one it follows, or None for the first."""

    revision: str
    before: str | None
    text: str


def configuration(revisions: Revisions) -> Config:
    """Return Alembic's configuration for these revisions."""
    config = Config(stdout=StringIO())
    config.set_main_option("script_location", _escaped(str(_MIGRATIONS)))
    folders = os.pathsep.join(str(folder) for folder in revisions.folders)
    config.set_main_option("version_locations", _escaped(folders))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_path_separator", "os")  # its name before Alembic 1.16
    return config


def revisions_of(revisions: Revisions) -> tuple[Revision, ...]:
    """Return the revisions, oldest first, as their files tell them."""
    scripts = ScriptDirectory.from_config(configuration(revisions))
    found = [
        Revision(each.revision, _only(each.down_revision), (each.doc or "").partition("\n")[0])
        for each in scripts.walk_revisions()
    ]
    return tuple(reversed(found))


def move(connection: Connection, revisions: Revisions, target: str, *, down: bool = False) -> None:
    """Bring the schema up to the revision `target`, or down to it.

    Args:
        connection: In a transaction; what is done is undone with it.
        revisions: Those that are known.
        target: A revision id, `head` or `base`, or a relative one such as `-1`.
        down: Downgrade instead of upgrade.

    Raises:
        Fault: There is no such revision.
    """
    if connection.dialect.name == "postgresql":
        # Two programs that start together must not both migrate. Held until the transaction ends.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {POSTGRES_SCHEMA}"))
    config = configuration(revisions)
    config.attributes["connection"] = connection
    try:
        (command.downgrade if down else command.upgrade)(config, target)
    except CommandError as error:
        raise Fault(
            f"The schema cannot be moved to {target!r}: {error}.",
            "See the revisions with: watchkeeper doctor db history",
            remedy=Remedy.GIVE_UP,
        ) from None


def _only(before: str | tuple[str, ...] | list[str] | None) -> str | None:
    return before if before is None or isinstance(before, str) else ", ".join(before)


def _escaped(value: str) -> str:
    return value.replace("%", "%%")  # the configuration interpolates %(here)s
