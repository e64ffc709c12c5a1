"""What was said with models becomes rows."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.store.schema import analyses, conversations, exchanges
from app.store.values import finite, insert_into, storable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.domain.events import ConversationDeleted, ExchangeEnded, FailureAnswered

TEXT_CAP = 256 * 1024
"""Characters kept of a question and of an answer, from its beginning."""
MOST_DELETED = 10_000
"""Deleted conversations that are remembered, the last ones."""


def write_answer(connection: Connection, project: int, event: FailureAnswered) -> None:
    """Write what a model said of a failure.

    Args:
        connection: In a transaction.
        project: The project's key.
        event: What it said.
    """
    answer = event.answer
    connection.execute(
        analyses.insert(),
        {
            "project_id": project,
            "fingerprint": storable(event.fingerprint),
            "nodeid": storable(event.nodeid),
            "at": finite(event.at),
            "provider": storable(answer.provider),
            "model": storable(answer.model),
            "tokens": answer.usage.tokens,
            "cost": _price(answer.usage.cost),
            "latency_s": finite(answer.usage.latency_s),
            "answer": _document(asdict(answer)),
        },
    )


class Talks:
    """Writes conversations, and remembers for as long as it lives which were deleted."""

    def __init__(self) -> None:
        self._deleted: dict[str, None] = {}

    def write(self, connection: Connection, event: ExchangeEnded) -> None:
        """Write a question and its answer; the same one of the same conversation is replaced.

        An answer may end after its conversation was deleted: nothing of it is written.
        """
        subject, exchange = event.subject, event.exchange
        conversation = storable(event.conversation)
        if conversation in self._deleted:
            return
        connection.execute(
            insert_into(connection, conversations).on_conflict_do_nothing(),
            {
                "conversation": conversation,
                "kind": subject.kind.value,
                "project": storable(subject.project),
                "name": storable(subject.name),
                "title": storable(event.title),
            },
        )
        key = connection.execute(
            select(conversations.c.id).where(conversations.c.conversation == conversation)
        ).scalar_one()
        question, answer = storable(exchange.question[:TEXT_CAP]), storable(exchange.answer[:TEXT_CAP])
        told = {
            "at": finite(exchange.at),
            "question": question,
            "answer": answer,
            "folded": f"{question}\n{answer}".casefold(),
            "provider": storable(exchange.provider),
            "model": storable(exchange.model),
            "prompt_tokens": exchange.usage.prompt_tokens,
            "answer_tokens": exchange.usage.answer_tokens,
            "cost": _price(exchange.usage.cost),
            "latency_s": finite(exchange.usage.latency_s),
            "is_estimate": exchange.usage.is_estimate,
            "trouble": storable(exchange.trouble),
        }
        adding = insert_into(connection, exchanges).values(conversation_id=key, seq=exchange.seq, **told)
        connection.execute(adding.on_conflict_do_update(index_elements=["conversation_id", "seq"], set_=told))

    def delete(self, connection: Connection, event: ConversationDeleted) -> None:
        """Delete a conversation for good."""
        conversation = storable(event.conversation)
        self._deleted[conversation] = None
        while len(self._deleted) > MOST_DELETED:
            del self._deleted[next(iter(self._deleted))]
        # Its exchanges go with it: the database sees to that.
        connection.execute(conversations.delete().where(conversations.c.conversation == conversation))


def _price(cost: float | None) -> float | None:
    return cost if cost is not None and math.isfinite(cost) else None


def _document(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a value as JSON can hold it in every database."""
    match value:
        case str():
            return storable(str(value))
        case dict():
            return {name: _document(each) for name, each in value.items()}
        case list() | tuple():
            return [_document(each) for each in value]
        case float():
            return finite(value)
    return value
