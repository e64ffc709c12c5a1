"""The clients for scripts, without asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from app.agents.auditing.aws.clients.context import AuditContext
from app.engine.blocking import SyncAsyncWrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from app.agents.auditing.aws.clients.account import Account
    from app.agents.auditing.aws.clients.backend import Answer
    from app.agents.auditing.aws.clients.batch import Outcome
    from app.agents.auditing.aws.clients.context import Ask
    from app.agents.auditing.aws.clients.manager import AsyncClientManager

TIMEOUT_S = 60.0


class SyncClients:
    """AuditContext for code that blocks. A context manager.

        with SyncClients(lambda: AsyncClientManager(backend()), find, "eu-central-1") as clients:
            clients.execute("s3", "GetBucketPolicy", Bucket="shop")

    Args:
        make: Makes the clients; called on the loop that serves them.
        find: Gives the account that is asked, by means of the clients.
        region: Where calls go that name no other.
        timeout_s: How long one call may take.
    """

    def __init__(
        self,
        make: Callable[[], AsyncClientManager],
        find: Callable[[AsyncClientManager], Account],
        region: str,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._make = make
        self._find = find
        self._region = region
        self._timeout_s = timeout_s
        self._loop = SyncAsyncWrapper()
        self._clients: AsyncClientManager | None = None
        self._context: AuditContext | None = None

    def __enter__(self) -> Self:
        """Start a loop in a thread.

        Raises:
            BridgeClosed: It cannot be started.
        """
        self._loop.__enter__()
        try:
            self._context = self._loop.call(self._begin, timeout=self._timeout_s)
        except BaseException:
            self._loop.close(force=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the clients, then the loop."""
        try:
            if self._clients is not None:
                self._loop.call(self._clients.close, timeout=self._timeout_s)
        finally:
            self._loop.close(force=error is not None)

    async def _begin(self) -> AuditContext:
        self._clients = self._make()
        return AuditContext(self._find(self._clients), self._region, self._clients)

    def execute(self, service: str, operation: str, /, *, region: str = "", **parameters: object) -> Answer:
        """Make one call; as `AuditContext.execute_async`.

        Raises:
            AWSError: It came to nothing.
            TimeoutError: It took too long, and was cancelled.
        """
        context = self._entered()

        async def ask() -> Answer:
            return await context.execute_async(service, operation, region=region, **parameters)

        return self._loop.call(ask, timeout=self._timeout_s)

    def pages(self, service: str, operation: str, /, *, region: str = "", **parameters: object) -> list[Answer]:
        """Return all pages of an answer; as `execute`."""
        context = self._entered()

        async def ask() -> list[Answer]:
            return [each async for each in context.pages_async(service, operation, region=region, **parameters)]

        return self._loop.call(ask, timeout=self._timeout_s)

    def batch_execute(self, asks: Iterable[Ask]) -> list[Outcome[Answer]]:
        """Make many calls; as `AuditContext.batch_execute_async`.

        Args:
            asks: The calls.

        Raises:
            TimeoutError: They took too long, and were cancelled.
        """
        context = self._entered()

        async def ask() -> list[Outcome[Answer]]:
            return await context.batch_execute_async(asks)

        return self._loop.call(ask, timeout=self._timeout_s)

    def _entered(self) -> AuditContext:
        if self._context is None:
            raise RuntimeError("SyncClients is not entered")
        return self._context
