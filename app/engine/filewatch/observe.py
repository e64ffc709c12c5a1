"""What tells that something happened in a folder: one observer for each way that an operating system has.

All of them only note names in the inbox; what became of a file is read from the disk afterwards. So an event that
comes twice, late or in another order does no harm.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer as NativeObserver

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.api import BaseObserver

    from app.engine.filewatch.fold import Inbox

    Skip = Callable[[str, bool], bool]

_log = structlog.get_logger(__name__)

_ON_LINUX: bool = sys.platform == "linux"
_READS = frozenset({"opened", "closed_no_write"})


class Ear(Protocol):
    """What listens to one folder."""

    deaf: set[str]
    """Names of files in it that are known to be ignored: their events are dropped at once."""

    dead: bool
    """Whether the folder it listened to is gone."""


class Observer(Protocol):
    """Watches folders and notes in the inbox what happens in them. Called from the worker thread only."""

    @property
    def alive(self) -> bool:
        """Whether it still listens."""

    @property
    def lossy(self) -> bool:
        """Whether events may be lost without notice, so that a storm calls for a comparison of the whole tree."""

    def watch(self, path: str, folder: str) -> Ear | None:
        """Listen to a folder.

        Args:
            path: Where it is, absolute.
            folder: The same, relative to the root.

        Returns:
            What to hand to `unwatch`; None where nothing is needed for this folder.

        Raises:
            OSError: It cannot be listened to. ENOSPC and EMFILE mean that the system's limits are used up.
        """

    def unwatch(self, ear: Ear) -> None:
        """Stop listening to a folder, which may be gone."""

    def stop(self) -> None:
        """End, for good."""


class Polling:
    """Hears nothing: whoever uses it compares the tree from time to time."""

    alive = True
    lossy = False

    def watch(self, path: str, folder: str) -> None:
        """Do nothing."""

    def unwatch(self, ear: Ear) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


class RecursiveObserver:
    """Watches the whole tree with one watch, as FSEvents and ReadDirectoryChangesW do at no extra cost.

    Args:
        inbox: Where events are noted.
        skip: Tells by name (and whether it is a folder) what is ignored everywhere.
        make: Makes watchdog's observer.
    """

    lossy = True

    def __init__(self, inbox: Inbox, skip: Skip, make: Callable[[], BaseObserver] = NativeObserver) -> None:
        self._inbox = inbox
        self._skip = skip
        self._make = make
        self._observer: BaseObserver | None = None

    @property
    def alive(self) -> bool:
        """Whether it still listens."""
        observer = self._observer
        return observer is None or (observer.is_alive() and all(emitter.is_alive() for emitter in observer.emitters))

    def watch(self, path: str, folder: str) -> None:
        """Listen to the whole tree when asked for its root; everything below is then heard already."""
        if folder:
            return
        self._end()
        observer = self._make()
        observer.schedule(_Notes(path, self._inbox, self._skip), path, recursive=True)
        observer.start()
        self._observer = observer

    def unwatch(self, ear: Ear) -> None:
        """Do nothing: there are no watches of single folders."""

    def stop(self) -> None:
        """End, for good."""
        self._end()

    def _end(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(timeout=2.0)
            self._observer = None


class _Notes(FileSystemEventHandler):
    def __init__(self, root: str, inbox: Inbox, skip: Skip) -> None:
        self._root = root
        self._inbox = inbox
        self._skip = skip

    def dispatch(self, event: FileSystemEvent) -> None:
        """Note both ends of an event; an exception here would end watchdog's thread and with it the watch."""
        try:
            if event.event_type in _READS:
                return
            for path in {os.fsdecode(event.src_path), os.fsdecode(event.dest_path)}:
                self._note(path, folder=event.is_directory)
        except Exception:  # noqa: BLE001 - the watch outlives what its notes run into
            _log.exception("a file event could not be noted")

    def _note(self, path: str, *, folder: bool) -> None:
        if not path:
            return
        relative = os.path.relpath(path, self._root).replace(os.sep, "/")
        if relative == ".":
            self._inbox.stir()
            return
        *above, name = relative.split("/")
        if ".." in above or any(self._skip(part, True) for part in above) or self._skip(name, folder):  # noqa: FBT003 - a Callable takes no keywords
            return
        self._inbox.note("/".join(above), name)


def native_observer(inbox: Inbox, skip: Skip) -> Observer:
    """Return the observer that this operating system is best served with.

    Raises:
        OSError: The system's limits do not allow one; see `Observer.watch`.
    """
    if _ON_LINUX:
        from app.engine.filewatch.inotify import InotifyObserver  # noqa: PLC0415 - its library exists on Linux only

        return InotifyObserver(inbox, skip)
    return RecursiveObserver(inbox, skip)
