"""Remedies that shut out the public: block public access, and ACLs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from app.agents.auditing.aws.policy import Ownership
from app.agents.auditing.aws.policy.exposure import ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY
from app.agents.auditing.aws.remedy.effects import EXPOSURE, grantee_of, losses
from app.agents.auditing.aws.remedy.errors import NotPossible
from app.agents.auditing.aws.remedy.looking import look
from app.agents.auditing.aws.remedy.plan import checked, planned
from app.agents.auditing.aws.remedy.settings import SWITCHES

if TYPE_CHECKING:
    from datetime import datetime

    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.remedy.plan import Plan
    from app.agents.auditing.aws.remedy.settings import Json, Place

ON: dict[str, bool] = dict.fromkeys(SWITCHES, True)


class BlockPublicAccess:
    """Turns on all four switches for a bucket: "Blocking public access to your Amazon S3 storage"."""

    id: ClassVar[str] = "s3-block-public-access"
    rule: ClassVar[str] = "s3-block-public-access"
    title: ClassVar[str] = "Turn on block public access for the bucket"

    async def plan(self, context: AuditContext, place: Place, *, now: datetime) -> Plan:
        """Return what would be done; for arguments and errors see Remedy."""
        checked(context, place)
        seen = await look(context, place, *EXPOSURE, "website")
        seen.need("block")
        after = {"block": ON}
        touches = [
            *await losses(seen, now, after),
            "From then on S3 refuses a policy or an ACL that is public, and ignores the public ACLs of its objects.",
            "The ACLs of single objects and the policies of access points are not looked at.",
        ]
        website = seen.of("website")
        if website.document:
            touches.append("The bucket is a website, which its visitors cannot reach any more if they come unsigned.")
        elif website.unread:
            touches.append(f"Whether the bucket is a website with visitors is not known: {website.unread}.")
        return planned(self, seen, now, after, touches)


class BlockPublicAccessOfAccount:
    """Turns on all four switches for the whole account."""

    id: ClassVar[str] = "s3-account-block-public-access"
    rule: ClassVar[str] = "s3-account-block-public-access"
    title: ClassVar[str] = "Turn on block public access for the whole account"

    async def plan(self, context: AuditContext, place: Place, *, now: datetime) -> Plan:
        """Return what would be done; for arguments and errors see Remedy."""
        checked(context, place, account=True)
        seen = await look(context, place, "account_block")
        touches = (
            "It holds for each bucket and access point of the account in all regions, also for those to come.",
            (
                "Whoever reaches one of them by a public policy or a public ACL cannot any more then; other accounts "
                "that such a policy names cannot either. Which buckets are public now, the rules s3-public-policy, "
                "s3-public-acl and s3-public-write tell: look at them first."
            ),
            "Websites that visitors reach unsigned are closed.",
        )
        return planned(self, seen, now, {"account_block": ON}, touches)


class ClosedAcl:
    """Takes the public out of a bucket's ACL: disables ACLs when nobody else depends on them, else makes it private.

    "Controlling ownership of objects and disabling ACLs for your bucket" (Amazon S3 User Guide): an ACL that grants
    anything to others must be made private before ACLs can be disabled.

    Args:
        keep_named: Whether those whom the ACL names keep what they have, so that only the public is taken out of it.
    """

    id: ClassVar[str] = "s3-public-acl"
    rule: ClassVar[str] = "s3-public-acl"
    title: ClassVar[str] = "Take the public out of the bucket's ACL"

    def __init__(self, *, keep_named: bool = False) -> None:
        self._keep_named = keep_named

    async def plan(self, context: AuditContext, place: Place, *, now: datetime) -> Plan:
        """Return what would be done; for arguments and errors see Remedy."""
        checked(context, place)
        seen = await look(context, place, *EXPOSURE)
        acl, ownership = seen.need("acl"), seen.need("ownership")
        if ownership == Ownership.ENFORCED or not any(map(is_public, acl["Grants"])):
            return planned(self, seen, now, {})
        owner = acl["Owner"].get("ID", "")
        if not owner:
            raise NotPossible(
                f"The ACL of {place.name} does not tell its owner, so a private one cannot be put. "
                "Nothing was changed.",
                "Disable ACLs by hand (BucketOwnerEnforced), or turn on block public access.",
            )
        named = [each for each in acl["Grants"] if not is_public(each) and grantee_of(each) != owner]
        after: dict[str, Json] = {"acl": _private(owner, named if self._keep_named else [])}
        touches = []
        if not named:
            after["ownership"] = Ownership.ENFORCED.value
            touches = [
                "ACLs are disabled: the bucket's owner owns each object in it, also those that others put.",
                (
                    "The ACLs of single objects count for nothing any more: who reads one by its own ACL alone cannot "
                    "then. They are not looked at."
                ),
                "An upload that asks for an ACL other than bucket-owner-full-control is refused from then on.",
            ]
        elif self._keep_named:
            touches = [f"ACLs stay in force, since the ACL names {_who(each)}, who keeps it." for each in named]
        else:
            touches = [f"The ACL names {_who(each)}, who loses it." for each in named]
            touches.append("ACLs stay in force: whom it names may have objects of their own there.")
        return planned(self, seen, now, after, [*await losses(seen, now, after), *touches])


def is_public(grant: Json) -> bool:
    """Return whether a grant of an ACL is to anybody, or to anybody with an AWS account."""
    return grantee_of(grant) in {ALL_USERS, AUTHENTICATED_USERS}


def _private(owner: str, others: list[Json]) -> Json:
    mine = {"Grantee": {"ID": owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    return {"Owner": {"ID": owner}, "Grants": [mine, *others]}


def _who(grant: Json) -> str:
    grantee = grantee_of(grant)
    if grantee == LOG_DELIVERY:
        return f"the delivery of access logs ({grant['Permission']})"
    return f"the canonical user {grantee[:80]} ({grant['Permission']})"
