"""Linux: one inotify watch for each folder that is not ignored.

watchdog's own observer either watches a whole tree, ignored folders and all, or spends a thread on each folder. Its
`InotifyFD` beneath has neither fault: one thread, one descriptor, and the kernel's overflow notice is passed on.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import structlog
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
    WatchDescriptor,
)

if TYPE_CHECKING:
    from app.engine.filewatch.fold import Inbox
    from app.engine.filewatch.observe import Ear, Skip

_log = structlog.get_logger(__name__)

_SELF = InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF

_MASK = Mask(
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_MOVE
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | _SELF
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_DONT_FOLLOW
    | InotifyConstants.IN_EXCL_UNLINK
)
"""Without IN_MODIFY: a file that is still open for writing is not saved yet, and a log would tell of every line."""


class _Reader(InotifyFD):
    """watchdog's reader, with a descriptor that no test process inherits."""

    @classmethod
    def _create_inotify_fd(cls) -> int:
        descriptor = super()._create_inotify_fd()
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - os takes no keyword here
        return descriptor


class _FolderEar(WatchCallback):
    """Notes what happens in one folder. Called in the reader's thread."""

    __slots__ = ("_folder", "_inbox", "_skip", "dead", "deaf", "descriptor")

    def __init__(self, folder: str, inbox: Inbox, skip: Skip) -> None:
        self._folder = folder
        self._inbox = inbox
        self._skip = skip
        self.deaf: set[str] = set()
        self.dead = False
        self.descriptor = WatchDescriptor(-1)

    def on_event(self, event: InotifyEvent) -> None:
        """Note the event; an exception here would end the reader's thread and with it the watch."""
        try:
            self._note(event.mask, event.name)
        except Exception:  # noqa: BLE001 - the watch outlives what its notes run into
            _log.exception("a file event could not be noted", folder=self._folder)

    def _note(self, mask: int, raw: bytes) -> None:
        if not raw:
            if mask & InotifyConstants.IN_UNMOUNT:
                self._inbox.lose()
            elif mask & _SELF and not self._folder:
                self._inbox.stir()
            return
        name = os.fsdecode(raw)
        folder = bool(mask & InotifyConstants.IN_ISDIR)
        if (name in self.deaf and not folder) or self._skip(name, folder):
            return
        self._inbox.note(self._folder, name)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:  # noqa: ARG002 - watchdog's signature
        """Remember that the folder is gone; the one above tells of it, or for the root its own last event did."""
        self.dead = True

    def on_queue_overflow(self) -> None:
        """The kernel dropped events (inotify(7), IN_Q_OVERFLOW)."""
        try:
            self._inbox.lose()
        except Exception:  # noqa: BLE001 - as for any event
            _log.exception("lost file events could not be noted", folder=self._folder)


class InotifyObserver:
    """Watches single folders through inotify.

    Args:
        inbox: Where events are noted.
        skip: Tells by name (and whether it is a folder) what is ignored everywhere.

    Raises:
        OSError: The system's limit of inotify instances or of open files is used up (EMFILE).
    """

    lossy = False

    def __init__(self, inbox: Inbox, skip: Skip) -> None:
        self._inbox = inbox
        self._skip = skip
        self._reader = _Reader()
        self._reader.name = "watchkeeper-inotify"
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether it still listens."""
        return self._reader.is_alive()

    def watch(self, path: str, folder: str) -> Ear:
        """Listen to one folder, which must be a real one.

        Raises:
            OSError: It cannot be: gone, no folder, not readable, or the limit of watches is reached (ENOSPC).
        """
        ear = _FolderEar(folder, self._inbox, self._skip)
        ear.descriptor = self._reader.add_callback(os.fsencode(path), _MASK, ear, CallbackId(id(ear)))
        if ear.descriptor == -1:  # watchdog passes over EACCES in silence
            self.unwatch(ear)
            raise PermissionError(path)
        return ear

    def unwatch(self, ear: Ear) -> None:
        """Stop listening to a folder; the kernel may have ended the watch itself."""
        if isinstance(ear, _FolderEar) and self._reader.is_alive():
            self._reader.remove_callbacks([(ear.descriptor, CallbackId(id(ear)))])

    def stop(self) -> None:
        """End the reader and give its descriptors back."""
        self._reader.stop()
        if self._reader is not threading.current_thread():
            self._reader.join(timeout=2.0)
