"""Which ports are open to the world: by tables, and against a count of every address and port."""

from __future__ import annotations

import ipaddress
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.auditing.aws.ec2.openings import LAST_PORT, Opening, Permission, openings, permission_of, world
from app.agents.auditing.aws.policy.answers import Ternary

if TYPE_CHECKING:
    from random import Random

ANYBODY = ("0.0.0.0/0",)
HALVES = ("0.0.0.0/1", "128.0.0.0/1")

networks4 = st.builds(
    lambda address, bits: str(ipaddress.ip_network((address, bits), strict=False)),
    st.integers(0, (1 << 32) - 1),
    st.integers(0, 32),
)
networks6 = st.builds(
    lambda address, bits: str(ipaddress.ip_network((address, bits), strict=False)),
    st.integers(1 << 125, (1 << 126) - 1),
    st.integers(3, 128),
)
cidrs = st.one_of(networks4, networks6, st.sampled_from(["0.0.0.0/0", "::/0", *HALVES, "10.0.0.0/8"]))
ports = st.integers(0, LAST_PORT)
permissions = st.builds(
    lambda protocol, ends, ranges: Permission(protocol, min(ends), max(ends), tuple(ranges)),
    st.sampled_from(["tcp", "udp", "-1", "icmp", "50"]),
    st.tuples(ports, ports),
    st.lists(cidrs, max_size=4),
)


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ((), Ternary.NO),
        (("0.0.0.0/0",), Ternary.YES),
        (("::/0",), Ternary.YES),
        (HALVES, Ternary.YES),
        (("0.0.0.0/1",), Ternary.YES),
        (("8000::/1", "::/1"), Ternary.YES),
        (("2000::/3",), Ternary.YES),
        (("198.51.100.7/32",), Ternary.NO),
        (("54.0.0.0/8",), Ternary.NO),
        (("2001:db8::/32",), Ternary.NO),
        (("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"), Ternary.NO),
        (("fc00::/7",), Ternary.NO),
        (tuple(f"{first}.0.0.0/8" for first in (20, 40, 60)), Ternary.UNKNOWN),
        (tuple(f"{first}.0.0.0/8" for first in range(1, 10)), Ternary.YES),
    ],
)
def test_the_world(ranges: tuple[str, ...], expected: Ternary) -> None:
    """Everybody is who has more than a /8 of public addresses; private ones are nobody's."""
    assert world(frozenset(ranges)) is expected


@given(st.data())
def test_the_world_in_pieces_is_the_world(data: st.DataObject) -> None:
    """However the whole is cut into networks, together they are the whole."""
    whole = data.draw(st.sampled_from(["0.0.0.0/0", "::/0"]))
    pieces = [ipaddress.ip_network(whole)]
    for _ in range(data.draw(st.integers(0, 20))):
        piece = pieces.pop(data.draw(st.integers(0, len(pieces) - 1)))
        pieces += piece.subnets() if piece.prefixlen < piece.max_prefixlen else [piece]

    assert world(frozenset(map(str, pieces))) is Ternary.YES


@given(st.integers(1, 223), st.lists(st.integers(8, 32), max_size=30), st.randoms(use_true_random=False))
def test_what_lies_in_one_narrow_block_is_not_the_world(first: int, lengths: list[int], random: Random) -> None:
    """Networks within one /8 are not everybody, however many they are."""
    base = first << 24
    ranges = {str(ipaddress.ip_network((base | random.getrandbits(24), bits), strict=False)) for bits in lengths}

    assert world(frozenset(ranges)) is Ternary.NO


@given(st.lists(permissions, max_size=6), ports, st.sampled_from(["tcp", "udp"]))
def test_a_port_is_as_open_as_all_rules_for_it_together(given_: list[Permission], port: int, protocol: str) -> None:
    """Of each port the same is told as of the ranges of all rules that cover it."""
    ranges = {
        cidr
        for each in given_
        if each.protocol in {protocol, "-1"} and (each.protocol == "-1" or each.first <= port <= each.last)
        for cidr in each.ranges
    }
    found = openings([each if each.protocol != "-1" else Permission("-1", ranges=each.ranges) for each in given_], {})

    of_port = [each.open for each in found if each.covers(protocol, port)]

    assert (of_port or [Ternary.NO]) == [world(frozenset(ranges))]


