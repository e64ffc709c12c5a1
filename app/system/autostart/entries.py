"""What a start at login is made of: its command line, its entry, and the Protocol of a way to have one."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Protocol

from app.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

MODULE = ("-P", "-m", "app.main")
"""Behind an interpreter, where there is no script; -P, so that no folder `app` of the current one is taken for it."""

SCRIPTS = frozenset({"watchkeeper", "watchkeeper.exe"})
KEEP = "--keep"


class Method(StrEnum):
    """A way to be started at login, by the name that the command line has for it."""

    XDG = "xdg"
    SYSTEMD = "systemd"
    LAUNCHAGENT = "launchagent"
    RUN = "run"
    TASK = "task"


@dataclass(frozen=True, slots=True)
class Start:
    """What is started at login.

    Attributes:
        program: The program and what makes it Watchkeeper: the script's path alone, or an interpreter and `MODULE`.
        projects: The folders to watch, absolute; none for those of the settings.
        home: The value of WATCHKEEPER_HOME; empty where it is not set.
    """

    program: tuple[str, ...]
    projects: tuple[str, ...] = ()
    home: str = ""

    def words(self, *, keeps: bool) -> tuple[str, ...]:
        """Return the command line.

        Args:
            keeps: Whether the method itself starts it again after a crash; else the small parent is started that does.
        """
        return (*self.program, *(() if keeps else (KEEP,)), *self.projects)


@dataclass(frozen=True, slots=True)
class Entry:
    """What was found of one method.

    Attributes:
        where: The file, or what the entry is called where it is no file.
        start: What it starts; None when it was not written by Watchkeeper, or changed beyond what is understood.
        is_on: False when it was switched off by the desktop's own tools.
        trouble: What else keeps it from working; empty when nothing is known of.
        hint: What to do about that.
        is_older: Whether something stands in it otherwise than it would be written now, for the same start.
    """

    method: Method
    where: str
    start: Start | None
    is_on: bool = True
    trouble: str = ""
    hint: str = ""
    is_older: bool = False


class StartMethod(Protocol):
    """A way to be started at login."""

    @property
    def name(self) -> Method:
        """Which one it is."""

    @property
    def keeps(self) -> bool:
        """Whether it starts a program again that crashed."""

    def read(self) -> Entry | None:
        """Return what there is; None when there is nothing.

        Raises:
            CannotError: It cannot be read.
        """

    def write(self, start: Start) -> None:
        """Have this started at login, in place of what there was, and switched on. All of it is done, or nothing.

        Raises:
            CannotError: It cannot be written, or cannot be expressed in this method's own form.
        """

    def move(self, start: Start) -> None:
        """Have what there is start this; whether it is switched on stays as it is.

        Raises:
            CannotError: As for `write`.
        """

    def remove(self) -> None:
        """Remove what there is; without effect when there is nothing.

        Raises:
            CannotError: It cannot be removed.
        """


def start_of(words: Sequence[str], home: str = "") -> Start | None:
    """Return what a command line starts; None when it is none that Watchkeeper writes.

    Args:
        words: The command line, unquoted.
        home: The WATCHKEEPER_HOME that comes with it.
    """
    if tuple(words[1 : 1 + len(MODULE)]) == MODULE:
        program, rest = tuple(words[: 1 + len(MODULE)]), words[1 + len(MODULE) :]
    elif words and {PurePosixPath(words[0]).name, PureWindowsPath(words[0]).name.lower()} & SCRIPTS:
        program, rest = (words[0],), words[1:]
    else:
        return None
    if rest and rest[0] == KEEP:
        rest = rest[1:]
    if any(word.startswith("-") for word in rest):
        return None
    return Start(program, tuple(rest), home)


def require_writable(start: Start) -> None:
    """Refuse what no method's form can hold: control characters, and names that are no text.

    Raises:
        UsageError: Program, project or home has such a character.
    """
    for word in (*start.program, *start.projects, start.home):
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in word):
            raise UsageError(
                f"{word!r} cannot be started at login: its name has a line break, another control character, or is "
                "not in UTF-8.",
                "Give the folder another name, or name the project in the settings instead.",
            )
