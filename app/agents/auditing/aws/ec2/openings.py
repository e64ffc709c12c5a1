"""Which ports a security group opens to the world: pure, and three-valued.

The rules of a group count together: what one of them allows is allowed ("Security group rules", Amazon VPC User
Guide). So two rules that open a port to one half of the internet each open it to all of it. The world is whatever
comes to more than a /8 (IPv4) or a /32 (IPv6) of public addresses, as for S3's policies: see policy/addresses.py.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from app.agents.auditing.aws.policy import Ternary
from app.agents.auditing.aws.policy.addresses import Range, breadth, joined, read_range, segments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LAST_PORT = 65_535
PROTOCOLS = ("tcp", "udp")
_NAMES = {"6": "tcp", "17": "udp"}
_ALL = "-1"
_NARROW = {4: 1 << 24, 6: 1 << 96}
"""How many addresses are surely not the world."""


@dataclass(frozen=True, slots=True)
class Permission:
    """A rule for what comes in.

    Attributes:
        protocol: `tcp`, `udp`, `-1` for all, or another by its name or number.
        first: The first port, from 0.
        last: The last port, up to 65535.
        ranges: Addresses from which it may come, as CIDRs.
        lists: Prefix lists of such, by their ids.
    """

    protocol: str
    first: int = 0
    last: int = LAST_PORT
    ranges: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Opening:
    """Neighbouring ports that are, or may be, open to the world.

    Attributes:
        protocol: `tcp` or `udp`.
        first: The first port.
        last: The last port.
        open: YES or UNKNOWN.
        sources: The ranges and prefix lists that the ports are open to.
        unread: Those of them of which it is not known what they hold.
    """

    protocol: str
    first: int
    last: int
    open: Ternary
    sources: tuple[str, ...]
    unread: tuple[str, ...] = ()

    @property
    def ports(self) -> int:
        """How many ports it is."""
        return self.last - self.first + 1

    def covers(self, protocol: str, port: int) -> bool:
        """Return whether a port is among them."""
        return protocol == self.protocol and self.first <= port <= self.last

    def __str__(self) -> str:
        """Return it as people read it: `tcp 20-25 from 0.0.0.0/0`."""
        ports = f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"
        more = f" and {len(self.sources) - _TOLD} others" if len(self.sources) > _TOLD else ""
        return f"{self.protocol} {ports} from {', '.join(self.sources[:_TOLD])}{more}"


_TOLD = 4


def permission_of(raw: Mapping[str, object]) -> Permission:
    """Return a rule as `DescribeSecurityGroups` tells it.

    Args:
        raw: An `IpPermission` ("IpPermission", Amazon EC2 API Reference).

    Raises:
        ValueError: It is none.
    """
    protocol = str(raw.get("IpProtocol", _ALL)).lower()
    first, last = _port(raw.get("FromPort"), 0), _port(raw.get("ToPort"), LAST_PORT)
    if protocol == _ALL:
        first, last = 0, LAST_PORT
    return Permission(
        _NAMES.get(protocol, protocol),
        first,
        last,
        (*_each(raw, "IpRanges", "CidrIp"), *_each(raw, "Ipv6Ranges", "CidrIpv6")),
        _each(raw, "PrefixListIds", "PrefixListId"),
    )


def _port(raw: object, missing: int) -> int:
    """Return a port; -1 stands for all of them, as a missing one does."""
    if raw is None or raw == -1:
        return missing
    if not isinstance(raw, int):
        raise ValueError("a port is no number")  # noqa: TRY004 - it is an answer that is wrong, no argument
    return raw


def _each(raw: Mapping[str, object], group: str, name: str) -> tuple[str, ...]:
    every = raw.get(group) or []
    if not isinstance(every, list) or not all(isinstance(each, dict) for each in every):
        raise ValueError(f"{group} is no list")
    return tuple(str(each[name]) for each in every if name in each)


def openings(permissions: Sequence[Permission], lists: Mapping[str, Sequence[str] | None]) -> tuple[Opening, ...]:
    """Return the ports that are or may be open to the world, in order.

    Args:
        permissions: A group's rules for what comes in.
        lists: What each prefix list holds, as CIDRs; None, or no entry, where that is not known.
    """
    return tuple(each for protocol in PROTOCOLS for each in _of_protocol(protocol, permissions, lists))


def _of_protocol(
    protocol: str, permissions: Sequence[Permission], lists: Mapping[str, Sequence[str] | None]
) -> Iterable[Opening]:
    wanted = [
        each
        for each in permissions
        if each.protocol in {protocol, _ALL} and each.first <= each.last and (each.ranges or each.lists)
    ]
    cuts = sorted({at for each in wanted for at in (each.first, each.last + 1)})
    found: list[Opening] = []
    for first, after in pairwise(cuts):
        here = [each for each in wanted if each.first <= first and after <= each.last + 1]
        opening = _opening(protocol, first, after - 1, here, lists)
        if opening is None:
            continue
        last = found[-1] if found else None
        if last and last.last + 1 == first and (last.open, last.sources) == (opening.open, opening.sources):
            found[-1] = Opening(protocol, last.first, opening.last, last.open, last.sources, last.unread)
        else:
            found.append(opening)
    return found


def _opening(
    protocol: str, first: int, last: int, here: Sequence[Permission], lists: Mapping[str, Sequence[str] | None]
) -> Opening | None:
    sources = tuple(dict.fromkeys(name for each in here for name in (*each.ranges, *each.lists)))
    if not sources:
        return None
    cidrs: set[str] = set()
    unread: list[str] = []
    for each in here:
        cidrs.update(each.ranges)
        for name in each.lists:
            entries = lists.get(name)
            if entries is None:
                unread.append(name)
            else:
                cidrs.update(entries)
    unread += sorted(each for each in cidrs if read_range(each) is None)
    answer = world(frozenset(cidrs))
    if answer is Ternary.YES:
        return Opening(protocol, first, last, answer, tuple(sorted(sources, key=_broadest_first)))
    if unread or answer is Ternary.UNKNOWN:
        return Opening(protocol, first, last, Ternary.UNKNOWN, sources, tuple(dict.fromkeys(unread)))
    return None


def _broadest_first(source: str) -> tuple[int, str]:
    found = read_range(source)
    if found is None:
        return 1 << 129, source
    version, first, last = found
    share = (last - first + 1) << (96 if version == 4 else 0)  # noqa: PLR2004 - so that /0 is the same for both
    return -share, source


@lru_cache(maxsize=1024)
def world(cidrs: frozenset[str]) -> Ternary:
    """Return whether ranges together are the world; those that cannot be read are left out.

    Args:
        cidrs: The ranges.

    Returns:
        UNKNOWN where they are many that lie apart: see `breadth`.
    """
    every = joined(found for each in cidrs if (found := read_range(each)))
    sums = {version: sum(b - a + 1 for v, a, b in every if v == version) for version in _NARROW}
    if all(sums[version] <= most for version, most in _NARROW.items()):
        return Ternary.NO
    starts = [(version, first) for version, first, _ in every]
    return breadth(part for part in segments(every) if _is_in(part, every, starts))


def _is_in(part: Range, every: list[Range], starts: list[tuple[int, int]]) -> bool:
    at = bisect_right(starts, part[:2]) - 1
    return at >= 0 and every[at][0] == part[0] and part[2] <= every[at][2]
