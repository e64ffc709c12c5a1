"""AsyncClientManager: all clients of an audit, and their end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self, TypeVar

import structlog

from app.agents.auditing.aws.clients.account import Account, acting_as
from app.agents.auditing.aws.clients.backend import Patience, Place
from app.agents.auditing.aws.clients.batch import AT_ONCE, batch
from app.agents.auditing.aws.clients.client import AsyncAWSClient
from app.agents.auditing.aws.clients.credentials import RoleKeys
from app.agents.auditing.aws.clients.flights import Flights
from app.agents.auditing.aws.clients.rates import Rates
from app.agents.auditing.aws.errors import Call, ClientsClosed
from app.engine.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from types import TracebackType

    from app.agents.auditing.aws.clients.backend import Backend
    from app.agents.auditing.aws.clients.batch import Outcome
    from app.agents.auditing.aws.clients.credentials import Role
    from app.engine.clock import Clock

T = TypeVar("T")

CLOSE_S = 2.0
"""How long calls under way may go on at the end."""
CONNECTIONS_CLOSE_S = 1.0
"""How long closing the connections may take after that."""

_log = structlog.get_logger(__name__)


class AsyncClientManager:
    """Gives clients: one for each service, region and address, made when it is first asked for. A context manager.

    Args:
        backend: What speaks to AWS; it is borrowed.
        endpoint_url: Another address than that of AWS for all services; may be empty.
        patience: How long attempts may take.
        rates: How often each account is asked.
        clock: Tells when keys expire.
        close_s: How long calls under way may go on when the block is left.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        endpoint_url: str = "",
        patience: Patience | None = None,
        rates: Rates | None = None,
        clock: Clock | None = None,
        close_s: float = CLOSE_S,
    ) -> None:
        self._backend = backend
        self._endpoint_url = endpoint_url
        self._patience = patience or Patience()
        self._rates = rates or Rates()
        self._clock = clock or SystemClock()
        self._close_s = close_s
        self._flights = Flights()
        self._clients: dict[Place, asyncio.Task[AsyncAWSClient]] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        """Begin; nothing is connected yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close: gracefully after the block's normal end, at once when it raised or was cancelled."""
        await self.close(self._close_s if error is None else 0.0)

    def __len__(self) -> int:
        """How many clients there are."""
        return len(self._clients)

    @property
    def under_way(self) -> int:
        """How many calls are under way."""
        return len(self._flights)

    async def client(self, service: str, region: str, *, endpoint_url: str = "") -> AsyncAWSClient:
        """Return the client for a service in a region, which all accounts share.

        Args:
            service: As botocore names it.
            region: `eu-central-1`.
            endpoint_url: Another address than that of AWS; empty for the manager's.

        Raises:
            AWSError: There is no such service, or the clients are closed.
        """
        place = Place(service, region, endpoint_url or self._endpoint_url)
        if self._closed:
            raise ClientsClosed("The clients of AWS are closed.", call=Call(service, "", region))
        making = self._clients.get(place)
        if making is None or (making.done() and (making.cancelled() or making.exception() is not None)):
            making = self._clients[place] = asyncio.create_task(self._make(place), name="aws-client")
        # one that waits for the client may be cancelled; others still want it
        return await asyncio.shield(making)

    async def _make(self, place: Place) -> AsyncAWSClient:
        wire = await self._backend.connect(place, self._patience)
        return AsyncAWSClient(place, wire, self._rates, self._flights)

    async def warm_up(self, services: Iterable[str], region: str) -> None:
        """Make clients before they are needed, off the loop.

        Args:
            services: As botocore names them.
            region: Where.

        Raises:
            AWSError: As of `client`.
        """
        for service in services:
            await self.client(service, region)

    def profile(self, account: str, name: str = "", *, partition: str = "aws") -> Account:
        """Return an account whose keys come from a profile, or from the environment or the machine.

        Args:
            account: Its id, or another name for it.
            name: The profile; empty for what the environment or the machine gives.
            partition: Of the account.
        """
        return Account(account, self._backend.profile(name), partition, name)

    def assumed(self, role: Role, by: Account, region: str, *, name: str = "") -> Account:
        """Return the account that a role belongs to, entered through the role.

        Args:
            role: Which one; it is assumed with the first call, and again before its keys expire.
            by: The account whose keys assume it.
            region: Whose STS is asked.
            name: What people call the account; may be empty.
        """

        async def assume(parameters: Mapping[str, object]) -> Mapping[str, object]:
            sts = await self.client("sts", region)
            with acting_as(by):
                return await sts.call("AssumeRole", **parameters)

        return Account(role.account, RoleKeys(role, assume, self._clock), role.partition, name)

    async def batch(self, units: Iterable[Callable[[], Awaitable[T]]], at_once: int = AT_ONCE) -> list[Outcome[T]]:
        """Do all units, so many at once, and return what each came to, in their order; see `batch`.

        Args:
            units: Each is called once.
            at_once: How many are under way at most.
        """
        return await batch(units, at_once)

    async def close(self, deadline_s: float | None = None) -> None:
        """Let no call begin any more, wait for those under way, give up the rest, and close all connections.

        Args:
            deadline_s: How long calls under way may go on, in seconds; None for what the manager was made with.
        """
        self._closed = True
        await self._flights.close(self._close_s if deadline_s is None else deadline_s)
        clients, self._clients = list(self._clients.values()), {}
        if not clients:
            return
        closing = asyncio.gather(*(self._end(each) for each in clients))
        try:
            async with asyncio.timeout(CONNECTIONS_CLOSE_S):
                await closing
        except TimeoutError:
            _log.warning("connections to AWS were left open", clients=len(clients))

    async def _end(self, making: asyncio.Task[AsyncAWSClient]) -> None:
        try:
            client = await making
        except Exception:  # noqa: BLE001 - who asked for it was told
            return
        await client.close()
