"""What each runner brings: the commands that it runs, and who reads what they say."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.domain.errors import CannotError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.agents.testing.runners.story import Story
    from app.agents.testing.running.journal import Finding
    from app.domain.verdicts import Stage
    from app.engine.processes import Ended

    Wrote = Mapping[str, tuple[int, int] | None]

RELAY = Path(__file__).parent / "relay.py"
NOTHING = r"(?!)"
"""A regular expression that matches nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where, and for what, a runner is started.

    Attributes:
        root: The project's folder, where commands are run.
        changed: The files that changed, relative to it, with forward slashes; empty when that is not known.
        scratch: A folder outside the project for this run alone; it is gone when the run has ended.
        env: The environment of the commands.
    """

    root: Path
    changed: tuple[str, ...]
    scratch: Path
    env: Mapping[str, str]

    def program(self, name: str, hint: str) -> str:
        """Return where a program lies.

        Raises:
            CannotError: It is not on PATH; `hint` says what to do.
        """
        found = shutil.which(name, path=self.env.get("PATH"))
        if found is None:
            raise CannotError(f"{name} is not on PATH, so the tests of {self.root} cannot be run.", hint)
        return found


class Listener(Protocol):
    """Reads what one command says."""

    story: Story
    lacking: str
    """Why its report is not whole; empty when it is. Known when it has concluded."""

    def take(self, line: bytes) -> None:
        """Take one line of the results channel; one that is not understood is passed over."""

    def conclude(self, ended: Ended) -> Finding:
        """Return what the command's run says, once it has ended by itself. May block."""

    def wrote(self) -> Wrote:
        """Return what it wrote into the project, as `TestRun.wrote` does."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a run. The verdict is the last one's, which runs everything.

    Attributes:
        stage: What it runs: what the change touches, or everything.
        argv: The command.
        listener: Reads what it says.
        path: Folders that come first on its PATH.
        extra: More variables for it.
    """

    stage: Stage
    argv: tuple[str, ...]
    listener: Listener
    path: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


class Tool(Protocol):
    """One runner."""

    @property
    def name(self) -> str:
        """What people call it."""

    def steps(self, place: Place) -> Sequence[Step]:
        """Return the commands to run, in order. May block on the file system.

        Raises:
            CannotError: The runner is not there; says what to install.
            UsageError: The settings for it are wrong.
        """


def relayed(argv: Sequence[str], *, mark: str, hidden: str = NOTHING, merge: bool = False) -> tuple[str, ...]:
    """Return the command under `relay.py`, which tells the lines that it prints.

    Args:
        argv: The command.
        mark: Lines that match are always told; of those between two of them, the first 64 KiB.
        hidden: Lines that match are told, but are not part of the output for people.
        merge: Whether stderr is read as well.
    """
    return (sys.executable, "-I", "-S", "-E", str(RELAY), *(("--merge",) if merge else ()), mark, hidden, *argv)


class Relayed:
    """Takes the lines that `relay.py` tells and hands each on.

    Args:
        take_text: Takes each line of the command's stdout.
    """

    def __init__(self, take_text: Callable[[str], None]) -> None:
        self.refusal = ""
        self._take_text = take_text

    def take(self, line: bytes) -> None:
        """Take one line of the results channel."""
        try:
            said = json.loads(line)
            match said["kind"]:
                case "lines":
                    for text in said["texts"]:
                        self._take_text(text)
                case "cut":
                    self._take_text(f"... {int(said['bytes'])} bytes left out ...")
                case "failed":
                    self.refusal = str(said["text"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return
