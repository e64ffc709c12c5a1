"""Windows: what the system tells by callbacks, without a window of ours.

PowerRegisterSuspendResumeNotification (powrprof.h, Windows 8 on) calls back when the machine woke up;
SetConsoleCtrlHandler (wincon.h) when a console's window is closed, or its session ends. A program with windows is told
of its session's end by Qt instead: Windows calls no handler of one that has loaded user32.dll.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_log = structlog.get_logger(__name__)

RESUMED = 0x12
"""PBT_APMRESUMEAUTOMATIC: comes with every wake-up, whether a person caused it or not."""
CLOSING = {2: "the console is closed", 5: "the session ends", 6: "the machine goes down"}
"""CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT and CTRL_SHUTDOWN_EVENT."""
CLOSE_S = 10.0
"""Windows ends the process when the handler returns, and after some seconds in any case."""
_CALLBACK = 2  # DEVICE_NOTIFY_CALLBACK


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _OnPower = ctypes.WINFUNCTYPE(wintypes.ULONG, ctypes.c_void_p, wintypes.ULONG, ctypes.c_void_p)
    _OnConsole = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)

    class _Subscription(ctypes.Structure):
        _fields_ = (("callback", _OnPower), ("context", ctypes.c_void_p))

    class PowerCallback:
        """Has Windows call back after a wake-up. A context manager.

        Args:
            on_wake: Called on a thread of the system's, with who says so.
        """

        def __init__(self, on_wake: Callable[[str], None]) -> None:
            self._on_wake = on_wake
            self._subscription = _Subscription(_OnPower(self.told), None)  # lives as long as Windows may call
            self._handle = ctypes.c_void_p()

        def __enter__(self) -> Self:
            """Register; where that fails, the clocks notice a wake-up alone."""
            try:
                register = ctypes.WinDLL("powrprof").PowerRegisterSuspendResumeNotification
                failed = register(_CALLBACK, ctypes.byref(self._subscription), ctypes.byref(self._handle))
            except (OSError, AttributeError) as error:
                failed = repr(error)
            if failed:
                _log.info("Windows does not tell of wake-ups", reason=failed)
                self._handle = ctypes.c_void_p()
            return self

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            """Be called no more."""
            if self._handle.value:
                ctypes.WinDLL("powrprof").PowerUnregisterSuspendResumeNotification(self._handle)

        def told(self, _context: int | None, kind: int, _setting: int | None) -> int:
            """Take in what Windows tells; the answer 0 is ERROR_SUCCESS."""
            if kind == RESUMED:
                self._on_wake("windows")
            return 0

    @contextmanager
    def console_closes(on_end: Callable[[str], None]) -> Iterator[None]:
        """Have Windows say that the console is closed or its session ends, and wait meanwhile for the orderly end.

        Args:
            on_end: Called on a thread of the system's, with the reason.
        """

        def told(kind: int) -> bool:
            reason = CLOSING.get(kind)
            if reason is None:
                return False
            on_end(reason)
            # Windows ends the process when this returns: not before the whole stop is over, which then ends it itself.
            threading.Event().wait(CLOSE_S)
            return handler is not None  # named here, so that it lives for as long as it runs

        handler = _OnConsole(told)
        kernel = ctypes.WinDLL("kernel32")
        kernel.SetConsoleCtrlHandler(handler, True)  # noqa: FBT003 - a C function takes no keywords
        try:
            yield
        finally:
            kernel.SetConsoleCtrlHandler(handler, False)  # noqa: FBT003 - likewise
