"""No core dump of a process that holds keys: what a crash writes to disk would hold them too."""

from __future__ import annotations

import sys

import structlog

_log = structlog.get_logger(__name__)

_PR_SET_DUMPABLE = 4


def forbid_dumps() -> bool:
    """Have the kernel write no core dump of this process, and let no other process of this user look into it.

    Programs that it starts are not touched: the kernel lifts it as they begin (prctl(2), PR_SET_DUMPABLE).

    Returns:
        False where the system knows no such thing: Windows asks before it keeps a dump, macOS keeps none by default.
    """
    if sys.platform != "linux":
        return False
    import ctypes  # noqa: PLC0415 - a start without a vault does not pay for it

    done = bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
    if not done:
        _log.warning("core dumps could not be forbidden", errno=ctypes.get_errno())
    return done
