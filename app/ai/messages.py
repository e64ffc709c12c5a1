"""What goes to a model and what comes back, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from app.domain.analysis import Usage

CHARACTERS_PER_TOKEN = 3
"""How a text's tokens are reckoned before it is sent: source code has 3 to 4 characters a token, so this is too many
rather than too few."""

FOREIGN_PER_TOKEN = 1
"""Characters a token outside ASCII: Cyrillic has 1.5 to 2.5 in the tokenizers of today."""


class Role(StrEnum):
    """Whose words a message holds."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer.

    Attributes:
        text: What it said.
        provider: Who was asked.
        model: Which model answered, by its own word where it gave one.
        usage: What it took.
        trouble: Why it is not whole (it was cut off, stopped, or came to its limit); empty when it is.
    """

    text: str
    provider: str
    model: str
    usage: Usage
    trouble: str = ""


class Model(Protocol):
    """Whoever answers: all providers that are set up, as one."""

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        answer_tokens: int,
        hosts: Collection[str] | None,
        on_text: Callable[[str], None] | None = None,
        as_json: bool = False,
    ) -> Completion:
        """Have a chat completed.

        Args:
            messages: The chat, already without secrets: it is sent as it is.
            answer_tokens: How many tokens the answer may have.
            hosts: The only hosts that it may be sent to; None for any.
            on_text: Called on the loop with each piece of the answer as it comes. Once it was called, a failure no
                longer leads to another attempt: what came is returned, with the trouble.
            as_json: Whether the answer is to be a JSON object, where a provider can promise that.

        Raises:
            ModelError: Nobody has answered; says why.
            CannotError: The program is ending, and nobody is asked any more.
        """


def tokens_of(text: str) -> int:
    """Return about how many tokens a text has, rather too many than too few."""
    ascii_length = len(text.encode("ascii", "ignore"))
    return -(-ascii_length // CHARACTERS_PER_TOKEN) + (len(text) - ascii_length) // FOREIGN_PER_TOKEN
