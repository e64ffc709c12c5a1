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
class AuditOptions:
    """How `audit` is to look and to tell.

    Attributes:
        only: The ids of the checks to run; none for all that the settings do not leave out.
        form: `text`, `json`, `sarif`, `html` or `md`.
        output: The file that the report goes to; None for stdout.
        fail_on: The least severity of a finding that makes the exit code 1; empty for none.
        baseline: Accept what is found: write the project's baseline file.
        marker: A marker file whose claims are checked, relative to the root with `/`; empty for none.
    """

    only: tuple[str, ...] = ()
    form: str = "text"
    output: Path | None = None
    fail_on: str = "high"
    baseline: bool = False
    marker: str = ""


@dataclass(frozen=True, slots=True)
class Launchers:
    """Each returns the exit code; paths are absolute and exist. A WatchkeeperError from one is told to the person.

    Attributes:
        tray: Tray and agents for these projects (none named: those of the settings), or raise the one that runs.
        headless: Agents without a tray for one project, until told to stop; the bool asks for JSON lines.
        once: One cycle for one project: select, run, report. The changed files are relative to the project's root,
            with forward slashes; none named means all tests.
        audit: One audit of one project, reported.
    """

    tray: Callable[[tuple[Path, ...], TrayOptions], int]
    headless: Callable[[Path, bool], int]
    once: Callable[[Path, tuple[str, ...], OnceOptions], int]
    audit: Callable[[Path, AuditOptions], int]
