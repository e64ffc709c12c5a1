"""Who loses access by a change of block public access, ACL or ownership: judged before and after, and compared."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.agents.auditing.aws.policy import (
    NOT_READ,
    AclGrant,
    Ownership,
    PublicAccessBlock,
    Ternary,
    expose,
    judge_resource_policy,
)
from app.agents.auditing.aws.remedy.settings import SWITCHES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from app.agents.auditing.aws.policy import Exposure
    from app.agents.auditing.aws.remedy.looking import Known, Seen
    from app.agents.auditing.aws.remedy.settings import Json

EXPOSURE = ("policy", "acl", "ownership", "block", "account_block")
"""The settings by which it is judged who reaches a bucket."""
_DO = {
    "read": "read objects",
    "list": "list what there is",
    "write": "put, change or delete objects",
    "admin": "change policy, ACLs or settings",
    "inspect": "read how it is set up",
}


async def losses(seen: Seen, now: datetime, after: Mapping[str, Json]) -> list[str]:
    """Return who loses what, each as a sentence; and what is not known of that.

    Args:
        seen: With all of EXPOSURE, read or not.
        now: With a zone.
        after: The settings as they are to be; those that are missing stay.
    """
    known = {each: seen.of(each) for each in EXPOSURE}
    told = [f"Who loses access is not known for certain: {each.unread}." for each in known.values() if each.unread]
    # a policy may take a tenth of a second, in which others want to hear their answers
    before, then = await asyncio.to_thread(_both, seen, known, now, after)
    return [*_lost(before, then), *told]


def _both(
    seen: Seen, known: Mapping[str, Known], now: datetime, after: Mapping[str, Json]
) -> tuple[Exposure, Exposure]:
    documents = {name: each.document for name, each in known.items()}
    unread = frozenset(name for name, each in known.items() if each.unread)
    return (
        _exposure(seen, documents, unread, now),
        _exposure(seen, {**documents, **after}, unread - frozenset(after), now),
    )


def _exposure(seen: Seen, documents: Mapping[str, Json], unread: frozenset[str], now: datetime) -> Exposure:
    place, acl = seen.place, documents["acl"] or {"Owner": {}, "Grants": []}
    return expose(
        None
        if "policy" in unread
        else judge_resource_policy(documents["policy"], place.account, resource=place.arn, now=now),
        None if "acl" in unread else [AclGrant(grantee_of(each), each["Permission"]) for each in acl["Grants"]],
        account=NOT_READ if "account_block" in unread else switches_of(documents["account_block"]),
        bucket=NOT_READ if "block" in unread else switches_of(documents["block"]),
        ownership=None if "ownership" in unread else Ownership(documents["ownership"] or Ownership.OBJECT_WRITER),
        owner=acl["Owner"].get("ID", ""),
    )


def switches_of(document: Json) -> PublicAccessBlock:
    """Return the four switches; all are off where nothing is set."""
    return PublicAccessBlock(*(bool((document or {}).get(each)) for each in SWITCHES))


def grantee_of(grant: Mapping[str, Mapping[str, str]]) -> str:
    """Return whom a grant of an ACL names: a group's URI, a canonical user id or an e-mail address."""
    grantee = grant["Grantee"]
    return grantee.get("URI") or grantee.get("ID") or grantee.get("EmailAddress", "")


def _lost(before: Exposure, after: Exposure) -> Iterator[str]:
    surely: list[str] = []
    perhaps: list[str] = []
    for access, answer in before.public.items():
        if answer.value is not Ternary.NO and after.public[access].value is Ternary.NO:
            (surely if answer.value is Ternary.YES else perhaps).append(_DO[access.value])
    if surely:
        yield f"Anybody can {_listed(surely)} now, and cannot any more then."
    if perhaps:
        yield f"Perhaps anybody can {_listed(perhaps)} now, and surely cannot any more then."
    kept = {each.grantee: each.access for each in after.grants}
    for grant in before.grants:
        gone = [
            _DO[access.value]
            for access, answer in grant.access.items()
            if answer.value is not Ternary.NO and access not in kept.get(grant.grantee, {})
        ]
        if gone:
            who = f"{grant.grantee.kind.value} {grant.grantee.id[:200]}"
            yield f"Who is named loses access too: the {who} can {_listed(gone)} now, and cannot any more then."


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    return " and ".join(filter(None, ["; ".join(every[:-1]), *every[-1:]]))
