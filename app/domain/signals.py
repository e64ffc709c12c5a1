"""Which signals end a program, and what people and shells call them.

A module of its own, since the small parent that keeps the program needs no more.
"""

from __future__ import annotations

import signal
from typing import Final

TO_END: Final[tuple[signal.Signals, ...]] = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""What tells a program to end: Ctrl+C, the system or another program, a terminal that closes. Windows has no SIGHUP."""


def signal_name(number: int) -> str:
    """Return a signal as people look for it: `signal 9 (SIGKILL)`."""
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def shell_code(returned: int) -> int:
    """Return the exit code of a child, which `subprocess` gives, as a shell tells it: 128 + N after signal N."""
    return returned if returned >= 0 else 128 - returned
