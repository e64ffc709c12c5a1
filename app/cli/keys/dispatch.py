"""The commands `keys ...`: the vault in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.cli.context import Context


def keys(context: Context) -> int:
    """Carry out one of them."""
    from app.cli.keys import changing, coming, instance, making, reading, running

    commands: dict[str, Callable[[Context], int]] = {
        "init": making.init,
        "list": reading.list_secrets,
        "set": changing.set_secret,
        "get": reading.get,
        "copy": instance.copy,
        "unlock": instance.unlock,
        "lock": instance.lock,
        "rm": changing.remove,
        "rotate": changing.rotate,
        "renewals": reading.renewals,
        "log": reading.log,
        "verify": reading.verify,
        "export": coming.export,
        "import": coming.import_file,
        "migrate": coming.migrate,
        "recover": making.recover,
        "restore": making.restore,
        "slots": making.slots,
        "run": running.run,
    }
    with context.logging():
        return commands[context.words.what](context)
