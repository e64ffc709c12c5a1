"""The tree as it was last seen, compared with the tree as it is. Lives in one worker thread; never on the loop."""

# ruff: noqa: PTH112, PTH116, PTH118 - plain strings: a Path for each of 100,000 files would cost more than looking at them
from __future__ import annotations

import errno
import os
import stat as modes
from collections import deque
from typing import TYPE_CHECKING

import structlog

from app.engine.filewatch.changes import ChangeKind
from app.engine.filewatch.digest import GONE, fingerprint, stat_only
from app.engine.filewatch.ignore import ENVIRONMENT_MARKS, RULES_NAME, Patterns, Scope
from app.engine.filewatch.index import Folder, Index, join
from app.engine.filewatch.repository import Repository, read_patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from app.engine.filewatch.changes import FileChange
    from app.engine.filewatch.observe import Ear, Observer

_log = structlog.get_logger(__name__)

DIGEST_BUDGET = 256 << 20
"""Bytes that are read at most to learn the tree's content after the start; the rest is compared by size and time."""

LIMITS = {errno.ENOSPC, errno.EMFILE, errno.ENFILE}
"""What the system says when it allows no more watches, watchers or open files (inotify_add_watch(2))."""

_DEAF_LIMIT = 1_000
_DIGESTS_AT_ONCE = 64


class RootLostError(Exception):
    """The root is gone, or another folder stands in its place."""


class LimitReachedError(Exception):
    """The system allows no more watches."""


