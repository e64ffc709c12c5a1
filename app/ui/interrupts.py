"""What must reach Python while Qt waits in C++: signals, and exceptions that PySide would print and forget."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

WINDOWS_SIGNAL_PERIOD_MS = 250
"""On Windows no descriptor wakes Qt for Ctrl+C, so Python is let look this often."""


@contextlib.contextmanager
def signals_noticed(wakeup_fd: int, in_use: Callable[[], bool]) -> Iterator[None]:
    """Let Python's signal handlers run while Qt waits; nothing to do outside the main thread.

    Args:
        wakeup_fd: A descriptor that Qt watches; Python writes to it when a signal comes (POSIX only).
        in_use: Whether signal handlers of the loop need it beyond this block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
    elif sys.platform == "win32":
        look = QTimer()
        look.timeout.connect(lambda: None)
        look.start(WINDOWS_SIGNAL_PERIOD_MS)
        try:
            yield
        finally:
            look.stop()
    else:
        before = signal.set_wakeup_fd(wakeup_fd, warn_on_full_buffer=False)
        try:
            yield
        finally:
            if before != -1 or not in_use():
                signal.set_wakeup_fd(before)


@contextlib.contextmanager
def lost_exceptions_heard(listener: Callable[[BaseException], None]) -> Iterator[None]:
    """Tell `listener` what slots raise, which PySide hands to sys.excepthook before it goes on.

    An Exception goes to the former hook as well; what is none (KeyboardInterrupt) is the listener's alone.
    """
    former = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        listener(error)
        if isinstance(error, Exception):
            former(kind, error, traceback)

    sys.excepthook = hook
    try:
        yield
    finally:
        if sys.excepthook is hook:
            sys.excepthook = former
