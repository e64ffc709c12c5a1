"""Audits: what runs the checks, and what is kept of what they find."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from app.agents.auditing.archive import Archive
    from app.agents.auditing.auditor import Auditor, Runs
    from app.agents.auditing.context import Context
    from app.agents.auditing.host.heard import CheckPlace
    from app.agents.auditing.memory import Memories
    from app.agents.settings_in_force import SettingsInForce
    from app.cli.launchers import AuditOptions
    from app.domain.findings import AuditReport, Checked, Past, Standings
    from app.engine.clock import Clock
    from app.engine.places import Places
    from app.engine.supervisor import Supervisor
    from app.house.analysis import Advice
    from app.house.ground import Ground
    from app.keys.manager import Secrets

REVIEW_WAIT_S = 15.0
"""How long one request for a review waits; then comes the next one."""


@dataclass(frozen=True, slots=True)
class AuditRoom:
    """What audits need.

    Attributes:
        auditor: Audits.
        memories: What is known of each project.
        archive: The reports of audits that were.
        plugins: The folder into which further checks are installed.
    """

    auditor: Auditor
    memories: Memories
    archive: Archive
    plugins: Path


def audit_room(places: Places, *, clock: Clock, reviewer: Runs) -> AuditRoom:
    """Return what audits need, in the tray's program and in a command's alike.

    Args:
        places: Where Watchkeeper's files lie.
        clock: Measures, and tells the time.
        reviewer: Has changes reviewed by a model.
    """
    from app.agents.auditing.archive import Archive
    from app.agents.auditing.auditor import Auditor
    from app.agents.auditing.host.builtin import REVIEW
    from app.agents.auditing.host.program import CheckPrograms
    from app.agents.auditing.memory import Memories
    from app.engine.processes import ProcessRunner

    folder, plugins = places.data / "audits", places.data / "checks"
    memories, archive = Memories(folder), Archive(folder)
    runner = ProcessRunner(clock=clock)
    programs = CheckPrograms(runner, clock, environ=os.environ, cache=places.cache / "audits", plugins=plugins)
    auditor = Auditor(
        programs, memories, archive, clock=clock, new_id=lambda: uuid4().hex[:16], inside={REVIEW: reviewer}
    )
    return AuditRoom(auditor, memories, archive, plugins)


@asynccontextmanager
async def audits(
    ground: Ground, in_force: SettingsInForce, supervisor: Supervisor, advice: Advice, keys: Secrets
) -> AsyncIterator[None]:
    """Have an agent audit what is declared finished, and answer what faces ask."""
    from app.agents.auditing.accounts import Accounts
    from app.agents.auditing.agent import AuditAgent
    from app.agents.auditing.facts import facts_of
    from app.agents.auditing.host.known import REVIEW_PLACE
    from app.agents.auditing.repairs import Repairs
    from app.agents.auditing.review.desk import ReviewDesk
    from app.agents.auditing.review.ledger import Ledger
    from app.agents.auditing.review.reviewer import Reviewer
    from app.cli.aws.secrets import GIVEN
    from app.domain import commands
    from app.domain.fingerprints import finding_named
    from app.engine.processes import ProcessRunner
    from app.house.aws import folder_of_accounts, own_command

    bus, clock = ground.bus, ground.clock
    reviewer = Reviewer(
        advice.asking,
        Ledger(ground.places.data / "reviews"),
        work=advice.work.do,
        tokens=lambda: in_force.current.audits.review.tokens,
        clock=clock,
    )
    desk = ReviewDesk(reviewer, REVIEW_PLACE)
    room = audit_room(ground.places, clock=clock, reviewer=reviewer)
    agent = AuditAgent(
        room.auditor,
        room.memories,
        room.archive,
        plugins=room.plugins,
        settings=lambda: in_force.current.audits,
        projects=lambda: bus.snapshot.projects,
        publish=bus.publish,
        clock=clock,
        accounts=Accounts(folder_of_accounts(ground.places), lambda: in_force.current.audits.aws, keys),
    )
    supervisor.add(agent)
    repairs = Repairs(
        folder_of_accounts(ground.places),
        own_command(),
        runner=ProcessRunner(clock=clock),
        environ=os.environ,
        secrets=keys,
        given=GIVEN,
    )

    async def finding(asked: commands.ReadFinding) -> Standings | None:
        report = await agent.known(asked.project)
        return finding_named(report, asked.fingerprint) if report is not None else None

    async def report(asked: commands.ReadAudit) -> AuditReport | None:
        return await (agent.known(asked.project) if asked.known else agent.report(asked.project, asked.audit))

    stack = AsyncExitStack()
    stack.push_async_callback(desk.close)
    stack.callback(bus.handle(commands.ReadReview, desk.read))
    stack.callback(bus.handle(commands.PlanRepair, repairs.plan))
    stack.callback(bus.handle(commands.ApplyRepair, repairs.apply))
    stack.callback(bus.handle(commands.RollBackRepair, repairs.roll_back))
    stack.callback(bus.handle(commands.StartAudit, lambda asked: agent.start(asked.project)))
    stack.callback(bus.handle(commands.CancelAudit, lambda asked: agent.cancel(asked.project)))
    stack.callback(bus.handle(commands.ReadAudit, report))
    stack.callback(bus.handle(commands.ReadFinding, finding))
    stack.callback(
        bus.handle(
            commands.MuteFinding,
            lambda asked: agent.mute(asked.project, asked.fingerprint, asked.reason, asked.days),
        )
    )
    stack.callback(bus.handle(commands.UnmuteFinding, lambda asked: agent.unmute(asked.project, asked.fingerprint)))
    stack.callback(
        bus.handle(commands.ReadAuditFacts, lambda asked: facts_of(bus.snapshot.projects.get(asked.project)))
    )
    async with stack:
        yield


@dataclass(frozen=True, slots=True)
class Done:
    """An audit that a command asked for.

    Attributes:
        report: What it came to.
        past: The audits before, the oldest first.
        notes: What else a person should know.
    """

    report: AuditReport
    past: tuple[Past, ...]
    notes: tuple[str, ...]


async def audit_once(
    places: Places, root: Path, options: AuditOptions, *, clock: Clock, tell: Callable[[str], None]
) -> Done:
    """Audit a project for a command. What a running instance knows of its tests is asked for.

    Args:
        places: Where Watchkeeper's files lie.
        root: The project's root folder.
        options: What the person asked for.
        clock: Measures, and tells the time.
        tell: Shows a line until the next one.

    Raises:
        UsageError: One of the checks that are asked for is none, or the baseline file is no such.
        CannotError: What is found cannot be kept.
    """
    from app.agents.auditing.auditor import Wanted
    from app.agents.auditing.host.known import chosen, known_checks, unknown_among
    from app.agents.settings_in_force import SettingsInForce
    from app.domain.errors import UsageError
    from app.domain.findings import CheckOutcome, Trigger, TriggerKind
    from app.house.audithistory import AuditRecord

    room = audit_room(places, clock=clock, reviewer=_InstanceReview(places, clock))
    settings, trouble = (await asyncio.to_thread(SettingsInForce, places)).general()
    known, troubles = await asyncio.to_thread(known_checks, room.plugins)
    troubles += unknown_among(known, settings.audits.off)
    try:
        checks = chosen(known, options.only, settings.audits.left_out)
    except LookupError as error:
        raise UsageError(str(error), "See what they do: watchkeeper audit --checks") from error
    if not options.marker:
        checks = tuple(place for place in checks if place.id != "claims" or options.only)
    left = len(checks)

    def ended(outcome: CheckOutcome) -> None:
        nonlocal left
        left -= 1
        tell(f"{outcome.title}: {outcome.verdict}; {left} more to come")

    tell(f"Auditing {root.name}: {len(checks)} checks")
    wanted = Wanted(
        root,
        checks,
        Trigger(TriggerKind.MARKER if options.marker else TriggerKind.ASKED, options.marker),
        (options.marker,) if options.marker else (),
        await asyncio.to_thread(_facts, places, root),
        settings.audits.options(),
        only=options.only,
    )
    async with AuditRecord(places, room.archive, clock=clock) as record:
        report = await room.auditor.audit(wanted, on_check=ended)
        past = await record.keep(report)
    return Done(report, past, (" ".join(trouble).strip(), *troubles, record.note))


class _InstanceReview:
    """Has the running instance review a change: it holds the keys, and what the person agreed to."""

    def __init__(self, places: Places, clock: Clock) -> None:
        self._places = places
        self._clock = clock

    async def run(self, place: CheckPlace, context: Context) -> Checked:
        """Return what the review came to; not known when no instance runs."""
        from app.agents.auditing.host.heard import Heard
        from app.cli.ai.documents import of_document
        from app.control.client import ControlClient
        from app.domain.commands import ReadReview
        from app.domain.errors import WatchkeeperError
        from app.domain.findings import Checked

        began = self._clock.monotonic()
        ask = ReadReview(project=str(context.root), since=context.since, wait_s=REVIEW_WAIT_S)

        def asked() -> object:
            with ControlClient(self._places) as client:
                return client.send(ask)

        try:
            while (told := await asyncio.to_thread(asked)) is None:
                pass
            return of_document(Checked, told)
        except WatchkeeperError as error:
            heard = Heard(place)
            heard.unknown(f"{error.message} {error.hint}".strip())
            return heard.checked(self._clock.monotonic() - began)


def _facts(places: Places, root: Path) -> dict[str, Any]:
    """Return what a running instance knows of a project's tests; nothing when none runs, or it does not watch it."""
    from app.control.client import ControlClient
    from app.domain.commands import ReadAuditFacts
    from app.domain.errors import WatchkeeperError

    try:
        with ControlClient(places) as client:
            facts: dict[str, Any] = client.send(ReadAuditFacts(project=str(root)))
    except WatchkeeperError:
        return {}
    return facts
