"""The condition keys that are understood: of what type each is, and whether a stranger can come by a given value.

From "AWS global condition context keys" (IAM User Guide), "Actions, resources, and condition keys for Amazon S3" and
"for AWS Identity and Access Management" and, for what counts as a limit, "Blocking public access to your Amazon S3
storage" ("The meaning of public").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from app.agents.auditing.aws.policy.patterns import MANY, ONE

if TYPE_CHECKING:
    from app.agents.auditing.aws.policy.patterns import Pattern


class Type(Enum):
    """What a key's values are."""

    TEXT = auto()
    ARN = auto()
    ADDRESS = auto()
    NUMBER = auto()
    DATE = auto()
    BOOLEAN = auto()


class Guard(Enum):
    """Why a stranger cannot choose a key's value. FREE keys are no limit: the caller writes what it likes."""

    FREE = auto()
    ACCOUNT = auto()
    ORGANISATION = auto()
    PATH = auto()
    VPC = auto()
    ENDPOINT = auto()
    ARN = auto()
    UNIQUE = auto()
    SETTLED = auto()
    """Neither the caller's nor anybody's to choose: it follows from the bucket or from how the request came."""


@dataclass(frozen=True, slots=True)
class Key:
    """A condition key.

    Attributes:
        type: What its values are.
        guard: Why a stranger cannot choose them.
        many: Whether a request can carry several, so that ForAllValues or ForAnyValue must stand before the operator.
        signed: Whether only requests with credentials carry it.
    """

    type: Type = Type.TEXT
    guard: Guard = Guard.FREE
    many: bool = False
    signed: bool = False


_TEXT = Key()
_SIGNED = Key(signed=True)
_SETTLED = Key(guard=Guard.SETTLED)

KEYS: dict[str, Key] = {
    "aws:principalarn": Key(Type.ARN, Guard.ARN, signed=True),
    "aws:principalaccount": Key(guard=Guard.ACCOUNT, signed=True),
    "aws:principalorgid": Key(guard=Guard.ORGANISATION, signed=True),
    "aws:principalorgpaths": Key(guard=Guard.PATH, many=True, signed=True),
    "aws:userid": Key(guard=Guard.UNIQUE),
    "aws:username": _SIGNED,
    "aws:principaltype": _SETTLED,
    "aws:principalisawsservice": Key(Type.BOOLEAN, Guard.SETTLED, signed=True),
    "aws:principalservicename": Key(guard=Guard.UNIQUE, signed=True),
    "aws:principalservicenameslist": Key(guard=Guard.UNIQUE, many=True, signed=True),
    "aws:viaawsservice": Key(Type.BOOLEAN, Guard.SETTLED),
    "aws:calledvia": Key(many=True, signed=True),
    "aws:calledviafirst": _SIGNED,
    "aws:calledvialast": _SIGNED,
    "aws:ismcpserviceaction": Key(Type.BOOLEAN, Guard.SETTLED),
    "aws:sourceidentity": _SIGNED,
    "aws:federatedprovider": _SIGNED,
    "aws:multifactorauthpresent": Key(Type.BOOLEAN, signed=True),
    "aws:multifactorauthage": Key(Type.NUMBER, signed=True),
    "aws:tokenissuetime": Key(Type.DATE, signed=True),
    "aws:sourcearn": Key(Type.ARN, Guard.ARN),
    "aws:sourceaccount": Key(guard=Guard.ACCOUNT),
    "aws:sourceowner": Key(guard=Guard.ACCOUNT),
    "aws:sourceorgid": Key(guard=Guard.ORGANISATION),
    "aws:sourceorgpaths": Key(guard=Guard.PATH, many=True),
    "aws:sourceip": Key(Type.ADDRESS, Guard.SETTLED),
    "aws:vpcsourceip": Key(Type.ADDRESS),
    "aws:sourcevpc": Key(guard=Guard.VPC),
    "aws:sourcevpce": Key(guard=Guard.ENDPOINT),
    "aws:vpceaccount": Key(guard=Guard.ACCOUNT),
    "aws:vpceorgid": Key(guard=Guard.ORGANISATION),
    "aws:vpceorgpaths": Key(guard=Guard.PATH, many=True),
    "aws:currenttime": Key(Type.DATE, Guard.SETTLED),
    "aws:epochtime": Key(Type.DATE, Guard.SETTLED),
    "aws:securetransport": Key(Type.BOOLEAN),
    "aws:referer": _TEXT,
    "aws:useragent": _TEXT,
    "aws:requestedregion": _TEXT,
    "aws:tagkeys": Key(many=True),
    "aws:resourceaccount": Key(guard=Guard.SETTLED),
    "s3:resourceaccount": Key(guard=Guard.SETTLED),
    "iam:policyarn": Key(Type.ARN),
    "s3:dataaccesspointaccount": Key(guard=Guard.ACCOUNT),
    "s3:dataaccesspointarn": Key(Type.ARN, Guard.ARN),
    "s3:accesspointnetworkorigin": _SETTLED,
    "s3:dataaccesspointnetworkorigin": _SETTLED,
    "s3:tlsversion": Key(Type.NUMBER, Guard.SETTLED),
    "s3:authtype": _SIGNED,
    "s3:signatureversion": _SIGNED,
    "s3:signatureage": Key(Type.NUMBER, signed=True),
    "s3:max-keys": Key(Type.NUMBER),
    "s3:object-lock-mode": _TEXT,
    "s3:object-lock-legal-hold": _TEXT,
    "s3:object-lock-retain-until-date": Key(Type.DATE),
    "s3:object-lock-remaining-retention-days": Key(Type.NUMBER),
    "s3:requestobjecttagkeys": Key(many=True),
    "s3:x-amz-server-side-encryption-aws-kms-key-id": Key(Type.ARN, Guard.UNIQUE),
    **dict.fromkeys(
        (
            "s3:prefix", "s3:delimiter", "s3:versionid", "s3:x-amz-acl", "s3:x-amz-copy-source",
            "s3:x-amz-metadata-directive", "s3:x-amz-server-side-encryption", "s3:x-amz-storage-class",
            "s3:x-amz-server-side-encryption-customer-algorithm", "s3:x-amz-content-sha256", "s3:if-match",
            "s3:if-none-match", "s3:x-amz-website-redirect-location", "s3:x-amz-object-ownership",
            "s3:x-amz-grant-full-control", "s3:x-amz-grant-read", "s3:x-amz-grant-read-acp", "s3:x-amz-grant-write",
            "s3:x-amz-grant-write-acp",
        ),
        _TEXT,
    ),
}  # fmt: skip
"""By their names in lower case."""

