"""The command `autostart`: start with the session, and the files that have editors and supervisors start the watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.exits import EXIT_GOOD, EXIT_RED
from app.cli.projects import project_root
from app.cli.terminal import plain
from app.domain.errors import WatchkeeperError

if TYPE_CHECKING:
    from pathlib import Path

    from app.cli.context import Context
    from app.system.autostart.autostart import Status, Trouble
    from app.system.autostart.entries import Entry
    from app.system.projectfiles.vscode import Written

_ENABLE = "watchkeeper autostart enable"


def autostart(context: Context) -> int:
    """Carry out `autostart`, and return the exit code."""
    ways = {"enable": _enable, "disable": _disable, "status": _status, "repair": _repair, "vscode": _file, "pm2": _file}
    return ways[context.words.what](context)


def _enable(context: Context) -> int:
    from app.agents.testing.projects import check_folder
    from app.system.autostart.here import autostart_here

    roots = [check_folder(project_root(each, context.cwd)) for each in context.words.paths]
    found = autostart_here(context.environ).enable(roots, context.words.method)
    if not context.as_json:
        good = "Watchkeeper starts with your session, from the next login on."
        context.terminal.say(good if found.is_right else "The entry is written, but something is in its way.")
    return _told(context, found)


def _disable(context: Context) -> int:
    from app.system.autostart.here import autostart_here

    gone = autostart_here(context.environ).disable()
    if context.as_json:
        context.terminal.document({"removed": [entry.where for entry in gone]})
    elif gone:
        for entry in gone:
            context.terminal.say(plain(f"Removed: {entry.where}"))
    else:
        context.terminal.say("Watchkeeper does not start with your session, and did not before.")
    return EXIT_GOOD


def _status(context: Context) -> int:
    from app.system.autostart.here import autostart_here

    return _told(context, autostart_here(context.environ).status())


def _repair(context: Context) -> int:
    from app.system.autostart.here import autostart_here

    here = autostart_here(context.environ)
    mended = here.repair()
    left = here.status()
    if not context.as_json:
        for entry in mended:
            context.terminal.say(plain(f"Repaired: {entry.where}"))
        if not mended:
            context.terminal.say("Nothing was repaired." if left.troubles else "There was nothing to repair.")
        if left.troubles:
            why = "it changes only what Watchkeeper's own entries start, and how. What to do stands with each:"
            context.terminal.note(f"This `repair` cannot mend, since {why}")
    return _told(context, left, repaired=[entry.where for entry in mended])


def _told(context: Context, status: Status, **more: object) -> int:
    """Tell how things are. Exit 1 when Watchkeeper is not started at login, or something is wrong with that."""
    code = EXIT_GOOD if status.is_right else EXIT_RED
    remarks = _remarks(context, status)
    if context.as_json:
        context.terminal.document(
            {
                "good": status.is_right,
                "enabled": bool(status.active),
                "method": status.active[0].method if status.active else None,
                "entries": [_as_json(status, entry) for entry in status.entries],
                "troubles": [{"text": trouble.text, "hint": trouble.hint} for trouble in status.troubles],
                "remarks": [{"text": remark.text, "hint": remark.hint} for remark in remarks],
                **more,
            }
        )
        return code
    for entry in status.entries:
        _write(context, entry)
    if not status.entries:
        context.terminal.say("Watchkeeper does not start with your session.")
        context.terminal.note(f"To have that: {_ENABLE}")
    for each in (*status.troubles, *remarks):
        context.terminal.note(context.terminal.paint(plain(each.text), "yellow"))
        context.terminal.note(plain(each.hint))
    return code


def _remarks(context: Context, status: Status) -> list[Trouble]:
    """Return what is no fault, and yet hardly what was meant: a start with no project at all."""
    from app.system.autostart.autostart import Trouble
    from app.system.autostart.here import home_of

    home = home_of(context.environ)
    # What stands in the settings of another home is not for this one to say.
    starts = [entry.start for entry in status.active if entry.start is not None and entry.start.home == home]
    if not starts or any(start.projects for start in starts):
        return []

    from app.cli.config import settings_file  # only now: it brings all settings with it

    try:
        settings, _ = settings_file(context).check()
    except WatchkeeperError:  # `config` and `doctor` tell of it
        return []
    if settings.projects:
        return []
    text = "Nothing is named: after login Watchkeeper starts, and watches no project until you name one."
    return [Trouble(text, f"Name one: {_ENABLE} PATH, or: watchkeeper config set projects PATH")]


def _write(context: Context, entry: Entry) -> None:
    state = "left alone" if entry.start is None else "on" if entry.is_on else "off"
    rows = [("method", entry.method.value), ("state", state), ("entry", entry.where)]
    if entry.start is not None:
        rows.append(("starts", " ".join(entry.start.program)))
        rows += [("project", each) for each in entry.start.projects]
        rows += [("home", entry.start.home)] if entry.start.home else []
    context.terminal.table([(name, plain(value)) for name, value in rows])


def _as_json(status: Status, entry: Entry) -> dict[str, object]:
    start = entry.start
    return {
        "method": entry.method,
        "where": entry.where,
        "on": entry.is_on,
        "program": None if start is None else list(start.program),
        "projects": None if start is None else list(start.projects),
        "home": None if start is None else start.home,
        "program_exists": status.program_exists(entry),
        "this_program": status.is_this_program(entry),
        "older": entry.is_older,
    }


def _file(context: Context) -> int:
    from app.agents.testing.projects import check_folder

    root = check_folder(project_root(context.words.path, context.cwd))
    written = _vscode(context, root) if context.words.what == "vscode" else _pm2(context, root)
    if context.as_json:
        document = {"path": str(written.path), "changed": written.changed, "text": written.text, "hint": written.hint}
        context.terminal.document(document)
        return EXIT_GOOD
    context.terminal.say(plain(written.text))
    if written.hint:
        context.terminal.say(plain(written.hint))
    return EXIT_GOOD


def _vscode(context: Context, root: Path) -> Written:
    from app.system.autostart.here import home_of, program_by_name, program_here
    from app.system.projectfiles.vscode import add_task

    return add_task(root, program_by_name(program_here(), context.environ), home_of(context.environ))


def _pm2(context: Context, root: Path) -> Written:
    from app.engine.limits import Limits
    from app.system.autostart.here import home_of, program_here
    from app.system.projectfiles.pm2 import write_ecosystem

    return write_ecosystem(root, program_here(), home_of(context.environ), Limits())
