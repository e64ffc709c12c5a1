"""Has failures explained: locally at once, and by a model once for each distinct failure."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from app.agents.analysis.asking import SWITCHED_OFF, not_set_up
from app.ai.answers.checking import checked, to_answer
from app.ai.answers.reading import read_answer
from app.ai.failures.local import explain_locally
from app.ai.failures.prompt import build_prompt
from app.ai.failures.sources import Sources
from app.domain.analysis import Explained, ExplainStage, Explanation, PromptPreview, When
from app.domain.errors import CannotError, ModelBusy, ModelOutOfReach, WatchkeeperError
from app.domain.events import ExplanationChanged, FailureAnswered, TestsRan
from app.domain.failures import fingerprint, read_failure
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from app.agents.analysis.asking import Asking
    from app.agents.analysis.gathering import Gathering
    from app.agents.analysis.work import Work
    from app.ai.failures.facts import FailureFacts
    from app.ai.failures.prompt import Prompt
    from app.ai.messages import Completion
    from app.domain.analysis import Answer, LocalExplanation
    from app.domain.events import Event
    from app.engine.clock import Clock
    from app.engine.processes import ProcessRunner

_log = structlog.get_logger(__name__)

MOST_CASES = 500
"""Failures that are kept in memory, and answers; the journal has the rest."""
MOST_FACTS = 30
"""Failures whose facts are kept, each with a diff of up to a megabyte; those of others are gathered again."""

_INSIDE = ("That went wrong inside Watchkeeper.", "The log says more.")

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """A failure as it is known.

    Attributes:
        stamp: What, when it changes, makes it another failure: the run, and the second look.
        explanation: How far its explanation has come; whether a model is being asked is not in it.
        facts: What is known of it; None when it would have to be gathered again.
        may_pass: Whether what kept a model from answering may pass by itself.
    """

    stamp: tuple[object, ...]
    explanation: Explanation
    facts: FailureFacts | None = field(repr=False)
    may_pass: bool = False

    @property
    def key(self) -> _Key:
        """Project and test."""
        return self.explanation.project, self.explanation.nodeid

    @property
    def print(self) -> _Key:
        """Project and fingerprint: what is asked about once."""
        return self.explanation.project, self.explanation.fingerprint

    @property
    def settled(self) -> ExplainStage:
        """How far it has come when nobody is being asked."""
        return ExplainStage.LOCAL if self.explanation.answer is None else ExplainStage.EXPLAINED


class Explaining:
    """It. Belongs to the loop's thread.

    Args:
        gathering: Gives what is known.
        asking: Whom to ask, and what the person has agreed to.
        work: Runs what takes time.
        publish: Takes the events.
        clock: Time.
        runner: Starts git, to check patches.
        environ: The environment that git is found in.
    """

    def __init__(
        self,
        gathering: Gathering,
        asking: Asking,
        work: Work,
        *,
        publish: Callable[[Event], None],
        clock: Clock,
        runner: ProcessRunner,
        environ: Mapping[str, str],
    ) -> None:
        self._gathering = gathering
        self._asking = asking
        self._work = work
        self._publish = publish
        self._clock = clock
        self._runner = runner
        self._environ = environ
        self._cases: OrderedDict[_Key, Case] = OrderedDict()
        self._looks: dict[tuple[object, ...], asyncio.Task[Case | WatchkeeperError]] = {}
        self._answers: OrderedDict[_Key, Answer] = OrderedDict()
        self._questions: dict[_Key, asyncio.Task[None]] = {}
        self._talks: dict[_Key, str] = {}
        self._is_closed = False

    @property
    def questions(self) -> int:
        """How many failures a model is being asked about."""
        return len(self._questions)

    def see(self, event: Event) -> None:
        """Take in an event of the bus: what is green again is forgotten."""
        if isinstance(event, TestsRan):
            for result in event.results:
                if not result.outcome.is_red:
                    self._cases.pop((event.project, result.nodeid), None)

    def known(self, project: str, nodeid: str) -> Case | None:
        """Return a failure that somebody has looked at; else None."""
        return self._cases.get((project, nodeid))

    def is_red(self, project: str, nodeid: str) -> bool:
        """Return whether a test is red now."""
        return self._gathering.is_red(project, nodeid)

    def shown(self, case: Case) -> Explanation:
        """Return an explanation as it is told: with a model being asked, where that is so."""
        explanation = replace(case.explanation, conversation=self._talks.get(case.key, case.explanation.conversation))
        return replace(explanation, stage=ExplainStage.ASKING) if case.print in self._questions else explanation

    async def look(self, project: str, nodeid: str) -> Case:
        """Return a failure with what can be said of it without asking a model.

        Raises:
            UsageError: The project is not watched, or no failure of the test is known.
            CannotError: The project's disk does not answer, or the program ends.
        """
        while True:
            stamp = self._gathering.stamp(project, nodeid)
            known = self._cases.get((project, nodeid))
            if known is not None and known.stamp == stamp:
                return known
            case = await self._shared_look(project, nodeid, stamp)
            if case.stamp == self._gathering.stamp(project, nodeid):
                return case

    async def explain(self, project: str, nodeid: str, *, again: bool = False) -> Explanation:
        """Return an explanation as it stands now, and have a model asked if that is wanted, agreed to, and needed.

        Raises:
            UsageError: As `look`.
            CannotError: As `look`.
        """
        while True:
            case = await self.look(project, nodeid)
            # Only now: they may have taken it back while the failure was looked at.
            agreed = await self._asking.agreed(project)
            if self.known(project, nodeid) is case and case.stamp == self._gathering.stamp(project, nodeid):
                break
        # From here on nothing is awaited: what is decided holds when it is told.
        if case.print in self._questions:
            return self.shown(case)
        if self._asking.when is When.NEVER:
            return self._switched_off(case, again=again)
        is_old = case.explanation.answer is not None
        if is_old and not again:
            return replace(self.shown(case), is_repeat=True)
        if not self._asking.hosts:
            nobody = not_set_up(self._asking.trouble)
            return self._tell(
                case,
                stage=ExplainStage.UNANSWERED,
                trouble=nobody.message,
                hint=nobody.hint,
                needs_consent=(),
                is_repeat=is_old,
            )
        if not agreed:
            hosts = self._asking.hosts
            return self._tell(case, stage=case.settled, needs_consent=hosts, trouble="", hint="", is_repeat=is_old)
        case = self._keep(case, stage=case.settled, trouble="", hint="", needs_consent=(), is_repeat=is_old)
        question = self._questions[case.print] = spawn(self._ask(case, agreed), name="a model is asked")
        question.add_done_callback(lambda done: self._ended(case, done))
        return self._tell(case)

    async def preview(self, project: str, nodeid: str) -> PromptPreview:
        """Return exactly what would be sent.

        Raises:
            UsageError: As `look`.
            CannotError: As `look`; ModelNotSetUp when nobody is set up to be asked.
        """
        await self._asking.look_at_settings()
        case = await self.look(project, nodeid)
        prompt = await self._prompt(case)
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

    def _switched_off(self, case: Case, *, again: bool) -> Explanation:
        """Return the explanation while models are switched off: an error of before is no reason any more."""
        known = case.explanation
        is_old = known.answer is not None
        if known.stage is not case.settled or known.trouble or known.needs_consent:
            known = self._tell(case, stage=case.settled, trouble="", hint="", needs_consent=())
        text, hint = SWITCHED_OFF if again or not is_old else ("", "")
        # Not kept: the setting may be another one by the next look.
        return replace(self.shown(replace(case, explanation=known)), trouble=text, hint=hint, is_repeat=is_old)

    async def facts(self, case: Case) -> FailureFacts:
        """Return what is known of a failure.

        Raises:
            UsageError: As `look`.
        """
        return case.facts or await self._gathering.facts(*case.key)

    def about(self, project: str, nodeid: str, conversation: str) -> None:
        """Note which conversation is about a failure."""
        self._talks[project, nodeid] = conversation

    def forget_talk(self, conversation: str) -> None:
        """Note that a conversation is no more."""
        for key in [key for key, known in self._talks.items() if known == conversation]:
            self._talks[key] = ""

    def agreed(self, project: str) -> None:
        """Note that the person has agreed: no explanation of the project waits for that any more."""
        for case in list(self._cases.values()):
            if case.explanation.project == project and case.explanation.needs_consent:
                self._tell(case, needs_consent=())

    async def taken_back(self, project: str) -> None:
        """End all questions about a project: the person no longer agrees to them."""
        tasks = [task for key, task in self._questions.items() if key[0] == project]
        await _end(tasks)

    async def close(self) -> None:
        """End what is on its way, and begin nothing more."""
        self._is_closed = True
        await _end([*self._questions.values(), *self._looks.values()])
        await self._gathering.close()

    async def _shared_look(self, project: str, nodeid: str, stamp: tuple[object, ...]) -> Case:
        """Look, together with whoever looks at the same failure at this time."""
        if self._is_closed:
            raise CannotError("Watchkeeper is stopping.")
        key = (project, nodeid, *stamp)
        look = self._looks.get(key)
        if look is None:
            look = self._looks[key] = spawn(self._look(project, nodeid, stamp), name="a failure is looked at")
            look.add_done_callback(lambda _done: self._looks.pop(key, None))
        await asyncio.wait({look})
        if look.cancelled():
            raise CannotError("Watchkeeper is stopping.")
        found = look.result()
        if isinstance(found, WatchkeeperError):
            raise found.with_traceback(None)
        return found

    async def _look(self, project: str, nodeid: str, stamp: tuple[object, ...]) -> Case | WatchkeeperError:
        """Return the case, or why there is none: to ask about a green test is nobody's failure."""
        try:
            facts = await self._gathering.facts(project, nodeid)
            local, print_ = await self._work.do(partial(_without_model, facts))
        except WatchkeeperError as error:
            return error
        answer = self._answers.get((project, print_)) or await self._gathering.answered(project, print_)
        if (project, nodeid) not in self._talks:
            self._talks[project, nodeid] = await self._gathering.conversation_about(project, nodeid)
        before = self._cases.get((project, nodeid))  # only now: it may have come further meanwhile
        if before is not None and before.explanation.fingerprint == print_:
            explanation = replace(before.explanation, local=local)
        else:
            explanation = Explanation(project, nodeid, print_, ExplainStage.LOCAL, local)
        if answer is not None and explanation.answer is None:
            explanation = replace(explanation, stage=ExplainStage.EXPLAINED, answer=answer, is_repeat=True)
        may_pass = before.may_pass if before is not None else False
        case = self._cases[project, nodeid] = Case(stamp, explanation, facts, may_pass)
        self._forget_old(case)
        if before is not None or explanation.stage is not ExplainStage.LOCAL:
            self._tell(case)
        return case

    def _forget_old(self, case: Case) -> None:
        self._cases.move_to_end(case.key)
        for old in list(self._cases.values())[:-MOST_FACTS]:
            if old.facts is not None:
                self._cases[old.key] = replace(old, facts=None)
        spare = len(self._cases) - MOST_CASES
        for old in [each for each in self._cases.values() if each.print not in self._questions][: max(0, spare)]:
            if old.key != case.key:
                del self._cases[old.key]

    async def _ask(self, case: Case, hosts: Collection[str]) -> None:
        """Ask a model about one failure, and tell all that have the same one."""
        try:
            prompt = await self._prompt(case)
            completion = await self._asking.models.complete(
                prompt.messages, answer_tokens=self._asking.settings.answer_tokens, hosts=hosts, as_json=True
            )
            answer = await self._read(case, completion)
        except WatchkeeperError as error:
            passes = isinstance(error, ModelOutOfReach | ModelBusy)
            self._conclude(case, may_pass=passes, stage=ExplainStage.UNANSWERED, trouble=error.message, hint=error.hint)
            return
        self._keep_answer(case, answer, is_whole=not completion.trouble)
        self._conclude(
            case, stage=ExplainStage.EXPLAINED, answer=answer, is_repeat=False, trouble=completion.trouble, hint=""
        )

    def _ended(self, case: Case, question: asyncio.Task[None]) -> None:
        """See to it that a question that came to nothing is not shown as being asked for ever."""
        if self._questions.get(case.print) is not question:
            return
        if question.cancelled():
            self._conclude(case, stage=case.settled)
        else:
            self._conclude(case, stage=ExplainStage.UNANSWERED, trouble=_INSIDE[0], hint=_INSIDE[1])

    async def _prompt(self, case: Case) -> Prompt:
        settings, language, nonce = self._asking.settings, self._asking.language, self._asking.new_nonce()
        facts = await self.facts(case)

        def built() -> Prompt:
            return build_prompt(
                facts,
                case.explanation.local,
                sources=Sources(facts.root),
                privacy=self._asking.privacy(facts.root),
                budget_tokens=settings.prompt_tokens,
                language=language,
                nonce=nonce,
            )

        return await self._work.do(built)

    async def _read(self, case: Case, completion: Completion) -> Answer:
        read = await self._work.do(partial(read_answer, completion.text))
        root = Path(case.explanation.project)
        proved = await checked(read, root=root, runner=self._runner, environ=self._environ, work=self._work.do)
        return to_answer(read, proved, completion, at=self._clock.wall())

    def _keep_answer(self, case: Case, answer: Answer, *, is_whole: bool) -> None:
        """Keep an answer for the next failure of the same fingerprint; half of one is not worth that."""
        if not answer.cause and not is_whole:
            return
        self._answers[case.print] = answer
        while len(self._answers) > MOST_CASES:
            self._answers.popitem(last=False)
        project, nodeid = case.key
        print_ = case.explanation.fingerprint
        self._publish(FailureAnswered(at=answer.at, project=project, nodeid=nodeid, fingerprint=print_, answer=answer))

    def _conclude(self, asked: Case, *, may_pass: bool = False, **changes: object) -> None:
        """End a question, and tell all that have the same failure what came of it."""
        del self._questions[asked.print]
        for case in [each for each in self._cases.values() if each.print == asked.print]:
            self._tell(replace(case, may_pass=may_pass), **changes)

    def _keep(self, case: Case, **changes: object) -> Case:
        kept = replace(case, explanation=replace(case.explanation, **changes))  # type: ignore[arg-type] # names are fixed by the callers here
        if case.key in self._cases:
            self._cases[case.key] = kept
        return kept

    def _tell(self, case: Case, **changes: object) -> Explanation:
        explanation = self.shown(self._keep(case, **changes))
        answer = explanation.answer if explanation.stage is ExplainStage.EXPLAINED else None
        headline = answer.headline if answer is not None else explanation.trouble
        now = self._clock.wall()
        explained = Explained(explanation.nodeid, explanation.stage, headline, now)
        self._publish(ExplanationChanged(at=now, project=explanation.project, explained=explained, answer=answer))
        return explanation


async def _end(tasks: Collection[asyncio.Task[None] | asyncio.Task[Case | WatchkeeperError]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _without_model(facts: FailureFacts) -> tuple[LocalExplanation, str]:
    """Return what can be said without a model, and the failure's fingerprint. Blocks."""
    local = explain_locally(facts, Sources(facts.root))
    return local, fingerprint(read_failure(facts.output, nodeid=facts.nodeid), facts.nodeid)
