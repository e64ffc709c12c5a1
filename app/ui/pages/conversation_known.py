"""Which conversation is about a finding, so that nobody pays twice for the same explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.analysis import LOOKED_THROUGH, ConversationRecord, Subject, conversation_about
from app.domain.commands import ReadConversations

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.ui.requests import PageContext


class KnownTalks:
    """The conversations about findings: those that the history lists, and those whose first answer is on its way.

    Args:
        context: Whom to ask.
    """

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._begun: dict[Subject, str] = {}

    def note(self, subject: Subject, conversation: str) -> None:
        """Note that a conversation has begun; the history lists it once it has an answer."""
        self._begun[subject] = conversation

    def forget(self, conversation: str) -> None:
        """Note that a conversation is no more."""
        self._begun = {subject: each for subject, each in self._begun.items() if each != conversation}

    def find(self, subject: Subject, title: str, found: Callable[[str], None]) -> None:
        """Look for the newest conversation about a subject.

        Args:
            subject: What it must be about.
            title: What it must be called: another one may have begun with another question.
            found: Called with its id; an empty one is none, as far as that is known.
        """

        def answered(answer: object) -> None:
            told = answer if isinstance(answer, tuple) else ()
            records = (each for each in told if isinstance(each, ConversationRecord))
            listed = conversation_about(records, subject, title)
            if listed:  # from now on the history is asked: others may delete it
                self._begun.pop(subject, None)
            found(listed or self._begun.get(subject, ""))

        def failed(_text: str, _hint: str) -> None:
            found(self._begun.get(subject, ""))

        look = ReadConversations(project=subject.project, limit=LOOKED_THROUGH)
        self._context.request(look, answered, failed)
