"""Whose the windows of this process are: on Windows by an AppUserModelID, as the shortcut and notifications have it."""

from __future__ import annotations

import sys

import structlog

from app.system.notifications import APP_NAME

_log = structlog.get_logger(__name__)

if sys.platform == "win32":
    import ctypes

    def claim_windows() -> None:
        """Have the taskbar show this process's windows as Watchkeeper's, under its shortcut.

        To be called before the first window is made (SetCurrentProcessExplicitAppUserModelID).
        """
        result = ctypes.WinDLL("shell32").SetCurrentProcessExplicitAppUserModelID(ctypes.c_wchar_p(APP_NAME))
        if result:
            _log.info("the taskbar may show the interpreter's icon", result=f"{result & 0xFFFFFFFF:#010x}")

else:

    def claim_windows() -> None:
        """Do nothing: elsewhere a window tells by itself whose it is."""
