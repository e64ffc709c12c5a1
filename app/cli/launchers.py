"""What the command line starts but does not know: the composition root hands it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrayOptions:
    """How the tray is to start; `window` opens the window at once."""

    window: bool = False


@dataclass(frozen=True, slots=True)
class OnceOptions:
    """How `once` is to run and to tell: `as_json` prints one document, `coverage` measures with coverage.py too."""

    as_json: bool = False
    coverage: bool = False


@dataclass(frozen=True, slots=True)
class Launchers:
    """Each returns the exit code; paths are absolute and exist. A WatchkeeperError from one is told to the person.

    Attributes:
        tray: Tray and agents for these projects (none named: those of the settings), or raise the one that runs.
        headless: Agents without a tray for one project, until told to stop; the bool asks for JSON lines.
        once: One cycle for one project: select, run, report. The changed files are relative to the project's root,
            with forward slashes; none named means all tests.
    """

    tray: Callable[[tuple[Path, ...], TrayOptions], int]
    headless: Callable[[Path, bool], int]
    once: Callable[[Path, tuple[str, ...], OnceOptions], int]
