"""Counts the calls that a unit makes, wherever in it they are made."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from app.agents.auditing.aws.clients.iam import action_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

    from app.agents.auditing.aws.clients.backend import Answer, Backend, Patience, Place, Wire
    from app.agents.auditing.aws.clients.credentials import Credentials

_counts: ContextVar[Counter[str] | None] = ContextVar("aws_counts", default=None)


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count the calls of the block and of tasks begun in it, by IAM's names. It must not span a `yield`."""
    counts: Counter[str] = Counter()
    token = _counts.set(counts)
    try:
        yield counts
    finally:
        _counts.reset(token)


class CountingBackend:
    """A backend whose clients count.

    Args:
        backend: What speaks to AWS; it is closed with this one.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def name(self) -> str:
        """How people are told which one it is."""
        return self._backend.name

    async def connect(self, place: Place, patience: Patience) -> Wire:
        """Make a client; as of Backend."""
        return _CountingWire(place.service, await self._backend.connect(place, patience))

    def profile(self, name: str) -> Credentials:
        """Return the credentials of a profile; as of Backend."""
        return self._backend.profile(name)

    def close(self) -> None:
        """Let go of its threads."""
        self._backend.close()


class _CountingWire:
    def __init__(self, service: str, wire: Wire) -> None:
        self._service = service
        self._wire = wire

    def on_throttled(self, hear: Callable[[], None]) -> None:
        self._wire.on_throttled(hear)

    async def call(self, operation: str, parameters: Mapping[str, object]) -> Answer:
        self._count(operation)
        return await self._wire.call(operation, parameters)

    async def pages(self, operation: str, parameters: Mapping[str, object]) -> AsyncGenerator[Answer, None]:
        async with aclosing(self._wire.pages(operation, parameters)) as pages:
            while True:
                try:
                    page = await anext(pages, None)
                except Exception:
                    self._count(operation)
                    raise
                if page is None:
                    return
                self._count(operation)
                yield page

    def _count(self, operation: str) -> None:
        counts = _counts.get()
        if counts is not None:
            counts[action_of(self._service, operation)] += 1

    async def close(self) -> None:
        await self._wire.close()
