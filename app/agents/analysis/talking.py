"""Conversations: a question is asked, its answer grows while it is read, and both are kept."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from app.agents.analysis.asking import SWITCHED_OFF, not_set_up
from app.ai.conversations.chat import chat_messages
from app.ai.failures.prompt import failure_context
from app.ai.failures.sources import Sources
from app.domain.analysis import Exchange, Reply, Subject, SubjectKind, Usage, When
from app.domain.errors import CommandRefused, ConsentMissing, UsageError, WatchkeeperError
from app.domain.events import ConversationDeleted, ExchangeEnded
from app.domain.modelwords import STOPPED
from app.domain.words import clip, one_line
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from app.agents.analysis.asking import Asking
    from app.agents.analysis.explaining import Explaining
    from app.agents.analysis.work import Work
    from app.ai.conversations.conversations import Conversations
    from app.ai.messages import Message
    from app.domain.analysis import Answer, Conversation
    from app.domain.commands import Ask, ReadReply
    from app.domain.events import Event
    from app.engine.clock import Clock

_log = structlog.get_logger(__name__)

LONGEST_QUESTION = 20_000
"""Characters: more belongs into a file, not into a question."""
TITLE = 80
READ_AT_MOST_S = 20.0
"""A reader is answered by then, so that its connection does not look dead."""
REMEMBERED = 50
"""Answers that ended and may still be read piece by piece."""
LAST = 10
"""Exchanges before the question that are sent along."""

_ENDED = "Watchkeeper was stopped."
_TAKEN_BACK = "You no longer agree that parts of this project are sent."


@dataclass(slots=True)
class _Answering:
    """An answer that grows."""

    subject: Subject
    title: str
    seq: int
    at: float
    question: str
    pieces: list[str] = field(default_factory=list)
    length: int = 0
    is_done: bool = False
    trouble: str = ""
    hint: str = ""
    provider: str = ""
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    asking: asyncio.Task[None] | None = None
    keeping: asyncio.Task[None] | None = None

    @property
    def text(self) -> str:
        self.pieces[:] = ["".join(self.pieces)]
        return self.pieces[0]

    def add(self, piece: str) -> None:
        self.pieces.append(piece)
        self.length += len(piece)
        self.wake()

    def put(self, text: str) -> None:
        self.pieces[:] = [text]
        self.length = len(text)

    def end(self) -> None:
        self.is_done = True
        self.wake()

    def wake(self) -> None:
        self.moved.set()
        self.moved = asyncio.Event()


class Talking:
    """It. Belongs to the loop's thread.

    Args:
        conversations: Where they are kept.
        asking: Whom to ask, and what the person has agreed to.
        explaining: Knows the failures that conversations are about.
        work: Runs what takes time.
        publish: Takes the events.
        clock: Time.
    """

    def __init__(
        self,
        conversations: Conversations,
        asking: Asking,
        explaining: Explaining,
        work: Work,
        *,
        publish: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._asking = asking
        self._explaining = explaining
        self._work = work
        self._publish = publish
        self._clock = clock
        self._answering: OrderedDict[str, _Answering] = OrderedDict()
        self._deleted: OrderedDict[str, None] = OrderedDict()
        self._taken_back: Counter[str] = Counter()

    @property
    def questions(self) -> int:
        """How many answers are on their way."""
        return sum(not each.is_done for each in self._answering.values())

    async def ask(self, asked: Ask) -> str:
        """Begin to have a question answered, and return its conversation's id.

        Raises:
            UsageError: The question is empty or too long, or there is no such conversation, project or failure.
            ModelError: It cannot be tried.
            CannotError: The conversation cannot be kept.
        """
        question = asked.text.strip()
        if not question:
            raise UsageError("The question is empty.", "Write what you want to know.")
        if len(question) > LONGEST_QUESTION:
            raise UsageError(
                f"The question has {len(question):,} characters.", f"Ask in {LONGEST_QUESTION:,} or fewer."
            )
        await self._asking.look_at_settings()
        if self._asking.when is When.NEVER:
            raise CommandRefused(*SWITCHED_OFF)
        begun = await self._goes_on(asked.conversation, question) if asked.conversation else None
        subject = begun.subject if begun is not None else await self._subject(asked)
        taken_back = self._taken_back[subject.project]
        hosts = await self._hosts(subject)
        if not self._asking.hosts:
            raise not_set_up(self._asking.trouble)
        if begun is None:
            title = clip(one_line(question), TITLE)
            begun = _Answering(subject, title, 1, self._clock.wall(), question)
            conversation = await self._conversations.start(subject, title)
            if subject.kind is SubjectKind.FAILURE:
                self._explaining.about(subject.project, subject.name, conversation)
        else:
            conversation = asked.conversation
            self._check_free(conversation)
        self._answering[conversation] = begun
        self._answering.move_to_end(conversation)
        begun.asking = spawn(self._answer(conversation, begun, hosts), name="a question is answered")
        begun.asking.add_done_callback(lambda _done: self._asked(conversation, begun))
        if hosts is not None and self._taken_back[subject.project] != taken_back:
            self.stop(conversation, _TAKEN_BACK)  # while the conversation was begun; nothing has been sent yet
        self._forget_old()
        return conversation

    async def read(self, asked: ReadReply) -> Reply:
        """Return what has come of the newest answer of a conversation.

        Raises:
            UsageError: There is no such conversation.
        """
        answering = self._answering.get(asked.conversation)
        if answering is None:
            return await self._from_transcript(asked)
        loop = asyncio.get_running_loop()
        until = loop.time() + min(max(0.0, asked.wait_s), READ_AT_MOST_S)
        while not answering.is_done and answering.length <= asked.after and (left := until - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    await answering.moved.wait()
            except TimeoutError:
                break
        return Reply(
            conversation=asked.conversation,
            seq=answering.seq,
            text=answering.text[max(0, asked.after) :],
            length=answering.length,
            is_done=answering.is_done,
            trouble=answering.trouble,
            hint=answering.hint,
            provider=answering.provider,
            model=answering.model,
            usage=answering.usage,
        )

    def stop(self, conversation: str, why: str = STOPPED) -> None:
        """End the answer that is on its way; what came of it is kept, with a sentence that says why it ends."""
        answering = self._answering.get(conversation)
        if answering is not None and answering.asking is not None and not answering.asking.done():
            answering.trouble = why
            answering.asking.cancel()

    async def taken_back(self, project: str) -> None:
        """End all answers about failures of a project: the person no longer agrees that its source is sent."""
        self._taken_back[project] += 1
        about = [
            (conversation, each)
            for conversation, each in self._answering.items()
            if each.subject.project == project and each.subject.kind is not SubjectKind.FREE
        ]
        for conversation, _answering in about:
            self.stop(conversation, _TAKEN_BACK)
        tasks = [each.asking for _, each in about if each.asking is not None]
        if tasks:
            await asyncio.wait(tasks)

    async def whole(self, conversation: str) -> Conversation:
        """Return a conversation.

        Raises:
            UsageError: There is none of this id.
            CannotError: It cannot be read.
        """
        found = await self._conversations.whole(conversation)
        if found is None:
            raise _unknown(conversation)
        return found

    async def delete(self, conversation: str) -> None:
        """Delete a conversation for good.

        Raises:
            UsageError: There is none of this id, or it is being deleted.
            CannotError: It cannot be deleted.
        """
        if conversation in self._deleted:
            raise _unknown(conversation)
        self._deleted[conversation] = None
        try:
            await self._end_now(conversation)
            existed = await self._conversations.delete(conversation)
        except BaseException:
            self._deleted.pop(conversation, None)
            raise
        while len(self._deleted) > REMEMBERED:
            self._deleted.popitem(last=False)
        # Also when its file was gone already: what the history lists must go as well.
        self._explaining.forget_talk(conversation)
        self._publish(ConversationDeleted(at=self._clock.wall(), conversation=conversation))
        if not existed:
            raise _unknown(conversation)

    async def _end_now(self, conversation: str) -> None:
        """End an answer that is on its way, without keeping it."""
        answering = self._answering.pop(conversation, None)
        if answering is None:
            return
        tasks = [task for task in (answering.asking, answering.keeping) if task is not None and not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        answering.end()

    async def close(self) -> None:
        """End what is on its way; what came of it is kept."""
        for conversation in list(self._answering):
            self.stop(conversation, _ENDED)
        asking = [each.asking for each in self._answering.values() if each.asking is not None]
        if asking:
            await asyncio.wait(asking)
        keeping = [each.keeping for each in self._answering.values() if each.keeping is not None]
        if keeping:
            await asyncio.wait(keeping)

    def _check_free(self, conversation: str) -> None:
        """See that a conversation may be gone on with.

        Raises:
            UsageError: It is deleted, or about to be, or its last question is still being answered.
        """
        if conversation in self._deleted:
            raise _unknown(conversation)
        answering = self._answering.get(conversation)
        if answering is not None and not answering.is_done:
            raise UsageError(
                "The last question of this conversation is still being answered.", "Wait for its end, or stop it."
            )

    async def _goes_on(self, conversation: str, question: str) -> _Answering:
        """Return the next exchange of a conversation.

        Raises:
            UsageError: There is no such conversation, or its last question is still being answered.
        """
        self._check_free(conversation)
        found = await self.whole(conversation)
        if found.record.is_damaged:
            raise UsageError(
                "The file of this conversation is damaged: it can be read, and not gone on with.", "Begin a new one."
            )
        answered = self._answering.get(conversation)  # its transcript may be out of reach
        seq = max((each.seq for each in found.exchanges), default=answered.seq if answered is not None else 0) + 1
        return _Answering(found.record.subject, found.record.title, seq, self._clock.wall(), question)

    async def _subject(self, asked: Ask) -> Subject:
        if asked.project and asked.nodeid:
            await self._explaining.look(asked.project, asked.nodeid)
            return Subject(SubjectKind.FAILURE, asked.project, asked.nodeid)
        if asked.nodeid:
            raise UsageError("A test is named without its project.", "Name both, or neither.")
        return Subject(SubjectKind.FREE, asked.project)

    async def _hosts(self, subject: Subject) -> Collection[str] | None:
        """Return where a question may be sent; None for anywhere, when it holds nothing but the person's own words."""
        if subject.kind is SubjectKind.FREE:
            return None
        agreed = await self._asking.agreed(subject.project)
        if not agreed and self._asking.hosts:
            raise ConsentMissing(
                f"Parts of {subject.project} would be sent to {', '.join(self._asking.hosts)}, and you have not agreed "
                "to that.",
                f"Agree in the window, or with: watchkeeper explain --allow --project {subject.project}",
            )
        return agreed

    async def _answer(self, conversation: str, answering: _Answering, hosts: Collection[str] | None) -> None:
        try:
            messages = await self._messages(conversation, answering)
            completion = await self._asking.models.complete(
                messages, answer_tokens=self._asking.settings.answer_tokens, hosts=hosts, on_text=answering.add
            )
        except WatchkeeperError as error:
            answering.trouble, answering.hint = error.message, error.hint
        except Exception:  # noqa: BLE001 - whatever it is, the reader must not wait for ever
            answering.trouble, answering.hint = "That went wrong inside Watchkeeper.", "The log says more."
            _log.exception("a question was not answered")
        else:
            if completion.text != answering.text:  # it came whole
                answering.put(completion.text)
            answering.provider, answering.model = completion.provider, completion.model
            answering.usage, answering.trouble = completion.usage, completion.trouble

    def _asked(self, conversation: str, answering: _Answering) -> None:
        """Keep what came, however the asking has ended, and let nobody interrupt that."""
        if self._answering.get(conversation) is not answering:  # it was deleted meanwhile
            answering.end()
            return
        answering.keeping = spawn(self._keep(conversation, answering), name="an answer is kept")

    async def _keep(self, conversation: str, answering: _Answering) -> None:
        exchange = Exchange(
            answering.seq,
            answering.at,
            answering.question,
            answering.text,
            answering.provider,
            answering.model,
            answering.usage,
            answering.trouble,
        )
        try:
            await self._conversations.add(conversation, exchange)
        except WatchkeeperError as error:
            answering.trouble = f"{answering.trouble} This answer could not be kept: {error.message}".strip()
            answering.hint = answering.hint or error.hint
        finally:
            answering.end()
        self._publish(
            ExchangeEnded(
                at=self._clock.wall(),
                conversation=conversation,
                subject=answering.subject,
                title=answering.title,
                exchange=exchange,
            )
        )

    async def _messages(self, conversation: str, answering: _Answering) -> tuple[Message, ...]:
        """Return what is sent: the failure, the last exchanges, and the question, all of it without secrets."""
        subject, settings = answering.subject, self._asking.settings
        case = None
        if subject.kind is SubjectKind.FAILURE:
            try:
                case = await self._explaining.look(subject.project, subject.name)
            except WatchkeeperError as error:  # the test is gone, or was never red since: the words remain
                _log.info("a conversation goes on without its failure", reason=error.message)
        before = await self._conversations.last(conversation, LAST) if answering.seq > 1 else ()
        language, nonce = self._asking.language, self._asking.new_nonce()
        facts = await self._explaining.facts(case) if case is not None else None

        def built() -> tuple[Message, ...]:
            privacy = self._asking.privacy(Path(subject.project) if subject.project else None)
            context = ""
            if case is not None and facts is not None:
                context = failure_context(
                    facts,
                    case.explanation.local,
                    sources=Sources(facts.root),
                    privacy=privacy,
                    budget_tokens=settings.prompt_tokens // 2,
                    nonce=nonce,
                )
            return chat_messages(
                privacy.clean(answering.question),
                context=context,
                explained=privacy.clean(_explained(case.explanation.answer)) if case is not None else "",
                before=tuple((privacy.clean(each.question), privacy.clean(each.answer)) for each in before),
                budget_tokens=settings.prompt_tokens,
                language=language,
            )

        return await self._work.do(built)

    async def _from_transcript(self, asked: ReadReply) -> Reply:
        found = await self.whole(asked.conversation)
        if not found.exchanges:
            return Reply(asked.conversation, 0, "", 0, is_done=True)
        last = found.exchanges[-1]
        return Reply(
            conversation=asked.conversation,
            seq=last.seq,
            text=last.answer[max(0, asked.after) :],
            length=len(last.answer),
            is_done=True,
            trouble=last.trouble,
            provider=last.provider,
            model=last.model,
            usage=last.usage,
        )

    def _forget_old(self) -> None:
        for conversation in [each for each, answering in self._answering.items() if answering.is_done]:
            if len(self._answering) <= REMEMBERED:
                break
            del self._answering[conversation]


def _unknown(conversation: str) -> UsageError:
    return UsageError(
        f"There is no conversation {clip(one_line(conversation), TITLE)}.", "See all: watchkeeper conversations list"
    )


def _explained(answer: Answer | None) -> str:
    return "\n".join(filter(None, (answer.cause, answer.next_step))) if answer is not None else ""
