"""An audit of a project, from its checks to its report."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from app.agents.auditing.context import Context, GitFailed
from app.agents.auditing.masking import text_without_secrets, without_secrets
from app.agents.auditing.memory import remembered
from app.agents.auditing.standing import judged
from app.agents.auditing.twice import told_once
from app.domain.findings import AuditReport, AuditVerdict, Checked, CheckOutcome, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from app.agents.auditing.archive import Archive
    from app.agents.auditing.host.heard import CheckPlace
    from app.agents.auditing.memory import Memories
    from app.agents.auditing.plugin import Progressed
    from app.engine.clock import Clock

_log = structlog.get_logger(__name__)

CLAIMS = "claims"
OF_THE_CHANGE = "leftovers"
AT_ONCE = 2
"""Checks that run at the same time: more would be felt by the person, and by the tests."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to audit.

    Attributes:
        root: The project's root folder.
        checks: Which checks, in the order in which they are told.
        trigger: What made it begin.
        markers: The markers' paths, relative to the root with `/`; the claims of each are checked.
        facts: What is known of the project's tests; see Context.
        options: Each check's settings, by its id.
        target: What is audited, in words, where that is no project; the checks may know more of it, as AuditReport has.
        environ: What the environment of its checks has besides, and no file; a variable with None it has not.
        only: The checks to which the audit is limited by name; empty for none.
    """

    root: Path
    checks: Sequence[CheckPlace]
    trigger: Trigger = field(default_factory=Trigger)
    markers: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    target: str = ""
    environ: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    only: Sequence[str] = ()


class Runs(Protocol):
    """Runs checks."""

    async def run(self, place: CheckPlace, context: Context) -> Checked:
        """Run a check, and return what it came to, whatever it does."""


class Programs(Protocol):
    """Runs checks, each in a program of its own."""

    async def run(
        self,
        place: CheckPlace,
        context: Context,
        *,
        environ: Mapping[str, str | None] | None = None,
        on_progress: Callable[[Progressed], None] | None = None,
    ) -> Checked:
        """Run a check, and return what it came to, whatever it does; for the arguments see CheckPrograms."""


class Auditor:
    """Audits projects. Cancelled, it ends every program that it started.

    Args:
        programs: Run the checks.
        memories: Keep what was found.
        archive: Keeps the reports.
        clock: Measures, and tells the time.
        new_id: Gives ids.
        inside: Run those checks, by their ids, that have no program of their own.
    """

    def __init__(
        self,
        programs: Programs,
        memories: Memories,
        archive: Archive,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        inside: Mapping[str, Runs] | None = None,
    ) -> None:
        self._programs = programs
        self._memories = memories
        self._archive = archive
        self._clock = clock
        self._new_id = new_id
        self._inside = inside or {}

    async def audit(
        self,
        wanted: Wanted,
        *,
        on_begin: Callable[[str], None] | None = None,
        on_check: Callable[[CheckOutcome], None] | None = None,
        on_progress: Callable[[str, Progressed], None] | None = None,
    ) -> AuditReport:
        """Audit a project, remember what was found, and return the report.

        Args:
            wanted: What to audit.
            on_begin: Called with each check's title as it begins.
            on_check: Called with each check's outcome as it ends.
            on_progress: Called with a check's title and how far it is.

        Raises:
            CannotError: What was found cannot be kept.
        """
        began, started_at = self._clock.monotonic(), self._clock.wall()
        memory = await asyncio.to_thread(self._memories.read, wanted.root)
        await asyncio.to_thread(remembered, memory, wanted.root)  # a mistake in the baseline is told before the work
        # an account's folder is ours, whatever repository it may lie in
        head = "" if wanted.target else await asyncio.to_thread(_head, wanted.root)
        since = memory.since if await asyncio.to_thread(_has, wanted.root, memory.since) else ""
        gate = asyncio.Semaphore(AT_ONCE)

        async def run(place: CheckPlace, marker: str) -> Checked:
            inside = self._inside.get(place.id)
            async with gate if inside is None else nullcontext():  # one that only waits for others keeps nobody waiting
                if on_begin is not None:
                    on_begin(place.title)
                context = Context(
                    wanted.root,
                    since=since,
                    head=head,
                    marker=marker,
                    facts=wanted.facts,
                    options=wanted.options.get(place.id, {}),
                )
                if inside is not None:
                    result = await inside.run(place, context)
                else:
                    told = None if on_progress is None else partial(on_progress, place.title)
                    result = await self._programs.run(place, context, environ=wanted.environ, on_progress=told)
            if on_check is not None:
                on_check(result.outcome)
            return result

        async with asyncio.TaskGroup() as group:
            runs = [
                [group.create_task(run(place, marker)) for marker in _markers(place, wanted)] for place in wanted.checks
            ]
        results = [joined([each.result() for each in one]) for one in runs]
        return await asyncio.to_thread(self._kept, wanted, results, head, started_at, began)

    def _kept(
        self, wanted: Wanted, results: Sequence[Checked], head: str, started_at: float, began: float
    ) -> AuditReport:
        now = self._clock.wall()
        results = [without_secrets(each) for each in results]
        with self._memories.changing(wanted.root) as memory:
            before, trouble = remembered(memory, wanted.root)
            stands = judged(results, before, now=now, markers=wanted.markers)
            memory.findings = {check: dict(found) for check, found in stands.findings_by_check.items()}
            found, fixed = told_once(stands.findings, stands.fixed)
            report = AuditReport(
                id=self._new_id(),
                project=str(wanted.root),
                started_at=started_at,
                duration_s=self._clock.monotonic() - began,
                trigger=replace(wanted.trigger, what=text_without_secrets(wanted.trigger.what)),
                checks=(*(each.outcome for each in results), *_of_baseline(trouble)),
                findings=found,
                fixed=fixed,
                head=head,
                target=next((each.target for each in results if each.target), wanted.target),
                only=tuple(wanted.only),
            )
            # What a change left behind must not leave the change before somebody has seen to it.
            if head and any(
                each.check == OF_THE_CHANGE and each.verdict is AuditVerdict.PASS for each in report.checks
            ):
                memory.since = head
        try:
            self._archive.keep(report, wanted.root)
        except OSError as error:
            _log.warning("the report of an audit is not kept", project=str(wanted.root), reason=str(error))
        return report


def _of_baseline(trouble: str) -> tuple[CheckOutcome, ...]:
    """Return the outcome that tells of a baseline that cannot be read: an audit that held to none never passes."""
    return (CheckOutcome("baseline", "Baseline", AuditVerdict.UNKNOWN, (trouble,)),) if trouble else ()


def _markers(place: CheckPlace, wanted: Wanted) -> Sequence[str]:
    """Return for which markers a check runs: that of claims for each, all others once."""
    return (wanted.markers or ("",)) if place.id == CLAIMS else ("",)


def joined(results: Sequence[Checked]) -> Checked:
    """Return what a check came to that ran several times: the worst verdict, and all that was found."""
    if len(results) == 1:
        return results[0]
    outcomes = [each.outcome for each in results]
    verdicts = {each.verdict for each in outcomes}
    worst = next(each for each in (AuditVerdict.FAIL, AuditVerdict.UNKNOWN, AuditVerdict.PASS) if each in verdicts)
    outcome = replace(
        outcomes[0],
        verdict=worst,
        reasons=tuple(dict.fromkeys(reason for each in outcomes for reason in each.reasons)),
        findings=sum(each.findings for each in outcomes),
        left_out=sum(each.left_out for each in outcomes),
        took_s=sum(each.took_s for each in outcomes),
    )
    return Checked(outcome, tuple(finding for each in results for finding in each.findings))


def _head(root: Path) -> str:
    with suppress(GitFailed):
        return Context(root).git("rev-parse", "--verify", "-q", "HEAD").strip()
    return ""


def _has(root: Path, commit: str) -> bool:
    """Return whether a commit is still there: history may have been written anew."""
    if not commit:
        return False
    with suppress(GitFailed):
        Context(root).git("merge-base", "--is-ancestor", commit, "HEAD")
        return True
    return False
