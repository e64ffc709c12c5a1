"""Conversations: a question is asked, its answer grows while it is read, and both are kept."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

import structlog

from app.agents.analysis.answering import Answering, kept_reply
from app.agents.analysis.asking import SWITCHED_OFF, not_set_up
from app.domain.analysis import SubjectKind, When
from app.domain.errors import CommandRefused, UsageError, WatchkeeperError
from app.domain.events import ConversationDeleted, ExchangeEnded
from app.domain.modelwords import STOPPED, TALK_TITLE
from app.domain.words import clip, one_line
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from app.agents.analysis.asking import Asking
    from app.agents.analysis.subjects import Subjects
    from app.ai.conversations.conversations import Conversations
    from app.domain.analysis import Conversation, Reply
    from app.domain.commands import Ask, ReadReply
    from app.domain.events import Event
    from app.engine.clock import Clock

_log = structlog.get_logger(__name__)

LONGEST_QUESTION = 20_000
"""Characters: more belongs into a file, not into a question."""
READ_AT_MOST_S = 20.0
"""A reader is answered by then, so that its connection does not look dead."""
REMEMBERED = 50
"""Answers that ended and may still be read piece by piece."""
LAST = 10
"""Exchanges before the question that are sent along."""

_ENDED = "Watchkeeper was stopped."
_TAKEN_BACK = "You no longer agree that parts of this project are sent."


class Talking:
    """It. Belongs to the loop's thread.

    Args:
        conversations: Where they are kept.
        asking: Whom to ask, and what the person has agreed to.
        subjects: Knows what conversations are about.
        publish: Takes the events.
        clock: Time.
    """

    def __init__(
        self,
        conversations: Conversations,
        asking: Asking,
        subjects: Subjects,
        *,
        publish: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._asking = asking
        self._subjects = subjects
        self._publish = publish
        self._clock = clock
        self._answering: OrderedDict[str, Answering] = OrderedDict()
        self._deleted: OrderedDict[str, None] = OrderedDict()
        self._taken_back: Counter[str] = Counter()

    @property
    def questions(self) -> int:
        """How many answers are on their way."""
        return sum(not each.is_done for each in self._answering.values())

    async def ask(self, asked: Ask) -> str:
        """Begin to have a question answered, and return its conversation's id.

        Raises:
            UsageError: The question is empty or too long, or there is no such conversation, project, failure or
                finding.
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
        subject, title = (begun.subject, begun.title) if begun is not None else await self._subjects.of(asked)
        taken_back = self._taken_back[subject.project]
        hosts = await self._subjects.hosts(subject)
        if not self._asking.hosts:
            raise not_set_up(self._asking.trouble)
        if begun is None:
            title = clip(one_line(title or question), TALK_TITLE)
            begun = Answering(subject, title, 1, self._clock.wall(), question)
            conversation = await self._conversations.start(subject, title)
            self._subjects.note(subject, conversation)
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
            return kept_reply(await self.whole(asked.conversation), asked.after)
        await answering.wait(asked.after, min(max(0.0, asked.wait_s), READ_AT_MOST_S))
        return answering.reply(asked.conversation, asked.after)

    def stop(self, conversation: str, why: str = STOPPED) -> None:
        """End the answer that is on its way; what came of it is kept, with a sentence that says why it ends."""
        answering = self._answering.get(conversation)
        if answering is not None and answering.asking is not None and not answering.asking.done():
            answering.trouble = why
            answering.asking.cancel()

    async def taken_back(self, project: str) -> None:
        """End all answers about what is in a project: the person no longer agrees that its source is sent."""
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
        self._subjects.forget(conversation)
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

    async def _goes_on(self, conversation: str, question: str) -> Answering:
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
        return Answering(found.record.subject, found.record.title, seq, self._clock.wall(), question)

    async def _answer(self, conversation: str, answering: Answering, hosts: Collection[str] | None) -> None:
        try:
            before = await self._conversations.last(conversation, LAST) if answering.seq > 1 else ()
            prompt = await self._subjects.prompt(answering.subject, answering.question, before)
            completion = await self._asking.models.complete(
                prompt.messages, answer_tokens=self._asking.settings.answer_tokens, hosts=hosts, on_text=answering.add
            )
        except WatchkeeperError as error:
            answering.trouble, answering.hint = error.message, error.hint
        except Exception:  # noqa: BLE001 - whatever it is, the reader must not wait for ever
            answering.trouble, answering.hint = "That went wrong inside Watchkeeper.", "The log says more."
            _log.exception("a question was not answered")
        else:
            answering.take(completion)

    def _asked(self, conversation: str, answering: Answering) -> None:
        """Keep what came, however the asking has ended, and let nobody interrupt that."""
        if self._answering.get(conversation) is not answering:  # it was deleted meanwhile
            answering.end()
            return
        answering.keeping = spawn(self._keep(conversation, answering), name="an answer is kept")

    async def _keep(self, conversation: str, answering: Answering) -> None:
        exchange = answering.exchange()
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

    def _forget_old(self) -> None:
        for conversation in [each for each, answering in self._answering.items() if answering.is_done]:
            if len(self._answering) <= REMEMBERED:
                break
            del self._answering[conversation]


def _unknown(conversation: str) -> UsageError:
    return UsageError(
        f"There is no conversation {clip(one_line(conversation), TALK_TITLE)}.",
        "See all: watchkeeper conversations list",
    )
