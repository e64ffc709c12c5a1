"""What the system tells of the machine's sleep and of its session's end: one module for each way it is told.

Linux tells by logind, Windows by callbacks. On macOS nothing is listened to here: wake-ups are noticed by the clocks
(app.engine.sleepwatch), and the end of a session comes as SIGTERM, or by Qt.
"""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@asynccontextmanager
async def session_events(on_wake: Callable[[str], None], on_end: Callable[[str], None]) -> AsyncIterator[None]:
    """Listen to the system; where it tells nothing, that is no error.

    Args:
        on_wake: Called when the machine woke up, with who says so. On any thread.
        on_end: Called when the session or the machine is about to end, with the reason. On any thread.
    """
    if sys.platform == "win32":
        from app.system.session.windows import PowerCallback, console_closes  # noqa: PLC0415 - Windows alone

        with PowerCallback(on_wake), console_closes(on_end):
            yield
    elif sys.platform == "linux":
        from app.system.session.logind import Logind  # noqa: PLC0415 - Linux alone

        async with Logind(on_wake, on_end):
            yield
    else:
        yield
