"""What the command line starts but does not know: the composition root hands it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrayOptions:
    """How the tray is to start.

    Attributes:
        window: Open the window at once.
        safe: Start no agents until somebody says so.
        keep: Start it as a child, and again whenever it ends unasked.
    """

    window: bool = False
    safe: bool = False
    keep: bool = False


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
class AccountOptions:
    """How `audit aws` is to look.

    Attributes:
        services: The services to look at; none for all.
        regions: The regions to look at; none for those of the settings.
        endpoint: Another address than that of AWS; empty for that of the settings.
        scheduler: A scheduler of Dask; empty for that of the settings.
        report: How to tell; `only`, `baseline` and `marker` are of projects alone.
    """

    services: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    endpoint: str = ""
    scheduler: str = ""
    report: AuditOptions = AuditOptions()


class Step(StrEnum):
    """What `audit fix` is to do: show a plan, apply it, or take back what was applied."""

    PLAN = "plan"
    APPLY = "apply"
    ROLL_BACK = "roll back"


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """What `audit fix` is to do.

    Attributes:
        finding: Which finding, or as many of its first digits as no other has.
        step: What to do.
        account: The account's name, where several have such a finding; empty for any.
        logs_to: The bucket that takes access logs; may be empty.
        kms_key: The key of KMS that encrypts; may be empty.
        keep_named: Whether those whom an ACL names keep what they have.
        force: Whether what others have changed since is overwritten when it is taken back.
        plan: The plan that was shown, as JSON; empty for a new one.
        is_quiet: Whether nothing is said while it is done.
        confirm: Asked once the plan is shown; says whether to go on.
        show: Is given the plan before that.
    """

    finding: str
    step: Step = Step.PLAN
    account: str = ""
    logs_to: str = ""
    kms_key: str = ""
    keep_named: bool = False
    force: bool = False
    plan: str = ""
    is_quiet: bool = False
    confirm: Callable[[], bool] = field(default=lambda: True, repr=False)
    show: Callable[[Mapping[str, Any]], None] = field(default=lambda _plan: None, repr=False)


SecretOf = Callable[[str, str], str]
"""Gives a secret of the vault by its name, and is told what for."""


@dataclass(frozen=True, slots=True)
class Launchers:
    """Each returns the exit code; paths are absolute and exist. A WatchkeeperError from one is told to the person.

    Attributes:
        tray: Tray and agents for these projects (none named: those of the settings), or raise the one that runs.
        headless: Agents without a tray for one project, until told to stop; the bool asks for JSON lines.
        once: One cycle for one project: select, run, report. The changed files are relative to the project's root,
            with forward slashes; none named means all tests.
        audit: One audit of one project, reported.
        audit_aws: One audit of each of these AWS accounts, of those of the settings where none is named, reported.
        repair: One step of a repair; gives what came of it as JSON holds it.
        bundle: Writes the report of the program's own state into a file, and gives what it holds, by name.
    """

    tray: Callable[[tuple[Path, ...], TrayOptions], int]
    headless: Callable[[Path, bool], int]
    once: Callable[[Path, tuple[str, ...], OnceOptions], int]
    audit: Callable[[Path, AuditOptions], int]
    audit_aws: Callable[[tuple[str, ...], AccountOptions, SecretOf], int]
    repair: Callable[[RepairOptions, SecretOf], Mapping[str, Any]]
    bundle: Callable[[Path], tuple[str, ...]]
