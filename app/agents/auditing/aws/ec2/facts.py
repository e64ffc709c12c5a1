"""What is known of the security groups of a region, asked for by as few calls as the rules need."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from app.agents.auditing.aws.clients.batch import Done, batch
from app.agents.auditing.aws.ec2.openings import Permission, permission_of
from app.agents.auditing.aws.reading import Listed, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.agents.auditing.aws.clients.backend import Answer
    from app.agents.auditing.aws.clients.context import AuditContext

_VALUES_OF_A_FILTER = 200
"""The most that one takes ("Filter", Amazon EC2 API Reference)."""
_IN_A_PAGE = 1000
"""The most that there can be; without it EC2 tries to answer all at once, which fails where there is much
("Pagination", Amazon EC2 API Reference)."""
_ENTRIES_IN_A_PAGE = 100
"""Likewise of a prefix list."""


@dataclass(frozen=True, slots=True)
class Group:
    """A security group.

    Attributes:
        id: `sg-...`.
        name: `default` for the one that each VPC has and nobody can delete.
        owner: The account's id.
        permissions: The rules for what comes in.
        comes_in: How many rules there are for it, one for each source.
        goes_out: Likewise for what goes out.
    """

    id: str
    name: str
    owner: str
    permissions: tuple[Permission, ...] = ()
    comes_in: int = 0
    goes_out: int = 0


@dataclass(frozen=True, slots=True)
class Use:
    """What a security group is attached to.

    Attributes:
        interfaces: How many network interfaces.
        public: How many of them have a public IPv4 address or an IPv6 address.
    """

    interfaces: int = 0
    public: int = 0


@dataclass(frozen=True, slots=True)
class Uses:
    """What security groups are attached to.

    Attributes:
        of: By the group's id; what is missing is attached to nothing.
        lost: Which call came to nothing; then nothing is known of any group.
    """

    of: Mapping[str, Use]
    lost: str = ""


async def read_groups(context: AuditContext, ids: Sequence[str] = ()) -> Listed[Group]:
    """Return the security groups of a region.

    Args:
        context: The account and region.
        ids: Which ones, at most 200; none for all.
    """
    wanted: dict[str, object] = {"Filters": [{"Name": "group-id", "Values": list(ids)}]} if ids else {}
    return await listed(context, "ec2", "DescribeSecurityGroups", _groups, MaxResults=_IN_A_PAGE, **wanted)


def _groups(page: Answer) -> list[Group]:
    return [_group(each) for each in page["SecurityGroups"]]


def _group(raw: Mapping[str, Any]) -> Group:
    comes_in, goes_out = raw.get("IpPermissions", ()), raw.get("IpPermissionsEgress", ())
    return Group(
        raw["GroupId"],
        raw.get("GroupName", ""),
        raw.get("OwnerId", ""),
        tuple(permission_of(each) for each in comes_in),
        _rules(comes_in),
        _rules(goes_out),
    )


def _rules(permissions: Iterable[Mapping[str, Any]]) -> int:
    kinds = ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
    return sum(len(each.get(kind, ())) for each in permissions for kind in kinds)


async def read_lists(context: AuditContext, ids: Sequence[str]) -> dict[str, Listed[str]]:
    """Return what prefix lists hold, by their ids.

    Args:
        context: The account and region.
        ids: Which ones.
    """
    outcomes = await batch(
        partial(
            listed,
            context,
            "ec2",
            "GetManagedPrefixListEntries",
            _entries,
            PrefixListId=each,
            MaxResults=_ENTRIES_IN_A_PAGE,
        )
        for each in ids
    )
    return {name: each.value for name, each in zip(ids, outcomes, strict=True) if isinstance(each, Done)}


def _entries(page: Answer) -> list[str]:
    return [each["Cidr"] for each in page["Entries"]]


async def read_uses(context: AuditContext, ids: Sequence[str]) -> Uses:
    """Return what groups are attached to.

    Args:
        context: The account and region.
        ids: Which groups.
    """
    interfaces: Counter[str] = Counter()
    public: Counter[str] = Counter()
    for at in range(0, len(ids), _VALUES_OF_A_FILTER):
        some = ids[at : at + _VALUES_OF_A_FILTER]
        read = await listed(
            context,
            "ec2",
            "DescribeNetworkInterfaces",
            _interfaces,
            MaxResults=_IN_A_PAGE,
            Filters=[{"Name": "group-id", "Values": list(some)}],
        )
        if read.lost:
            return Uses({}, read.lost)
        for groups, is_public in read.items:
            interfaces.update(groups)
            public.update(groups if is_public else ())
    return Uses({each: Use(interfaces[each], public[each]) for each in interfaces})


def _interfaces(page: Answer) -> list[tuple[tuple[str, ...], bool]]:
    return [
        (
            tuple(group["GroupId"] for group in each.get("Groups", ())),
            bool(each.get("Association", {}).get("PublicIp") or each.get("Ipv6Addresses")),
        )
        for each in page["NetworkInterfaces"]
    ]
