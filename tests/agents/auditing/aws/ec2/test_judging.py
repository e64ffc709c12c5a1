"""How a group stands to the rules, by a table of groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.aws.ec2.facts import Group, Use, Uses
from app.agents.auditing.aws.ec2.judging import opinions_of, weighed
from app.agents.auditing.aws.ec2.openings import Permission
from app.agents.auditing.aws.ec2.rules import (
    ADMINISTRATION,
    DATABASES,
    DEFAULT_GROUP,
    OPEN_ADMINISTRATION,
    OPEN_DATABASES,
    OPEN_PORTS,
    RULES,
)
from app.agents.auditing.aws.opinions import fails, passes
from app.agents.auditing.aws.reading import Listed
from app.domain.findings import AuditVerdict, Severity

if TYPE_CHECKING:
    from app.agents.auditing.aws.ec2.rules import Port
    from app.agents.auditing.aws.shape import Rule

ANYBODY, ANYBODY6 = ("0.0.0.0/0",), ("::/0",)
OFFICE = ("198.51.100.0/24",)
APART = ("20.0.0.0/8", "40.0.0.0/8")
P, F, U = AuditVerdict.PASS, AuditVerdict.FAIL, AuditVerdict.UNKNOWN

TABLE = [
    ("nothing", [], (P, P, P)),
    ("SSH", [Permission("tcp", 22, 22, ANYBODY)], (F, P, P)),
    ("SSH over IPv6", [Permission("tcp", 22, 22, ANYBODY6)], (F, P, P)),
    ("SSH in a range", [Permission("tcp", 20, 30, ANYBODY)], (F, P, P)),
    ("SSH in halves", [Permission("tcp", 22, 22, ("0.0.0.0/1", "128.0.0.0/1"))], (F, P, P)),
    ("SSH for the office", [Permission("tcp", 22, 22, OFFICE)], (P, P, P)),
    ("SSH for far too many", [Permission("tcp", 22, 22, APART)], (U, P, P)),
    ("udp on 22", [Permission("udp", 22, 22, ANYBODY)], (P, P, P)),
    ("the web", [Permission("tcp", 80, 80, ANYBODY), Permission("tcp", 443, 443, ANYBODY)], (P, P, P)),
    ("WinRM", [Permission("tcp", 5985, 5986, ANYBODY)], (F, P, P)),
    ("PostgreSQL", [Permission("tcp", 5432, 5432, ANYBODY)], (P, F, P)),
    ("memcached over udp", [Permission("udp", 11211, 11211, ANYBODY)], (P, F, P)),
    ("all of tcp", [Permission("tcp", 0, 65535, ANYBODY)], (F, F, F)),
    ("all of udp", [Permission("udp", 0, 65535, ANYBODY)], (P, F, F)),
    ("everything", [Permission("-1", ranges=ANYBODY)], (F, F, F)),
    ("all but one", [Permission("tcp", 0, 21, ANYBODY), Permission("tcp", 23, 65535, ANYBODY)], (F, F, F)),
    ("high ports", [Permission("tcp", 32768, 65535, ANYBODY)], (P, P, F)),
    ("ephemeral ports", [Permission("tcp", 49152, 65535, ANYBODY)], (P, P, P)),
    ("everything for the office", [Permission("-1", ranges=OFFICE)], (P, P, P)),
    ("ping", [Permission("icmp", 8, 65535, ANYBODY)], (P, P, P)),
    ("a prefix list", [Permission("tcp", 22, 22, lists=("pl-lost",))], (U, P, P)),
    ("a prefix list on the web", [Permission("tcp", 443, 443, lists=("pl-lost",))], (P, P, P)),
    ("a prefix list for everything", [Permission("-1", lists=("pl-lost",))], (U, U, U)),
    ("a prefix list that is read", [Permission("tcp", 22, 22, lists=("pl-office",))], (P, P, P)),
]
LISTS = {
    "pl-lost": Listed((), "ec2:GetManagedPrefixListEntries denied"),
    "pl-office": Listed(OFFICE),
}


@pytest.mark.parametrize(("permissions", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_groups_are_judged(permissions: list[Permission], expected: tuple[AuditVerdict, ...]) -> None:
    """Each rule looks at its ports alone."""
    group = Group("sg-1", "web", "111122223333", tuple(permissions), len(permissions))

    found = opinions_of((OPEN_ADMINISTRATION, OPEN_DATABASES, OPEN_PORTS), group, LISTS)

    assert tuple(each.verdict for each in found) == expected
    assert all(("pl-lost" in each.why or "apart" in each.why) == (each.verdict is U) for each in found)
    assert all(bool(each.evidence) == (each.verdict is not P) for each in found)


@pytest.mark.parametrize(
    ("rule", "port"),
    [(OPEN_ADMINISTRATION, each) for each in ADMINISTRATION] + [(OPEN_DATABASES, each) for each in DATABASES],
    ids=lambda each: getattr(each, "name", ""),
)
def test_each_port_is_looked_at(rule: Rule, port: Port) -> None:
    """No service of the lists is overlooked, and its neighbours are not taken for it."""
    for protocol in port.protocols:
        number = port.number
        group = Group("sg-1", "web", "", (Permission(protocol, number, number, ANYBODY),), 1)

        (found,) = opinions_of([rule], group, {})

        assert found.verdict is F
        assert found.why.startswith(f"{port.name} ({protocol} {number}) is open to 0.0.0.0/0")


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (Group("sg-1", "default", "", (), 0, 0), P),
        (Group("sg-1", "default", "", (), 1, 0), F),
        (Group("sg-1", "default", "", (), 0, 1), F),
        (Group("sg-1", "web", "", (), 3, 1), P),
    ],
)
def test_default_groups_are_to_be_empty(group: Group, expected: AuditVerdict) -> None:
    """A default group may have no rules in either direction; others may."""
    (found,) = opinions_of([DEFAULT_GROUP], group, {})

    assert found.verdict is expected


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_what_is_attached_to_nothing_matters_less(rule: Rule) -> None:
    """A group in use has the rule's severity, one that is not in use a lower one, and doubt lowers nothing."""
    group = Group("sg-1", "default", "")
    said = fails("It is so.", "this")

    used = weighed(rule, said, group, Uses({"sg-1": Use(2, 1)}))
    unused = weighed(rule, said, group, Uses({"sg-2": Use(1)}))
    lost = weighed(rule, said, group, Uses({}, "ec2:DescribeNetworkInterfaces denied"))

    assert (used.severity, lost.severity) == (None, None)
    assert unused.severity is (Severity.INFO if rule is DEFAULT_GROUP else Severity.LOW)
    assert used.why == "It is so. It is attached to 2 network interfaces, 1 of them with a public address."
    assert lost.why == "It is so. Whether it is in use is not known: ec2:DescribeNetworkInterfaces denied."
    assert {each.evidence for each in (used, unused, lost)} == {"this"}


def test_what_passes_is_not_weighed() -> None:
    """A group that is as it should be stays so, whatever is known of its use."""
    said = passes("All is well.")

    assert weighed(OPEN_PORTS, said, Group("sg-1", "", ""), Uses({}, "lost")) is said
