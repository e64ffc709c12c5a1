"""The care of an SQLite file before it is opened and after it is closed: locks, damage, backups, unfinished migrations.

Plain sqlite3 only. Beside the history `h` lie: `h-wal` and `h-shm` (SQLite's own), `h.lock` (held while one process
examines, mends or migrates), `h.clean` (written at an orderly end), `h.migrating` (there while a migration goes on,
names the copy made before) and `h.damaged-TIME` (what was moved aside).
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from filelock import FileLock, Timeout

from app.engine.files import sweep_temporaries, sync_file, sync_folder, temporary_in
from app.engine.places import make_private
from app.engine.regular import read_regular
from app.store.faults import DAMAGED_HINT, Fault, Remedy, of_sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = structlog.get_logger(__name__)

DAY_S = 24 * 3600.0
KEPT_BACKUPS = 3
KEPT_DAMAGED = 3
LOCK_S = 30.0
_LARGEST_NOTE = 64 * 1024
"""Bytes of what lies beside the history; our own notes are far below that."""
_BUSY_S = 5.0
_STAMP = "%Y%m%dT%H%M%S"
_BACKUP = "history-"
_SUFFIX = ".sqlite3"


@dataclass(frozen=True, slots=True)
class Mended:
    """That a file was damaged, and what was done: to be told to the person."""

    text: str
    hint: str


def beside(path: Path, suffix: str) -> Path:
    """Return the file of the same name with more behind it."""
    return path.with_name(path.name + suffix)


@contextmanager
def opening_lock(path: Path) -> Iterator[None]:
    """Hold the lock under which one process at a time examines, mends or migrates the file.

    Raises:
        Fault: Another process holds it for more than LOCK_S, or the folder cannot be written.
    """
    try:
        make_private(path.parent)
        lock = FileLock(beside(path, ".lock"), timeout=LOCK_S)
        with lock:
            yield
    except Timeout:
        raise Fault(
            f"Another process prepares the history {path} and does not come to an end.",
            "End it, or start again later.",
            remedy=Remedy.WAIT,
        ) from None
    except OSError as error:
        raise of_sqlite(error, str(path)) from None


class Check(Enum):
    """How closely a file is looked at."""

    OPENS = auto()
    QUICK = auto()
    """Each page; 60 MB take about a second."""
    WHOLE = auto()
    """And whether each index agrees with its table."""


def prepare(path: Path, backup_folder: Path, stamp: float, *, distrust: bool = False) -> Mended | None:
    """Leave a sound SQLite file at `path`: undo what was cut short, replace what is damaged, create what is missing.

    Call it under `opening_lock`. An end that was not orderly is followed by SQLite's quick check; else only what any
    reading finds (a truncated file, a foreign header) is noticed here, and the rest where it is met.

    Args:
        path: The history.
        backup_folder: Where its backups lie.
        stamp: Seconds since the epoch, for the name of what is moved aside.
        distrust: It was found damaged while in use: check all of it.

    Raises:
        Fault: The file system or a lock is in the way.
    """
    check = Check.WHOLE if distrust else Check.OPENS if _ended_cleanly(path) else Check.QUICK
    try:
        mended = _undo_migration(path, backup_folder, stamp)
        if path.exists() and (_was_emptied(path) or not is_sound(path, check)):
            mended = mend(path, backup_folder, stamp)
        beside(path, ".clean").unlink(missing_ok=True)
        if not path.exists():
            if _has_log(path):
                _move_aside(path, stamp)  # the log of a file that somebody removed
            _create(path)
    except (sqlite3.Error, OSError) as error:
        raise of_sqlite(error, str(path)) from None
    return mended


def mend(path: Path, backup_folder: Path, stamp: float) -> Mended:
    """Move a damaged file aside, with its log, and put the newest good backup in its place.

    Raises:
        OSError: It cannot be moved.
    """
    aside = _move_aside(path, stamp)
    for backup in backups(backup_folder):
        with suppress(sqlite3.Error, OSError):
            if is_sound(backup, Check.WHOLE):
                _copy(backup, path)
                when = backup.name.removeprefix(_BACKUP).removesuffix(_SUFFIX)
                _log.warning("the history was damaged and is back from a backup", backup=str(backup), aside=str(aside))
                return Mended(
                    f"The history was damaged. It goes on from the backup of {_told(when)}.",
                    f"What was newer lies in {aside}.",
                )
    _log.warning("the history was damaged and begins anew", aside=str(aside))
    return Mended("The history was damaged, and there was no good backup: it begins anew.", f"The old file is {aside}.")


def schema_version(path: Path) -> str | None:
    """Return the file's schema version by plain sqlite3, or None when it has no tables.

    Raises:
        Fault: It is somebody else's database, or cannot be read.
    """
    try:
        with closing(_connect(path, "ro")) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            names -= {"sqlite_sequence"}
            if "alembic_version" in names:
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
                return str(row[0]) if row else None
    except sqlite3.Error as error:
        raise of_sqlite(error, str(path)) from None
    if names:
        raise foreign(str(path))
    return None


def foreign(name: str) -> Fault:
    """Return the fault of a database that holds something else."""
    return Fault(
        f"{name} is a database, but no history of Watchkeeper; it was left as it is.",
        "Move it away, or name another place for the history.",
        remedy=Remedy.GIVE_UP,
    )


def back_up(path: Path, folder: Path, stamp: float) -> Path:
    """Copy the live file with SQLite's backup, check the copy, and only then give it its name. Returns the copy.

    Several may do so at once: each writes a file of its own, and the last one keeps the name.

    Raises:
        Fault: It cannot be copied, or the copy is not sound.
    """
    final = folder / f"{_BACKUP}{time.strftime(_STAMP, time.gmtime(stamp))}{_SUFFIX}"
    part = temporary_in(folder)
    try:
        make_private(folder)
        sweep_temporaries(folder)
        _touch(part)
        with closing(_connect(path, "rw")) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
        if not is_sound(part, Check.QUICK):
            raise Fault(f"The history {path} is damaged.", DAMAGED_HINT, remedy=Remedy.RECOVER)
        sync_file(part)
        part.replace(final)
        for old in backups(folder)[KEPT_BACKUPS:]:
            old.unlink(missing_ok=True)
    except (sqlite3.Error, OSError) as error:
        raise of_sqlite(error, str(path)) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return final


def backups(folder: Path) -> list[Path]:
    """Return the backups, newest first by the time in their names."""
    return sorted(folder.glob(f"{_BACKUP}*{_SUFFIX}"), reverse=True) if folder.is_dir() else []


def is_backup_due(folder: Path, now: float) -> bool:
    """True when no backup is from the last day (one from the future does not count: the clock was set)."""
    stamps = [path.name.removeprefix(_BACKUP).removesuffix(_SUFFIX) for path in backups(folder)]
    oldest, newest = (time.strftime(_STAMP, time.gmtime(each)) for each in (now - DAY_S, now))
    return not any(oldest < stamp <= newest for stamp in stamps)


@contextmanager
def protected_migration(path: Path, backup_folder: Path, stamp: float, *, fresh: bool) -> Iterator[None]:
    """Copy the file and note the copy, so that a migration which is cut short is undone at the next start.

    Args:
        path: The history.
        backup_folder: Where the copy goes.
        stamp: Seconds since the epoch.
        fresh: There is nothing in it yet that would be worth a copy.
    """
    copy = None if fresh else back_up(path, backup_folder, stamp)
    mark = beside(path, ".migrating")
    try:
        part = beside(mark, ".part")
        part.write_text(json.dumps({"backup": str(copy) if copy else None}), encoding="utf-8")
        sync_file(part)
        part.replace(mark)
        sync_folder(path.parent)
        try:
            yield
        except Fault as fault:
            if fault.remedy is Remedy.GIVE_UP:
                mark.unlink()  # refused before anything was changed: there is no such revision
            else:
                _undo_migration(path, backup_folder, stamp)
            raise
        except Exception:
            # The copy goes back now: the next start may be one of an older program.
            _undo_migration(path, backup_folder, stamp)
            raise
        with closing(_connect(path, "rw")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        mark.unlink()
        sync_folder(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise of_sqlite(error, str(path)) from None


def note_clean_end(path: Path) -> None:
    """Leave the mark of an orderly end: it holds only for the file as it is now."""
    with suppress(OSError):
        stat = path.stat()
        note = json.dumps({"size": stat.st_size, "mtime_ns": stat.st_mtime_ns})
        beside(path, ".clean").write_text(note, encoding="utf-8")


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells this file from another one at the same place, or None when there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _ended_cleanly(path: Path) -> bool:
    try:
        note = _read_note(beside(path, ".clean"))
        stat = path.stat()
        return (note["size"], note["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns) and not _has_log(path)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _read_note(path: Path) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what one of our notes says.

    Raises:
        OSError: There is none, or none that can be read.
        ValueError: It is no note of ours.
    """
    return json.loads(read_regular(path, _LARGEST_NOTE))


