"""AuditContext: an account in a region, as a check sees it."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from app.agents.auditing.aws.clients.account import acting_as
from app.agents.auditing.aws.clients.batch import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping

    from app.agents.auditing.aws.clients.account import Account
    from app.agents.auditing.aws.clients.backend import Answer
    from app.agents.auditing.aws.clients.batch import Outcome
    from app.agents.auditing.aws.clients.manager import AsyncClientManager


@dataclass(frozen=True, slots=True)
class Ask:
    """One call to make.

    Attributes:
        service: As botocore names it: `s3`.
        operation: As the API names it: `GetBucketPolicy`.
        parameters: Likewise: `{"Bucket": "shop"}`.
        region: Where; empty for the context's.
    """

    service: str
    operation: str
    parameters: Mapping[str, object]
    region: str = ""


class AuditContext:
    """An account that is audited, in a region.

    Args:
        account: Which one; all calls are signed with its keys.
        region: Where calls go that name no other.
        clients: Makes them.
    """

    def __init__(self, account: Account, region: str, clients: AsyncClientManager) -> None:
        self._account = account
        self._region = region
        self._clients = clients

    @property
    def account(self) -> Account:
        """Which account."""
        return self._account

    @property
    def region(self) -> str:
        """Where calls go that name no other region."""
        return self._region

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`, `aws-us-gov` ..., as ARNs have it."""
        return self._account.partition

    @property
    def clients(self) -> AsyncClientManager:
        """What makes the calls."""
        return self._clients

    def within(self, region: str) -> AuditContext:
        """Return the same account in another region.

        Args:
            region: Which one.
        """
        return AuditContext(self._account, region, self._clients)

    async def execute_async(self, service: str, operation: str, /, *, region: str = "", **parameters: object) -> Answer:
        """Make one call, and return its answer.

        Args:
            service: As botocore names it.
            operation: As the API names it.
            region: Where; empty for the context's.
            parameters: As the API names them.

        Raises:
            AWSError: It came to nothing.
            ValueError: The service has no such operation.
        """
        client = await self._clients.client(service, region or self._region)
        with acting_as(self._account):
            return await client.call(operation, **parameters)

    async def pages_async(
        self, service: str, operation: str, /, *, region: str = "", **parameters: object
    ) -> AsyncGenerator[Answer, None]:
        """Give one page of an answer after the other; as `execute_async`."""
        client = await self._clients.client(service, region or self._region)
        with acting_as(self._account):
            pages = client.pages(operation, **parameters)
        async with aclosing(pages):
            async for page in pages:
                yield page

    async def batch_execute_async(self, asks: Iterable[Ask], at_once: int = AT_ONCE) -> list[Outcome[Answer]]:
        """Make many calls, and return what each came to, in their order: a failure is a value.

        Args:
            asks: The calls.
            at_once: How many are under way at most.
        """
        return await self._clients.batch((partial(self._ask, each) for each in asks), at_once)

    async def _ask(self, ask: Ask) -> Answer:
        client = await self._clients.client(ask.service, ask.region or self._region)
        with acting_as(self._account):
            return await client.call(ask.operation, **ask.parameters)
