"""The command `doctor`: what on this machine keeps Watchkeeper from working, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from app.cli.doctor.check import Check, Level
from app.cli.doctor.looking import examine
from app.cli.exits import EXIT_GOOD, EXIT_RED
from app.cli.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.cli.context import Context

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red", Level.UNKNOWN: "dim"}


def doctor(context: Context) -> int:
    """Look at everything, and tell it in a table. Exit 1 when something fails."""
    with context.logging():
        checks = examine(context.places, context.environ)
    good = all(check.level is not Level.FAIL for check in checks)
    if context.as_json:
        context.terminal.document({"good": good, "checks": [asdict(check) for check in checks]})
    else:
        _write(context, checks)
    return EXIT_GOOD if good else EXIT_RED


def _write(context: Context, checks: Sequence[Check]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        level = context.terminal.paint(f"{check.level.value:<7}", _COLOURS[check.level])
        first, *rest = [*plain(check.text).splitlines(), *plain(check.hint).splitlines()]
        context.terminal.say(f"{level}  {check.name:<{width}}  {first}")
        for line in rest:
            context.terminal.say(f"{'':7}  {'':{width}}  {line}")
