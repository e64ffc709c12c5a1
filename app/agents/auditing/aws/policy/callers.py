"""Who may ask: anybody without credentials, strangers with accounts of their own, and those whom a policy names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.agents.auditing.aws.policy.conditions import Kleene
    from app.agents.auditing.aws.policy.documents import Names

_ROOT = re.compile(r"arn:[\w-]+:iam::(\d{12}):root")
_ACCOUNT = re.compile(r"arn:[\w-]+:(?:iam|sts)::(\d{12}):.+")
_SESSION = re.compile(r"arn:([\w-]+):sts::(\d{12}):assumed-role/([^/]+)/.+")
_IAM = ("user", "role")

NAME = "stranger"
"""What strangers are called where they choose the name."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One kind of caller.

    Attributes:
        label: Who it is, in words that follow `lets`.
        stranger: Whether it stands in for all that the policy does not name.
        account: Its account; empty when it has none.
        names: What names it under `AWS`: its account and its ARNs.
        service: The AWS service that it is; empty when none.
        federated: The identity provider by which it signs in; empty when none.
        canonical: Its canonical user id; empty when not known.
        settled: What it carries, by key in lower case: the ways to choose from, None for absent. Guarded keys that are
            not in it are absent.
        shapes: Patterns of what ARNs it can have, by key; it may choose among them.
        standing_in: Keys of which its values stand in for those of any stranger.
        free: Whether it can carry any value of any key.
    """

    label: str
    stranger: bool = False
    account: str = ""
    names: frozenset[str] = frozenset()
    service: str = ""
    federated: str = ""
    canonical: str = ""
    settled: Mapping[str, tuple[tuple[str, ...] | None, ...]] = field(default_factory=dict)
    shapes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    standing_in: frozenset[str] = frozenset()
    free: bool = False

    @property
    def signs(self) -> bool:
        """Whether it has credentials."""
        return bool(self.account or self.service or self.federated or self.canonical or self.free)

    def is_among(self, names: Names) -> Kleene:
        """Return whether a Principal element names it."""
        if (
            names.everyone
            or self.names & {normal(each) for each in names.aws}
            or (self.service and self.service in names.service)
            or (self.federated and self.federated in names.federated)
            or (self.canonical and self.canonical in names.canonical)
        ):
            return True
        if names.unclear:
            return None
        if self.stranger:
            return False
        if (self.canonical and names.aws) or (self.account and names.canonical):
            return None  # an account and its canonical user id do not tell of each other
        return False

    def is_excepted(self, names: Names) -> Kleene:
        """Return whether a NotPrincipal element of a Deny excepts it.

        A user or role is excepted when the element names it and its account; with one of them only, AWS says that the
        account's principals may be denied all the same ("AWS JSON policy elements: NotPrincipal").
        """
        among = self.is_among(names)
        if among is not True or names.everyone or not self.account or self.names == {self.account}:
            return among
        listed = {normal(each) for each in names.aws}
        return True if self.account in listed and listed & (self.names - {self.account}) else None


def account_or_none(account: str) -> str:
    """Return an account's id; empty when it is none of 12 digits, and so is not known."""
    return account if re.fullmatch(r"\d{12}", account, re.ASCII) else ""


def normal(name: str) -> str:
    """Return a name under `AWS` as it is compared: an account's root as the account's id."""
    found = _ROOT.fullmatch(name)
    return found[1] if found else name


def account_of(name: str) -> str:
    """Return the account of a name under `AWS`, 12 digits; empty when it has none."""
    if re.fullmatch(r"\d{12}", name):
        return name
    found = _ACCOUNT.fullmatch(name)
    return found[1] if found else ""


def nobody_of(taken: str) -> str:
    """Return an account id of 12 digits that does not occur in a text."""
    return next(each for each in (f"{number:012d}" for number in range(900_000_000_001, 10**12)) if each not in taken)


_IDENTITY = ("aws:principalaccount", "aws:principalorgid", "aws:principalorgpaths", "aws:userid", "aws:principalarn")
_SOURCE = ("aws:sourceaccount", "aws:sourceowner", "aws:sourceorgid", "aws:sourceorgpaths", "aws:sourcearn")
_DIRECT: dict[str, tuple[tuple[str, ...] | None, ...]] = {
    "aws:viaawsservice": (("false",),),
    "aws:principalisawsservice": (("false",),),
}
_AN_ORGANISATION = "o-strangers00"
_PATHS = (f"{_AN_ORGANISATION}/r-strange/ou-strange-00000000/",)


def anonymous() -> Caller:
    """Return anybody without credentials."""
    return Caller(
        "anybody",
        stranger=True,
        settled={
            "aws:userid": (("anonymous",),),
            "aws:principaltype": (("Anonymous",),),
            "aws:viaawsservice": (("false",),),
        },
    )


