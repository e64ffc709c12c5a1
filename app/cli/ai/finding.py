"""Which conversation is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.ai.documents import of_document
from app.domain import commands, words
from app.domain.analysis import ConversationRecord
from app.domain.errors import UsageError

if TYPE_CHECKING:
    from app.control.client import ControlClient

_LOOKED_THROUGH = 1_000
"""Conversations among which a beginning is looked for; an older one must be named whole."""
_MATCHES_SHOWN = 10


def find_conversation(client: ControlClient, said: str) -> str:
    """Return the id of the one conversation that is meant by its id or the beginning of it.

    Raises:
        UsageError: It is none, or more than one.
    """
    if not said:
        raise UsageError("No conversation is named.", "`watchkeeper conversations` lists them.")
    told = client.send(commands.ReadConversations(limit=_LOOKED_THROUGH))
    records = [of_document(ConversationRecord, each) for each in told]
    found = [each for each in records if each.id == said] or [each for each in records if each.id.startswith(said)]
    if len(found) > 1:
        lines = [f"  {each.id}  {words.one_line(each.title)}" for each in found[:_MATCHES_SHOWN]]
        if len(found) > _MATCHES_SHOWN:
            lines.append(f"  ... and {len(found) - _MATCHES_SHOWN} more")
        message = "\n".join([f"{said!r} may mean {words.plural(len(found), 'conversation')}:", *lines])
        raise UsageError(message, "Name more of its id.")
    if found:
        return found[0].id
    if len(records) >= _LOOKED_THROUGH:
        return said
    raise UsageError(f"There is no conversation {said!r}.", "`watchkeeper conversations` lists them.")
