"""What can be wrong with a database, told apart by what is to be done about it."""

from __future__ import annotations

import sqlite3
from enum import Enum, auto

from app.domain.errors import StoreError


class Remedy(Enum):
    """What a fault asks for."""

    WAIT = auto()
    """Another process holds the lock: try again, nobody needs to be told yet."""
    RETRY = auto()
    """A full disk, a read-only folder, a server that is away: try again later, and tell it once."""
    RECOVER = auto()
    """The file is damaged, or is another one than was opened: move it aside and go on from the last good backup."""
    SKIP = auto()
    """The database refuses these very values: trying again changes nothing."""
    GIVE_UP = auto()
    """Only a person can mend it: newer schema, missing driver, wrong address."""


class Fault(StoreError):
    """The database could not do what it was asked.

    Args:
        message: What happened, without any secret.
        hint: What to do next.
        remedy: What is to be done about it.
    """

    def __init__(self, message: str, hint: str, *, remedy: Remedy) -> None:
        super().__init__(message, hint)
        self.remedy = remedy


SEE_LOG = "See the log, and report it if it comes again."
"""Of what the database refuses: the person has done nothing wrong."""
DAMAGED_HINT = "When Watchkeeper watches, it moves the file aside and goes on from the last good backup."
FREE_SPACE = "Free some space on that disk; what cannot be written is kept in memory meanwhile, as far as it fits."
_PERMISSION = "Make the folder and the file writable for you; what cannot be written is kept in memory meanwhile."

# Primary result codes, from https://www.sqlite.org/rescode.html
_BY_CODE: dict[int, tuple[Remedy, str, str]] = {
    sqlite3.SQLITE_BUSY: (Remedy.WAIT, "is locked by another process", "End the program that holds it."),
    sqlite3.SQLITE_LOCKED: (Remedy.WAIT, "is locked by another process", "End the program that holds it."),
    sqlite3.SQLITE_FULL: (Remedy.RETRY, "cannot be written: the disk is full", FREE_SPACE),
    sqlite3.SQLITE_READONLY: (Remedy.RETRY, "cannot be written: it is read-only", _PERMISSION),
    sqlite3.SQLITE_PERM: (Remedy.RETRY, "cannot be opened: access is denied", _PERMISSION),
    sqlite3.SQLITE_CANTOPEN: (Remedy.RETRY, "cannot be opened", _PERMISSION),
    sqlite3.SQLITE_IOERR: (Remedy.RETRY, "cannot be read or written: the disk reports an error", "Check the disk."),
    sqlite3.SQLITE_CORRUPT: (Remedy.RECOVER, "is damaged", DAMAGED_HINT),
    sqlite3.SQLITE_NOTADB: (Remedy.RECOVER, "is damaged", DAMAGED_HINT),
}


def of_sqlite(error: sqlite3.Error | OSError, name: str) -> Fault:
    """Return the fault that an error of SQLite, or of the file system below it, means.

    Args:
        error: What was raised.
        name: The database, as people may see it.
    """
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return Fault(f"The history {name} is out of reach: {reason}.", _PERMISSION, remedy=Remedy.RETRY)
    # An error that Python itself raises (a value that cannot be bound) has no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    remedy, what, hint = _BY_CODE.get(code, (Remedy.SKIP, f"refused a statement: {error}", SEE_LOG))
    return Fault(f"The history {name} {what}.", hint, remedy=remedy)
