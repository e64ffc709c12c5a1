"""What is known of an account's users, keys and policies. Times are seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.agents.auditing.aws.reading import Fact


@dataclass(frozen=True, slots=True)
class Root:
    """The account's root user.

    Attributes:
        has_keys: Whether it has access keys.
        has_mfa: Whether it has an MFA device.
        has_password: Whether it has a password; without one nobody signs in as it ("Centrally manage root access for
            member accounts", IAM User Guide).
        source: Where that is from when not from IAM itself; else empty.
    """

    has_keys: bool
    has_mfa: bool
    has_password: bool = True
    source: str = ""


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What an account asks of passwords.

    Attributes:
        length: The least number of characters.
        remembered: How many old passwords cannot be used again; 0 for none.
    """

    length: int
    remembered: int = 0


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key.

    Attributes:
        id: Its id, `AKIA...`; of a credential report, `the first` or `the second`.
        active: Whether it can be used.
        created_at: When it was made.
        used_at: When it was used last; None for never. Of a young key it is not asked for, and stays None.
    """

    id: str
    active: bool
    created_at: float
    used_at: Fact[float | None] = None

    @property
    def name(self) -> str:
        """How people tell it: `...WXYZ`, the end of its id."""
        return f"...{self.id[-4:]}" if self.id.startswith("A") else self.id


@dataclass(frozen=True, slots=True)
class User:
    """A user.

    Attributes:
        arn: Its ARN.
        has_password: Whether it can sign in to the console.
        devices: How many MFA devices it has; of a credential report 1 for one or more.
        keys: Its access keys.
        source: Where some of it is from when not from IAM itself; else empty.
    """

    arn: str
    has_password: Fact[bool]
    devices: Fact[int]
    keys: Fact[tuple[AccessKey, ...]]
    source: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """What holds for the whole account.

    Attributes:
        root: The root user.
        password_policy: None where none is set.
    """

    root: Fact[Root]
    password_policy: Fact[PasswordPolicy | None]


@dataclass(frozen=True, slots=True)
class Holder:
    """A user, group or role, and its policies.

    Attributes:
        arn: Its ARN.
        is_user: Whether it is a user.
        inline: Its inline policies, as (name, JSON).
        attached: The managed policies that are attached to it, by their ARNs.
    """

    arn: str
    is_user: bool
    inline: tuple[tuple[str, str], ...] = ()
    attached: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Managed:
    """A managed policy.

    Attributes:
        arn: Its ARN.
        text: Its default version, as JSON; empty where the answer had none.
        attachments: To how many users, groups and roles it is attached.
    """

    arn: str
    text: str
    attachments: int = 0
