"""Explanations of failures, conversations with a model, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LOOKED_THROUGH = 200
"""Conversations of a project, the newest, among which the one about a subject is looked for."""


class Confidence(StrEnum):
    """How sure the model is of its explanation, by its own word."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class SubjectKind(StrEnum):
    """What a conversation is about."""

    FAILURE = "failure"
    """A test that failed."""
    FINDING = "finding"
    """What an audit found."""
    FREE = "free"
    """Whatever the person asks."""


class ExplainStage(StrEnum):
    """How far an explanation has come."""

    LOCAL = "local"
    """What can be said without a model is there; no model is asked."""
    ASKING = "asking"
    EXPLAINED = "explained"
    UNANSWERED = "unanswered"
    """A model was asked, or should have been, and there is no answer; the explanation says why."""


class When(StrEnum):
    """When a model is asked about a test that went red."""

    NEVER = "never"
    """Not even by request."""
    ASK = "ask"
    """When a person asks."""
    ALWAYS = "always"
    """By itself, within the budgets."""


class BreakerState(StrEnum):
    """Whether calls to a service go through."""

    CLOSED = "closed"
    """They do."""
    OPEN = "open"
    """None does: it failed, or was slow, too often."""
    HALF_OPEN = "half-open"
    """A few do, to find out whether it is well again."""
    FORCED_OPEN = "forced-open"
    """None does, by a person's word."""
    DISABLED = "disabled"
    """All do, whatever they come to."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a conversation is about.

    Attributes:
        kind: See SubjectKind.
        project: The project's root folder as an absolute path; empty for none.
        name: A test's node id, or a finding's fingerprint; empty for none.
    """

    kind: SubjectKind = SubjectKind.FREE
    project: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer took.

    Attributes:
        prompt_tokens: Tokens that were sent.
        answer_tokens: Tokens that came back.
        cost: US dollars; None when the model's price is not known.
        latency_s: Seconds from the question to the end of the answer, all attempts together.
        is_estimate: True when the service did not say the tokens, so that they are reckoned from the texts.
    """

    prompt_tokens: int = 0
    answer_tokens: int = 0
    cost: float | None = None
    latency_s: float = 0.0
    is_estimate: bool = False

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.prompt_tokens + self.answer_tokens


@dataclass(frozen=True, slots=True)
class Evidence:
    """A place in the project's source that speaks for an explanation.

    Attributes:
        path: Relative to the project's root, with forward slashes.
        line: From 1 on.
        why: What it shows, a sentence; may be empty.
        source: The line as it stands there; may be empty.
    """

    path: str
    line: int
    why: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class LocalExplanation:
    """What can be said of a failure without a model: it is always there, and at once.

    Attributes:
        failure: What failed, in the words of the test's runner: the assertion, or the exception and its message.
        place: Where it failed in the project, or None.
        frames: The way there through the project's own code, the outermost first.
        suspects: Changed lines that the failure's frames touch, the likeliest first.
        changed: The files that changed since the tests were last green, relative to the root.
        diff: The part of that change that the failure touches, as a unified diff; may be empty.
        last_green: Wall-clock time at which the test was last green; None when that is not known.
        doubt: Whether the test is flaky, or was red before the change, a sentence; empty when nothing says so.
    """

    failure: str
    place: Evidence | None = None
    frames: tuple[Evidence, ...] = ()
    suspects: tuple[Evidence, ...] = ()
    changed: tuple[str, ...] = ()
    diff: str = ""
    last_green: float | None = None
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said of a failure, after it was checked.

    Attributes:
        at: Wall-clock time of its end.
        provider: Who was asked.
        model: Which model answered.
        usage: What it took.
        cause: What most likely caused the failure; empty for an answer that was not understood.
        confidence: How sure it is, by its own word; None when it did not say.
        evidence: Places that it named and that exist.
        next_step: What to look at or to do next.
        patch: A unified diff to read, which `git apply --check` accepts; else empty.
        patch_note: What to know of the patch: that it changes tests, or why one that came is not shown; may be empty.
        text: The whole answer as text, where it is not in the form that was asked for; else empty.
    """

    at: float
    provider: str
    model: str
    usage: Usage
    cause: str = ""
    confidence: Confidence | None = None
    evidence: tuple[Evidence, ...] = ()
    next_step: str = ""
    patch: str = ""
    patch_note: str = ""
    text: str = ""

    @property
    def headline(self) -> str:
        """Its first line: the cause, or the beginning of the text."""
        said = (self.cause or self.text).strip()
        return said.splitlines()[0] if said else ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a test is red, as far as that is known.

    Attributes:
        project: The project's root.
        nodeid: The test.
        fingerprint: Which failure it is: the same for each time that it fails in the same way.
        stage: How far it has come.
        local: What can be said without a model.
        answer: What a model said; None until it has.
        is_repeat: True when the answer was given before, for this failure or another of its fingerprint: no cost now.
        trouble: Why there is no answer, a sentence; empty when there is one, or none was asked for.
        hint: What to do about that.
        needs_consent: The hosts to which the project's source would be sent and that the person has not agreed to.
        conversation: The id of the conversation about this failure; empty before the first question.
    """

    project: str
    nodeid: str
    fingerprint: str
    stage: ExplainStage
    local: LocalExplanation
    answer: Answer | None = None
    is_repeat: bool = False
    trouble: str = ""
    hint: str = ""
    needs_consent: tuple[str, ...] = ()
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation in short, as the snapshot holds it: `headline` is the cause, or why there is no answer."""

    nodeid: str
    stage: ExplainStage
    headline: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class PromptSection:
    """A part of a prompt: how many tokens of it there are, and how many stayed after it was trimmed to the budget."""

    title: str
    tokens: int
    kept: int


