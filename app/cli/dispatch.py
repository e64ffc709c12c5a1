"""Commands whose second word says what is to be done: each way imports no more than it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.cli.context import Context


def tests(context: Context) -> int:
    """Carry out `tests`, and return the exit code."""
    if context.words.what == "why":
        from app.cli.why import why

        return why(context)
    from app.cli.journal import tests as told

    return told(context)


def doctor(context: Context) -> int:
    """Carry out `doctor`, and return the exit code."""
    if context.words.what == "db":
        from app.cli.database import database

        return database(context)
    if context.words.what == "bundle":
        from app.cli.bundling import bundle

        return bundle(context)
    from app.cli.doctor import doctor as looked

    return looked(context)


def config(context: Context) -> int:
    """Carry out `config`, and return the exit code."""
    if context.words.what == "path":
        from app.cli.paths import path

        return path(context)
    from app.cli.config import config as changed

    return changed(context)