@given(st.lists(permissions, max_size=5), permissions)
def test_one_more_rule_closes_nothing(given_: list[Permission], more: Permission) -> None:
    """What is open stays open when a rule is added, since there are none that deny."""
    before = openings(given_, {})
    after = openings([*given_, more], {})

    for each in before:
        if each.open is Ternary.YES:
            for port in (each.first, each.last):
                assert any(other.covers(each.protocol, port) and other.open is Ternary.YES for other in after)


@given(st.lists(permissions, max_size=6))
def test_openings_are_in_order_and_do_not_overlap(given_: list[Permission]) -> None:
    """Each port is told of once at most."""
    found = openings(given_, {})

    for protocol in ("tcp", "udp"):
        of = [each for each in found if each.protocol == protocol]
        assert all(one.last < other.first for one, other in pairwise(of))
        assert all(0 <= each.first <= each.last <= LAST_PORT for each in of)


def test_halves_by_two_rules_are_the_whole() -> None:
    """Two rules that open overlapping ports to half the internet each open the ports that both have."""
    found = openings([Permission("tcp", 20, 22, HALVES[:1]), Permission("tcp", 22, 25, HALVES[1:])], {})

    assert [(each.first, each.last, each.open) for each in found] == [
        (20, 21, Ternary.YES),
        (22, 22, Ternary.YES),
        (23, 25, Ternary.YES),
    ]
    assert found[1].sources == ("0.0.0.0/1", "128.0.0.0/1")


def test_what_a_prefix_list_holds_decides() -> None:
    """A list that is read counts by its ranges; one that is not makes its port unknown, unless that is open anyway."""
    through = [Permission("tcp", 22, 22, lists=("pl-1",)), Permission("tcp", 3389, 3389, ANYBODY, ("pl-1",))]

    known = openings(through, {"pl-1": ["198.51.100.0/24"]})
    wide = openings(through, {"pl-1": ["0.0.0.0/0"]})
    unread = openings(through, {})

    assert [(each.first, each.open) for each in known] == [(3389, Ternary.YES)]
    assert [(each.first, each.open) for each in wide] == [(22, Ternary.YES), (3389, Ternary.YES)]
    assert [(each.first, each.open, each.unread) for each in unread] == [
        (22, Ternary.UNKNOWN, ("pl-1",)),
        (3389, Ternary.YES, ()),
    ]


def test_a_range_that_is_none_makes_the_port_unknown() -> None:
    """What cannot be read as addresses is not passed over."""
    (found,) = openings([Permission("tcp", 22, 22, ("everywhere",))], {})

    assert found == Opening("tcp", 22, 22, Ternary.UNKNOWN, ("everywhere",), ("everywhere",))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, Permission("-1", ranges=ANYBODY)),
        ({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}, Permission("tcp", 22, 22)),
        ({"IpProtocol": "6", "FromPort": 0, "ToPort": 65535}, Permission("tcp")),
        ({"IpProtocol": "17", "FromPort": -1, "ToPort": -1}, Permission("udp")),
        ({"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1}, Permission("icmp", 8)),
        (
            {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "Ipv6Ranges": [{"CidrIpv6": "::/0", "Description": "x"}]},
            Permission("tcp", 1, 2, ("::/0",)),
        ),
        ({"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-1"}]}, Permission("-1", lists=("pl-1",))),
        ({"IpProtocol": "tcp", "FromPort": 5, "ToPort": 5, "UserIdGroupPairs": [{"GroupId": "sg-1"}]},
         Permission("tcp", 5, 5)),
    ],
)  # fmt: skip
def test_rules_are_read_as_ec2_tells_them(raw: dict[str, object], expected: Permission) -> None:
    """All ways in which EC2 names protocols and ports come to the same."""
    assert permission_of(raw) == expected


@pytest.mark.parametrize("raw", [{"FromPort": "22"}, {"IpRanges": "0.0.0.0/0"}, {"IpRanges": ["0.0.0.0/0"]}])
def test_a_rule_of_another_form_is_refused(raw: dict[str, object]) -> None:
    """What is no rule is not taken for one that allows nothing."""
    with pytest.raises(ValueError, match=r"no (number|list)"):
        permission_of(raw)


def test_an_opening_reads_well() -> None:
    """It names ports and the broadest sources first."""
    many = tuple(f"198.51.100.{last}/32" for last in range(6))
    (found,) = openings([Permission("tcp", 20, 25, (*many, "::/0", "0.0.0.0/0"))], {})

    assert str(found) == "tcp 20-25 from 0.0.0.0/0, ::/0, 198.51.100.0/32, 198.51.100.1/32 and 4 others"