@dataclass(frozen=True, slots=True)
class PromptPreview:
    """Exactly what would be sent.

    Attributes:
        provider: To whom.
        host: To which host.
        model: To which model.
        messages: Role and content of each message, in order.
        tokens: How many tokens that is, reckoned.
        budget: How many it may be.
        sections: What it consists of.
        redacted: How many secrets and personal details were taken out.
        needs_consent: As in Explanation.
    """

    provider: str
    host: str
    model: str
    messages: tuple[tuple[str, str], ...]
    tokens: int
    budget: int
    sections: tuple[PromptSection, ...] = ()
    redacted: int = 0
    needs_consent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer.

    Attributes:
        seq: From 1 on, within the conversation.
        at: Wall-clock time of the question.
        question: What the person asked.
        answer: What the model said, as far as it came.
        provider: Who answered; empty when nobody did.
        model: Which model.
        usage: What it took.
        trouble: Why the answer is missing or not whole; empty when it is whole.
    """

    seq: int
    at: float
    question: str
    answer: str = ""
    provider: str = ""
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class ConversationRecord:
    """A conversation in a list.

    Attributes:
        id: Unique, and safe as a file's name.
        subject: What it is about.
        title: The beginning of its first question; of one about a finding, the finding's title.
        started_at: Wall-clock time of its first question.
        last_at: And of the last one.
        exchanges: How many there are.
        cost: US dollars of all answers whose price is known.
        found: For a search, the passage that it was found by; else empty.
        is_damaged: True when its file does not say what it is about, so that nobody knows where it may be sent: it can
            be read, and not gone on with.
    """

    id: str
    subject: Subject
    title: str
    started_at: float
    last_at: float
    exchanges: int
    cost: float = 0.0
    found: str = ""
    is_damaged: bool = False


def conversation_about(records: Iterable[ConversationRecord], subject: Subject, title: str = "") -> str:
    """Return the id of the first conversation about a subject; empty when there is none.

    Args:
        records: Conversations, as a list of them has them: the newest first.
        subject: What it must be about.
        title: What it must be called; empty for any title.
    """
    about = (each for each in records if each.subject == subject and not each.is_damaged)
    return next((each.id for each in about if title in ("", each.title)), "")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A whole conversation."""

    record: ConversationRecord
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer on its way.

    Attributes:
        conversation: Whose.
        seq: Which exchange of it; 0 when there is none yet.
        text: What came since what was read before.
        length: Characters of the whole answer so far: what to read after next.
        is_done: True when nothing more will come.
        trouble: Why it is missing or not whole.
        hint: What to do about that.
        provider: Who answers; empty until that is known.
        model: Which model.
        usage: What it took, when it is done.
    """

    conversation: str
    seq: int
    text: str
    length: int
    is_done: bool
    trouble: str = ""
    hint: str = ""
    provider: str = ""
    model: str = ""
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class ProviderView:
    """One provider, in the order in which they are asked.

    Attributes:
        name: As in the settings.
        host: Where it is asked.
        model: Which model.
        breaker: Whether calls go through.
        reason: Why it cannot be used now; empty when it can, as far as that is known.
    """

    name: str
    host: str
    model: str
    breaker: BreakerState = BreakerState.CLOSED
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AnalysisView:
    """Where the asking of models stands.

    Attributes:
        when: When they are asked about failures.
        providers: Who is asked, in order; empty when none is set up.
        tokens_today: Tokens used since local midnight.
        tokens_limit: How many may be used in a day; 0 for any number.
        cost_today: US dollars spent since local midnight, as far as prices are known.
        cost_limit: How many may be spent in a day; 0 for any number.
        unpriced: Who of the providers is asked at a price that is not known: the limit does not keep them back.
        asking: How many questions are on their way.
        language: The language in which models answer, by its English name.
    """

    when: When = When.ASK
    providers: tuple[ProviderView, ...] = ()
    tokens_today: int = 0
    tokens_limit: int = 0
    cost_today: float = 0.0
    cost_limit: float = 0.0
    unpriced: tuple[str, ...] = ()
    asking: int = 0
    language: str = "English"


@dataclass(frozen=True, slots=True)
class SourceDiff:
    """How a project's source differs from what it was before.

    Attributes:
        base: What it is compared with, in words: `the last green source, 5 minutes ago`, `the last commit`; empty when
            there is nothing to compare with.
        text: A unified diff with paths relative to the project's root; may be empty.
        is_cut: True when it was too long to be told whole.
        base_at: Wall-clock time of what it is compared with; None when that is not known.
    """

    base: str = ""
    text: str = ""
    is_cut: bool = False
    base_at: float | None = None
