"""Where an account's keys come from: given ones, a profile, or a role that is assumed and assumed again in time.

No key is in a repr, a log or a message, and none is pickled: what travels between programs names a role or a profile.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NoReturn, Protocol

from app.agents.auditing.aws.errors import Denied, Expired, NoCredentials
from app.domain.errors import CannotError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from app.engine.clock import Clock

RENEW_BEFORE_S = 300.0
"""Keys are renewed so long before they expire: longer than a call with all its attempts takes."""
AGAIN_AFTER_S = 30.0
"""While the old keys still work, a renewal that failed is tried again after so long."""
LEAST_ROLE_S, MOST_ROLE_S = 900, 43_200
"""Bounds of `DurationSeconds`, after "AssumeRole" of the AWS STS API Reference."""
ROLE_S = 3_600
"""One hour: the most that role chaining gives, after "Roles terms and concepts" of the IAM User Guide."""
SESSION_NAME = "watchkeeper-audit"

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/[\w+=,.@/-]{1,576}", re.ASCII)
_SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_EXTERNAL = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """What a request is signed with.

    Attributes:
        access_key: The access key id; no secret, but not shown in full either.
        secret_key: The secret access key.
        token: The session token of temporary keys; else empty.
        expires_at: Wall-clock time, seconds since the epoch; None when they do not expire, or others renew them.
    """

    access_key: str
    secret_key: str
    token: str = ""
    expires_at: float | None = None

    def __repr__(self) -> str:
        """Show the end of the access key id alone."""
        return f"Keys(...{self.access_key[-4:]})"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied.

        Raises:
            TypeError: Always.
        """
        raise TypeError("keys do not leave the process")


class Credentials(Protocol):
    """Gives the keys of one account."""

    async def keys(self) -> Keys:
        """Return keys that are good for the next minutes.

        Raises:
            CannotError: There are none; mostly an AWSError.
        """


class GivenKeys:
    """Keys that are known, from the vault for instance.

    Args:
        keys: They.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def keys(self) -> Keys:
        """Return them."""
        return self._keys


class RenewedKeys(ABC):
    """Keys that expire: kept, and renewed by one request at a time, whoever waits for it.

    Args:
        clock: Tells the wall-clock time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: Keys | None = None
        self._not_before = 0.0
        self._flight: asyncio.Task[Keys] | None = None
        self._waiting = 0

    async def keys(self) -> Keys:
        """Return keys that are good for the next minutes, or the old ones as long as they work.

        Raises:
            CannotError: They cannot be renewed, and the old ones, if any, have expired or were taken back.
        """
        held, now = self._held, self._clock.wall()
        left_s = _left_s(held, now)
        if held is not None and (left_s > RENEW_BEFORE_S or (left_s > 0 and now < self._not_before)):
            return held
        try:
            return await self._renewed()
        except CannotError as error:
            if held is None or left_s <= 0 or isinstance(error, (Denied, Expired, NoCredentials)):
                raise
            self._not_before = now + AGAIN_AFTER_S
            return held

    async def _renewed(self) -> Keys:
        """Wait for the one renewal that is under way; it ends early only when nobody waits for it any more."""
        flight = self._flight
        if flight is None or flight.done():
            flight = self._flight = asyncio.create_task(self._renew(), name="aws-keys")
            flight.add_done_callback(_read)
        self._waiting += 1
        try:
            return await asyncio.shield(flight)
        finally:
            self._waiting -= 1
            if not self._waiting and not flight.done():
                flight.cancel()
                self._flight = None

    async def _renew(self) -> Keys:
        self._held = await self.fetch()
        return self._held

    @abstractmethod
    async def fetch(self) -> Keys:
        """Return new keys.

        Raises:
            CannotError: There are none.
        """


def _left_s(keys: Keys | None, now: float) -> float:
    if keys is None:
        return 0.0
    return float("inf") if keys.expires_at is None else keys.expires_at - now


def _read(flight: asyncio.Task[Keys]) -> None:
    """Take the exception of a renewal that nobody waited for to its end."""
    if not flight.cancelled():
        flight.exception()


@dataclass(frozen=True, slots=True)
class Role:
    """A role to assume. It holds no secret, and may travel.

    Attributes:
        arn: `arn:aws:iam::123456789012:role/audit`.
        external_id: What the role's trust policy asks for; may be empty.
        session_name: How the session is called in CloudTrail.
        duration_s: How long its keys are good, in seconds.
    """

    arn: str
    external_id: str = ""
    session_name: str = SESSION_NAME
    duration_s: int = ROLE_S

    def __post_init__(self) -> None:
        """Check the values, after "AssumeRole" of the AWS STS API Reference.

        Raises:
            SettingsError: One is none.
        """
        if not _ROLE.fullmatch(self.arn):
            raise SettingsError(
                f"The role {self.arn!r} is none.", "It looks like arn:aws:iam::123456789012:role/audit."
            )
        if not _SESSION.fullmatch(self.session_name):
            raise SettingsError(
                f"The session name {self.session_name!r} is none.",
                "It has 2 to 64 letters, digits, or any of _+=,.@-.",
            )
        if self.external_id and not _EXTERNAL.fullmatch(self.external_id):
            raise SettingsError(
                f"The external id for {self.arn} is none.", "It has 2 to 1224 letters, digits, or any of _+=,.@:/-."
            )
        if not LEAST_ROLE_S <= self.duration_s <= MOST_ROLE_S:
            raise SettingsError(
                f"A session of {self.duration_s} s with {self.arn} is not possible.",
                f"It lasts {LEAST_ROLE_S} to {MOST_ROLE_S} s.",
            )

    @property
    def account(self) -> str:
        """The id of the account that the role belongs to."""
        return self.arn.split(":")[4]

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`, `aws-us-gov` ..."""
        return self.arn.split(":")[1]

    def parameters(self) -> Mapping[str, object]:
        """Return what `AssumeRole` is asked with."""
        asked: dict[str, object] = {
            "RoleArn": self.arn,
            "RoleSessionName": self.session_name,
            "DurationSeconds": self.duration_s,
        }
        if self.external_id:
            asked["ExternalId"] = self.external_id
        return asked


class RoleKeys(RenewedKeys):
    """The keys of a role, assumed again before they expire.

    Args:
        role: Which one.
        assume: Makes the call `AssumeRole` with what it is given, and returns the answer.
        clock: Tells the wall-clock time.
    """

    def __init__(
        self, role: Role, assume: Callable[[Mapping[str, object]], Awaitable[Mapping[str, object]]], clock: Clock
    ) -> None:
        super().__init__(clock)
        self._role = role
        self._assume = assume

    def __repr__(self) -> str:
        """Name the role."""
        return f"RoleKeys({self._role.arn})"

    async def fetch(self) -> Keys:
        """Assume the role.

        Raises:
            AWSError: It cannot be.
            CannotError: The answer has no keys.
        """
        given = (await self._assume(self._role.parameters())).get("Credentials")
        match given:
            case {
                "AccessKeyId": str(access_key),
                "SecretAccessKey": str(secret_key),
                "SessionToken": str(token),
                "Expiration": datetime() as until,
            }:
                return Keys(access_key, secret_key, token, until.timestamp())
            case _:
                raise CannotError(f"AWS gave no keys for {self._role.arn}.", "Try again later.")
