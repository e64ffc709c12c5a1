"""Has failures explained: locally at once, and by a model once for each distinct failure."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from app.ai.answers.checking import checked, to_answer
from app.ai.answers.reading import read_answer
from app.ai.failures.local import explain_locally
from app.ai.failures.prompt import build_prompt
from app.ai.failures.sources import Sources
from app.domain.analysis import Explained, ExplainStage, Explanation, PromptPreview, When
from app.domain.errors import ModelError, ModelNotSetUp
from app.domain.events import ExplanationChanged, FailureAnswered
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

_INSIDE = ("That went wrong inside Watchkeeper.", "The log says more.")


@dataclass(frozen=True, slots=True)
class Case:
    """A failure as it is known.

    Attributes:
        stamp: What, when it changes, makes it another failure: the run, and the second look.
        facts: What is known of it.
        explanation: How far its explanation has come.
    """

    stamp: tuple[object, ...]
    facts: FailureFacts
    explanation: Explanation


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
        self._cases: OrderedDict[tuple[str, str], Case] = OrderedDict()
        self._looks: dict[tuple[str, str], asyncio.Task[Case]] = {}
        self._answers: OrderedDict[tuple[str, str], Answer] = OrderedDict()
        self._questions: dict[tuple[str, str], asyncio.Task[None]] = {}

    @property
    def questions(self) -> int:
        """How many failures a model is being asked about."""
        return len(self._questions)

    def known(self, project: str, nodeid: str) -> Explanation | None:
        """Return the explanation of a failure that somebody has looked at; else None."""
        case = self._cases.get((project, nodeid))
        return case.explanation if case is not None else None

    def is_red(self, project: str, nodeid: str) -> bool:
        """Return whether a test is red now."""
        return self._gathering.is_red(project, nodeid)

    async def look(self, project: str, nodeid: str) -> Case:
        """Return a failure with what can be said of it without asking a model.

        Raises:
            UsageError: The project is not watched, or no failure of the test is known.
        """
        key = (project, nodeid)
        look = self._looks.get(key)
        if look is None:
            look = self._looks[key] = spawn(self._look(project, nodeid), name="a failure is looked at")
            look.add_done_callback(lambda _done: self._looks.pop(key, None))
        return await asyncio.shield(look)

    async def explain(self, project: str, nodeid: str, *, again: bool = False) -> Explanation:
        """Return an explanation as it stands now, and have a model asked if that is wanted, agreed to, and needed.

        Raises:
            UsageError: As `look`.
        """
        case = await self.look(project, nodeid)
        explanation = case.explanation
        if self._asking.when is When.NEVER or explanation.stage is ExplainStage.ASKING:
            return explanation
        if explanation.answer is not None and not again:
            return explanation
        if not self._asking.hosts:
            nobody = not_set_up()
            return self._tell(case, stage=ExplainStage.UNANSWERED, trouble=nobody.message, hint=nobody.hint)
        agreed = await self._asking.agreed(project)
        if not agreed:
            stage = ExplainStage.LOCAL if explanation.answer is None else ExplainStage.EXPLAINED
            return self._tell(case, stage=stage, needs_consent=self._asking.hosts, trouble="", hint="")
        key = (project, explanation.fingerprint)
        case = self._keep(case, stage=ExplainStage.ASKING, trouble="", hint="", needs_consent=())
        if key not in self._questions:
            question = self._questions[key] = spawn(self._ask(case, agreed), name="a model is asked")
            question.add_done_callback(lambda _done: self._questions.pop(key, None))
        return self._tell(case)

    async def preview(self, project: str, nodeid: str) -> PromptPreview:
        """Return exactly what would be sent.

        Raises:
            UsageError: As `look`.
            ModelNotSetUp: Nobody is set up to be asked.
        """
        case = await self.look(project, nodeid)
        first = self._asking.first
        if first is None:
            raise not_set_up()
        prompt = await self._prompt(case)
        agreed = await self._asking.agreed(project)
        return PromptPreview(
            provider=first.name,
            host=first.host,
            model=first.model,
            messages=tuple((message.role.value, message.content) for message in prompt.messages),
            tokens=prompt.tokens,
            budget=self._asking.settings.prompt_tokens,
            sections=prompt.sections,
            redacted=prompt.redacted,
            needs_consent=() if agreed else tuple(self._asking.hosts),
        )

    def about(self, project: str, nodeid: str, conversation: str) -> None:
        """Note which conversation is about a failure."""
        case = self._cases.get((project, nodeid))
        if case is not None:
            self._keep(case, conversation=conversation)

    def agreed(self, project: str) -> None:
        """Note that the person has agreed: no explanation of the project waits for that any more."""
        for key, case in list(self._cases.items()):
            if key[0] == project and case.explanation.needs_consent:
                self._tell(case, needs_consent=())

    async def close(self) -> None:
        """End what is on its way."""
        tasks: list[asyncio.Task[None] | asyncio.Task[Case]] = [*self._questions.values(), *self._looks.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)

    async def _look(self, project: str, nodeid: str) -> Case:
        key, stamp = (project, nodeid), self._gathering.stamp(project, nodeid)
        before = self._cases.get(key)
        if before is not None and before.stamp == stamp:
            return before
        facts = await self._gathering.facts(project, nodeid)
        local, print_ = await self._work.do(partial(_without_model, facts))
        asked_for = (project, print_)
        answer = self._answers.get(asked_for) or await self._gathering.answered(project, print_)
        if before is not None and before.explanation.fingerprint == print_:
            explanation = replace(before.explanation, local=local)
        else:
            talk = before.explanation.conversation if before is not None else ""
            explanation = Explanation(project, nodeid, print_, ExplainStage.LOCAL, local, conversation=talk)
        if asked_for in self._questions:
            explanation = replace(explanation, stage=ExplainStage.ASKING)
        elif answer is not None and explanation.answer is None:
            explanation = replace(explanation, stage=ExplainStage.EXPLAINED, answer=answer, is_repeat=True)
        case = self._cases[key] = Case(stamp, facts, explanation)
        self._cases.move_to_end(key)
        while len(self._cases) > MOST_CASES:
            self._cases.popitem(last=False)
        if explanation.stage is not ExplainStage.LOCAL:
            self._tell(case)
        return case

    async def _ask(self, case: Case, hosts: Collection[str]) -> None:
        """Ask a model about one failure, and tell all that have the same one."""
        project, print_ = case.explanation.project, case.explanation.fingerprint
        try:
            prompt = await self._prompt(case)
            completion = await self._asking.models.complete(
                prompt.messages, answer_tokens=self._asking.settings.answer_tokens, hosts=hosts, as_json=True
            )
            answer = await self._read(case, completion)
        except ModelError as error:
            self._conclude(project, print_, stage=ExplainStage.UNANSWERED, trouble=error.message, hint=error.hint)
        except asyncio.CancelledError:
            self._conclude(project, print_, stage=ExplainStage.LOCAL)
            raise
        except Exception:
            self._conclude(project, print_, stage=ExplainStage.UNANSWERED, trouble=_INSIDE[0], hint=_INSIDE[1])
            raise
        else:
            self._keep_answer(case, answer, is_whole=not completion.trouble)
            self._conclude(
                project,
                print_,
                stage=ExplainStage.EXPLAINED,
                answer=answer,
                is_repeat=False,
                trouble=completion.trouble,
            )

    async def _prompt(self, case: Case) -> Prompt:
        settings, language = self._asking.settings, self._asking.language

        def built() -> Prompt:
            facts = case.facts
            return build_prompt(
                facts,
                case.explanation.local,
                sources=Sources(facts.root),
                privacy=self._asking.privacy(facts.root),
                budget_tokens=settings.prompt_tokens,
                language=language,
                nonce=secrets.token_hex(8),
            )

        return await self._work.do(built)

    async def _read(self, case: Case, completion: Completion) -> Answer:
        read = await self._work.do(partial(read_answer, completion.text))
        proved = await checked(read, root=case.facts.root, runner=self._runner, environ=self._environ)
        return to_answer(read, proved, completion, at=self._clock.wall())

    def _keep_answer(self, case: Case, answer: Answer, *, is_whole: bool) -> None:
        """Keep an answer for the next failure of the same fingerprint; half of one is not worth that."""
        if not answer.cause and not is_whole:
            return
        explanation = case.explanation
        self._answers[explanation.project, explanation.fingerprint] = answer
        while len(self._answers) > MOST_CASES:
            self._answers.popitem(last=False)
        self._publish(
            FailureAnswered(
                at=answer.at,
                project=explanation.project,
                nodeid=explanation.nodeid,
                fingerprint=explanation.fingerprint,
                answer=answer,
            )
        )

    def _conclude(self, project: str, print_: str, **changes: object) -> None:
        for case in list(self._cases.values()):
            if case.explanation.project == project and case.explanation.fingerprint == print_:
                self._tell(case, **changes)

    def _keep(self, case: Case, **changes: object) -> Case:
        explanation = replace(case.explanation, **changes)  # type: ignore[arg-type] # names are fixed by the callers here
        kept = replace(case, explanation=explanation)
        key = (explanation.project, explanation.nodeid)
        if key in self._cases:
            self._cases[key] = kept
        return kept

    def _tell(self, case: Case, **changes: object) -> Explanation:
        explanation = self._keep(case, **changes).explanation
        answer = explanation.answer if explanation.stage is ExplainStage.EXPLAINED else None
        headline = answer.headline if answer is not None else explanation.trouble
        now = self._clock.wall()
        explained = Explained(explanation.nodeid, explanation.stage, headline, now)
        self._publish(ExplanationChanged(at=now, project=explanation.project, explained=explained, answer=answer))
        return explanation


def not_set_up() -> ModelNotSetUp:
    """Return the error for settings that name nobody who could be asked."""
    return ModelNotSetUp(
        "No model is set up that could be asked.", "Name one: watchkeeper config set analysis.providers deepseek"
    )


def _without_model(facts: FailureFacts) -> tuple[LocalExplanation, str]:
    """Return what can be said without a model, and the failure's fingerprint. Blocks."""
    local = explain_locally(facts, Sources(facts.root))
    return local, fingerprint(read_failure(facts.output, nodeid=facts.nodeid), facts.nodeid)
