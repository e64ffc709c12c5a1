"""The agent: sees that work is declared finished, audits it, and answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from app.agents.auditing.answers import answer_beside
from app.agents.auditing.auditor import Wanted
from app.agents.auditing.facts import facts_of
from app.agents.auditing.host.known import chosen, known_checks, unknown_among
from app.agents.auditing.memory import mute, unmute
from app.agents.auditing.standing import rejudged
from app.agents.auditing.triggers import CommitLook, MarkerLook, crossed, is_due, is_quiet
from app.domain.errors import UsageError, WatchkeeperError
from app.domain.events import AuditChanged, AuditEnded, AuditKept
from app.domain.findings import AuditView, Severity, Standing, Trigger, TriggerKind
from app.engine.notices import Notices
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.agents.auditing.accounts import Accounts
    from app.agents.auditing.archive import Archive
    from app.agents.auditing.auditor import Auditor
    from app.agents.auditing.aws.named import NamedAccount
    from app.agents.auditing.memory import Memories, Memory
    from app.agents.auditing.plugin import Progressed
    from app.agents.auditing.settings import AuditSettings
    from app.domain.events import Event
    from app.domain.findings import AuditReport, Standings
    from app.domain.snapshot import ProjectView
    from app.engine.clock import Clock
    from app.engine.heartbeat import Pulse

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0
PROGRESS_S = 0.5
"""How often it is told how far an audit is."""
MARKERS_AT_ONCE = 20
"""Markers of one audit whose claims are checked, and beside which it is answered; the newest."""
MOST_WORST = 3
WAITING = "waiting"


@dataclass
class _Due:
    """An audit that is to begin: the first trigger, and what was folded into it."""

    trigger: Trigger
    markers: list[str] = field(default_factory=list)

    def fold(self, trigger: Trigger, marker: str) -> None:
        """Take a later trigger into it; what a person asks for need not wait, so that it is told as asked for."""
        first = trigger if trigger.kind is TriggerKind.ASKED else self.trigger
        self.trigger = replace(first, others=self.trigger.others + 1)
        self.add(marker)

    def add(self, marker: str) -> None:
        """Take a marker into it."""
        if marker and marker not in self.markers:
            self.markers.append(marker)


@dataclass
class _Project:
    """What goes on in one project."""

    root: Path
    markers: MarkerLook
    commits: CommitLook
    view: AuditView
    is_told: bool = False
    due: _Due | None = None
    running: asyncio.Task[None] | None = None
    account: NamedAccount | None = None


class AuditAgent:
    """It; one for the program, whatever is watched.

    Args:
        auditor: Audits.
        memories: What is known of each project.
        archive: The reports of audits that were.
        plugins: The folder into which further checks are installed.
        settings: Gives the settings in force.
        projects: Gives what is watched, by root folder.
        publish: Takes events.
        clock: Time.
        look_every_s: How often it looks whether work was declared finished.
        accounts: The accounts that are audited beside projects; None for none.
    """

    def __init__(
        self,
        auditor: Auditor,
        memories: Memories,
        archive: Archive,
        *,
        plugins: Path,
        settings: Callable[[], AuditSettings],
        projects: Callable[[], Mapping[str, ProjectView]],
        publish: Callable[[Event], None],
        clock: Clock,
        look_every_s: float = LOOK_EVERY_S,
        accounts: Accounts | None = None,
    ) -> None:
        self._auditor = auditor
        self._memories = memories
        self._archive = archive
        self._plugins = plugins
        self._settings = settings
        self._watched = projects
        self._publish = publish
        self._clock = clock
        self._look_every_s = look_every_s
        self._accounts = accounts
        self._began = clock.wall()
        self._notices = Notices(publish, clock)
        self._projects: dict[str, _Project] = {}
        self._turn = asyncio.Lock()
        self._turn_of_accounts = asyncio.Lock()
        self._pulse: Pulse | None = None

    @property
    def name(self) -> str:
        """Return the agent's name."""
        return "audits"

    async def run(self, pulse: Pulse) -> None:
        """Look for what declares work finished, until told to stop; then end the audits that are on their way."""
        self._pulse = pulse
        pulse.waiting = lambda: sum(each.running is not None for each in self._projects.values())
        try:
            while not pulse.stopping.is_set():
                pulse.beat()
                accounts = self._of_settings()
                await self._forget_accounts(accounts)
                for root in (*self._watched(), *accounts):
                    project = await self._project(root)
                    if pulse.unpaused.is_set() and self._settings().enabled:
                        await self._look(project)
                    self._tell(project, project.view)
                    self._begin(project)
                await pulse.rest(self._look_every_s)
        finally:
            await self._end([each for each in self._projects.values() if each.running is not None])

    async def start(self, root: str) -> None:
        """Audit a project now, or after the audit that is on its way.

        Raises:
            UsageError: Nobody watches it.
        """
        if root not in self._watched() and root not in self._of_settings():
            raise UsageError(f"{root} is not watched.", f"Audit it without being watched: watchkeeper audit {root}")
        project = await self._project(root)
        self._fold(project, Trigger(TriggerKind.ASKED, "asked for"))
        self._begin(project)

    async def cancel(self, root: str) -> None:
        """End the audit of a project, and what waits behind it; calm when there is none."""
        project = self._projects.get(root)
        if project is not None:
            project.due = None
            await self._end([project])

    async def report(self, root: str, audit: str = "") -> AuditReport | None:
        """Return a report of a project by its id, or its last one."""
        return await asyncio.to_thread(self._reread, Path(root), audit)

    async def known(self, root: str) -> AuditReport | None:
        """Return all that is known of a project's findings: the last report, with what audits of some checks add."""
        path = Path(root)
        return await asyncio.to_thread(lambda: self._muted(path, self._archive.together(path)))

    def _reread(self, root: Path, audit: str = "") -> AuditReport | None:
        return self._muted(root, self._archive.read(root, audit))

    def _muted(self, root: Path, report: AuditReport | None) -> AuditReport | None:
        """Return a report with what is muted now, whenever it was made."""
        if report is None:
            return None
        return rejudged(report, self._memories.read(root).mutes, now=self._clock.wall())

    async def mute(self, root: str, fingerprint: str, reason: str, days: int) -> None:
        """Be silent about a finding from now on, also in the last report.

        Raises:
            UsageError: There is no such finding, or no reason.
            CannotError: It cannot be kept.
        """

        def change() -> None:
            with self._memories.changing(Path(root)) as memory:
                mute(memory, fingerprint, reason, days=days, now=self._clock.wall())

        await asyncio.to_thread(change)
        await self._again(root)

    async def unmute(self, root: str, fingerprint: str) -> None:
        """Tell of a finding again.

        Raises:
            UsageError: It is not muted.
            CannotError: It cannot be kept.
        """

        def change() -> None:
            with self._memories.changing(Path(root)) as memory:
                unmute(memory, fingerprint)

        await asyncio.to_thread(change)
        await self._again(root)

    async def _again(self, root: str) -> None:
        """Tell anew how the last audit stands."""
        project = self._projects.get(root)
        if project is not None:
            report = await self.report(root)
            self._tell(project, replace(_view_of(root, project.account, report), running=project.view.running))

    async def _project(self, root: str) -> _Project:
        known = self._projects.get(root)
        if known is not None:
            return known
        path = Path(root)
        account = self._of_settings().get(root)
        view = _view_of(root, account, await asyncio.to_thread(self._reread, path))
        made = _Project(path, MarkerLook(path), CommitLook(path), view, account=account)
        return self._projects.setdefault(root, made)

    def _of_settings(self) -> Mapping[str, NamedAccount]:
        return self._accounts.of_settings() if self._accounts is not None else {}

    async def _forget_accounts(self, accounts: Mapping[str, NamedAccount]) -> None:
        """Let go of accounts that the settings name no more: a view without its name is shown by no face."""
        for root, project in list(self._projects.items()):
            if project.account is not None and root not in accounts:
                await self._end([project])
                self._tell(project, AuditView(root))
                del self._projects[root]

    async def _look(self, project: _Project) -> None:
        settings, view = self._settings(), self._watched().get(str(project.root))
        percent = view.coverage.percent if view is not None and view.coverage is not None else -1.0
        try:
            found = await asyncio.to_thread(self._found, project, settings, percent)
        except WatchkeeperError as error:
            self._notices.show("audits", error.message, error.hint)
            return
        self._notices.show("audits", "")
        for trigger, marker in found:
            self._fold(project, trigger, marker)
        if (
            project.running is None
            and await asyncio.to_thread(self._archive.newest, project.root) != project.view.last_id
        ):
            await self._again(str(project.root))  # a command audited meanwhile

    def _found(self, project: _Project, settings: AuditSettings, percent: float) -> list[tuple[Trigger, str]]:
        """Return what declares work finished and was not seen before. Blocks."""
        now = self._clock.wall()
        before = self._memories.read(project.root)
        if project.account is not None and self._accounts is not None:
            return self._found_of_account(project, before, self._accounts.daily, now)
        seen = set(before.markers)
        markers = [each for each in project.markers.look(settings.markers) if each.digest not in seen]
        commits = project.commits.look(before, settings)
        is_crossed = crossed(before.coverage, percent, settings.coverage.threshold)
        is_day = is_due(settings.daily, before.daily_at, now)
        is_known = before.looked and not commits and not markers and not is_day
        if is_known and (percent < 0 or percent == before.coverage) and not project.commits.is_moved:
            return []
        with self._memories.changing(project.root) as memory:
            self._remember(memory, before, [each.digest for each in markers], percent)
            memory.daily_at = now if is_day else memory.daily_at
        if not before.looked:  # what was there before Watchkeeper came is no news
            return [(Trigger(TriggerKind.MARKER, each.path), each.path) for each in markers if each.at >= self._began]
        told = [(Trigger(TriggerKind.MARKER, each.path), each.path) for each in markers]
        told += [(each, "") for each in commits]
        if is_crossed:
            told.append((Trigger(TriggerKind.COVERAGE, f"coverage {percent:.1f} %"), ""))
        if is_day:
            told.append((Trigger(TriggerKind.SCHEDULE, f"daily at {settings.daily}"), ""))
        return told

    def _found_of_account(self, project: _Project, before: Memory, daily: str, now: float) -> list[tuple[Trigger, str]]:
        if not is_due(daily, before.daily_at, now):
            return []
        with self._memories.changing(project.root) as memory:
            memory.daily_at = now
        return [(Trigger(TriggerKind.SCHEDULE, f"daily at {daily}"), "")]

    @staticmethod
    def _remember(memory: Memory, seen: Memory, markers: list[str], percent: float) -> None:
        memory.markers += markers
        memory.commit, memory.tags = seen.commit, seen.tags
        memory.coverage = percent if percent >= 0 else memory.coverage
        memory.looked = True

    @staticmethod
    def _fold(project: _Project, trigger: Trigger, marker: str = "") -> None:
        if project.due is None:
            project.due = _Due(trigger)
            project.due.add(marker)
        else:
            project.due.fold(trigger, marker)

    def _begin(self, project: _Project) -> None:
        """Begin what is due, when nothing else goes on there and these are no quiet hours."""
        due, settings = project.due, self._settings()
        if due is None or project.running is not None:
            return
        is_asked = due.trigger.kind is TriggerKind.ASKED
        if not is_asked and is_quiet(settings.quiet_from, settings.quiet_to, self._clock.wall()):
            self._tell(project, replace(project.view, running=WAITING, trigger=due.trigger))
            return
        project.due = None
        project.running = spawn(self._audit(project, due), name="an audit")

    async def _audit(self, project: _Project, due: _Due) -> None:
        try:
            self._tell(project, replace(project.view, running=WAITING, trigger=due.trigger))
            # One at a time: the person's tests go first. An account may take hours, and mostly waits for AWS.
            async with self._turn if project.account is None else self._turn_of_accounts:
                _log.info("an audit begins", project=str(project.root), trigger=due.trigger.kind.value)
                report = await self._audited(project, due)
            await asyncio.to_thread(self._answer, project, due, report)
            self._told(project, report)
        except WatchkeeperError as error:
            self._notices.show(f"audit:{project.root}", error.message, error.hint)
        finally:
            project.running = None
            self._tell(project, replace(project.view, running=""))
        self._begin(project)

    async def _audited(self, project: _Project, due: _Due) -> AuditReport:
        def begins(title: str) -> None:
            self._tell(project, replace(project.view, running=title))

        told_at = -PROGRESS_S

        def progressed(title: str, how: Progressed) -> None:
            nonlocal told_at
            now = self._clock.monotonic()
            if now - told_at < PROGRESS_S and how.done < how.total:
                return
            told_at = now
            self._tell(project, replace(project.view, running=f"{title} {how.done:,} of {how.total:,}"))

        account = self._of_settings().get(str(project.root))
        if account is not None and self._accounts is not None:
            of_account = await self._accounts.wanted(account, due.trigger)
            return await self._auditor.audit(of_account, on_begin=begins, on_progress=progressed)
        settings = self._settings()
        known, troubles = await asyncio.to_thread(known_checks, self._plugins)
        self._notices.show("audit-checks", " ".join((*troubles, *unknown_among(known, settings.off))))
        markers = await asyncio.to_thread(_there, project.root, due.markers[-MARKERS_AT_ONCE:])
        checks = tuple(place for place in chosen(known, (), settings.left_out) if markers or place.id != "claims")
        wanted = Wanted(
            project.root,
            checks,
            due.trigger,
            tuple(markers),
            facts_of(self._watched().get(str(project.root))),
            settings.options(),
        )
        return await self._auditor.audit(wanted, on_begin=begins)

    def _answer(self, project: _Project, due: _Due, report: AuditReport) -> None:
        if not self._settings().answer:
            return
        markers = due.markers[-MARKERS_AT_ONCE:]
        past = self._archive.past(project.root, report.id) if markers else ()
        for marker in markers:
            try:
                answer_beside(project.root, marker, report, past, among=markers)
            except OSError as error:
                _log.warning("the answer beside a marker is not written", marker=marker, reason=str(error))

    def _told(self, project: _Project, report: AuditReport) -> None:
        _log.info(
            "an audit ended",
            project=str(project.root),
            verdict=report.verdict.value,
            findings=len(report.findings),
            took_s=round(report.duration_s, 2),
        )
        self._notices.show(f"audit:{project.root}", "")
        # Before it is told: who then asks for the audits so far is to see this one among them.
        self._publish(AuditKept(at=self._clock.wall(), project=str(project.root), report=report))
        self._tell(project, _view_of(str(project.root), project.account, report))
        least = self._settings().notify
        told = [each for each in report.findings if least != "never" and _is_told(each, Severity(least))]
        self._publish(
            AuditEnded(
                at=self._clock.wall(),
                project=str(project.root),
                audit=report.id,
                verdict=report.verdict,
                trigger=report.trigger,
                told=len(told),
                worst=tuple(each.finding for each in told[:MOST_WORST]),
            )
        )

    def _tell(self, project: _Project, view: AuditView) -> None:
        if view != project.view or not project.is_told:
            if self._pulse is not None:
                self._pulse.did()  # each check that begins, and each step of a long one, is told
            project.view, project.is_told = view, True
            self._publish(AuditChanged(at=self._clock.wall(), audit=view))

    async def _end(self, projects: list[_Project]) -> None:
        running = [each.running for each in projects if each.running is not None]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)


def _there(root: Path, markers: list[str]) -> list[str]:
    """Return those that nobody took back meanwhile."""
    return [each for each in markers if (root / each).is_file()]


def _is_told(each: Standings, least: Severity) -> bool:
    return each.standing is Standing.NEW and each.finding.severity.rank >= least.rank


def _view_of(root: str, account: NamedAccount | None, report: AuditReport | None) -> AuditView:
    target = account.title if account is not None else ""
    if report is None:
        return AuditView(root, target=target)
    counts = report.counts()
    return AuditView(
        root,
        trigger=report.trigger,
        last_id=report.id,
        last_at=report.started_at + report.duration_s,
        verdict=report.verdict,
        open=tuple((severity, count) for severity, count in counts.items() if count),
        new=sum(report.counts(Standing.NEW).values()),
        target=target,
    )
