"""What each command is given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from pathlib import Path

    from app.cli.launchers import Launchers
    from app.cli.terminal import Terminal
    from app.control.client import ControlClient
    from app.engine.logs import Logging
    from app.engine.places import Places


@dataclass(frozen=True)
class Context:
    """One command line as it is being carried out.

    Attributes:
        environ: The process's environment.
        cwd: The folder that relative paths start from.
        commands: The names of all commands.
    """

    words: Namespace
    terminal: Terminal
    launchers: Launchers
    environ: Mapping[str, str]
    cwd: Path
    commands: tuple[str, ...]

    @property
    def as_json(self) -> bool:
        """True when the command prints one JSON document."""
        return bool(getattr(self.words, "json", False))

    @cached_property
    def places(self) -> Places:
        """The program's folders.

        Raises:
            CannotError: WATCHKEEPER_HOME cannot be used.
        """
        from app.engine.places import Places

        return Places.find(self.environ)

    def client(self, timeout_s: float | None = None) -> ControlClient:
        """Return a connection to the running instance, to be used as a context manager; answers within `timeout_s`."""
        from app.control.client import ControlClient

        return ControlClient(self.places) if timeout_s is None else ControlClient(self.places, timeout_s=timeout_s)

    def logging(self) -> Logging:
        """Begin to log into the command line's own file, until the returned context manager is left.

        Needed by each command whose parts log: structlog prints to stdout before it is told better.
        """
        from app.engine.logs import LogRing, configure

        return configure(self.places, "warning", ring=LogRing(1), name="command")
