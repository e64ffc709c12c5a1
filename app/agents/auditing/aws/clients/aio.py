"""AWS by aiobotocore: calls that end the moment they are cancelled."""

from __future__ import annotations

import asyncio
import gc
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from app.agents.auditing.aws.clients.account import SigningKeys
from app.agents.auditing.aws.clients.backend import Answer, config_of, keep_out_of_logs
from app.agents.auditing.aws.clients.botocores import Profile, hear_throttled, keep_to, operations_of, session_of, warm
from app.agents.auditing.aws.clients.lean import lean
from app.agents.auditing.aws.errors import Call, translating
from app.engine.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from app.agents.auditing.aws.clients.backend import Patience, Place, Wire
    from app.agents.auditing.aws.clients.credentials import Credentials

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

CLOSE_S = 1.0
"""How long the end of a program waits for a client that is just being made."""


class AioBackend:
    """Makes clients of aiobotocore. There is one in a process."""

    def __init__(self) -> None:
        keep_out_of_logs()
        self._loader = import_module("botocore.session").Session().get_component("data_loader")
        self._http_session = _sharing_certificates()
        self._workers = WorkerPool(2, name="aws-clients", patience_s=CLOSE_S)

    @property
    def name(self) -> str:
        """How people are told which one it is."""
        return "aiobotocore"

    async def connect(self, place: Place, patience: Patience) -> Wire:
        """Make a client in a thread, with a loop of its own there: nothing of it is bound to a loop before it is used.

        Raises:
            CannotError: botocore knows no such service.
        """
        with translating(Call(place.service, "", place.region)):
            return AioWire(await self._in_thread(self._make, place, patience))

    async def _in_thread(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, fn, *args)

    def _make(self, place: Place, patience: Patience) -> Any:  # noqa: ANN401 - a client of aiobotocore, which has no types
        session = session_of("aiobotocore.session", "AioSession", self._loader)
        session.register_component("credential_provider", _Provider())
        config = import_module("aiobotocore.config").AioConfig(
            **config_of(place, patience), http_session_cls=self._http_session
        )

        async def enter() -> object:
            client = await session.create_client(
                place.service, region_name=place.region, endpoint_url=place.endpoint_url or None, config=config
            ).__aenter__()
            lean(client)
            keep_to(place, client)
            return client

        client = asyncio.run(enter())
        # the models of services are hundreds of thousands of objects, which each full collection looked at: 0.2 s of 2
        gc.freeze()
        return client

    def profile(self, name: str) -> Credentials:
        """Return the credentials of a profile as botocore finds them.

        Args:
            name: Of the AWS configuration; empty for what the environment or the machine gives.
        """

        async def find() -> Any:  # noqa: ANN401 - botocore has no types
            await self._in_thread(warm, self._loader, ("sts", "sso", "sso-oidc"))
            return await session_of("aiobotocore.session", "AioSession", self._loader, name).get_credentials()

        async def freeze(found: Any) -> Any:  # noqa: ANN401 - likewise
            return await found.get_frozen_credentials()

        return Profile(name, find, freeze)

    def close(self) -> None:
        """Let go of the threads, and of what was made."""
        gc.unfreeze()
        self._workers.shutdown(cancel_futures=True)


def _sharing_certificates() -> type:
    """Return aiobotocore's HTTP session with one set of trusted certificates for all clients: 15 ms and 1 MB for each.

    None of our clients shows a certificate of its own, which would have to stay with it.
    """
    base: Any = import_module("aiobotocore.httpsession").AIOHTTPSession
    kept: dict[object, object] = {}

    class Sharing(base):  # type: ignore[misc]  # aiobotocore has no types
        def _build_verify_context(self) -> object:
            if self._verify not in kept:
                kept[self._verify] = super()._build_verify_context()
            return kept[self._verify]

    return Sharing


class AioWire:
    """A client of aiobotocore.

    Args:
        client: It, entered.
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - likewise
        self._client = client
        self._operations = operations_of(client)

    def on_throttled(self, hear: Callable[[], None]) -> None:
        """Have somebody told of each attempt that the service takes for too much, in the call's own context."""
        hear_throttled(self._client, hear)

    async def call(self, operation: str, parameters: Mapping[str, object]) -> Answer:
        """Make one call; what botocore raises is passed on.

        Raises:
            ValueError: The service has no such operation.
        """
        answer: Answer = await getattr(self._client, self._operations[operation])(**parameters)
        return answer

    async def pages(self, operation: str, parameters: Mapping[str, object]) -> AsyncGenerator[Answer, None]:
        """Give one page after the other; as `call`."""
        method = self._operations[operation]
        if not self._client.can_paginate(method):
            yield await self.call(operation, parameters)
            return
        async for page in self._client.get_paginator(method).paginate(**parameters):
            yield page

    async def close(self) -> None:
        """Close all connections."""
        await self._client.__aexit__(None, None, None)


class _AioSigningKeys(SigningKeys):
    """SigningKeys, as aiobotocore awaits them."""

    async def get_frozen_credentials(self) -> object:
        return super().get_frozen_credentials()

    async def get_account_id(self) -> None:
        """Return none: no client belongs to one account."""


class _Provider:
    """What a session asks for credentials."""

    async def load_credentials(self) -> SigningKeys:
        return _AioSigningKeys(import_module("botocore.credentials").ReadOnlyCredentials)
