"""What a person or a program asks for. Each command has one handler, and its answer's type is said beside it.

The same commands serve the tray, the window and, over the local socket, the command line.
`project` is the project's root folder as an absolute path; None means all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something that is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTests(Command):
    """Run the tests now. Answer: None."""

    project: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRun(Command):
    """End the running tests. Answer: None."""

    project: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchProject(Command):
    """Watch one more project. Answer: its root as str. Refused with ProjectError."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Command):
    """Pause an agent, or all of them, for `seconds`, or until resumed. Answer: the names that were paused."""

    agent: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Command):
    """Let a paused agent, or all of them, work again, and try those that failed at once.

    Answer: the names that were resumed.
    """

    agent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snooze(Command):
    """Keep notifications silent for `seconds`. Answer: None."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockVault(Command):
    """Open the vault by what the system has: it may ask for its keychain's password.

    Answer: the state that it is in then, as a word of app.domain.keys.VaultState.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class LockVault(Command):
    """Forget the vault's keys. Answer: None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateDataKey(Command):
    """Encrypt everything in the vault under a new data key. Answer: None. Refused with VaultError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySecret(Command):
    """Put a secret's value into the clipboard, from which it is cleared after half a minute.

    Answer: for how many seconds it stays. Refused with VaultError, or with CommandRefused where there is no clipboard.
    """

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateCommand(Command):
    """What only a face in the same process may ask: it holds a secret, or what a person has agreed to on the screen.

    It never goes over the socket.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVault(PrivateCommand):
    """Open the vault by what a person typed. Answer: None. Refused with VaultError or SecretError.

    Attributes:
        passphrase: The vault's; empty when the recovery code is given.
        code: The recovery code; with it, the system's own ways to open the vault are made anew.
    """

    passphrase: str = field(default="", repr=False)
    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSecret(PrivateCommand):
    """Set a secret: a new one, or a new value, or other words about one. Answer: None.

    Refused with SecretError or VaultError.

    Attributes:
        name: Its name.
        value: Its value; empty to keep the one that it has.
        notes: A person's own words; None for those of before.
        due_days: Remind of a renewal after so many days; 0 for never, None for as it was.
    """

    name: str
    value: str = field(default="", repr=False)
    notes: str | None = None
    due_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSecret(PrivateCommand):
    """Remove a secret. Answer: None. Refused with VaultError."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeVault(PrivateCommand):
    """Make a vault that the person has the recovery code of. Answer: None. Refused with VaultError or SecretError.

    Attributes:
        code: The recovery code, as `NewRecoveryCode` gave it and the person has written it down.
        passphrase: One that opens it as well; empty for none.
    """

    code: str = field(repr=False)
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecoveryCode(PrivateCommand):
    """Answer: a new recovery code as str, which opens nothing yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceRecoveryCode(PrivateCommand):
    """Put a new recovery code in the place of the one before. Answer: None. Refused with VaultError or SecretError."""

    code: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseWindow(Command):
    """Show the window: on a test, or on a page, where one is named.

    Pages are `now`, `tests`, `conversation`, `audits`, `keys` and `log`.
    With a conversation's id it is that one, or with an empty id a new one about the test. Answer: None.
    The page `audits` shows the project that is named with it. A page that there is none of leaves the window where it
    was.
    """

    project: str | None = None
    nodeid: str | None = None
    page: str | None = None
    conversation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Command):
    """End the program in an orderly way. Answer: None."""

    reason: str = "asked to"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStatus(Command):
    """Answer: the current Snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTest(Command):
    """Answer: app.domain.history.TestDetail of one test."""

    project: str
    nodeid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWhy(Command):
    """Answer: app.domain.history.Why of one test. Refused with UsageError when the test or project is not known."""

    project: str
    nodeid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRuns(Command):
    """Answer: the last runs, newest first, as a tuple of app.domain.history.RunRecord."""

    project: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLogs(Command):
    """Answer: the log lines after `after`, oldest first, as a tuple of app.domain.history.LogLine."""

    after: int = 0
    limit: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDiff(Command):
    """Answer: app.domain.analysis.SourceDiff, how a project's source differs from when its tests were last green."""

    project: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAudit(Command):
    """Audit a watched project now, or after the audit that is on its way. Answer: None.

    Refused with UsageError when nobody watches it.
    """

    project: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAudit(Command):
    """End the audit of a project that is on its way. Answer: None."""

    project: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAudit(Command):
    """Answer: app.domain.findings.AuditReport, the last one of a project; None when there is none.

    Attributes:
        audit: The id of another one.
        known: All that is known of its findings: the last report, with what audits of some checks after it add.
    """

    project: str
    audit: str = ""
    known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFinding(Command):
    """Answer: app.domain.findings.Standings, a known finding of a project, also a fixed one; None for no such.

    Refused with UsageError when several begin like that.

    Attributes:
        fingerprint: Which one, or as many of its first digits as no other has, 6 at least.
    """

    project: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAudits(Command):
    """Answer: the last audits of a project, the oldest first, as a tuple of app.domain.findings.Past."""

    project: str
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFindingHistory(Command):
    """Answer: app.domain.findings.FindingHistory, or None when no audit that is kept has found it.

    Attributes:
        fingerprint: Which finding, all its digits.
    """

    project: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReview(Command):
    """Have a model review what changed in a project. Answer: app.domain.findings.Checked; None while it is on its way.

    To be sent again until there is an answer: the first one begins the review, the others wait for it.

    Attributes:
        since: The commit since which; empty for the last commits.
        wait_s: How long an answer is waited for; 20 at most.
    """

    project: str
    since: str = ""
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteFinding(Command):
    """Be silent about a finding of the last audit. Answer: None. Refused with UsageError.

    Attributes:
        fingerprint: Which one, or as many of its first digits as no other has.
        reason: Why, in a person's words; not empty.
        days: For how long; 0 for good.
    """

    project: str
    fingerprint: str
    reason: str
    days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmuteFinding(Command):
    """Tell of a finding again. Answer: None. Refused with UsageError when it is not muted."""

    project: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRepair(Command):
    """Say how a finding of an account would be repaired; nothing is changed. Answer: app.domain.repairs.RepairPlan.

    Refused with UsageError or CannotError when there is no such repair, or when it cannot be planned.

    Attributes:
        project: The account's root folder.
        fingerprint: Which finding, all its digits.
        logs_to: The bucket that takes access logs; empty for none.
        kms_key: The key of KMS that encrypts; empty for none.
    """

    project: str
    fingerprint: str
    logs_to: str = ""
    kms_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRepair(PrivateCommand):
    """Do what a plan says that a person was shown and agreed to. Answer: app.domain.repairs.RepairOutcome.

    Refused with UsageError when another plan was made since, and with CannotError when it failed; says what was done.

    Attributes:
        project: The account's root folder.
        fingerprint: Which finding, all its digits.
        digest: Of the plan.
    """

    project: str
    fingerprint: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackRepair(PrivateCommand):
    """Put back what was before a repair. Answer: app.domain.repairs.RepairOutcome.

    Refused with UsageError when no repair is kept, and with CannotError when it failed; says what was done.

    Attributes:
        project: The account's root folder.
        fingerprint: Which finding, all its digits.
    """

    project: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAuditFacts(Command):
    """Answer: what is known of a project's tests, as audits take it; nothing of a project that nobody watches."""

    project: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain(Command):
    """Explain why a test is red, with the help of a model. Answer: app.domain.analysis.Explanation as it stands now.

    What can be said without a model is in the first answer; a model is asked meanwhile, and the snapshot tells when it
    has answered. Refused with UsageError when the project or a failure of the test is not known.

    Attributes:
        again: Ask a model even if the same failure was explained before.
    """

    project: str
    nodeid: str
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadExplanation(Command):
    """Answer: app.domain.analysis.Explanation as it stands now; no model is asked. Refused as Explain."""

    project: str
    nodeid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPrompt(Command):
    """Answer: app.domain.analysis.PromptPreview, what Explain would send. Refused as Explain, or with ModelError.

    Attributes:
        nodeid: The test; empty for a finding.
        finding: The fingerprint of a finding of the last audit: what the first question about it would send.
    """

    project: str
    nodeid: str = ""
    finding: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetConsent(Command):
    """Agree, or no longer, that a project's source is sent in parts to the providers of now. Answer: their hosts.

    Refused with CommandRefused when they are others than the person was shown, or CannotError when it cannot be kept.

    Attributes:
        hosts: What `needs_consent` has shown, with commas between; empty for whatever they are.
    """

    project: str
    given: bool = True
    hosts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Command):
    """Ask a model. Answer: the conversation's id; what it says is read with ReadReply.

    Refused with UsageError, or with ModelError when it cannot even be tried.

    Attributes:
        text: The question.
        conversation: The conversation that it goes on; empty for a new one.
        project: For a new one, the project that it is about; empty for none.
        nodeid: For a new one, the test that it is about; empty for none.
        finding: For a new one, the finding of the project's last audit that it is about: its fingerprint, or as many of
            its first digits as no other has; empty for none.
    """

    text: str
    conversation: str = ""
    project: str = ""
    nodeid: str = ""
    finding: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReply(Command):
    """Answer: app.domain.analysis.Reply, what has come of the newest answer of a conversation.

    Attributes:
        after: Characters of it that are known.
        wait_s: Wait for more for so long, at most 20 seconds.
    """

    conversation: str
    after: int = 0
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReply(Command):
    """End the answer that is on its way; what came of it is kept. Answer: None."""

    conversation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConversations(Command):
    """Answer: the conversations, the newest first, as a tuple of app.domain.analysis.ConversationRecord.

    Attributes:
        query: Words that must all stand in a question or an answer, whatever their case; empty for all conversations.
        project: Only those about this project; empty for all.
    """

    query: str = ""
    project: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConversation(Command):
    """Answer: app.domain.analysis.Conversation. Refused with UsageError when there is none of this id."""

    conversation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteConversation(Command):
    """Delete a conversation for good. Answer: None. Refused with UsageError, or CannotError when it cannot be done."""

    conversation: str
