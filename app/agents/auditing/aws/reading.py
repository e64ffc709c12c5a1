"""What was read of an account, or why it was not: facts of one answer, and lists that come in pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from app.agents.auditing.aws.clients.batch import Failed
from app.agents.auditing.aws.clients.iam import action_of
from app.agents.auditing.aws.errors import AWSError, Denied, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from app.agents.auditing.aws.clients.backend import Answer
    from app.agents.auditing.aws.clients.batch import Outcome
    from app.agents.auditing.aws.clients.context import AuditContext

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """What a list gave.

    Attributes:
        items: All that was read.
        lost: Why there may be more than that, as of `told`; empty when all was read.
    """

    items: tuple[T, ...]
    lost: str = ""


@dataclass(frozen=True, slots=True)
class NotRead:
    """A fact that could not be had.

    Attributes:
        why: Which call came to nothing and how, as of `told`.
    """

    why: str


Fact: TypeAlias = T | NotRead
"""What was read, or why it was not."""

NOT_ASKED = NotRead("it was not asked for")
"""Of a fact that no rule needs."""


def was_lost(fact: Fact[object]) -> bool:
    """Return whether a fact was asked for in vain."""
    return isinstance(fact, NotRead) and fact is not NOT_ASKED


def fact_of(outcome: Outcome[Answer], service: str, operation: str, read: Callable[[Answer], T]) -> Fact[T]:
    """Return what an answer says; one that does not say it is as good as none.

    Args:
        outcome: What the call came to.
        service: As botocore names it.
        operation: As the API names it.
        read: Takes the fact from an answer.
    """
    if isinstance(outcome, Failed):
        return NotRead(told(outcome, service, operation))
    try:
        return read(outcome.value)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        return NotRead(told(Failed(error), service, operation))


def is_missing(outcome: Outcome[Answer], codes: Container[str] | None = None) -> bool:
    """Return whether a call says that there is no such thing.

    Args:
        outcome: What the call came to.
        codes: The error codes by which it says so; None for each that says that something was not found.
    """
    if not isinstance(outcome, Failed) or not isinstance(outcome.error, NotFound):
        return False
    return codes is None or outcome.error.code in codes


async def listed(
    context: AuditContext,
    service: str,
    operation: str,
    take: Callable[[Answer], Iterable[T]],
    /,
    **parameters: object,
) -> Listed[T]:
    """Return what all pages of an answer hold; what was read before a page failed is kept.

    Args:
        context: The account and region.
        service: As botocore names it.
        operation: As the API names it.
        take: Gives what a page holds.
        parameters: As the API names them.
    """
    items: list[T] = []
    try:
        async for page in context.pages_async(service, operation, region=context.region, **parameters):
            items += take(page)
    except Exception as error:  # noqa: BLE001 - whatever the service answers, the rest is not known
        return Listed(tuple(items), told(Failed(error), service, operation))
    return Listed(tuple(items))


def told(failed: Failed, service: str, operation: str) -> str:
    """Return which call came to nothing and how, in words for people: `iam:ListUsers denied`.

    Where AWS says by which kind of policy it was denied, that is told as well.

    Args:
        failed: What the call came to.
        service: As botocore names it.
        operation: As the API names it.
    """
    error = failed.error
    if isinstance(error, Denied) and error.by:
        return f"{error.operation} {error.short} by {error.by}"
    if isinstance(error, AWSError):
        return f"{error.operation} {error.short}"
    return f"{action_of(service, operation)} answered what is not understood"
