"""What happened: frozen values that agents and the engine publish on the bus.

`at` is always wall-clock time in seconds since the epoch (UTC), for people to read; nothing is decided by it.
`project` is the project's root folder as an absolute path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.health import Lateness

if TYPE_CHECKING:
    from app.domain.agents import AgentState
    from app.domain.analysis import AnalysisView, Answer, Exchange, Explained, Subject
    from app.domain.coverage import ChangedLines, Coverage
    from app.domain.findings import AuditReport, AuditVerdict, AuditView, Finding, Trigger
    from app.domain.health import ChannelView, HeldView, KeptBy, UncleanEnd, Vitals
    from app.domain.keys import VaultView
    from app.domain.releases import Release, UpdateView
    from app.domain.verdicts import Cause, Check, Stage, TestResult, TestState, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectWatched(Event):
    """A project is being watched from now on; `known` is what history remembers of its tests."""

    project: str
    name: str
    known: tuple[TestState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpreterFound(Event):
    """The Python that runs a project's tests was found; `source` says where: `.venv`, `VIRTUAL_ENV`, ..."""

    project: str
    interpreter: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A test run began; `run_id` is unique within the process and the history."""

    project: str
    run_id: str
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCollected(Event):
    """pytest collected `total` tests, and will run them now."""

    project: str
    run_id: str
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStaged(Event):
    """A run that chose its tests enters a stage.

    Attributes:
        stage: IMPACTED first, then REST.
        tests: How many tests the stage has, as far as that is known before it runs; None when it is not.
        verdict: For REST, what the impacted tests said, GREEN or RED; else None.
    """

    project: str
    run_id: str
    stage: Stage
    tests: int | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestsRan(Event):
    """Tests ended (a batch, in order); `running` is the test that runs now, or empty."""

    __test__ = False

    project: str
    run_id: str
    results: tuple[TestResult, ...]
    running: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """A test run ended.

    Attributes:
        verdict: What the run says; `CANCELLED` says nothing.
        message: For a verdict of trouble, what happened and what to do; else empty.
        duration_s: Seconds from start to end.
        gone: Tests of before that a complete run no longer has.
        output: The last part of what pytest printed, when the verdict is trouble; else empty.
    """

    project: str
    run_id: str
    verdict: Verdict
    message: str = ""
    duration_s: float
    gone: tuple[str, ...] = ()
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictChanged(Event):
    """Tests went from green to red or back, or a run's trouble came or went: what a person is told, once.

    Attributes:
        broke: Tests that were not red and now are, in the order in which they were seen.
        fixed: Tests that were red and now are green.
        gone: Tests that were red and no longer exist.
        trouble: The run's trouble when it came with this run; else None.
        recovered: The trouble that was there before and is gone; else None.
        message: For trouble, what happened and what to do.
        still_red: How many tests are red now, those of `broke` among them.
        complete: False when the run goes on, so that more may follow.
    """

    project: str
    run_id: str
    cause: Cause
    broke: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    trouble: Verdict | None = None
    recovered: Verdict | None = None
    message: str = ""
    still_red: int = 0
    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TestChecked(Event):
    """A red test had its second look, after the run in which it went red."""

    __test__ = False

    project: str
    nodeid: str
    check: Check


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCovered(Event):
    """A run's tests tell how much of its change they execute."""

    project: str
    run_id: str
    lines: ChangedLines


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageMeasured(Event):
    """coverage.py measured a whole run of a project's tests."""

    project: str
    coverage: Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChanged(Event):
    """An agent went into another state; `restarts` counts since the start of the program."""

    agent: str
    state: AgentState
    reason: str = ""
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentBeat(Event):
    """An agent's work loop showed that it lives; `progress` grows with the work done, `waiting` is what waits."""

    agent: str
    progress: int
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPaused(Event):
    """A person paused an agent; `until` is wall-clock time, or None for until it is resumed."""

    agent: str
    until: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResumed(Event):
    """A paused agent works again."""

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRaised(Event):
    """Something that people should know stands until it is cleared; a second one of the same key replaces it."""

    key: str
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeCleared(Event):
    """The notice of this key no longer holds."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationsSnoozed(Event):
    """Notifications are silent until this wall-clock time."""

    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultChanged(Event):
    """The vault stands otherwise than before: opened, locked, changed, or in trouble."""

    vault: VaultView


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotated(Event):
    """The vault's data key was replaced because it was due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLogBroken(Event):
    """The vault's access log is not what was written: told once for each problem, a sentence."""

    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretDue(Event):
    """A secret is to be renewed at its provider: told once for each due date.

    Attributes:
        name: The secret's.
        due: When, in seconds since the epoch; it may lie ahead, or be over.
    """

    name: str
    due: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationChanged(Event):
    """The explanation of a red test has come further; `answer` is what a model said, where one has, now or before."""

    project: str
    explained: Explained
    answer: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureAnswered(Event):
    """A model has explained a failure: kept, so that the same one is never paid for twice."""

    project: str
    nodeid: str
    fingerprint: str
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeEnded(Event):
    """A question of a conversation has its answer, or will have none."""

    conversation: str
    subject: Subject
    title: str
    exchange: Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationDeleted(Event):
    """A person has deleted a conversation."""

    conversation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditChanged(Event):
    """Where the audits of a project stand."""

    audit: AuditView


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEnded(Event):
    """An audit has ended. `worst` are the first of its new findings that are to be told, the most severe first.

    Attributes:
        told: How many new findings are to be told, by the severity that the settings name.
    """

    project: str
    audit: str
    verdict: AuditVerdict
    trigger: Trigger
    told: int = 0
    worst: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditKept(Event):
    """An audit is to be kept in the history; told again, it is still one."""

    project: str
    report: AuditReport


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisChanged(Event):
    """The asking of models stands otherwise than before."""

    analysis: AnalysisView


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopLagged(Event):
    """The event loop did not run for `lag_s` seconds; `where` is the code that held it, if known.

    Attributes:
        kind: Whether that goes on, is over, or comes again and again because of threads, which `where` names.
    """

    lag_s: float
    where: str = ""
    kind: Lateness = Lateness.BLOCKED


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeBegan(Event):
    """The program has started.

    Attributes:
        kept_by: Who starts it again if it ends in another way than it was asked to.
        ends: How earlier lives ended that did not end in an orderly way, the newest first.
        is_restart: Whether the life right before this one is the first of `ends`.
        safe_mode: Why no agent is started; empty when they are.
    """

    kept_by: KeptBy
    ends: tuple[UncleanEnd, ...] = ()
    is_restart: bool = False
    safe_mode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperLost(Event):
    """What would have started the program again has itself ended: nobody keeps it from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeModeLeft(Event):
    """A person wants the agents after all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VitalsTaken(Event):
    """What the process uses was measured."""

    vitals: Vitals


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressMissed(Event):
    """An agent beats, and has work, but has come no further for `seconds`; 0 when it goes on again."""

    agent: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemResumed(Event):
    """The machine woke up, or the process was let go on, after `slept_s` seconds; `source` says who noticed."""

    slept_s: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkChanged(Event):
    """There is a way into the network from now on, or there is none."""

    is_online: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChanged(Event):
    """A channel of alerts stands otherwise than before."""

    channel: ChannelView


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsHeld(Event):
    """More or fewer alerts are held back from the channels than before, or for another reason."""

    held: HeldView


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsServed(Event):
    """Metrics are served at an address from now on, or with an empty one no more.

    Attributes:
        address: Where.
        token_file: The file that holds the token which they ask for; empty when they ask for none.
    """

    address: str
    token_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatesChanged(Event):
    """The search for newer releases stands otherwise than before."""

    updates: UpdateView


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFound(Event):
    """A newer release is there: told once for each version.

    Attributes:
        release: It.
        current: The version that runs.
        notes: What is new, in the person's language; may be empty.
        channel: What brought the version that runs.
    """

    release: Release
    current: str
    notes: str
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFetched(Event):
    """The file of a newer release lies here, whole and checked.

    Attributes:
        version: Of the release.
        channel: What brought the version that runs.
        path: Where the file lies.
        how: What a person does with it, in a line with the exact command.
    """

    version: str
    channel: str
    path: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRefused(Event):
    """What is told of releases is not believed: told once, until there is something to believe again."""

    reason: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopBegan(Event):
    """The program is on its way out; `reason` says who asked."""

    reason: str
