"""What `doctor` looks at of the program's own folders: rights, room, the lock and the socket, the history."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.doctor.check import Check, Level, Look
from app.cli.lastlife import is_alive
from app.domain.healthwords import size
from app.system.filesystems import is_network, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.cli.doctor.check import Scene
    from app.engine.places import Places

_LITTLE = 500 * 1024 * 1024
_TOO_LITTLE = 50 * 1024 * 1024
_HINT_HANGS = "See whether its disk or server answers, or set WATCHKEEPER_HOME to a folder on a local disk."


def looks(scene: Scene) -> list[Look]:
    """Return the checks."""
    places, environ = scene.places, scene.environ
    late = "A folder of Watchkeeper does not answer."
    return [
        Look("home", lambda: home(places, environ), late, _HINT_HANGS),
        Look("folders", lambda: folders(places), late, _HINT_HANGS),
        Look("disk", lambda: disk(places), late, _HINT_HANGS),
        Look("lock", lambda: lock(places), late, _HINT_HANGS),
        Look("history", lambda: history(places, environ), "The history does not answer.", _HINT_HANGS),
    ]


def home(places: Places, environ: Mapping[str, str]) -> Check:
    """Tell where everything lies, and whether that is a local disk: SQLite's locks need one."""
    kind = kind_of(_nearest(places.data))
    if is_network(kind):
        text = f"{places.data} lies on a network file system ({kind}), whose locks may not hold."
        return Check("home", Level.WARN, text, "Set WATCHKEEPER_HOME to a folder on a local disk.")
    said = environ.get("WATCHKEEPER_HOME", "")
    where = f"all under {said}, as WATCHKEEPER_HOME says" if said else "the system's own folders"
    return Check("home", Level.OK, f"{where}; they are listed by: watchkeeper config path")


def folders(places: Places) -> Check:
    """Look whether each folder can be written."""
    bad = [str(folder) for folder in places.all() if not _can_write(folder)]
    if bad:
        hint = "Give yourself the right to write there, or set WATCHKEEPER_HOME to another folder."
        return Check("folders", Level.FAIL, f"Not writable: {', '.join(bad)}", hint)
    return Check("folders", Level.OK, f"writable; history in {places.data}")


def disk(places: Places, *, little: int = _LITTLE, too_little: int = _TOO_LITTLE) -> Check:
    """Look how much room is left where data, cache and logs lie."""
    import shutil

    left = {folder: shutil.disk_usage(_nearest(folder)).free for folder in (places.data, places.cache, places.logs)}
    folder, least = min(left.items(), key=lambda each: each[1])
    hint = f"Make room on the disk of {folder}: what can go lies in {places.cache}"
    if sys.platform != "win32":
        found = os.statvfs(_nearest(folder))
        if found.f_files and not found.f_favail:
            text = f"The disk of {folder} has no file entries (inodes) left."
            return Check("disk", Level.FAIL, text, hint)
    if least < little:
        level = Level.FAIL if least < too_little else Level.WARN
        return Check("disk", level, f"Only {size(least)} are left on the disk of {folder}.", hint)
    return Check("disk", Level.OK, f"{size(least)} left where the history, the cache and the log lie")


def lock(places: Places) -> Check:
    """Look who holds the lock of the one instance, and whether what lies beside it is ours."""
    foreign = _foreign(places)
    if foreign is not None:
        return foreign
    from app.system.instance import SingleInstance

    instance = SingleInstance(places)
    owner = instance.owner()
    held_by = _holder(instance.lock_file)
    if owner is None:
        return Check("lock", Level.OK, "free" if held_by is None else f"held by process {held_by}")
    if is_alive(owner.pid) is False or (held_by is None and sys.platform == "linux"):
        text = "left behind by a life that ended without a word; the next start takes it over"
        return Check("lock", Level.OK, text)
    if not _listens(places):
        text = f"Process {owner.pid} holds it, and does not listen."
        return Check("lock", Level.FAIL, text, f"If it does not come to itself, end it: {_end(owner.pid)}")
    return Check("lock", Level.OK, f"held by process {owner.pid}, which runs")


def history(places: Places, environ: Mapping[str, str]) -> Check:
    """Look at the database of the history."""
    from app.store import doctor as store
    from app.store.location import history_url

    state = store.current(history_url(environ, places.data))
    if state.position is store.Position.NEWER:
        hint = "Install the newer Watchkeeper again, or use another WATCHKEEPER_HOME."
        return Check("history", Level.FAIL, f"{state}: it was written by a newer Watchkeeper.", hint)
    return Check("history", Level.OK, str(state))


def _foreign(places: Places) -> Check | None:
    """Return what lies in the runtime folder's place, or in it, that somebody else put there."""
    if sys.platform == "win32":
        return None
    for path in (places.runtime, places.socket):
        try:
            found = path.lstat()
        except OSError:
            continue
        hint = f"Look at it: ls -ld {path}. Then remove it, or set WATCHKEEPER_HOME to a folder of yours."
        if found.st_uid != os.geteuid():
            return Check("lock", Level.FAIL, f"{path} belongs to another user (number {found.st_uid}).", hint)
        wanted = stat.S_ISDIR if path == places.runtime else stat.S_ISSOCK
        if not wanted(found.st_mode):
            what = "no folder" if path == places.runtime else "no socket"
            return Check("lock", Level.FAIL, f"{path} is {what}, so nothing can listen there.", hint)
    return None


def _holder(path: Path) -> int | None:
    """Return which process holds a lock on a file, as the kernel tells on Linux; None where nobody does, or elsewhere.

    /proc/locks, proc(5): `1: FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF`, the sixth word being device and inode.
    """
    with suppress(OSError, ValueError):
        inode = path.stat().st_ino
        for line in Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines():
            parts = line.split()
            if len(parts) > 5 and parts[1] != "->" and int(parts[5].rpartition(":")[2]) == inode:  # noqa: PLR2004 - see above
                return int(parts[4])
    return None


def _listens(places: Places) -> bool:
    from app.control.client import ControlClient
    from app.domain.commands import ReadStatus
    from app.domain.errors import WatchkeeperError

    try:
        with ControlClient(places, timeout_s=1.0) as client:
            client.send(ReadStatus())
    except WatchkeeperError:
        return False
    return True


def _end(pid: int) -> str:
    return f"taskkill /PID {pid} /F" if sys.platform == "win32" else f"kill {pid}"


def _can_write(folder: Path) -> bool:
    nearest = _nearest(folder)
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _nearest(folder: Path) -> Path:
    return next((each for each in (folder, *folder.parents) if each.exists()), folder)