class Tree:
    """Finds out what became of the files below a root.

    Args:
        root: The folder to look at, absolute.
        chosen: The user's own ignore patterns, in gitignore's syntax, relative to the root.
        pace: Called between small steps of long work: it gives the interpreter away now and then, and raises to end
            the work.
    """

    def __init__(self, root: str, chosen: Sequence[str], pace: Callable[[], None]) -> None:
        self._given = root
        self._root = root
        self._chosen = Patterns(chosen)
        self._pace = pace
        self._observer: Observer | None = None
        self._index = Index(self._unwatch)
        self._unsettled: dict[str, set[str]] = {}
        self._undigested: deque[tuple[str, str]] = deque()
        self._budget = DIGEST_BUDGET
        self._rules_moved = False
        self._outer: object = None
        self.repository = Repository(root)

    @property
    def files(self) -> int:
        """How many files are remembered."""
        return self._index.count

    @property
    def folders(self) -> int:
        """How many folders are watched."""
        return len(self._index.folders)

    @property
    def complete(self) -> bool:
        """Whether all files are remembered; there is a limit."""
        return not self._index.full

    @property
    def vanished(self) -> int:
        """How many files were found gone since the last `take`."""
        return self._index.vanished

    def start(self, observer: Observer) -> None:
        """Watch and remember the tree as it is; nothing in it counts as changed.

        Raises:
            RootLostError: There is no such folder.
            LimitReachedError: The system allows no more watches.
            OSError: The root cannot be read.
        """
        self.resume(observer)
        self._index.accept()

    def resume(self, observer: Observer) -> None:
        """Watch the tree, and compare all of it with what was remembered: after the root was away, for example.

        Raises:
            RootLostError: There is no such folder.
            LimitReachedError: The system allows no more watches.
            OSError: The root cannot be read.
        """
        self.release()
        self._observer = observer
        self._root = os.path.realpath(self._given)
        self.repository = Repository(self._root)
        self._outer = self.repository.outer_rules()
        self._index.clear()
        self._unsettled = {}
        self._undigested.clear()
        try:
            identity = _identity(os.stat(self._root))
            os.scandir(self._root).close()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RootLostError(str(error)) from error
        self._enter("", identity, self.repository.scope(self._chosen))

    def release(self) -> None:
        """Give back all watches and keep what is remembered."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
        for folder in self._index.folders.values():
            folder.ear = None

    def root_present(self) -> bool:
        """Return whether there is a folder at the root's path, be it the same one or not."""
        return os.path.isdir(self._given)

    def looks_saved(self, paths: Collection[str]) -> bool:
        """Return whether files look as a save leaves them: each there and not empty, and not each as it was.

        Args:
            paths: The files, relative to the root. What is ignored does not count.
        """
        is_changed = False
        for path in paths:
            folder, _, name = path.rpartition("/")
            node = self._index.folders.get(folder)
            if node is None or node.scope.ignores(name, folder=False):
                continue
            seen, known = fingerprint(self._path(folder, name)), node.files.get(name)
            if seen is None or not seen.size:
                return False
            is_changed |= known is None or not known.same_content(seen)
        return is_changed

    def check_root(self) -> None:
        """Raise if the root is not the folder that was entered.

        Raises:
            RootLostError: It is gone, or another folder stands in its place.
        """
        try:
            identity = _identity(os.stat(self._given))
        except OSError as error:
            raise RootLostError(str(error)) from error
        root = self._index.folders.get("")
        if root is None or root.identity != identity or root.deserted:
            raise RootLostError("another folder stands in its place")

    def examine(self, names: Mapping[str, Collection[str]], *, everything: bool) -> bool:
        """Look at what was noted, and at everything if asked.

        Args:
            names: Per folder, names in it to look at.
            everything: Compare the whole tree, files by size and times.

        Returns:
            Whether something looks like the middle of a save (a file gone or empty that had content): look again in
            a moment, by another `examine`, before `take`.

        Raises:
            RootLostError: See `check_root`.
            LimitReachedError: The system allows no more watches.
        """
        self.check_root()
        again, self._unsettled = self._unsettled, {}
        for noted in (again, names):
            for folder, entries in noted.items():
                for entry in entries:
                    self._pace()
                    self._look(*self._index.nearest(folder, entry), settled=noted is again)
        outer = self.repository.outer_rules()
        self._rules_moved |= outer != self._outer
        self._outer = outer
        if everything or self._rules_moved:
            self._compare_all()
        return bool(self._unsettled)

    def take(self, *, deletions: bool = True) -> tuple[tuple[FileChange, ...], bool]:
        """Return what changed since the last `take`, and whether files vanished.

        Args:
            deletions: False leaves out the files that vanished.
        """
        for folder, name, old in self._index.doubtful():
            self._pace()
            known = self._index.known(folder, name)
            unmoved = known is not None and known.same_stat(old)
            seen = old if unmoved else fingerprint(self._path(folder, name))
            if seen is not None:
                self._index.learn(folder, name, seen)
        changes = self._index.take()
        kept = tuple(change for change in changes if change.kind is not ChangeKind.DELETED)
        return changes if deletions else kept, len(kept) < len(changes)

    def digest_some(self) -> bool:
        """Read the content of some more files that are known by size and time only; False when there are none.

        A file that was written to since it was entered is passed over: its event, or the next comparison, tells.
        """
        for _ in range(_DIGESTS_AT_ONCE):
            if not self._undigested or self._budget <= 0:
                self._undigested.clear()
                return False
            self._pace()
            folder, name = self._undigested.popleft()
            known = self._index.known(folder, name)
            if known is None or known.digest is not None:
                continue
            seen = fingerprint(self._path(folder, name))
            if seen is not None and seen.same_stat(known):
                self._index.learn(folder, name, seen)
                self._budget -= seen.size
        return True

    # What follows looks at single entries and folders.

    def _path(self, folder: str, name: str = "") -> str:
        return os.path.join(self._root, folder, name)

    def _unwatch(self, ear: Ear) -> None:
        if self._observer is not None:
            self._observer.unwatch(ear)

    def _look(self, folder: str, name: str, *, settled: bool) -> None:
        """Find out what became of one entry; `settled` says that it was given time to come back."""
        node = self._index.folders[folder]
        try:
            status = os.lstat(self._path(folder, name))
        except OSError as error:
            self._miss(folder, name, error, settled=settled)
            return
        if modes.S_ISDIR(status.st_mode):
            self._look_at_folder(folder, name, status)
            return
        if name in node.folders:
            self._index.forget(folder, name)
        if name in ENVIRONMENT_MARKS and folder:
            above, _, own = folder.rpartition("/")
            self._index.forget(above, own, told=False)
        elif not modes.S_ISREG(status.st_mode) and not modes.S_ISLNK(status.st_mode):
            self._forget(folder, name)
        elif node.scope.ignores(name, folder=False):
            self._index.forget(folder, name, told=False)
            if node.ear is not None and len(node.ear.deaf) < _DEAF_LIMIT:
                node.ear.deaf.add(name)
        else:
            self._look_at_file(folder, name, status, settled=settled)

    def _look_at_file(self, folder: str, name: str, status: os.stat_result, *, settled: bool) -> None:
        known = self._index.known(folder, name)
        if not settled and status.st_size == 0 and known is not None and known.size > 0:
            self._unsettled.setdefault(folder, set()).add(name)
        seen = fingerprint(self._path(folder, name)) or stat_only(status)
        self._index.see(folder, name, seen)
        if name == RULES_NAME and (known is None or not known.same_content(seen)):
            self._rules_moved = True

    def _look_at_folder(self, folder: str, name: str, status: os.stat_result) -> None:
        node = self._index.folders[folder]
        if name in node.files:
            self._forget(folder, name)
        if node.scope.ignores(name, folder=True):
            self._index.forget(folder, name, told=False)
            return
        path = join(folder, name)
        known = self._index.folders.get(path)
        if known is not None and known.identity == _identity(status) and not known.deserted:
            return
        self._index.forget(folder, name)
        self._enter(path, _identity(status), node.scope.below(name))

    def _miss(self, folder: str, name: str, error: OSError, *, settled: bool) -> None:
        if error.errno not in GONE:
            _log.warning("a file cannot be looked at", path=join(folder, name), error=str(error))
            return
        node = self._index.folders[folder]
        if not settled and (name in node.files or name in node.folders):
            self._unsettled.setdefault(folder, set()).add(name)
        self._forget(folder, name)

    def _forget(self, folder: str, name: str) -> None:
        self._rules_moved |= name == RULES_NAME and self._index.known(folder, name) is not None
        self._index.forget(folder, name)

    def _enter(self, path: str, identity: tuple[int, int], scope: Scope) -> None:
        """Watch and remember a folder and all below it that is not ignored. Each is watched before it is read."""
        left = [(path, identity, scope)]
        while left:
            path, identity, scope = left.pop()
            opened = self._open(path)
            if opened is None:
                continue
            ear, entries = opened
            if any(entry.name == RULES_NAME for entry in entries):
                scope = scope.governed_by(read_patterns(self._path(path, RULES_NAME)))
            node = Folder(identity, scope, ear)
            self._index.open(path, node)
            for entry in entries:
                self._pace()
                status = self._status(path, entry)
                if status is None:
                    continue
                if modes.S_ISDIR(status.st_mode):
                    if not scope.ignores(entry.name, folder=True):
                        left.append((join(path, entry.name), _identity(status), scope.below(entry.name)))
                elif not scope.ignores(entry.name, folder=False) and not self._index.full:
                    self._index.see(path, entry.name, stat_only(status))
                    self._undigested.append((path, entry.name))

    def _open(self, folder: str) -> tuple[Ear | None, list[os.DirEntry[str]]] | None:
        """Watch and list one folder; None if it is a virtual environment, gone, or not readable."""
        path = self._path(folder)
        if folder and self._is_environment(folder):
            return None
        ear = None
        try:
            ear = self._observer.watch(path, folder) if self._observer is not None else None
            with os.scandir(path) as listing:
                return ear, list(listing)
        except OSError as error:
            if ear is not None:
                self._unwatch(ear)
            if error.errno in LIMITS:
                raise LimitReachedError from error
            if not folder:
                raise
            if error.errno not in GONE:
                _log.warning("a folder cannot be read and is not watched", folder=folder, error=str(error))
            return None

    def _is_environment(self, folder: str) -> bool:
        return any(os.path.lexists(self._path(folder, mark)) for mark in ENVIRONMENT_MARKS)

    def _status(self, folder: str, entry: os.DirEntry[str]) -> os.stat_result | None:
        """Return what an entry is, without following it; None if it is gone or nothing that has content."""
        try:
            # os.DirEntry.stat leaves inode and device out on Windows
            status = os.lstat(entry.path) if os.name == "nt" else entry.stat(follow_symlinks=False)
        except OSError as error:
            if error.errno not in GONE:
                _log.warning("a file cannot be looked at", path=join(folder, entry.name), error=str(error))
            return None
        kind = modes.S_IFMT(status.st_mode)
        return status if kind in {modes.S_IFDIR, modes.S_IFREG, modes.S_IFLNK} else None

    def _compare_all(self) -> None:
        """Look at every folder's entries, and at every file's size and times; by new rules if rules moved."""
        if not self.repository.found:
            self.repository = Repository(self._root)
        while True:
            fresh, self._rules_moved = self._rules_moved, False
            if fresh:
                self._refresh("", self.repository.scope(self._chosen))
            left = [""]
            while left:
                folder = left.pop()
                left.extend(join(folder, name) for name in self._compare_folder(folder, fresh=fresh))
            if not self._rules_moved:
                return

    def _compare_folder(self, folder: str, *, fresh: bool) -> tuple[str, ...]:
        """Compare one folder, and return the names of those in it that come next."""
        node = self._index.folders.get(folder)
        if node is None:
            return ()
        above, _, name = folder.rpartition("/")
        if folder and self._is_environment(folder):
            self._index.forget(above, name, told=False)
            return ()
        try:
            with os.scandir(self._path(folder)) as listing:
                entries = list(listing)
        except OSError as error:
            if error.errno in GONE and folder:
                self._forget(above, name)
            return ()
        self._compare_entries(folder, node, entries)
        if fresh:
            for name in node.folders:
                self._refresh(join(folder, name), node.scope.below(name))
        return tuple(node.folders)

    def _compare_entries(self, folder: str, node: Folder, entries: list[os.DirEntry[str]]) -> None:
        present = set()
        for entry in entries:
            self._pace()
            status = self._status(folder, entry)
            if status is None:
                continue
            present.add(entry.name)
            known = node.files.get(entry.name)
            if modes.S_ISDIR(status.st_mode):
                self._look_at_folder(folder, entry.name, status)
            elif known is None and (self._index.full or node.scope.ignores(entry.name, folder=False)):
                continue
            elif (
                known is None or not known.same_stat(stat_only(status)) or node.scope.ignores(entry.name, folder=False)
            ):
                self._look(folder, entry.name, settled=True)
        for name in [*node.files, *node.folders]:
            if name not in present:
                self._forget(folder, name)

    def _refresh(self, folder: str, scope: Scope) -> None:
        """Have a folder go by new rules: those from above, and its own."""
        node = self._index.folders[folder]
        node.scope = scope.governed_by(read_patterns(self._path(folder, RULES_NAME)))
        if node.ear is not None:
            node.ear.deaf.clear()


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
