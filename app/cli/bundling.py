"""The command `doctor bundle`: one file for whoever looks for a fault of Watchkeeper, without secrets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.terminal import plain

if TYPE_CHECKING:
    from app.cli.context import Context


def bundle(context: Context) -> int:
    """Write the file, and tell where it is and what it holds. Nothing is sent."""
    named = context.words.file or f"watchkeeper-report-{time.strftime('%Y%m%d-%H%M%S')}.zip"
    path = context.cwd / Path(named).expanduser()
    with context.logging():
        holds = context.launchers.bundle(path)
    if context.as_json:
        context.terminal.document({"path": str(path), "holds": holds, "sent": False})
        return 0
    context.terminal.say(plain(f"The crash bundle is {path}"))
    context.terminal.say(plain(f"It holds {', '.join(holds)}."))
    context.terminal.say("It holds no keys, no source code and no output of tests, and nothing was sent anywhere:")
    context.terminal.say("look at it, and attach it where you tell of the fault.")
    return 0