def _has_log(path: Path) -> bool:
    try:
        return beside(path, "-wal").stat().st_size > 0
    except OSError:
        return False


def _was_emptied(path: Path) -> bool:
    # A file of no bytes is a valid database to SQLite, but a history never is one: it is created under another name.
    return path.stat().st_size == 0


def is_sound(path: Path, check: Check) -> bool:
    """Return whether an SQLite file can be read, looked at as closely as asked.

    Raises:
        sqlite3.Error: Something else is in the way, such as a lock.
    """
    try:
        with closing(_connect(path, "rw")) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            pragma = {Check.QUICK: "quick_check(1)", Check.WHOLE: "integrity_check(1)"}.get(check)
            return pragma is None or connection.execute(f"PRAGMA {pragma}").fetchone() == ("ok",)
    except sqlite3.Error as error:
        if of_sqlite(error, str(path)).remedy is Remedy.RECOVER:
            return False
        raise


def _undo_migration(path: Path, backup_folder: Path, stamp: float) -> Mended | None:
    mark = beside(path, ".migrating")
    if not os.path.lexists(mark):
        return None
    mended = None
    name = _copy_named(mark)
    if name is None:
        if path.exists():
            _move_aside(path, stamp)  # there was nothing in it yet
    elif name.is_file():
        if path.exists():
            _move_aside(path, stamp)
        _copy(name, path)
        mended = Mended(
            "A change of the history's format was cut short; the history is as it was before it.",
            "Nothing is to be done: the change is made again when Watchkeeper starts.",
        )
    else:
        mended = mend(path, backup_folder, stamp)
    mark.unlink()
    _log.warning("a migration was cut short and is undone", backup=str(name))
    return mended


