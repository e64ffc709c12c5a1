"""An answer that grows while it is read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.domain.analysis import Exchange, Reply, Usage

if TYPE_CHECKING:
    from app.ai.messages import Completion
    from app.domain.analysis import Conversation, Subject


@dataclass(slots=True)
class Answering:
    """It. Belongs to the loop's thread.

    Attributes:
        subject: What its conversation is about.
        title: That of its conversation.
        seq: Which exchange of it.
        at: Wall-clock time of the question.
        question: What was asked.
        is_done: Whether nothing more will come.
        trouble: Why it is missing or not whole.
        hint: What to do about that.
        moved: Set, and replaced by another, when there is more of it.
        asking: What has the question answered.
        keeping: What keeps the answer.
    """

    subject: Subject
    title: str
    seq: int
    at: float
    question: str
    is_done: bool = False
    trouble: str = ""
    hint: str = ""
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    asking: asyncio.Task[None] | None = None
    keeping: asyncio.Task[None] | None = None
    _pieces: list[str] = field(default_factory=list)
    _length: int = 0
    _provider: str = ""
    _model: str = ""
    _usage: Usage = field(default_factory=Usage)

    @property
    def text(self) -> str:
        """What has come of it."""
        self._pieces[:] = ["".join(self._pieces)]
        return self._pieces[0]

    def add(self, piece: str) -> None:
        """Take a piece that has come."""
        self._pieces.append(piece)
        self._length += len(piece)
        self._wake()

    def take(self, completion: Completion) -> None:
        """Take the whole of it, and who gave it."""
        if completion.text != self.text:  # it came whole
            self._pieces[:] = [completion.text]
            self._length = len(completion.text)
        self._provider, self._model = completion.provider, completion.model
        self._usage, self.trouble = completion.usage, completion.trouble

    def end(self) -> None:
        """Let nothing more come."""
        self.is_done = True
        self._wake()

    async def wait(self, after: int, wait_s: float) -> None:
        """Wait until there is more than `after` characters of it, or it has ended, for `wait_s` seconds at most."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while not self.is_done and self._length <= after and (left := until - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self.moved.wait()
            except TimeoutError:
                break

    def reply(self, conversation: str, after: int) -> Reply:
        """Return what has come of it behind `after` characters."""
        return Reply(
            conversation=conversation,
            seq=self.seq,
            text=self.text[max(0, after) :],
            length=self._length,
            is_done=self.is_done,
            trouble=self.trouble,
            hint=self.hint,
            provider=self._provider,
            model=self._model,
            usage=self._usage,
        )

    def exchange(self) -> Exchange:
        """Return it with its question, to be kept."""
        return Exchange(
            self.seq, self.at, self.question, self.text, self._provider, self._model, self._usage, self.trouble
        )

    def _wake(self) -> None:
        self.moved.set()
        self.moved = asyncio.Event()


def kept_reply(conversation: Conversation, after: int) -> Reply:
    """Return what has come of the newest answer of a conversation that is kept, behind `after` characters."""
    which = conversation.record.id
    if not conversation.exchanges:
        return Reply(which, 0, "", 0, is_done=True)
    last = conversation.exchanges[-1]
    return Reply(
        conversation=which,
        seq=last.seq,
        text=last.answer[max(0, after) :],
        length=len(last.answer),
        is_done=True,
        trouble=last.trouble,
        provider=last.provider,
        model=last.model,
        usage=last.usage,
    )
