"""The one audit hook (PEP 578), and what of the file system goes through it."""

# What events bring has no types (ANN401).
# ruff: noqa: ANN401
from __future__ import annotations

import os

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
READING_TOO = os.O_RDWR


class Audit:
    """Hands events on to those who want them. An audit hook stays for the life of the process."""

    def __init__(self) -> None:
        self._takers: dict[str, list[Callable[[tuple[Any, ...]], None]]] = {}

    def on(self, events: Iterable[str], take: Callable[[tuple[Any, ...]], None]) -> None:
        """From now on, call this with the arguments of each of these events."""
        for event in events:
            self._takers.setdefault(event, []).append(take)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Take in one event. Nothing may be raised from here: it would end what the test is doing."""
        takers = self._takers.get(event)
        if takers is None:
            return
        for take in takers:
            try:  # noqa: SIM105 - a context manager for each event costs more
                take(args)
            except Exception:  # noqa: BLE001, S110 - as above, and there is nobody to tell
                pass


def path_in(value: Any) -> str:
    """Return the path that an event's argument names; empty for a descriptor and the like."""
    if isinstance(value, (str, bytes)) or hasattr(type(value), "__fspath__"):
        return _fsdecode(value)
    return ""


_fsdecode = os.fsdecode