def _copy_named(mark: Path) -> Path | None:
    """Return the copy that a mark names, None when it says that there is none, a folder when it cannot be read."""
    try:
        name = _read_note(mark)["backup"]
        return None if name is None else Path(name)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return mark.parent


def _move_aside(path: Path, stamp: float) -> Path:
    aside = beside(path, f".damaged-{time.strftime(_STAMP, time.gmtime(stamp))}")
    count = 0
    while aside.exists():
        count += 1
        aside = beside(path, f".damaged-{time.strftime(_STAMP, time.gmtime(stamp))}-{count}")
    # The log first: beside a new file of this name it would be taken for its own.
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            beside(path, suffix).replace(beside(aside, suffix))
    with suppress(FileNotFoundError):
        path.replace(aside)
    beside(path, ".clean").unlink(missing_ok=True)
    moved = path.parent.glob(f"{path.name}.damaged-*")
    mains = sorted((each for each in moved if not each.name.endswith(("-wal", "-shm"))), reverse=True)
    for old in mains[KEPT_DAMAGED:]:
        for suffix in ("", "-wal", "-shm"):
            beside(old, suffix).unlink(missing_ok=True)
    return aside


def _copy(backup: Path, path: Path) -> None:
    part = beside(path, ".part")
    part.unlink(missing_ok=True)
    _touch(part)
    shutil.copyfile(backup, part)
    sync_file(part)
    part.replace(path)
    sync_folder(path.parent)


def _create(path: Path) -> None:
    # Built under another name: a file of no bytes at this place would look like an accident at the next start.
    part = beside(path, ".part")
    part.unlink(missing_ok=True)
    _touch(part)
    with closing(sqlite3.connect(part)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only possible before the first table
        connection.execute("VACUUM")
        connection.execute("PRAGMA journal_mode = WAL")
    part.replace(path)
    sync_folder(path.parent)


def _touch(path: Path) -> None:
    # What tests print may hold secrets: for its owner's eyes only, as are SQLite's files beside it.
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_BUSY_S)


def _told(stamp: str) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.strptime(stamp, _STAMP))
    except ValueError:
        return stamp
