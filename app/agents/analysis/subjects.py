"""What conversations are about, and what of it is sent with a question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from app.agents.analysis.asking import not_set_up
from app.ai.conversations.chat import chat_messages
from app.ai.failures.prompt import Prompt, failure_context
from app.ai.failures.sources import Sources
from app.ai.findings.prompt import finding_context
from app.ai.messages import tokens_of
from app.domain.analysis import PromptPreview, Subject, SubjectKind
from app.domain.commands import ReadAudit, ReadFinding
from app.domain.errors import UsageError, WatchkeeperError
from app.domain.findings import AuditReport, Standings
from app.domain.modelwords import finding_question, talk_title
from app.domain.words import clip, one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from app.agents.analysis.asking import Asking
    from app.agents.analysis.explaining import Case, Explaining
    from app.agents.analysis.work import Work
    from app.ai.failures.facts import FailureFacts
    from app.ai.failures.privacy import Privacy
    from app.domain.analysis import Answer, Exchange, PromptSection
    from app.domain.commands import Ask, Command

_log = structlog.get_logger(__name__)

_SHOWN = 40


class _Matter(Protocol):
    """What is known of a subject at this moment."""

    @property
    def explained(self) -> str:
        """What a model said of it before; may be empty."""

    def context(self, privacy: Privacy, budget: int, nonce: str) -> tuple[str, tuple[PromptSection, ...]]:
        """Return it as data between marks, in a budget of tokens, and what that consists of. Blocks."""


@dataclass(frozen=True, slots=True)
class _Failure:
    case: Case
    facts: FailureFacts

    @property
    def explained(self) -> str:
        return _said(self.case.explanation.answer)

    def context(self, privacy: Privacy, budget: int, nonce: str) -> tuple[str, tuple[PromptSection, ...]]:
        local, sources = self.case.explanation.local, Sources(self.facts.root)
        told = failure_context(self.facts, local, sources=sources, privacy=privacy, budget_tokens=budget, nonce=nonce)
        return told, ()


@dataclass(frozen=True, slots=True)
class _Finding:
    found: Standings
    report: AuditReport
    root: Path

    @property
    def explained(self) -> str:
        return ""

    def context(self, privacy: Privacy, budget: int, nonce: str) -> tuple[str, tuple[PromptSection, ...]]:
        sources = Sources(self.root)
        return finding_context(
            self.found, self.report, sources=sources, privacy=privacy, budget_tokens=budget, nonce=nonce
        )


class Subjects:
    """It. Belongs to the loop's thread.

    Args:
        explaining: Knows failures.
        asking: What the person has agreed to, and what takes secrets out.
        work: Runs what takes time.
        send: Has a command carried out: findings are asked for.
    """

    def __init__(
        self, explaining: Explaining, asking: Asking, work: Work, *, send: Callable[[Command], Awaitable[object]]
    ) -> None:
        self._explaining = explaining
        self._asking = asking
        self._work = work
        self._send = send

    async def of(self, asked: Ask) -> tuple[Subject, str]:
        """Return what a new conversation is about, and its title where it has one of its own.

        Raises:
            UsageError: There is no such project, failure or finding, or no project is named with it.
            CannotError: It is out of reach.
        """
        if asked.nodeid and asked.finding:
            raise UsageError("A test and a finding are named.", "Name one of them.")
        if (asked.nodeid or asked.finding) and not asked.project:
            what = "test" if asked.nodeid else "finding"
            raise UsageError(f"A {what} is named without its project.", "Name both, or neither.")
        if asked.finding:
            found = (await self._found(asked.project, asked.finding)).finding
            return Subject(SubjectKind.FINDING, asked.project, found.fingerprint), talk_title(found.title, asked.text)
        if asked.nodeid:
            await self._explaining.look(asked.project, asked.nodeid)
            return Subject(SubjectKind.FAILURE, asked.project, asked.nodeid), ""
        return Subject(SubjectKind.FREE, asked.project), ""

    async def hosts(self, subject: Subject) -> Collection[str] | None:
        """Return where a question may be sent; None for anywhere, when it holds nothing but the person's own words.

        Raises:
            CommandRefused: Models are switched off.
            ModelError: The person has not agreed, or nobody is set up to be asked.
        """
        if subject.kind is SubjectKind.FREE:
            return None
        return await self._asking.may_send(subject.project)

    def note(self, subject: Subject, conversation: str) -> None:
        """Note that a conversation about a subject has begun."""
        if subject.kind is SubjectKind.FAILURE:
            self._explaining.about(subject.project, subject.name, conversation)

    def forget(self, conversation: str) -> None:
        """Note that a conversation is no more."""
        self._explaining.forget_talk(conversation)

    async def prompt(self, subject: Subject, question: str, before: Sequence[Exchange]) -> Prompt:
        """Return what is sent: the subject, the exchanges before, and the question, all of it without secrets.

        Raises:
            CannotError: The project's files are not read in time.
        """
        matter = await self._matter(subject)
        settings, language, nonce = self._asking.settings, self._asking.language, self._asking.new_nonce()

        def built() -> Prompt:
            privacy = self._asking.privacy(Path(subject.project) if subject.project else None)
            told = matter.context(privacy, settings.prompt_tokens // 2, nonce) if matter is not None else ("", ())
            messages = chat_messages(
                privacy.clean(question),
                context=told[0],
                explained=privacy.clean(matter.explained) if matter is not None else "",
                before=tuple((privacy.clean(each.question), privacy.clean(each.answer)) for each in before),
                budget_tokens=settings.prompt_tokens,
                language=language,
            )
            return Prompt(messages, told[1], sum(tokens_of(each.content) for each in messages), privacy.count)

        return await self._work.do(built)

    async def preview(self, project: str, fingerprint: str) -> PromptPreview:
        """Return exactly what the standard question about a finding would send.

        Raises:
            UsageError: There is no such finding.
            CannotError: It is out of reach; ModelNotSetUp when nobody is set up to be asked.
        """
        await self._asking.look_at_settings()
        found = (await self._found(project, fingerprint)).finding
        subject = Subject(SubjectKind.FINDING, project, found.fingerprint)
        prompt = await self.prompt(subject, finding_question(self._asking.language), ())
        agreed = await self._asking.agreed(project)
        asked = self._asking.first(agreed)
        if asked is None:
            raise not_set_up(self._asking.trouble)
        return PromptPreview(
            provider=asked.name,
            host=asked.host,
            model=asked.model,
            messages=tuple((message.role.value, message.content) for message in prompt.messages),
            tokens=prompt.tokens,
            budget=self._asking.settings.prompt_tokens,
            sections=prompt.sections,
            redacted=prompt.redacted,
            needs_consent=() if agreed else self._asking.hosts,
        )

    async def _matter(self, subject: Subject) -> _Matter | None:
        """Return what is known of a subject; None where nothing is: the words of the conversation remain."""
        try:
            if subject.kind is SubjectKind.FAILURE:
                case = await self._explaining.look(subject.project, subject.name)
                return _Failure(case, await self._explaining.facts(case))
            if subject.kind is SubjectKind.FINDING:
                found = await self._found(subject.project, subject.name)
                report = await self._send(ReadAudit(project=subject.project, known=True))
                return _Finding(found, report, Path(subject.project)) if isinstance(report, AuditReport) else None
        except WatchkeeperError as error:  # it is gone: a test was never red since, an audit finds it no more
            _log.info("a conversation goes on without its subject", reason=error.message)
        return None

    async def _found(self, project: str, fingerprint: str) -> Standings:
        found = await self._send(ReadFinding(project=project, fingerprint=fingerprint))
        if not isinstance(found, Standings):
            raise UsageError(
                f"The last audit of {project} knows no finding {clip(one_line(fingerprint), _SHOWN)}.",
                f"Audit again: watchkeeper audit {project}",
            )
        return found


def _said(answer: Answer | None) -> str:
    return "\n".join(filter(None, (answer.cause, answer.next_step))) if answer is not None else ""
