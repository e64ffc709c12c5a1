"""Who may bring a window to the front."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import ctypes

    _ANYBODY = 0xFFFFFFFF  # ASFW_ANY

    def let_come_forward() -> None:
        """Let the program that we are about to ask show its window in front of all others.

        Windows lets nobody do so but the program that the person used last, which is this one; it would only flash the
        other's button in the taskbar (AllowSetForegroundWindow).
        """
        ctypes.WinDLL("user32").AllowSetForegroundWindow(_ANYBODY)

else:

    def let_come_forward() -> None:
        """Do nothing: elsewhere the window manager decides."""
