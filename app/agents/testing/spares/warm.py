"""A worker that waits for its order, and what makes it unfit: a change of something that it has already loaded.

A worker (`worker/__init__.py` explains its lines) waits twice. Warm, it has imported pytest, its plugins and other
people's modules, but no conftest; it may serve a change that touches nothing of what it has loaded. Told to load, it
imports the conftests, configures the session, collects a file ahead if told to, and waits for what to run. What it
holds then is as old as that moment: it serves that change only, and only when nothing happened since.
"""

from __future__ import annotations

import enum
import json
import sys
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.agents.testing.running.environment import is_configuration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from app.engine.processes import GuardedProcess

_TOP_OF_PYTEST = frozenset(
    {"pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "exceptiongroup", "tomli", "colorama", "py"}
)
_MODULE_SUFFIXES = (".py", ".so", ".pyd")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a worker is started with.

    Attributes:
        interpreter: The Python that runs it.
        args: Arguments for pytest.
        preload: Modules of other people that it imports ahead, by name.
    """

    interpreter: str
    args: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()

    def covers(self, other: Recipe) -> bool:
        """Return whether a worker of the other recipe will do for this one: it has imported nothing beyond it."""
        return (self.interpreter, self.args) == (other.interpreter, other.args) and not (
            set(other.preload) - set(self.preload)
        )


@dataclass(frozen=True, slots=True)
class Changed:
    """Files that changed since a worker was started.

    Attributes:
        paths: Relative to the project's root, with forward slashes, folded (`fold`).
        new_or_gone: Those of them that were created or deleted.
    """

    paths: frozenset[str]
    new_or_gone: frozenset[str]

    @classmethod
    def of(cls, paths: Iterable[str], new_or_gone: Iterable[str] | None = ()) -> Changed:
        """Fold paths; with None, each of them may have been created or deleted."""
        folded = frozenset(map(fold, paths))
        return cls(folded, folded if new_or_gone is None else frozenset(map(fold, new_or_gone)))

    @property
    def has_configuration(self) -> bool:
        """True when one is a file that settles how pytest is configured."""
        return any(map(is_configuration, self.paths))

    def may_shadow(self, names: frozenset[str]) -> bool:
        """Return whether one was created or deleted by which `import` of a top-level name may find something else."""
        return any(
            path.endswith(_MODULE_SUFFIXES) and not names.isdisjoint((*path.split("/")[:-1], _stem(path)))
            for path in self.new_or_gone
        )


class Warmth(enum.Enum):
    """How far a worker is."""

    WARMING = "warming"
    READY = "ready"
    LOADING = "loading"
    LOADED = "loaded"

    @property
    def is_deep(self) -> bool:
        """True when the project's own code takes part already."""
        return self in (Warmth.LOADING, Warmth.LOADED)


class Worker:
    """One interpreter of the user's that runs tests once.

    Args:
        process: It.
        recipe: What it was started with.
        close: Ends it.
    """

    def __init__(self, process: GuardedProcess, recipe: Recipe, *, close: Callable[[], Awaitable[None]]) -> None:
        self.process = process
        self.recipe = recipe
        self.warmth = Warmth.WARMING
        self.rss = 0
        self.has_no_pytest = False
        self.has_collected = False
        """True when it was told to collect a file ahead: then it can no longer run all tests in pytest's own order."""
        self._is_ordered = False
        self._close = close
        self._on_close: Callable[[], None] | None = None
        self._kept: list[bytes] = []
        self._files: set[str] = set()
        self._names = sys.stdlib_module_names | _TOP_OF_PYTEST | {name.partition(".")[0] for name in recipe.preload}

    @property
    def is_ready(self) -> bool:
        """True once it is warm; told of as long as it is a spare one."""
        return self.warmth is not Warmth.WARMING

    @property
    def loaded_files(self) -> frozenset[str] | None:
        """The project's files that it has loaded or read, folded; None as long as that is not known."""
        known = self.warmth in (Warmth.READY, Warmth.LOADED)
        return frozenset(self._files) if known else None

    def warm(self, *, in_time: bool) -> None:
        """Have it import what its recipe names, and wait.

        Args:
            in_time: Whether nobody waits for it yet, so that it has time for more.
        """
        self._send({"do": "warm", "preload": list(self.recipe.preload), "rehearse": in_time})

    def load(self, *, coverage: bool = False, trace: str = "cheap") -> None:
        """Have it load the project's conftests, unless it was told so before.

        Args:
            coverage: Whether coverage.py is to measure from there on.
            trace: Whether what is executed from there on may be traced; see `orders.Order`.

        Raises:
            ValueError: It loads already, and without coverage.
        """
        if self.warmth.is_deep:
            if coverage:
                raise ValueError("This worker has loaded the project without coverage.")
            return
        self.warmth = Warmth.LOADING
        self._send({"do": "load", "coverage": coverage, "trace": trace})

    def collect(self, chunk: Mapping[str, object], *, trace: str) -> None:
        """Have it collect the file that will most likely run first, if it loads and does not know what to run yet.

        Args:
            chunk: The file, as in the order to run.
            trace: As in that order.
        """
        if self.warmth.is_deep and not (self.has_collected or self._is_ordered):
            self.has_collected = True
            self._send({"do": "collect", "chunk": dict(chunk), "trace": trace})

    def run(self, order: Mapping[str, object]) -> None:
        """Have it run what the order says."""
        self._is_ordered = True
        self._send(order)

    def _send(self, order: Mapping[str, object]) -> None:
        self.process.send(json.dumps(order).encode("ascii") + b"\n")

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield what it tells, from its start, save that it is ready and has loaded when a spare one told so."""
        for line in self._kept:
            yield line
        self._kept.clear()
        async for line in self.process.lines():
            yield line

    def on_close(self, action: Callable[[], None]) -> None:
        """Have this called once, when the worker has been closed."""
        self._on_close = action

    async def aclose(self) -> None:
        """End it and all that it started, if it still runs."""
        try:
            await self._close()
        finally:
            action, self._on_close = self._on_close, None
            if action is not None:
                action()

    def hear(self, line: bytes) -> Warmth | None:
        """Take a line that it told while it is a spare one. Returns how far it came, if the line says so."""
        try:
            said: dict[str, Any] = json.loads(line)
            match said["kind"]:
                case "ready" if self.warmth is Warmth.WARMING:
                    warmth = Warmth.READY
                case "loaded" if self.warmth is Warmth.LOADING:
                    warmth = Warmth.LOADED
                case kind:
                    self.has_no_pytest = self.has_no_pytest or kind == "no-pytest"
                    self._kept.append(line)
                    return None
            self._files.update(fold(str(path)) for path in (*said.get("files", ()), *said.get("read", ())))
            self.rss = int(said.get("rss", 0)) or self.rss
        except (ValueError, KeyError, TypeError, RecursionError):
            self._kept.append(line)
            return None
        self.warmth = warmth
        return warmth

    def serves(self, changed: Changed) -> bool:
        """Return whether what it holds is not touched by a change that came when it had been started."""
        if changed.has_configuration or changed.may_shadow(self._names):
            return False
        return self._files.isdisjoint(changed.paths)


def fold(path: str) -> str:
    """Return a path as it is compared: two spellings of one file on a file system that tells no case are the same."""
    return unicodedata.normalize("NFC", path).casefold()


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(path: str) -> str:
    return _name(path).partition(".")[0]
