"""Watching in a terminal, without a window."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from app.domain.commands import RaiseWindow
from app.domain.errors import CommandRefused
from app.engine.workers import run
from app.house.alerts import alerts
from app.house.ground import ground
from app.house.lives import lived
from app.house.rooms import house

if TYPE_CHECKING:
    from pathlib import Path

    from app.engine.places import Places
    from app.house.ground import Ground


def watch_in_terminal(places: Places, folders: tuple[Path, ...], *, as_json: bool, safe: bool = False) -> int:
    """Watch in the terminal until told to stop, and return the exit code."""
    from app.cli.live import LiveReport
    from app.cli.terminal import Terminal

    async def live(on: Ground) -> int:
        async with house(on, folders, attended=False) as built, alerts(on, built, None):
            with_no_window = on.bus.handle(RaiseWindow, _refuse_window)
            try:
                async with lived(on):
                    await on.shutdown.wait()
            finally:
                with_no_window()
        return 0

    report = LiveReport(Terminal(sys.stdout, sys.stderr, os.environ), as_json=as_json)
    with ground(places, safe=safe) as on:
        on.bus.subscribe(report)
        return run(lambda: live(on))


def _refuse_window(_command: RaiseWindow) -> None:
    raise CommandRefused("Watchkeeper runs in a terminal here, without a window.", "See it with: watchkeeper status")
