"""The command `config path`, apart from `config`, whose parts take a moment to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.terminal import plain

if TYPE_CHECKING:
    from app.cli.context import Context


def path(context: Context) -> int:
    """Tell where everything lies."""
    places = context.places
    found = {
        "settings": places.settings_file,
        "data": places.data,
        "cache": places.cache,
        "logs": places.logs,
        "runtime": places.runtime,
    }
    if context.as_json:
        context.terminal.document({name: str(where) for name, where in found.items()})
    else:
        context.terminal.table([(name, plain(where)) for name, where in found.items()])
    return 0
