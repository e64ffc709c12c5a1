"""The command line. It imports no Qt, and for each command no more than that command needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.cli.launchers import Launchers


def run(argv: Sequence[str], launchers: Launchers) -> int:
    """Carry out one command line, and return the exit code for scripts.

    Args:
        argv: The words behind the program's name.
        launchers: What starts tray, headless watch and single cycle.
    """
    # Before argparse, asyncio or even dataclasses: scripts ask for the version often, and wait for it.
    if argv and argv[0] in {"--version", "-V"}:
        from app import __version__

        print(f"watchkeeper {__version__}")
        return 0
    from app.cli.entry import run_command

    return run_command(argv, launchers)
