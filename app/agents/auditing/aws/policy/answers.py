"""What the evaluator answers: yes, no or unknown, each with its reasons; and to whom a policy opens what."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Ternary(StrEnum):
    """Yes, no, or not known. What was not understood is UNKNOWN, and never a guess."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Access(StrEnum):
    """What somebody can do to a bucket."""

    READ = "read"
    """Read objects, their versions, tags and attributes."""
    LIST = "list"
    """See which objects, versions and uploads there are."""
    WRITE = "write"
    """Put, change, restore and delete objects."""
    ADMIN = "admin"
    """Change who may do what, and how the bucket behaves: its policy, ACLs (of objects too), encryption, life cycle."""
    INSPECT = "inspect"
    """Read how the bucket is set up: its policy, ACLs (also of objects), encryption, location."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and why.

    Attributes:
        value: The answer.
        reasons: For a yes, what makes it so; for an unknown, which statement holds what was not understood, at least
            one; for a no, what limits it, where there is something to tell. In words for people.
    """

    value: Ternary
    reasons: tuple[str, ...] = ()


NO = Answer(Ternary.NO)


def yes(*reasons: str) -> Answer:
    """Return a yes with its reasons."""
    return Answer(Ternary.YES, reasons)


def unknown(*reasons: str) -> Answer:
    """Return an unknown with its reasons."""
    return Answer(Ternary.UNKNOWN, reasons)


def any_of(answers: Iterable[Answer]) -> Answer:
    """Return yes when one is yes, else unknown when one is unknown, else no; with the reasons of those that decide."""
    every = list(answers)
    for value in (Ternary.YES, Ternary.UNKNOWN, Ternary.NO):
        deciding = [each for each in every if each.value is value]
        if deciding:
            return Answer(value, tuple(dict.fromkeys(reason for each in deciding for reason in each.reasons)))
    return NO


class GranteeKind(StrEnum):
    """What kind of outsider a grantee is."""

    ACCOUNT = "account"
    """Another AWS account: whomever its own administrators choose."""
    PRINCIPAL = "principal"
    """One user, role or session of another account, by its ARN."""
    ORGANISATION = "organisation"
    """Any account of an organisation (`o-...`), or of a part of it (a path of aws:PrincipalOrgPaths)."""
    SERVICE = "service"
    """An AWS service, by its name: `cloudtrail.amazonaws.com`."""
    FEDERATED = "federated"
    """Who signs in by an identity provider."""
    CANONICAL_USER = "canonical user"
    """An account by its canonical user id; whose it is, the id does not tell."""
    CLOUDFRONT = "cloudfront"
    """A CloudFront origin access identity: whoever the distribution serves."""
    NETWORK = "network"
    """Anybody from an address range, a VPC or a VPC endpoint."""
    ACCESS_POINT = "access point"
    """Whoever the policies of an account's access points let in."""


@dataclass(frozen=True, slots=True, order=True)
class Grantee:
    """An outsider that a policy names.

    Attributes:
        kind: What kind.
        id: Which one, as the policy writes it.
        account: Its account of 12 digits; empty when it has none or it is not known.
    """

    kind: GranteeKind
    id: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """What an outsider gets.

    Attributes:
        grantee: Who.
        access: The answer for each kind of access; only those that are yes or unknown are in it.
        confined: For a service: whether it must act for an account, resource or organisation that the policy fixes.
            Where it need not, anybody may make the service act ("The confused deputy problem", IAM User Guide).
    """

    grantee: Grantee
    access: Mapping[Access, Answer]
    confined: Ternary = Ternary.YES


@dataclass(frozen=True, slots=True)
class ResourceVerdict:
    """What the policy of a bucket or of an access point comes to.

    Attributes:
        public: For each kind of access, whether anybody at all has it: see `judge_resource_policy`.
        grants: What named outsiders get; none of the owner's account.
        refuses_plain_http: Whether each request without TLS is denied, by whomever and to whatever.
        allows_unencrypted_puts: Whether an object can be put without a header that asks for encryption, as far as the
            policy goes. (S3 encrypts with its own keys then, since January 2023.)
        faults: What is wrong with the document itself; each as one line.
    """

    public: Mapping[Access, Answer]
    grants: tuple[Grant, ...]
    refuses_plain_http: Answer
    allows_unencrypted_puts: Answer
    faults: tuple[str, ...] = ()

    @property
    def is_public(self) -> Answer:
        """Whether anybody has any access at all."""
        return any_of(self.public.values())

    def cross_account(self, access: Access | None = None) -> Answer:
        """Return whether outsiders that the policy names get something.

        AWS services, networks and access points are no accounts and do not count: look at `grants` for them.

        Args:
            access: What they would get; None for whatever.
        """
        kinds = {GranteeKind.SERVICE, GranteeKind.NETWORK, GranteeKind.ACCESS_POINT, GranteeKind.CLOUDFRONT}
        told = [
            answer
            for grant in self.grants
            if grant.grantee.kind not in kinds
            for kind, answer in grant.access.items()
            if access in {None, kind}
        ]
        return any_of([*told, *(unknown(each) for each in self.faults)])


@dataclass(frozen=True, slots=True)
class IdentityVerdict:
    """What the policy of a user, group or role comes to.

    Attributes:
        administrator: Whether wildcards (`*`, `iam:*`, NotAction and the like) let its holder hand out any permission,
            to itself too.
        escalates: Whether its holder can hand out permissions by actions that it names one by one, or by wildcards.
        everything: Whether every action on every resource is allowed.
        services: Services of which all actions are allowed on all resources, by their prefix: `s3`.
        faults: What is wrong with the document itself.
    """

    administrator: Answer
    escalates: Answer
    everything: Answer
    services: tuple[str, ...] = ()
    faults: tuple[str, ...] = field(default=())
