"""The account that is audited, and who signs: both go with the task, not with the client."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.domain.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.agents.auditing.aws.clients.credentials import Credentials, Keys


@dataclass(frozen=True, slots=True)
class Account:
    """An account of AWS, and where its keys come from.

    Attributes:
        id: Twelve digits, or another name for it as long as the id is not known.
        credentials: Gives its keys.
        partition: `aws`, `aws-cn`, `aws-us-gov` ...
        name: What people call it; may be empty.
    """

    id: str
    credentials: Credentials = field(repr=False, compare=False)
    partition: str = "aws"
    name: str = ""


_account: ContextVar[Account] = ContextVar("aws_account")
_keys: ContextVar[Keys] = ContextVar("aws_keys")


@contextmanager
def acting_as(account: Account) -> Iterator[Account]:
    """Have all calls of the block, and of tasks begun in it, made for an account. It must not span a `yield`.

    Args:
        account: Which one.
    """
    token = _account.set(account)
    try:
        yield account
    finally:
        _account.reset(token)


def current_account() -> Account:
    """Return the account for which calls are made.

    Raises:
        InternalError: There is none: the call stands outside of `acting_as`.
    """
    account = _account.get(None)
    if account is None:
        raise InternalError("A call to AWS was made for no account.")
    return account


@contextmanager
def signed_by(keys: Keys) -> Iterator[None]:
    """Have the requests of the block signed with these keys.

    Args:
        keys: The keys.
    """
    token = _keys.set(keys)
    try:
        yield
    finally:
        _keys.reset(token)


class SigningKeys:
    """What botocore's signer asks for credentials: it gives the keys of whoever makes the call.

    One is shared by all clients. Outside of `signed_by` nothing is signed.

    Args:
        frozen: Makes what botocore signs with from access key, secret key and token.
    """

    method = "watchkeeper"
    account_id = None

    def __init__(self, frozen: Callable[[str, str, str | None], object]) -> None:
        self._frozen = frozen

    def get_frozen_credentials(self) -> object:
        """Return the keys of the call under way, as botocore wants them.

        Raises:
            InternalError: No call is under way.
        """
        keys = _keys.get(None)
        if keys is None:
            raise InternalError("A request to AWS was to be signed for no account.")
        return self._frozen(keys.access_key, keys.secret_key, keys.token or None)

    def get_deferred_property(self, name: str) -> Callable[[], None]:
        """Return a function that knows no such property: no client belongs to one account."""
        del name
        return lambda: None
