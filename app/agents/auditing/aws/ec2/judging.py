"""Judges a security group by what is known of it: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.agents.auditing.aws.ec2.openings import LAST_PORT, PROTOCOLS, openings
from app.agents.auditing.aws.ec2.rules import DEFAULT_GROUP, OPEN_PORTS, PORTS
from app.agents.auditing.aws.opinions import Opinion, fails, named, passes, unknown
from app.agents.auditing.aws.policy import Ternary
from app.domain.findings import AuditVerdict, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.agents.auditing.aws.ec2.facts import Group, Uses
    from app.agents.auditing.aws.ec2.openings import Opening
    from app.agents.auditing.aws.ec2.rules import Port
    from app.agents.auditing.aws.reading import Listed
    from app.agents.auditing.aws.shape import Rule

_MOST = LAST_PORT // 2
"""More open ports than this are told as all: a hole of a few ports in it saves nobody."""
_EVERYBODY = ("0.0.0.0/0", "::/0")
_TOLD = 6


def opinions_of(rules: Iterable[Rule], group: Group, lists: Mapping[str, Listed[str]]) -> list[Opinion]:
    """Return how a group stands to rules, in their order, whether or not it is in use.

    Args:
        rules: Of those of app.agents.auditing.aws.ec2.rules.
        group: The group.
        lists: What the prefix lists that it names hold, as far as that could be read.
    """
    held = {name: read.items for name, read in lists.items() if not read.lost}
    found = openings(group.permissions, held)
    return [_opinion(rule, group, found, lists) for rule in rules]


def _opinion(rule: Rule, group: Group, found: Sequence[Opening], lists: Mapping[str, Listed[str]]) -> Opinion:
    if rule.id == DEFAULT_GROUP.id:
        return _default_group(group)
    if rule.id == OPEN_PORTS.id:
        return _open_ports(found, lists)
    return _open_services(found, PORTS[rule.id], lists)


def _default_group(group: Group) -> Opinion:
    if group.name != "default":
        return passes("It is not a VPC's default group.")
    if not group.comes_in and not group.goes_out:
        return passes("It has no rules.")
    return fails(f"It has {group.comes_in} rules for what comes in and {group.goes_out} for what goes out.")


def _open_ports(found: Sequence[Opening], lists: Mapping[str, Listed[str]]) -> Opinion:
    doubt: list[Opening] = []
    for protocol in PROTOCOLS:
        of = [each for each in found if each.protocol == protocol]
        surely = [each for each in of if each.open is Ternary.YES]
        count = sum(each.ports for each in surely)
        if count > _MOST:
            ports = "All" if count >= LAST_PORT else f"{count:,}"
            return fails(f"{ports} {protocol} ports are open to {_whom(surely)}.", _shown(surely))
        if sum(each.ports for each in of) > _MOST:
            doubt += [each for each in of if each.open is not Ternary.YES]
    if doubt:
        return unknown(_doubt("most ports", doubt, lists), _shown(doubt))
    return passes("It does not open most ports to the world.")


def _open_services(found: Sequence[Opening], ports: Sequence[Port], lists: Mapping[str, Listed[str]]) -> Opinion:
    hits = [
        (f"{port.name} ({protocol} {port.number})", each)
        for port in ports
        for protocol in port.protocols
        for each in found
        if each.covers(protocol, port.number)
    ]
    surely = [(name, each) for name, each in hits if each.open is Ternary.YES]
    if surely:
        through = list(dict.fromkeys(each for _, each in surely))
        verb = "is" if len(surely) == 1 else "are"
        return fails(
            f"{named([name for name, _ in surely])} {verb} open to {_whom(through)}.",
            _shown(through),
        )
    if hits:
        through = list(dict.fromkeys(each for _, each in hits))
        return unknown(_doubt(named([name for name, _ in hits]), through, lists), _shown(through))
    return passes("None of these ports is open to the world.")


def _whom(through: Sequence[Opening]) -> str:
    sources = dict.fromkeys(source for each in through for source in each.sources)
    everybody = [each for each in _EVERYBODY if each in sources]
    return named(everybody or list(sources))


def _shown(through: Sequence[Opening]) -> str:
    return "; ".join(str(each) for each in through[:_TOLD])


def _doubt(what: str, through: Sequence[Opening], lists: Mapping[str, Listed[str]]) -> str:
    unread = list(dict.fromkeys(name for each in through for name in each.unread))
    if not unread:
        return f"Whether {what} is open to the world is not known: it is to many ranges that lie apart."
    why = dict.fromkeys(lists[name].lost for name in unread if name in lists and lists[name].lost)
    return (
        f"Whether {what} is open to the world is not known: what {named(unread)} holds could not be read"
        f"{f' ({named(list(why))})' if why else ''}."
    )


def weighed(rule: Rule, opinion: Opinion, group: Group, uses: Uses) -> Opinion:
    """Return an opinion with the severity that it has where the group is in use, or is not.

    A group that is attached to nothing opens nothing now. Where that is not known, the severity stays.

    Args:
        rule: The rule.
        opinion: How the group stands to it.
        group: The group.
        uses: What groups are attached to.
    """
    if opinion.verdict is not AuditVerdict.FAIL:
        return opinion
    if uses.lost:
        return fails(f"{opinion.why} Whether it is in use is not known: {uses.lost}.", opinion.evidence)
    use = uses.of.get(group.id)
    if use is None:
        lower = Severity.LOW if rule.severity.rank >= Severity.HIGH.rank else Severity.INFO
        return fails(f"{opinion.why} It is attached to nothing.", opinion.evidence, lower)
    noun = "network interface" if use.interfaces == 1 else "network interfaces"
    public = f", {use.public} of them with a public address" if use.public else ""
    return fails(f"{opinion.why} It is attached to {use.interfaces} {noun}{public}.", opinion.evidence)
