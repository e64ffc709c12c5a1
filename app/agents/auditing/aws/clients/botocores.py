"""What both ways share of botocore: sessions on one loader, the names of operations, keys in our own form."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.agents.auditing.aws.clients.credentials import Keys
from app.agents.auditing.aws.clients.lean import moment
from app.agents.auditing.aws.errors import THROTTLED, Call, NoCredentials, translating

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from app.agents.auditing.aws.clients.backend import Place

_MODELS = ("service-2", "endpoint-rule-set-1")
_OF_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def session_of(module: str, name: str, loader: object, profile: str = "") -> Any:  # noqa: ANN401 - botocore has no types
    """Return a new session that reads services' models through the process's loader.

    Args:
        module: Where the session's class is.
        name: How it is called there.
        loader: A loader of botocore's.
        profile: Of the AWS configuration; may be empty.
    """
    session = getattr(import_module(module), name)(profile=profile or None)
    session.register_component("data_loader", loader)
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=moment)
    return session


def warm(loader: Any, services: Iterable[str]) -> None:  # noqa: ANN401 - likewise
    """Read the models of services, so that clients made later block for a moment only.

    Args:
        loader: A loader of botocore's.
        services: As botocore names them.
    """
    for service in services:
        for kind in _MODELS:
            loader.load_service_model(service, kind)


def keep_to(place: Place, client: Any) -> None:  # noqa: ANN401 - likewise
    """Have a client speak to the host that it was given, where that is none of AWS.

    The rules of S3 Control put the account's id before the host's name, whatever botocore's `inject_host_prefix` says
    (its endpoint-rule-set-1.json, `RequiresAccountId`). A stand-in has no such names; an endpoint in a VPC has.

    Args:
        place: Where the client speaks to.
        client: One of botocore's.
    """
    given = urlsplit(place.endpoint_url)
    if not place.endpoint_url or f".{given.hostname}".endswith(_OF_AWS):
        return

    def as_given(params: dict[str, Any], **_: object) -> None:
        params["url"] = urlsplit(params["url"])._replace(netloc=given.netloc).geturl()

    client.meta.events.register("before-call", as_given)


def hear_throttled(client: Any, hear: Callable[[], None]) -> None:  # noqa: ANN401 - likewise
    """Have somebody told of each attempt of a client that the service takes for too much.

    Args:
        client: One of botocore's.
        hear: Called in the context of the call.
    """

    def look(response: Any, **_: object) -> None:  # noqa: ANN401 - a pair of HTTP's answer and what was read of it
        code = response[1].get("Error", {}).get("Code", "") if response is not None else ""
        if code in THROTTLED:
            hear()

    client.meta.events.register("needs-retry", look)


class Operations(dict[str, str]):
    """The method of each operation of a client."""

    def __missing__(self, name: str) -> str:
        """Refuse a name that is none.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"the service has no operation {name}")


def operations_of(client: Any) -> Operations:  # noqa: ANN401 - likewise
    """Return a client's methods by the names of their operations."""
    return Operations({operation: method for method, operation in client.meta.method_to_api_mapping.items()})


class Profile:
    """The credentials of a profile, which botocore finds, and renews where they expire.

    Args:
        name: Of the AWS configuration; empty for what the environment or the machine gives.
        find: Gives botocore's credentials, or None.
        freeze: Gives what they sign with now.
    """

    def __init__(self, name: str, find: Callable[[], Awaitable[Any]], freeze: Callable[[Any], Awaitable[Any]]) -> None:
        self._name = name
        self._find = find
        self._freeze = freeze
        self._found: Any = None
        self._one = asyncio.Lock()

    def __repr__(self) -> str:
        """Name the profile."""
        return f"Profile({self._name})"

    async def keys(self) -> Keys:
        """Return the profile's keys.

        Raises:
            AWSError: There are none.
        """
        whose = f"of profile {self._name}" if self._name else "of the environment"
        with translating(Call("sts", "AssumeRole", account=whose)):
            async with self._one:
                if self._found is None:
                    self._found = await self._find()
            return _keys_of(None if self._found is None else await self._freeze(self._found))


def _keys_of(frozen: Any) -> Keys:  # noqa: ANN401 - likewise
    if frozen is None or not frozen.access_key or not frozen.secret_key:
        raise NoCredentials(
            "There are no credentials for AWS here.", "See: aws configure list", call=Call("sts", "GetCallerIdentity")
        )
    return Keys(frozen.access_key, frozen.secret_key, frozen.token or "")
