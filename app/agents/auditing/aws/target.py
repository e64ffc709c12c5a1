"""What is to be audited: accounts, and how each is entered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.agents.auditing.aws.scale.documents import REGION, Access
from app.domain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ID = re.compile(r"\d{12}", re.ASCII)
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """An account to audit.

    Attributes:
        account: Its id, twelve digits, or what people call it: then its id is that of the role, or is asked of AWS.
        profile: Of the AWS configuration; empty for what the machine gives by itself.
        role: The ARN of a role to assume with it; empty for none.
        external_id: What the role's trust policy asks for; may be empty.
        regions: Where to look; none for everywhere.
        endpoint_url: Another address than that of AWS; may be empty.
    """

    account: str
    profile: str = ""
    role: str = ""
    external_id: str = ""
    regions: tuple[str, ...] = ()
    endpoint_url: str = ""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            SettingsError: One is none, or the role is another account's.
        """
        if not self.account:
            raise SettingsError(
                "An account to audit has no name.", "Give its id, or any name with a role or a profile."
            )
        for each in self.regions:
            if not _REGION.fullmatch(each):
                raise SettingsError(f"{each!r} is no region of AWS.", "It looks like eu-central-1.")
        access = self.access
        if access.role and self.id and access.role.split(":")[4] != self.id:
            raise SettingsError(f"The role {access.role} is not of account {self.id}.", "Correct one of them.")

    @property
    def id(self) -> str:
        """Its id as far as it is given; else empty."""
        if _ID.fullmatch(self.account):
            return self.account
        return self.role.split(":")[4] if self.role else ""

    @property
    def access(self) -> Access:
        """How it is entered."""
        region = self.regions[0] if self.regions else _home(self.role)
        return Access(self.profile, self.role, self.external_id, self.endpoint_url, region)


def _home(role: str) -> str:
    """Return a region that each account of a partition has."""
    partition = role.split(":")[1] if role.startswith("arn:") else "aws"
    return {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}.get(partition, REGION)


def check_targets(targets: Sequence[Target]) -> None:
    """Refuse accounts of which two are told by the same name.

    Raises:
        SettingsError: There are such, or none at all.
    """
    names = [each.account for each in targets]
    if not names:
        raise SettingsError("There is no account to audit.", "Name one.")
    twice = sorted({each for each in names if names.count(each) > 1})
    if twice:
        raise SettingsError(f"The account {twice[0]} is named twice.", "Name each once.")
