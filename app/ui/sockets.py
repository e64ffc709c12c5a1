"""Descriptors watched by Qt, in the shape asyncio asks for: a selector that is never asked to wait."""

# ruff: noqa: ANN401 - the signatures are those of the base
from __future__ import annotations

import selectors
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSocketNotifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Notifiers(selectors.BaseSelector):
    """Qt's socket notifiers in the shape of a selector: events go to `on_event(key, mask)` as they come.

    A notifier is kept for each descriptor number and switched on and off: deleting one while Qt delivers it is asking
    for trouble, and reading often toggles.
    """

    def __init__(self, on_event: Callable[[selectors.SelectorKey, int], None]) -> None:
        self._on_event = on_event
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._notifiers: dict[tuple[int, int], QSocketNotifier] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a descriptor.

        Raises:
            KeyError: It is watched already.
        """
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} is registered already")
        return self._put(selectors.SelectorKey(fileobj, fd, events, data))

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch for other events.

        Raises:
            KeyError: It is not watched.
        """
        return self._put(self.get_key(fileobj)._replace(events=events, data=data))

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Watch no longer.

        Raises:
            KeyError: It is not watched.
        """
        key = self.get_key(fileobj)
        self._put(key._replace(events=0))
        del self._keys[key.fd]
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Refuse: nothing waits here.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("Qt selects")

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """Return what is registered for a descriptor or for the object that owns it, which may be closed by now.

        Raises:
            KeyError: It is not watched.
        """
        for key in (self._keys.get(fileobj),) if isinstance(fileobj, int) else tuple(self._keys.values()):
            if key is not None and (key.fileobj is fileobj or key.fd == fileobj):
                return key
        raise KeyError(f"{fileobj!r} is not registered")

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Return the keys by descriptor."""
        return self._keys

    def close(self) -> None:
        """Watch nothing any more."""
        for key in tuple(self._keys.values()):
            self.unregister(key.fd)
        self._notifiers.clear()

    def _put(self, key: selectors.SelectorKey) -> selectors.SelectorKey:
        self._keys[key.fd] = key
        for event, kind in (
            (selectors.EVENT_READ, QSocketNotifier.Type.Read),
            (selectors.EVENT_WRITE, QSocketNotifier.Type.Write),
        ):
            notifier = self._notifiers.get((key.fd, event))
            if notifier is None and key.events & event:
                notifier = self._notifiers[key.fd, event] = QSocketNotifier(key.fd, kind)
                # The overload without an enumeration: making one runs Python, where a signal handler may raise, and
                # PySide 6.11 crashes on that (seen with KeyboardInterrupt).
                by_number = notifier.activated["int"]  # type: ignore[index] # PySide's types do not know overloads
                by_number.connect(lambda *_, fd=key.fd, event=event: self._ready(fd, event))
            if notifier is not None:
                notifier.setEnabled(bool(key.events & event))
        return key

    def _ready(self, fd: int, event: int) -> None:
        key = self._keys.get(fd)
        if key is not None and key.events & event:
            self._on_event(key, event)
