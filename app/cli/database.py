"""The command `doctor db`: the schema of the history, and what is in it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.domain.errors import CannotError, UsageError

if TYPE_CHECKING:
    from app.cli.context import Context
    from app.store.doctor import Description


def database(context: Context) -> int:
    """Describe or change the history's schema."""
    words = context.words
    if words.step == "downgrade" and not words.revision:
        raise UsageError("To which revision?", "`watchkeeper doctor db history` lists them; `base` is before all.")
    with context.logging():
        from app.store import doctor
        from app.store.location import history_url

        url = history_url(context.environ, context.places.data)
        if words.step in {"upgrade", "downgrade"}:
            return _change(context, url)
        if words.step == "describe":
            found = doctor.describe(url)
            return _print(context, "database", found, _describe(found))
        if words.step == "current":
            state = doctor.current(url)
            return _print(context, "state", state, [str(state)])
        revisions = doctor.history(url)
        return _print(context, "revisions", revisions, [str(each) for each in revisions])


def _change(context: Context, url: str) -> int:
    from app.store import doctor
    from app.system.instance import SingleInstance

    words = context.words
    # Held until the end: no instance may start on a schema that is on its way.
    with SingleInstance(context.places) as instance:
        if not instance.acquire():
            raise CannotError("The history is in use by the running Watchkeeper.", "Stop it: `watchkeeper stop`.")
        if words.step == "upgrade":
            state = doctor.upgrade(url, words.revision or "head", backups=None, wall=time.time)
        else:
            state = doctor.downgrade(url, words.revision, backups=None, wall=time.time)
    return _print(context, "state", state, [str(state)])


def _describe(found: Description) -> list[str]:
    lines = [str(found.state)]
    if found.size_bytes is not None:
        sound = "sound" if found.sound else "DAMAGED: it is mended at the next start"
        lines.append(f"{found.size_bytes / 1024 / 1024:.1f} MiB, {sound}")
    lines.append(f"{found.projects} projects, {found.runs} runs, {found.tests} tests, {found.results} results")
    lines.extend(f"backup: {each}" for each in found.backups)
    return lines


def _print(context: Context, name: str, value: object, lines: list[str]) -> int:
    if context.as_json:
        context.terminal.document({name: value})
    else:
        from app.cli.terminal import plain

        for line in lines:
            context.terminal.say(plain(line))
    return 0
