"""Where units are done: the clients and accounts of one process, made when they are first needed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self

from app.agents.auditing.aws.clients.backend import Patience, backend
from app.agents.auditing.aws.clients.context import AuditContext
from app.agents.auditing.aws.clients.credentials import Role
from app.agents.auditing.aws.clients.manager import AsyncClientManager
from app.agents.auditing.aws.errors import AWSError
from app.agents.auditing.aws.scale.counting import CountingBackend, counting
from app.agents.auditing.aws.scale.documents import Loss, Lost, Result
from app.agents.auditing.aws.scanners import scanners
from app.domain.errors import CannotError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from app.agents.auditing.aws.clients.account import Account
    from app.agents.auditing.aws.clients.backend import Backend
    from app.agents.auditing.aws.scale.documents import Access, Work
    from app.agents.auditing.aws.shape import Scanner

LOOK_UP = "account"
"""Said in place of an account's id while it is looked up."""


class Workplace:
    """Does units. There is one for each process and loop; a context manager.

    Args:
        make: Makes what speaks to AWS, in a thread; it is closed at the end.
        found: The scanners by their services; None for all that there are.
        patience: How long attempts may take.
    """

    def __init__(
        self,
        make: Callable[[], Backend] = backend,
        *,
        found: Mapping[str, Scanner] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._make = make
        self._scanners = found
        self._patience = patience or Patience()
        self._making: asyncio.Task[CountingBackend] | None = None
        self._managers: dict[str, AsyncClientManager] = {}
        self._accounts: dict[tuple[Access, str], Account] = {}

    async def __aenter__(self) -> Self:
        """Begin; nothing is made yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close at once: whoever leaves has what was to be had."""
        await self.close()

    @property
    def scanners(self) -> Mapping[str, Scanner]:
        """The scanners by their services."""
        if self._scanners is None:
            self._scanners = scanners()
        return self._scanners

    async def context(self, access: Access, account: str = "") -> AuditContext:
        """Return an account as a scanner sees it.

        Args:
            access: How it is entered.
            account: Its id; empty when it is not known: then calls may be made, and none is judged.

        Raises:
            AWSMissing: What speaks to AWS is not installed.
        """
        manager = await self._manager(access.endpoint_url)
        key = (access, account)
        if key not in self._accounts:
            self._accounts[key] = _account(manager, access, account)
        return AuditContext(self._accounts[key], access.region, manager)

    async def _manager(self, endpoint_url: str) -> AsyncClientManager:
        # importing botocore takes a third of a second, which the loop has not
        if self._making is None:
            self._making = asyncio.create_task(self._made(), name="aws-backend")
        made = await asyncio.shield(self._making)
        if endpoint_url not in self._managers:
            self._managers[endpoint_url] = AsyncClientManager(made, endpoint_url=endpoint_url, patience=self._patience)
        return self._managers[endpoint_url]

    async def _made(self) -> CountingBackend:
        return CountingBackend(await asyncio.to_thread(self._make))

    async def run(self, work: Work) -> Result:
        """Do a unit, and return what it came to: whatever goes wrong is a value, but for cancellation.

        Args:
            work: The unit. It may be done before, or be under way elsewhere: that changes nothing.
        """
        began = time.monotonic()
        with counting() as calls:
            try:
                async with asyncio.timeout(work.deadline_s) as scope:
                    context = await self.context(work.access, work.unit.account)
                    judgements = await self.scanners[work.unit.service].judge(context, work.unit)
            except Exception as error:  # noqa: BLE001 - a unit that fails does not touch the others
                late = isinstance(error, TimeoutError) and scope.expired()
                loss = Loss(Lost.DEADLINE, f"It took longer than {work.deadline_s:.0f} s.") if late else loss_of(error)
                return Result(work.unit.id, (), time.monotonic() - began, dict(calls), loss)
        return Result(work.unit.id, judgements, time.monotonic() - began, dict(calls))

    async def close(self) -> None:
        """Give up the calls under way, and close all connections."""
        managers, self._managers = list(self._managers.values()), {}
        self._accounts.clear()
        making, self._making = self._making, None
        try:
            await asyncio.gather(*(each.close(0.0) for each in managers))
        finally:
            if making is not None:
                made = (await asyncio.gather(making, return_exceptions=True))[0]
                if not isinstance(made, BaseException):
                    made.close()


def loss_of(error: Exception) -> Loss:
    """Return in words why something came to nothing. Of what is not ours the kind alone is told: it may echo anything.

    Args:
        error: What was raised.
    """
    if isinstance(error, AWSError):
        return Loss(Lost.FAILED, f"{error.operation} {error.short}: {error}")
    if isinstance(error, CannotError):
        return Loss(Lost.FAILED, str(error))
    if isinstance(error, KeyError):
        return Loss(Lost.REFUSED, "There is no scanner for its service here: all machines need the same release.")
    return Loss(Lost.FAILED, f"It ended with {type(error).__name__}.")


def _account(manager: AsyncClientManager, access: Access, account: str) -> Account:
    by = manager.profile(
        account if account and not access.role else LOOK_UP, access.profile, partition=access.partition
    )
    if not access.role:
        return by
    return manager.assumed(Role(access.role, access.external_id), by, access.region)
