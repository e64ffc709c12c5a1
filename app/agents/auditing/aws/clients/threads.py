"""AWS by botocore in threads, for where aiobotocore cannot be installed.

A call that is cancelled is given up at once, but its thread lives on until the answer or its timeout, and asks nothing
again after that. The threads are daemons, so they keep no program from ending.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from contextvars import ContextVar, copy_context
from importlib import import_module
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from app.agents.auditing.aws.clients.account import SigningKeys
from app.agents.auditing.aws.clients.backend import Answer, config_of, keep_out_of_logs
from app.agents.auditing.aws.clients.botocores import Profile, hear_throttled, keep_to, operations_of, session_of
from app.agents.auditing.aws.clients.lean import lean
from app.agents.auditing.aws.errors import Call, translating
from app.engine.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

    from app.agents.auditing.aws.clients.backend import Patience, Place, Wire
    from app.agents.auditing.aws.clients.credentials import Credentials

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 32
CLOSE_S = 1.0
"""How long the end waits for threads whose calls were given up."""

_given_up: ContextVar[threading.Event] = ContextVar("given_up")
"""Set once nobody waits for the call under way."""


class ThreadBackend:
    """Makes clients of botocore, and calls them in threads. There is one in a process.

    Args:
        threads: How many calls are under way at most.
    """

    def __init__(self, threads: int = THREADS) -> None:
        keep_out_of_logs()
        self._loader = import_module("botocore.session").Session().get_component("data_loader")
        self._workers = WorkerPool(threads, name="aws-calls", patience_s=CLOSE_S)

    @property
    def name(self) -> str:
        """How people are told which one it is."""
        return "botocore in threads"

    async def connect(self, place: Place, patience: Patience) -> Wire:
        """Make a client in a thread.

        Raises:
            CannotError: botocore knows no such service.
        """
        with translating(Call(place.service, "", place.region)):
            return ThreadWire(await _within(self._workers, self._make, place, patience), self._workers)

    def _make(self, place: Place, patience: Patience) -> Any:  # noqa: ANN401 - a client of botocore, which has no types
        session = session_of("botocore.session", "Session", self._loader)
        session.register_component("credential_provider", _Provider())
        client = session.create_client(
            place.service,
            region_name=place.region,
            endpoint_url=place.endpoint_url or None,
            config=import_module("botocore.config").Config(**config_of(place, patience)),
        )
        lean(client)
        keep_to(place, client)
        for event in ("request-created", "needs-retry"):
            client.meta.events.register_first(event, _ask_for_somebody)
        return client

    def profile(self, name: str) -> Credentials:
        """Return the credentials of a profile as botocore finds them.

        Args:
            name: Of the AWS configuration; empty for what the environment or the machine gives.
        """

        def found() -> Any:  # noqa: ANN401 - botocore has no types
            return session_of("botocore.session", "Session", self._loader, name).get_credentials()

        async def find() -> Any:  # noqa: ANN401 - likewise
            return await _within(self._workers, found)

        async def freeze(found: Any) -> Any:  # noqa: ANN401 - likewise
            return await _within(self._workers, found.get_frozen_credentials)

        return Profile(name, find, freeze)

    def close(self) -> None:
        """Let go of the threads."""
        self._workers.shutdown(cancel_futures=True)


class ThreadWire:
    """A client of botocore.

    Args:
        client: It.
        workers: Where it is called.
    """

    def __init__(self, client: Any, workers: WorkerPool) -> None:  # noqa: ANN401 - likewise
        self._client = client
        self._workers = workers
        self._operations = operations_of(client)

    def on_throttled(self, hear: Callable[[], None]) -> None:
        """Have somebody told of each attempt that the service takes for too much, in the call's own context."""
        hear_throttled(self._client, hear)

    async def call(self, operation: str, parameters: Mapping[str, object]) -> Answer:
        """Make one call; what botocore raises is passed on.

        Raises:
            ValueError: The service has no such operation.
        """
        method: Callable[..., Answer] = getattr(self._client, self._operations[operation])
        return await _within(self._workers, method, **parameters)

    async def pages(self, operation: str, parameters: Mapping[str, object]) -> AsyncGenerator[Answer, None]:
        """Give one page after the other; as `call`."""
        method = self._operations[operation]
        if not self._client.can_paginate(method):
            yield await self.call(operation, parameters)
            return
        pages: Iterator[Answer] = iter(self._client.get_paginator(method).paginate(**parameters))
        while (page := await _within(self._workers, next, pages, None)) is not None:
            yield page

    async def close(self) -> None:
        """Close all connections."""
        self._client.close()


async def _within(workers: WorkerPool, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread that signs with the caller's keys, and knows when the caller is gone."""
    context = copy_context()
    given_up = threading.Event()
    context.run(_given_up.set, given_up)

    def run() -> T:
        return context.run(fn, *args, **kwargs)

    try:
        return await asyncio.wrap_future(workers.submit(run))
    finally:
        given_up.set()


def _ask_for_somebody(**_: object) -> None:
    """End a call that nobody waits for before it is made, or made again.

    Raises:
        CancelledError: Nobody does.
    """
    if _given_up.get().is_set():
        raise CancelledError


class _Provider:
    """What a session asks for credentials."""

    def load_credentials(self) -> SigningKeys:
        return SigningKeys(import_module("botocore.credentials").ReadOnlyCredentials)