_FAMILIES = {
    "aws:principaltag/": _SIGNED,
    "aws:requesttag/": _TEXT,
    "s3:existingobjecttag/": _TEXT,
    "s3:requestobjecttag/": _TEXT,
}
"""Keys with a name of their own behind the slash. A stranger tags its own users and roles as it likes, so a tag of the
principal is no limit where no account or organisation is required with it."""

NETWORK = frozenset({
    "aws:sourceip", "aws:vpcsourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:vpceaccount", "aws:vpceorgid",
    "aws:vpceorgpaths",
})  # fmt: skip
ACCESS_POINT = frozenset({
    "s3:dataaccesspointaccount", "s3:dataaccesspointarn", "s3:accesspointnetworkorigin",
    "s3:dataaccesspointnetworkorigin",
})  # fmt: skip
MOMENT = frozenset({"aws:currenttime", "aws:epochtime"})
TRANSPORT = frozenset({"aws:securetransport", "s3:tlsversion"})


def key_of(name: str) -> Key | None:
    """Return what is known of a key by its name in lower case; None when it is not known."""
    found = KEYS.get(name)
    if found is not None:
        return found
    return next((key for head, key in _FAMILIES.items() if name.startswith(head) and name != head), None)


_HEADS = {
    Guard.ACCOUNT: "",
    Guard.ORGANISATION: "o-",
    Guard.PATH: "o-",
    Guard.VPC: "vpc-",
    Guard.ENDPOINT: "vpce-",
    Guard.UNIQUE: "",
}
_PINNED = re.compile(r":\d{12}:")
_ROLE_SESSIONS = re.compile(r"A(?:RO|ID)A[A-Z0-9]{12,}:\*")
_ARN_PARTS = 6
_ACCOUNT_PART = 4
_ACCOUNT_DIGITS = 12


def attainable(guard: Guard, pattern: Pattern) -> bool | None:
    """Return whether strangers can bear a value of a pattern that has wildcards.

    Returns:
        True when the pattern leaves open who it is, so that a stand-in for any stranger tells whether it matches; False
        when it fixes somebody whom a stranger is not; None when it fixes a part only, as `o-a1*` does: which
        organisations those are cannot be known.
    """
    text = "".join({MANY: "*", ONE: "?"}.get(each, each) for each in pattern)
    if guard is Guard.ARN:
        return _arn_attainable(text)
    if guard is Guard.UNIQUE and _ROLE_SESSIONS.fullmatch(text):
        return False  # the role's unique id is fixed, and only the name of its session is not
    if guard is Guard.PATH and "/" in text and not set(text.partition("/")[0]) & {"*", "?"}:
        return False
    head = _HEADS[guard]
    literal = len(text) - len(text.lstrip("".join(set(head)))) if head else 0
    rest = text[literal:]
    return True if head.startswith(text[:literal]) and rest and not rest.strip("*") else None


def _arn_attainable(text: str) -> bool | None:
    if _PINNED.search(text):
        return False
    parts = text.split(":", _ARN_PARTS - 1)
    if len(parts) <= _ACCOUNT_PART:
        return True if "*" in text else None
    account, rest = parts[_ACCOUNT_PART], parts[_ACCOUNT_PART + 1 :]
    if account == "":
        if rest and not set(rest[0]) & {"*", "?"}:
            return False
        return True if rest and not rest[0].strip("*") else None
    if not set(account) & {"*", "?"}:
        return False if len(parts) == _ARN_PARTS else None
    return True if not account.strip("*") or account == "?" * _ACCOUNT_DIGITS else None