def strangers(account: str, partition: str) -> list[Caller]:
    """Return those with an account that the policy does not name.

    They are a user, a role, the account's root and a service that acts for such an account.

    Args:
        account: An id that occurs nowhere in the policy.
        partition: `aws`, `aws-cn` or another.
    """
    iam = f"arn:{partition}:iam::{account}"
    made = []
    for kind, arns, users in (
        ("User", (f"{iam}:user/?*",), (f"AIDA{NAME.upper()}0000000",)),
        ("AssumedRole", (f"{iam}:role/?*",), (f"AROA{NAME.upper()}0000000:{NAME}",)),
        ("Account", (f"{iam}:root",), (account,)),
    ):
        made.append(
            Caller(
                "anybody with an AWS account",
                stranger=True,
                account=account,
                names=frozenset({account}),
                settled=_DIRECT
                | {
                    "aws:principaltype": ((kind,),),
                    "aws:userid": (users,),
                    "aws:username": () if kind == "User" else (None,),
                    "aws:principalaccount": ((account,),),
                    "aws:principalorgid": ((_AN_ORGANISATION,), None),
                    "aws:principalorgpaths": (_PATHS, None),
                },
                shapes={"aws:principalarn": arns},
                standing_in=frozenset(_IDENTITY),
            )
        )
    return [*made, service("", acting_for=account, partition=partition)]


def service(name: str, *, acting_for: str = "", partition: str = "aws") -> Caller:
    """Return an AWS service.

    Args:
        name: Its name; empty for any.
        acting_for: The account of a stranger for which it acts; empty for whomever the policy wants.
        partition: `aws`, `aws-cn` or another.
    """
    settled: dict[str, tuple[tuple[str, ...] | None, ...]] = {
        "aws:viaawsservice": (("false",),),
        "aws:principalisawsservice": (("true",),),
        "aws:principaltype": (None,),
        "aws:principalservicename": ((name or "strange.amazonaws.com",),),
        "aws:principalservicenameslist": ((name or "strange.amazonaws.com",),),
        "aws:username": (None,),
    }
    shapes: dict[str, tuple[str, ...]] = {"aws:sourcearn": ("?*",)}
    if acting_for:
        settled |= {
            "aws:sourceaccount": ((acting_for,), None),
            "aws:sourceowner": ((acting_for,), None),
            "aws:sourceorgid": ((_AN_ORGANISATION,), None),
            "aws:sourceorgpaths": (_PATHS, None),
        }
        shapes = {"aws:sourcearn": (f"arn:{partition}:?*:?*:{acting_for}:?*", f"arn:{partition}:s3:::?*")}
    else:
        settled |= dict.fromkeys(("aws:sourceaccount", "aws:sourceowner", "aws:sourceorgid", "aws:sourceorgpaths"), ())
    label = f"the service {name}" if name else "any AWS service that acts for anybody"
    return Caller(
        label,
        stranger=not name,
        service=name or "strange.amazonaws.com",
        settled=settled,
        shapes=shapes,
        standing_in=frozenset({*_SOURCE, "aws:principalservicename", "aws:principalservicenameslist"})
        if acting_for and not name
        else frozenset(_SOURCE if acting_for else ()),
    )


def somebody_of(account: str, partition: str) -> Caller:
    """Return whomever an account's administrators choose, its root too."""
    iam = f"arn:{partition}:iam::{account}"
    return Caller(
        f"account {account}",
        account=account,
        names=frozenset({account}),
        settled=_DIRECT | _of(account),
        shapes={"aws:principalarn": (f"{iam}:user/?*", f"{iam}:role/?*", f"{iam}:root")},
    )


def principal(name: str) -> Caller:
    """Return a user, role or session of another account, or one by its unique id.

    Args:
        name: As it stands under `AWS`.
    """
    account = account_of(name)
    session = _SESSION.fullmatch(name)
    arn = f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}" if session else name
    known = name.startswith("arn:")
    return Caller(
        name,
        account=account,
        names=frozenset({name, arn, account} - {""}),
        settled=_DIRECT | _of(account) | ({"aws:principalarn": ((arn,),)} if known else {"aws:userid": ((name,),)}),
    )


def _of(account: str) -> dict[str, tuple[tuple[str, ...] | None, ...]]:
    return {
        "aws:principalaccount": ((account,),) if account else (),
        "aws:principalorgid": (),
        "aws:principalorgpaths": (),
        "aws:userid": (),
    }


def member_of(organisation: str, account: str, partition: str) -> Caller:
    """Return somebody of an organisation, or of a part of it.

    Args:
        organisation: `o-...`, or a path of aws:PrincipalOrgPaths, whose wildcards are taken for names.
        account: An id that occurs nowhere in the policy.
        partition: `aws`, `aws-cn` or another.
    """
    path = organisation.replace("*", "0").replace("?", "0")
    settled = _of(account) | {
        "aws:principalorgid": ((organisation.partition("/")[0],),),
        "aws:principalorgpaths": ((path,),) if "/" in organisation else (),
    }
    made = somebody_of(account, partition)
    return Caller(
        f"organisation {organisation}",
        account=account,
        names=made.names,
        settled=_DIRECT | settled,
        shapes=made.shapes,
    )


def federated(provider: str) -> Caller:
    """Return who signs in by an identity provider."""
    return Caller(provider, federated=provider, account=account_of(provider), settled=_DIRECT | _of(""), free=True)


def canonical(user: str) -> Caller:
    """Return an account by its canonical user id."""
    return Caller(f"canonical user {user[:12]}", canonical=user, settled=_DIRECT | _of(""), free=True)


def holder(attaching: str) -> Caller:
    """Return who holds an identity policy: it can carry whatever the policy asks for.

    Args:
        attaching: The ARN of the managed policy that it attaches, where it attaches one.
    """
    return Caller("its holder", free=True, settled={"iam:policyarn": ((attaching,),)})
