"""What is touched of the project by whatever runs now: functions, files, folders, other processes."""

# A frame is the only thing that says who opens a file (SLF001).
# ruff: noqa: PTH118, PTH120, SLF001 - pathlib costs time
from __future__ import annotations

import importlib
import linecache
import os
import sys

from .audit import READING_TOO, WRITING, path_in

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    from .audit import Audit
    from .project import Project
    from .results import Results

CODES_IN_A_LINE = 500

STARTS_A_PROCESS = (
    "subprocess.Popen",
    "os.system",
    "os.fork",
    "os.forkpty",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.startfile/2",
    "pty.spawn",
    "_winapi.CreateProcess",
)
"""Audit events. `multiprocessing` starts processes without one, see `FUNCTIONS_THAT_START`."""

FUNCTIONS_THAT_START = frozenset(("spawnv_passfds", "connect_to_new_process"))
"""Of multiprocessing.util and multiprocessing.forkserver."""

MULTIPROCESSING = os.path.join("", "multiprocessing", "")


class Touched:
    """What one test, one fixture, or all the rest touched; and the fixtures whose share is part of it."""

    __slots__ = ("codes", "listed", "opaque", "read", "uses")

    def __init__(self) -> None:
        self.codes: set[int] = set()
        self.read: set[str] = set()
        self.listed: set[str] = set()
        self.opaque = False
        self.uses: set[Touched] = set()

    def whole(self) -> Touched:
        """Return it with the shares of all fixtures that it uses, and that those use."""
        whole, seen, ahead = Touched(), {self}, [self]
        while ahead:
            part = ahead.pop()
            whole.codes |= part.codes
            whole.read |= part.read
            whole.listed |= part.listed
            whole.opaque = whole.opaque or part.opaque
            ahead += part.uses - seen
            seen |= part.uses
        return whole

    def fields(self) -> dict[str, object]:
        """Return what is told of it."""
        return {
            "codes": sorted(self.codes),
            "read": sorted(self.read),
            "listed": sorted(self.listed),
            "opaque": self.opaque,
        }


class Codes:
    """Numbers for the project's functions."""

    def __init__(self, project: Project, results: Results) -> None:
        self._project = project
        self._results = results
        # By identity: to compare two code objects is to compare all that they hold. Each is kept, so no id is reused.
        self._numbers: dict[int, tuple[int, CodeType]] = {}
        self._places: dict[tuple[str, int, str], int] = {}
        self._fresh: list[tuple[int, str, int, str]] = []

    def number(self, code: CodeType) -> int:
        """Return a function's number; negative for those of others, and -2 for one that starts a process."""
        known = self._numbers.get(id(code))
        if known is not None:
            return known[0]
        path = self._project.code_name(code.co_filename)
        if not path:
            return -2 if code.co_name in FUNCTIONS_THAT_START and MULTIPROCESSING in code.co_filename else -1
        place = (path, code.co_firstlineno, code.co_name)
        number = self._places.get(place)
        if number is None:
            number = self._places[place] = len(self._places)
            self._fresh.append((number, *place))
        self._numbers[id(code)] = (number, code)
        return number

    def tell(self) -> None:
        """Tell the numbers that are new; a line that uses them follows."""
        fresh, self._fresh = self._fresh, []
        for place in range(0, len(fresh), CODES_IN_A_LINE):
            self._results.hold("codes", add=fresh[place : place + CODES_IN_A_LINE])


class Touches:
    """Notes in `now` what is opened for reading, listed and started.

    Attributes:
        now: Where it is noted.
        outside: Where everything is noted that is no test's and no fixture's.
    """

    def __init__(self, project: Project, audit: Audit, pytest_folder: str) -> None:
        self.outside = Touched()
        self.now = self.outside
        self._project = project
        self._getframe = sys._getframe
        self._importers = frozenset((importlib.__file__, linecache.__file__))
        library = os.path.dirname(os.__file__)
        self._between = (
            os.path.join(os.path.dirname(__file__), ""),
            "<frozen os>",
            *(os.path.join(library, name) for name in ("pathlib", "tokenize.py", "os.py")),
        )
        self._pytest = os.path.join(pytest_folder, "")
        audit.on(("open",), self._opened)
        audit.on(("sqlite3.connect",), self._read)
        audit.on(("os.listdir", "os.scandir"), self._listed)
        audit.on(STARTS_A_PROCESS, self._started)

    def _opened(self, args: tuple[Any, ...]) -> None:
        flags = args[2]
        if not isinstance(flags, int):
            flags = 0
        if flags & getattr(os, "O_DIRECTORY", 0):
            self._listed(args)
        elif not flags & WRITING or flags & READING_TOO:
            self._read(args)

    def _read(self, args: tuple[Any, ...]) -> None:
        name = self._project.name(path_in(args[0]) or os.sep)
        if name.endswith(".pyc") or (name.endswith(".py") and self._is_import()):
            return
        if name:
            self.now.read.add(name)

    def _listed(self, args: tuple[Any, ...]) -> None:
        name = self._project.name("." if args[0] is None else path_in(args[0]) or os.sep)
        if name and not self._is_import():
            self.now.listed.add(name)

    def _started(self, args: tuple[Any, ...]) -> None:
        del args
        self.now.opaque = True

    def _is_import(self) -> bool:
        """Return whether it is the import system that asks, pytest as it collects, or a traceback being written."""
        frame: Any = self._getframe(2)
        while frame is not None and frame.f_code.co_filename.startswith(self._between):
            frame = frame.f_back
        name = frame.f_code.co_filename if frame is not None else ""
        return name.startswith(("<frozen importlib", self._pytest)) or name in self._importers
