"""What people call signals: a module of its own, since the small parent that keeps the program needs no more."""

from __future__ import annotations

import signal


def signal_name(number: int) -> str:
    """Return a signal as people look for it: `signal 9 (SIGKILL)`."""
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
