"""A message on the screen, for what a program without a terminal has to say at its end."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import ctypes

    _ERROR = 0x10
    _TO_THE_FRONT = 0x10000

    def show_message(title: str, text: str) -> None:
        """Show an error in a box of the system's own, and return when it is closed."""
        # Of a type of its own: what another module says of the same function's arguments must not hold here.
        ctypes.WinDLL("user32").MessageBoxW(None, text, title, _ERROR | _TO_THE_FRONT)

else:

    def show_message(title: str, text: str) -> None:
        """Do nothing: here a program always has a stderr, which a service manager keeps."""
        del title, text
