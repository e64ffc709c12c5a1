"""What is remembered of a tree, and what it was when the batch under way began. No input or output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.engine.filewatch.fold import Fingerprint, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.engine.filewatch.changes import FileChange
    from app.engine.filewatch.ignore import Scope
    from app.engine.filewatch.observe import Ear

FILE_LIMIT = 100_000
"""Files that are remembered, at about 470 bytes each. One beyond is remembered from its first event on, which counts as
its creation whatever it was."""


@dataclass(slots=True)
class Folder:
    """A folder that is not ignored.

    Args:
        identity: Device and inode.
        scope: The ignore rules in it.
        ear: What listens to it; None where something else listens to the whole tree.
        files: What is remembered of the files in it.
        folders: Names of the folders in it that are not ignored.
    """

    identity: tuple[int, int]
    scope: Scope
    ear: Ear | None
    files: dict[str, Fingerprint] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    @property
    def deserted(self) -> bool:
        """Whether it was deleted, though another may stand there by now, with the same inode number even."""
        return self.ear is not None and self.ear.dead


class Index:
    """Folders and files by their paths relative to the root.

    Args:
        unwatch: Called with what listens to a folder that is dropped.
    """

    def __init__(self, unwatch: Callable[[Ear], None]) -> None:
        self._unwatch = unwatch
        self._before: dict[str, Fingerprint | None] = {}
        self.folders: dict[str, Folder] = {}
        self.count = 0
        self.vanished = 0

    @property
    def full(self) -> bool:
        """Whether no more files are remembered in bulk."""
        return self.count >= FILE_LIMIT

    def clear(self) -> None:
        """Forget the tree, but not what was in it: whatever is not found again counts as deleted."""
        for path, known in self._files():
            self._before.setdefault(path, known)
        self.folders = {}
        self.count = 0

    def accept(self) -> None:
        """Take the tree as it is now for the one to compare with."""
        self._before.clear()
        self.vanished = 0

    def open(self, path: str, folder: Folder) -> None:
        """Add a folder. The one above it must be known, save for the root (an empty path)."""
        self.folders[path] = folder
        if path:
            above, _, name = path.rpartition("/")
            self.folders[above].folders.add(name)

    def see(self, folder: str, name: str, seen: Fingerprint) -> Fingerprint | None:
        """Remember what a file is now; return what was remembered."""
        node = self.folders[folder]
        known = node.files.get(name)
        self._before.setdefault(join(folder, name), known)
        self.count += known is None
        node.files[name] = seen
        return known

    def learn(self, folder: str, name: str, seen: Fingerprint) -> None:
        """Remember more of a file that did not change."""
        self.folders[folder].files[name] = seen

    def known(self, folder: str, name: str) -> Fingerprint | None:
        """Return what is remembered of a file."""
        node = self.folders.get(folder)
        return node.files.get(name) if node is not None else None

    def forget(self, folder: str, name: str, *, told: bool = True) -> None:
        """Drop an entry and all that lies below it.

        Args:
            folder: Where it was.
            name: What it was called; a name that is not known is no error.
            told: Whether its files count as deleted. If not, they are merely no longer looked at.
        """
        node = self.folders[folder]
        path = join(folder, name)
        if (known := node.files.pop(name, None)) is not None:
            self._drop(path, known, told=told)
        if name not in node.folders:
            return
        node.folders.discard(name)
        left = [path]
        while left:
            path = left.pop()
            gone = self.folders.pop(path, None)
            if gone is None:
                continue
            if gone.ear is not None:
                self._unwatch(gone.ear)
            for file, known in gone.files.items():
                self._drop(join(path, file), known, told=told)
            left.extend(join(path, below) for below in gone.folders)

    def nearest(self, folder: str, name: str) -> tuple[str, str]:
        """Return the nearest known folder above an entry, and the name in it that leads there."""
        while folder not in self.folders:
            folder, _, name = folder.rpartition("/")
        return folder, name

    def doubtful(self) -> Iterator[tuple[str, str, Fingerprint]]:
        """Yield files whose content was known but is not now (folder, name, what was known): read them to compare."""
        for path, old in tuple(self._before.items()):
            folder, _, name = path.rpartition("/")
            now = self.known(folder, name)
            if old is not None and old.digest is not None and now is not None and now.digest is None:
                yield folder, name, old

    def take(self) -> tuple[FileChange, ...]:
        """Return what changed since the last `take` or `accept`, and begin anew."""
        before, self._before = self._before, {}
        self.vanished = 0
        return compare(before, lambda path: self.known(*_split(path)))

    def _files(self) -> Iterator[tuple[str, Fingerprint]]:
        for folder, node in self.folders.items():
            for name, known in node.files.items():
                yield join(folder, name), known

    def _drop(self, path: str, known: Fingerprint, *, told: bool) -> None:
        self.count -= 1
        if told:
            self.vanished += 1
            self._before.setdefault(path, known)
        else:
            self._before.pop(path, None)


def join(folder: str, name: str) -> str:
    """Return the path of a name in a folder, relative to the root like the folder."""
    return f"{folder}/{name}" if folder else name


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name
