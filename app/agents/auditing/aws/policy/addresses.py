"""Address ranges: which parts a policy tells apart, and how much of the internet is everybody.

Amazon S3 counts a policy as public when its aws:SourceIp is broader than /8 (IPv4) or /32 (IPv6), private ranges left
out ("Blocking public access to your Amazon S3 storage", "The meaning of public"). Here the same holds for what ranges
come to together: two halves are the whole. Ranges that are apart, each narrow enough, but together more than one /8
(or /32), are not known to be either.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from app.agents.auditing.aws.policy.answers import Ternary

if TYPE_CHECKING:
    from collections.abc import Iterable

Range: TypeAlias = tuple[int, int, int]
"""4 or 6, the first address and the last, as numbers."""

_BITS = {4: 32, 6: 128}
_BROADEST = {4: 8, 6: 32}
_NOBODYS = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "224.0.0.0/3", "::/96", "fc00::/7", "fe80::/10", "ff00::/8",
)  # fmt: skip
"""No request comes from these over the internet. (Over a VPC endpoint there is no aws:SourceIp.)"""


@lru_cache(maxsize=4096)
def read_range(text: str) -> Range | None:
    """Return the range of a CIDR or of one address; None when it is neither. Bits behind the mask are ignored."""
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None
    return network.version, int(network.network_address), int(network.broadcast_address)


def is_within(address: str, text: str) -> bool | None:
    """Return whether an address is of a CIDR; None when the latter is none."""
    inner, outer = read_range(address), read_range(text)
    if inner is None or outer is None:
        return None
    return inner[0] == outer[0] and outer[1] <= inner[1] and inner[2] <= outer[2]


def segments(ranges: Iterable[Range], *, private: bool = False) -> list[Range]:
    """Return all addresses in parts, none of which is cut by one of the ranges.

    Args:
        ranges: By which to cut.
        private: Whether those count from which no request comes over the internet.
    """
    nobodys = [] if private else [each for each in map(read_range, _NOBODYS) if each]
    cuts = {version: {0, 1 << bits} for version, bits in _BITS.items()}
    for version, first, last in (*ranges, *nobodys):
        cuts[version] |= {first, last + 1}
    return [
        (version, first, after - 1)
        for version, at in cuts.items()
        for first, after in pairwise(sorted(at))
        if not any(version == other and low <= first <= high for other, low, high in nobodys)
    ]


def address_of(part: Range) -> str:
    """Return the first address of a range, as text."""
    return str(ipaddress.IPv4Address(part[1]) if part[0] == 4 else ipaddress.IPv6Address(part[1]))  # noqa: PLR2004


def breadth(parts: Iterable[Range]) -> Ternary:
    """Return whether ranges come to so much that they are everybody.

    Returns:
        YES when one block of them, neighbours joined, is broader than /8 or /32; NO when all together are no more than
        one such block; else UNKNOWN.
    """
    answer = Ternary.NO
    together = {4: 0, 6: 0}
    for version, first, last in joined(parts):
        together[version] += last - first + 1
        if any(each < _BROADEST[version] for each in _prefixes((version, first, last))):
            return Ternary.YES
    if any(count > 1 << _BITS[version] - _BROADEST[version] for version, count in together.items()):
        answer = Ternary.UNKNOWN
    return answer


def joined(parts: Iterable[Range]) -> list[Range]:
    """Return ranges in order, those that overlap or touch joined."""
    made: list[Range] = []
    for version, first, last in sorted(set(parts)):
        if made and made[-1][0] == version and first <= made[-1][2] + 1:
            made[-1] = (version, made[-1][1], max(last, made[-1][2]))
        else:
            made.append((version, first, last))
    return made


def _prefixes(part: Range) -> list[int]:
    """Return the lengths of the prefixes of the blocks that a range consists of."""
    version, first, last = part
    found = []
    while first <= last:
        size = first & -first or 1 << _BITS[version]
        while size > last - first + 1:
            size >>= 1
        found.append(_BITS[version] - size.bit_length() + 1)
        first += size
    return found
