"""What speaks to AWS, as the clients see it, and which of the two ways is taken."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from app import __version__
from app.agents.auditing.aws.errors import AWSMissing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from app.agents.auditing.aws.clients.credentials import Credentials

Answer: TypeAlias = dict[str, Any]
"""What an operation gave, as botocore parses it."""

CONNECT_S = 5.0
READ_S = 20.0
ATTEMPTS = 4
CONNECTIONS = 50


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client speaks to.

    Attributes:
        service: As botocore names it.
        region: `eu-central-1`.
        endpoint_url: Another address than that of AWS: a VPC endpoint, a stand-in; may be empty.
    """

    service: str
    region: str
    endpoint_url: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one attempt may take, and how many there are. Times are seconds.

    Attributes:
        connect_s: For a connection.
        read_s: Between two pieces of an answer.
        attempts: At most, the first counted.
    """

    connect_s: float = CONNECT_S
    read_s: float = READ_S
    attempts: int = ATTEMPTS


class Wire(Protocol):
    """One client of botocore's, for one service in one region. It signs with the keys of the call under way."""

    async def call(self, operation: str, parameters: Mapping[str, object]) -> Answer:
        """Make one call; what botocore raises is passed on.

        Args:
            operation: As the API names it.
            parameters: Likewise.

        Raises:
            ValueError: The service has no such operation.
        """

    def pages(self, operation: str, parameters: Mapping[str, object]) -> AsyncGenerator[Answer, None]:
        """Give one page after the other, of an operation without pages its one answer; as `call`."""

    def on_throttled(self, hear: Callable[[], None]) -> None:
        """Have somebody told of each attempt that the service takes for too much, in the call's own context."""

    async def close(self) -> None:
        """Close all connections."""


class Backend(Protocol):
    """Makes clients. There is one in a process: it keeps the services' models, which are read once."""

    @property
    def name(self) -> str:
        """How people are told which one it is."""

    async def connect(self, place: Place, patience: Patience) -> Wire:
        """Make a client off the loop, which it would block for up to a second.

        Raises:
            CannotError: botocore knows no such service.
        """

    def profile(self, name: str) -> Credentials:
        """Return the credentials of a profile as botocore finds them: keys, single sign-on, a role, a process.

        Args:
            name: Of the AWS configuration; empty for what the environment or the machine gives.
        """

    def close(self) -> None:
        """Let go of its threads."""


def backend() -> Backend:
    """Return what speaks to AWS here: aiobotocore, or botocore in threads where only that is installed.

    Raises:
        AWSMissing: Neither is.
    """
    try:
        if find_spec("aiobotocore") is not None:
            return _of("aio", "AioBackend")
        if find_spec("botocore") is not None:
            return _of("threads", "ThreadBackend")
    except ImportError:
        pass
    raise AWSMissing(
        "Audits of AWS need watchkeeper[aws], which is not installed.", "Install it: pip install 'watchkeeper[aws]'"
    )


def _of(module: str, name: str) -> Backend:
    made: Backend = getattr(import_module(f"app.agents.auditing.aws.clients.{module}"), name)()
    return made


def config_of(place: Place, patience: Patience) -> Mapping[str, object]:
    """Return the settings of a client that accounts share, for botocore's `Config`.

    Endpoints by account and sessions of directory buckets are off: botocore keeps both with the client, and would use
    those of one account for another.

    Args:
        place: Where it speaks to.
        patience: How long it waits.
    """
    s3: dict[str, object] = {"disable_s3_express_session_auth": True}
    if place.endpoint_url:
        s3["addressing_style"] = "path"
    return {
        "connect_timeout": patience.connect_s,
        "read_timeout": patience.read_s,
        "retries": {"mode": "standard", "total_max_attempts": patience.attempts},
        "max_pool_connections": CONNECTIONS,
        "account_id_endpoint_mode": "disabled",
        "s3": s3,
        # botocore puts its own together anew, twice for each call: 65 us
        "user_agent": f"watchkeeper/{__version__}",
    }


def keep_out_of_logs() -> None:
    """Have neither library log what is sent, received or signed, which both do where everything is logged."""
    for name in ("botocore", "aiobotocore", "boto3", "urllib3"):
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)
