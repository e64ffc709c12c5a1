"""An answer as it comes: what has come of it so far, and whether that is all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.ai.messages import Message, tokens_of
from app.domain.analysis import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.ai.providers.provider import Price

LONGEST_ANSWER = 256 * 1024
"""Characters of one answer."""

DONE = "[DONE]"

PER_MESSAGE = 4
"""Tokens that each message costs beside its text."""

LEAST_SHARE = 0.25
"""A figure that a service gives is believed when it is at least this share of what the texts come to."""

_LONGEST_MODEL = 100
_MOST_TOKENS = 10_000_000

_FINISHED_EARLY = {
    "length": "The answer came to its limit of tokens, and is not whole.",
    "content_filter": "The service's filter stopped the answer.",
    "insufficient_system_resource": "The service ran out of resources, and broke the answer off.",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        messages: The chat, sent as it is.
        answer_tokens: How many tokens the answer may have.
        as_json: Whether the answer is to be a JSON object, where the service knows how to promise that.
        on_text: Called with each piece of the answer as it comes.
    """

    messages: Sequence[Message]
    answer_tokens: int
    as_json: bool = False
    on_text: Callable[[str], None] | None = None

    @property
    def prompt_tokens(self) -> int:
        """About how many tokens are sent, rather too many than too few."""
        return sum(tokens_of(message.content) + PER_MESSAGE for message in self.messages)


class NotUnderstood(ValueError):
    """A piece of an answer is not what the API says; tells in which way."""


class ErrorInside(Exception):
    """The service sent an error inside an answer that began as a success.

    Attributes:
        error: Its `error` member.
    """

    def __init__(self, error: object) -> None:
        super().__init__("an error inside an answer")
        self.error = error


@dataclass(slots=True)
class Draft:
    """An answer on its way.

    Attributes:
        on_text: Called with each piece.
        is_sent: Whether the question was sent whole and was not refused, so that it may be charged for.
        is_begun: Whether the service has accepted the question, so that it may charge for it.
        is_done: Whether nothing more will come.
        finish: Why it ended, by the service's own word; empty until it did.
        model: Which model answers, by its own word.
        prompt_tokens: As the service says; None until it does.
        answer_tokens: Likewise.
        is_full: Whether there was more than an answer may have.
    """

    on_text: Callable[[str], None] | None = None
    is_sent: bool = False
    is_begun: bool = False
    is_done: bool = False
    finish: str = ""
    model: str = ""
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    is_full: bool = False
    _pieces: list[str] = field(default_factory=list)
    _length: int = 0
    _thought: int = 0

    @property
    def text(self) -> str:
        """What has come."""
        return "".join(self._pieces)

    @property
    def has_text(self) -> bool:
        """Whether any has come."""
        return bool(self._pieces)

    @property
    def is_whole(self) -> bool:
        """Whether the service said that this is the end."""
        return self.is_done or bool(self.finish)

    @property
    def trouble(self) -> str:
        """Why an answer that came to its end is not whole all the same; empty when it is."""
        return _FINISHED_EARLY.get(self.finish, "")

    def take(self, data: str) -> None:
        """Take one event's data, or a whole answer.

        Raises:
            NotUnderstood: It is not what the API says.
            ErrorInside: It is an error.
        """
        if data.strip() == DONE:
            self.is_done = True
            return
        try:
            found: Any = json.loads(data)
        except (ValueError, RecursionError):
            raise NotUnderstood("is no JSON") from None
        if not isinstance(found, dict):
            raise NotUnderstood("is no JSON object")
        if found.get("error"):
            raise ErrorInside(found["error"])
        if isinstance(model := found.get("model"), str) and model.isprintable():
            self.model = model[:_LONGEST_MODEL]
        self._count(found.get("usage"))
        choices = found.get("choices")
        if isinstance(choices, list) and choices:
            self._choose(choices[0])

    def usage(self, question: Question, price: Price | None, latency_s: float) -> Usage:
        """Return what the answer took, as far as it came.

        Nothing was taken when the question was not sent, or refused. Where the service gives no figure, or one that is
        too low to be true, the tokens are reckoned from the texts, and the usage is marked as an estimate.
        """
        if not (self.is_sent or self.is_begun):
            return Usage(latency_s=latency_s)
        prompt, is_prompt_reckoned = _counted(self.prompt_tokens, question.prompt_tokens)
        # what was thought counts as said: it is charged like that
        answer, is_answer_reckoned = _counted(self.answer_tokens, tokens_of(self.text) + self._thought)
        cost = price.cost(prompt, answer) if price is not None else None
        return Usage(prompt, answer, cost, latency_s, is_prompt_reckoned or is_answer_reckoned)

    def _count(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        prompt, answer = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if _is_count(prompt) and _is_count(answer):
            self.prompt_tokens, self.answer_tokens = prompt, answer

    def _choose(self, choice: object) -> None:
        if not isinstance(choice, dict):
            raise NotUnderstood("has another form than such answers have")
        said = choice.get("delta") or choice.get("message") or {}
        if not isinstance(said, dict):
            raise NotUnderstood("has another form than such answers have")
        if isinstance(thought := said.get("reasoning_content") or said.get("reasoning"), str):
            self._thought += tokens_of(thought)
        self._say(_text_of(said.get("content")))
        if isinstance(finish := choice.get("finish_reason"), str):
            self.finish = finish

    def _say(self, text: str) -> None:
        text = _without_surrogates(text)[: LONGEST_ANSWER - self._length + 1]
        if self._length + len(text) > LONGEST_ANSWER:
            text = text[: LONGEST_ANSWER - self._length]
            self.is_full = True
        if not text:
            return
        self._pieces.append(text)
        self._length += len(text)
        if self.on_text is not None:
            self.on_text(text)


def _counted(told: int | None, reckoned: int) -> tuple[int, bool]:
    """Return how many tokens are counted of one side, and whether that is our own reckoning."""
    if told is None or told < LEAST_SHARE * reckoned:
        return reckoned, True
    return told, False


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS


def _text_of(content: object) -> str:
    """Return the text of a message's content: a string, or a list of parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    raise NotUnderstood("has another form than such answers have")


def _without_surrogates(text: str) -> str:
    """Return the text with halves of characters replaced: JSON may escape them, and no file could hold them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if not text.isascii() else text
