"""What the tests of the Audits page share: a report, what came before it, and who answers about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app.agents.auditing.standing import rejudged
from app.domain import commands, events
from app.domain.findings import (
    AuditReport,
    AuditVerdict,
    AuditView,
    CheckOutcome,
    Finding,
    Mute,
    Past,
    Severity,
    Standing,
    Standings,
    Trigger,
    TriggerKind,
)
from app.domain.reduce import reduce

if TYPE_CHECKING:
    from app.domain.snapshot import Snapshot
    from tests.ui.conftest import Desk

NOW = 1_700_000_000.0
FLASK, HTTPX = "/home/ada/src/flask", "/home/ada/src/httpx"
KEY = Finding(
    "secrets",
    "aws-access-key",
    "AWS access key id",
    Severity.CRITICAL,
    "deploy.py",
    1,
    "KEY = 'AKIA\u2026\u2026\u2026\u2026'",
    "Whoever has it can act as its owner until it is revoked.",
    "Revoke it at AWS, and keep the new one in the vault.",
    fingerprint="a1" * 12,
)
OLD_KEY = replace(KEY, path="old/deploy.py", commit="0123456789abcdef0123456789abcdef01234567", fingerprint="a2" * 12)
SHELL = Finding(
    "security",
    "S602",
    "subprocess call with shell=True",
    Severity.HIGH,
    "src/flask/cli.py",
    412,
    "subprocess.run(line, shell=True)",
    "What is in `line` is read by a shell.",
    "Hand the words over as a list.",
    fingerprint="b1" * 12,
)
SKIP = Finding(
    "leftovers",
    "skipped-test",
    "A test was switched off",
    Severity.MEDIUM,
    "tests/test_basic.py",
    88,
    "@pytest.mark.skip",
    fingerprint="c1" * 12,
)
TODO = Finding(
    "leftovers", "todo", "A TODO was left behind", Severity.LOW, "src/flask/app.py", 7, "# TODO", fingerprint="d1" * 12
)
TESTKEY = replace(KEY, path="tests/keys.py", title="Private key", severity=Severity.HIGH, fingerprint="e1" * 12)
GONE = replace(TODO, path="src/flask/ctx.py", title="A print was left behind", fingerprint="f1" * 12)
MARKER = Trigger(TriggerKind.MARKER, "docs/TASK_COMPLETE.md", 1)
REPORT = AuditReport(
    "abcdef0123456789",
    FLASK,
    NOW - 190,
    4.2,
    MARKER,
    checks=(
        CheckOutcome("claims", "Claims of the marker", AuditVerdict.PASS, took_s=0.4),
        CheckOutcome("tests", "Tests and coverage", AuditVerdict.PASS, took_s=0.1),
        CheckOutcome("leftovers", "Leftovers and loosened tests", AuditVerdict.FAIL, findings=2, took_s=1.1),
        CheckOutcome("secrets", "Secrets", AuditVerdict.FAIL, findings=3, took_s=2.0),
        CheckOutcome("security", "Static security", AuditVerdict.FAIL, findings=1, took_s=0.6),
        CheckOutcome(
            "dependencies",
            "Vulnerable dependencies",
            AuditVerdict.UNKNOWN,
            ("The OSV database does not answer, and none is on this machine.",),
            took_s=4.0,
        ),
    ),
    findings=(
        Standings(KEY, Standing.NEW),
        Standings(SKIP, Standing.NEW),
        Standings(OLD_KEY, Standing.KNOWN),
        Standings(SHELL, Standing.KNOWN),
        Standings(TODO, Standing.KNOWN),
        Standings(TESTKEY, Standing.MUTED, "a key of the test server"),
    ),
    fixed=(GONE,),
    head="fedcba9876543210fedcba9876543210fedcba98",
)
PAST = tuple(
    Past(
        NOW - 90_000 + 8_000 * place,
        (AuditVerdict.FAIL, AuditVerdict.UNKNOWN, AuditVerdict.PASS)[place % 3],
        {Severity.CRITICAL: place // 4, Severity.HIGH: place % 3, Severity.MEDIUM: 1, Severity.LOW: place % 5},
        new=place % 2,
        fixed=place % 3,
    )
    for place in range(11)
)


def view_of(report: AuditReport, running: str = "") -> AuditView:
    """Return where the audits stand after a report."""
    return AuditView(
        report.project,
        running,
        report.trigger,
        report.id,
        report.started_at + report.duration_s,
        report.verdict,
        tuple((severity, count) for severity, count in report.counts().items() if count),
        sum(report.counts(Standing.NEW).values()),
    )


def with_audit(snapshot: Snapshot, view: AuditView) -> Snapshot:
    """Return the snapshot once this was told of audits."""
    return reduce(snapshot, events.AuditChanged(at=NOW, audit=view))


@dataclass
class Audits:
    """The audit agent's side of the bus: notes what it is asked, and mutes as the agent does.

    Attributes:
        reports: The last report of each project.
        mutes: What is muted, by fingerprint.
        refuse: Raised in place of an answer.
    """

    reports: dict[str, AuditReport] = field(default_factory=lambda: {FLASK: REPORT})
    mutes: dict[str, Mute] = field(
        default_factory=lambda: {TESTKEY.fingerprint: Mute(TESTKEY.fingerprint, "a key of the test server")}
    )
    past: tuple[Past, ...] = PAST
    asked: list[commands.Command] = field(default_factory=list)
    refuse: Exception | None = None

    def answer(self, command: commands.Command) -> object:
        """Answer a command of the page."""
        self.asked.append(command)
        if self.refuse is not None:
            raise self.refuse
        match command:
            case commands.ReadAudit():
                report = self.reports.get(command.project)
                return rejudged(report, self.mutes, now=NOW) if report is not None else None
            case commands.ReadAudits():
                return self.past if command.project in self.reports else ()
            case commands.MuteFinding():
                self.mutes[command.fingerprint] = Mute(command.fingerprint, command.reason)
            case commands.UnmuteFinding():
                del self.mutes[command.fingerprint]
        return None

    def of(self, kind: type[commands.Command]) -> list[commands.Command]:
        """Return what was asked of this type."""
        return [command for command in self.asked if isinstance(command, kind)]

    def attach(self, desk: Desk) -> None:
        """Answer on a desk's bus."""
        for kind in (
            commands.StartAudit,
            commands.CancelAudit,
            commands.ReadAudit,
            commands.ReadAudits,
            commands.MuteFinding,
            commands.UnmuteFinding,
        ):
            desk.bus.handle(kind, self.answer)
