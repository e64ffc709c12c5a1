"""The commands that change nothing: list, get, renewals, log, verify."""

from __future__ import annotations

import base64
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from app.cli.exits import EXIT_RED
from app.cli.keys.vaults import anchor_trouble, opened, vault_of
from app.cli.terminal import plain
from app.domain import words
from app.domain.errors import UsageError, VaultError, VaultMissing
from app.keys.log.chain import Action

if TYPE_CHECKING:
    from app.cli.context import Context
    from app.keys.log.chain import Line
    from app.keys.usual import UsualVault
    from app.keys.vault.secret import About

MOST_LINES = 100_000


_DOORS = (Action.UNLOCK, Action.LOCK)


def list_secrets(context: Context) -> int:
    """Tell names, ages and due dates."""
    with opened(context) as usual:
        abouts = usual.vault.contents.abouts
        read = _last_reads(usual)
    now = time.time()
    if context.as_json:
        context.terminal.document({"secrets": [_document(about, read.get(about.name)) for about in abouts]})
        return 0
    if not abouts:
        context.terminal.note("The vault is empty. Put something in: watchkeeper keys set NAME")
    rows = []
    for about in abouts:
        reader = read.get(about.name)
        used = f"read {words.ago(now - reader.at)} by {plain(reader.program)}" if reader else "never read"
        rows.append((about.name, f"set {words.ago(now - about.renewed)}", _due(about, now), used, plain(about.notes)))
    context.terminal.table(rows)
    return 0


def get(context: Context) -> int:
    """Give a secret's value to a pipe, or to the terminal where that is asked for."""
    name = context.words.name
    shown = context.words.show or not sys.stdout.isatty()
    if not shown:
        with opened(context) as usual:
            about = usual.vault.contents.about(name)
        context.terminal.note(f"{name}, set {words.ago(time.time() - about.renewed)}, is not shown on a terminal.")
        context.terminal.note(f"See it all the same: watchkeeper keys get {name} --show")
        return 0
    with opened(context) as usual:
        value = usual.vault.get(name)
    if context.as_json:
        context.terminal.document({"name": name, **_text_or_base64(value)})
        return 0
    context.terminal.flush()
    end = b"\n" if sys.stdout.isatty() else b""
    sys.stdout.buffer.write(value + end)
    sys.stdout.buffer.flush()
    return 0


def renewals(context: Context) -> int:
    """Tell which secrets are to be renewed, the soonest first."""
    now = time.time()
    with opened(context) as usual:
        due = sorted((about for about in usual.vault.contents.abouts if about.due), key=lambda about: about.due)
    overdue = [about for about in due if about.due <= now]
    if context.as_json:
        told = [{**_document(about, None), "overdue": about in overdue} for about in due]
        context.terminal.document({"renewals": told})
    elif due:
        context.terminal.table(
            [(about.name, _due(about, now), f"set {words.ago(now - about.renewed)}") for about in due]
        )
        if overdue:
            context.terminal.note("Make a new key at the provider, then: watchkeeper keys set NAME")
    else:
        context.terminal.note("No secret has a due date. Give one: watchkeeper keys set NAME --keep --due 90d")
    return EXIT_RED if overdue else 0


def log(context: Context) -> int:
    """Tell who asked for which secret."""
    count, name = context.words.lines, context.words.name
    if not 0 < count <= MOST_LINES:
        raise UsageError(f"{count} is no number of lines.", f"Write 1 to {MOST_LINES} behind -n.")
    usual = vault_of(context)
    if not usual.vault.exists:
        raise VaultMissing("There is no vault, so nothing was read from it.", "Make one: watchkeeper keys init")
    every = context.words.all
    lines = usual.log.lines(count if every and not name else MOST_LINES)
    wanted = (
        line for line in lines if name in (None, line.access.name) and (every or line.access.action not in _DOORS)
    )
    lines = tuple(wanted)[:count]
    if context.as_json:
        context.terminal.document({"lines": [asdict(line) for line in lines]})
    else:
        context.terminal.table([_row(line) for line in lines])
    return 0


def verify(context: Context) -> int:
    """Open every secret and every backup, and prove the access log."""
    problems: list[str] = []
    with opened(context) as usual:
        secrets = len(usual.vault.contents.abouts)
        anchored = None
        if trouble := anchor_trouble(usual):
            problems.append(f"What the keychain remembers cannot be read: {trouble}")
        elif usual.vault.anchor_trouble is None:
            anchored = usual.vault.anchored()
        report = usual.log.verify(usual.vault.log_keys(), anchored)
        problems += report.problems
        backups = usual.vault.backups
        for backup in backups:
            try:
                usual.vault.check_backup(backup)
            except VaultError as error:
                problems.append(f"Backup {backup.path.name}: {error.message}")
    if context.as_json:
        told = {"secrets": secrets, "backups": len(backups), "log_lines": report.lines, "problems": problems}
        context.terminal.document({**told, "unanchored_log_lines": report.unanchored})
        return EXIT_RED if problems else 0
    context.terminal.say(f"{words.plural(secrets, 'secret')} and {words.plural(len(backups), 'backup')} open.")
    context.terminal.say(f"The access log has {words.plural(report.lines, 'line')}.")
    for problem in problems:
        context.terminal.say(context.terminal.paint(plain(problem), "red"))
    if not problems:
        context.terminal.say(context.terminal.paint("Nothing is wrong.", "green"))
    return EXIT_RED if problems else 0


def _last_reads(usual: UsualVault) -> dict[str, Line]:
    """Return the last line of each secret that was read; empty when the log cannot be read, which `verify` tells."""
    found: dict[str, Line] = {}
    with suppress(VaultError):
        for line in usual.log.lines(MOST_LINES):
            if line.access.is_read:
                found.setdefault(line.access.name, line)
    return found


def _document(about: About, read: Line | None) -> dict[str, Any]:
    who = {"at": read.at, "by": read.program, "why": read.access.why} if read is not None else None
    return {**asdict(about), "due": about.due or None, "read": who}


def _text_or_base64(value: bytes) -> dict[str, str]:
    try:
        return {"value": value.decode("utf-8")}
    except UnicodeDecodeError:
        return {"value_base64": base64.b64encode(value).decode("ascii")}


def _due(about: About, now: float) -> str:
    if not about.due:
        return "no due date"
    said = words.due(about.due - now)
    return said if about.due < now else f"due {said}"


def _row(line: Line) -> tuple[str, ...]:
    access = line.access
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.at))
    what = f"{access.action} {access.name}".rstrip()
    result = "" if access.result == "ok" else access.result
    return (when, plain(f"{line.program} ({line.pid})"), plain(what), plain(result), plain(access.why))
