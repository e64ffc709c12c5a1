"""AsyncAWSClient: one service in one region, for all accounts at once."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from app.agents.auditing.aws.clients.account import acting_as, current_account, signed_by
from app.agents.auditing.aws.errors import Call, translating

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from app.agents.auditing.aws.clients.account import Account
    from app.agents.auditing.aws.clients.backend import Answer, Place, Wire
    from app.agents.auditing.aws.clients.flights import Flights
    from app.agents.auditing.aws.clients.rates import Rates


class AsyncAWSClient:
    """Makes calls for the account of the task that makes them (see `acting_as`), signed with that account's keys.

    Throttled and failed attempts are repeated by botocore alone, in its mode `adaptive`.

    Args:
        place: Which service and region.
        wire: Speaks to it.
        rates: How often each account is asked.
        flights: The calls under way.
    """

    def __init__(self, place: Place, wire: Wire, rates: Rates, flights: Flights) -> None:
        self._place = place
        self._wire = wire
        self._rates = rates
        self._flights = flights
        wire.on_throttled(lambda: rates.throttled(current_account().id, place.service))

    @property
    def place(self) -> Place:
        """Which service and region."""
        return self._place

    async def call(self, operation: str, /, **parameters: object) -> Answer:
        """Make one call, and return its answer as botocore parses it.

        Args:
            operation: As the API names it: `GetBucketPolicy`.
            parameters: Likewise: `Bucket="shop"`.

        Raises:
            AWSError: It came to nothing; for its kinds see app.agents.auditing.aws.errors.
            InternalError: It stands outside of `acting_as`.
            ValueError: The service has no such operation.
        """
        account = current_account()
        async with self._under_way(operation, account):
            return await self._wire.call(operation, parameters)

    def pages(self, operation: str, /, **parameters: object) -> AsyncGenerator[Answer, None]:
        """Give one page of an answer after the other, all for the account that is current now.

        Args:
            operation: As of `call`; when it has no pages, its one answer is given.
            parameters: Likewise.

        Raises:
            AWSError: As of `call`.
            InternalError: Likewise.
            ValueError: Likewise.
        """
        return self._pages(operation, parameters, current_account())

    async def _pages(
        self, operation: str, parameters: Mapping[str, object], account: Account
    ) -> AsyncGenerator[Answer, None]:
        async with aclosing(self._wire.pages(operation, parameters)) as pages:
            while True:
                # the keys are set for each page anew: whoever reads the pages may meanwhile act as another account
                async with self._under_way(operation, account):
                    page = await anext(pages, None)
                if page is None:
                    return
                yield page

    @asynccontextmanager
    async def _under_way(self, operation: str, account: Account) -> AsyncIterator[None]:
        place = self._place
        call = Call(place.service, operation, place.region, account.id)
        with translating(call):
            async with self._flights.one(call):
                keys = await account.credentials.keys()
                await self._rates.take(account.id, place.region, place.service)
                with acting_as(account), signed_by(keys):
                    yield

    async def close(self) -> None:
        """Close all connections."""
        await self._wire.close()
