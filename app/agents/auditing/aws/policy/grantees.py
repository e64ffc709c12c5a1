"""Whom the statements of a policy name, and how each of them asks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.agents.auditing.aws.policy import callers
from app.agents.auditing.aws.policy.addresses import read_range
from app.agents.auditing.aws.policy.answers import Grantee, GranteeKind
from app.agents.auditing.aws.policy.choices import Manner, World
from app.agents.auditing.aws.policy.conditions import operator_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.agents.auditing.aws.policy.callers import Caller
    from app.agents.auditing.aws.policy.documents import Names, Statement

_CLOUDFRONT = re.compile(r"arn:[\w-]+:iam::cloudfront:user/.+")
_DIGITS = re.compile(r"(?<!\d)\d{12}(?!\d)")
_NETWORKS = {"aws:sourceip", "aws:sourcevpc", "aws:sourcevpce"}
_POINTS = {"s3:dataaccesspointaccount", "s3:dataaccesspointarn"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who may have been let in.

    Attributes:
        grantee: Who.
        callers: By whom it is stood for.
        manner: How they ask.
    """

    grantee: Grantee
    callers: tuple[Caller, ...]
    manner: Manner


def candidates(world: World, statements: Iterable[Statement]) -> list[Candidate]:
    """Return each outsider whom statements name, by Principal or by a condition, whether it gets anything or not."""
    found: dict[Grantee, Candidate] = {}
    for each in (one for statement in statements for one in _named(world, statement)):
        found.setdefault(each.grantee, each)
    return [each for each in found.values() if not each.grantee.account or each.grantee.account != world.owner]


def _named(world: World, statement: Statement) -> Iterator[Candidate]:
    """Yield whom a statement names: to allow them something, or to except them from a Deny."""
    if statement.names is None:
        return
    denies = statement.allows is False
    if statement.but_names is denies:
        yield from _by_name(world, statement.names)
    if denies or statement.but_names or statement.names.everyone:
        for test in statement.tests:
            operator = operator_of(test.operator)
            if operator is not None and operator.negated is denies:
                for value in test.values:
                    yield from _by_value(world, test.key.lower(), value)


def _by_name(world: World, names: Names) -> Iterator[Candidate]:
    for name in names.aws:
        yield _principal(world, name)
    for name in names.service:
        yield Candidate(
            Grantee(GranteeKind.SERVICE, name), (callers.service(name, partition=world.partition),), _direct()
        )
    for name in names.federated:
        grantee = Grantee(GranteeKind.FEDERATED, name, callers.account_of(name))
        yield Candidate(grantee, (callers.federated(name),), _direct())
    for name in names.canonical:
        yield Candidate(Grantee(GranteeKind.CANONICAL_USER, name), (callers.canonical(name),), _direct())


def _direct() -> Manner:
    return Manner(everywhere=True)


def _principal(world: World, name: str) -> Candidate:
    account = callers.account_of(name)
    if account and callers.normal(name) == account:
        made = callers.somebody_of(account, world.partition)
        return Candidate(Grantee(GranteeKind.ACCOUNT, account, account), (made,), _direct())
    kind = GranteeKind.CLOUDFRONT if _CLOUDFRONT.fullmatch(name) else GranteeKind.PRINCIPAL
    return Candidate(Grantee(kind, name, account), (callers.principal(name),), _direct())


def _by_value(world: World, key: str, value: str) -> Iterator[Candidate]:
    accounts = _DIGITS.findall(value)
    wild = bool(set(value) & {"*", "?"})
    if key == "aws:principalaccount" and accounts:
        yield _principal(world, accounts[0])
    elif key == "aws:principalarn" and accounts:
        yield _principal(world, accounts[0] if wild else value)
    elif key == "aws:userid" and not wild and "$" not in value:
        yield _principal(world, value)
    elif key == "aws:userid" and value.endswith(":*") and "*" not in value[:-1]:
        yield _principal(world, value[:-1] + callers.NAME)
    elif key in {"aws:principalorgid", "aws:principalorgpaths"} and value.startswith("o-") and "$" not in value:
        made = callers.member_of(value, world.stranger, world.partition)
        yield Candidate(Grantee(GranteeKind.ORGANISATION, value), (made,), _direct())
    elif key in {"aws:principalservicename", "aws:principalservicenameslist"} and not wild:
        made = callers.service(value, partition=world.partition)
        yield Candidate(Grantee(GranteeKind.SERVICE, value), (made,), _direct())
    elif key in {"aws:sourceaccount", "aws:sourceowner", "aws:sourcearn", "aws:sourceorgid"}:
        made = callers.service("any.amazonaws.com", partition=world.partition)
        yield Candidate(Grantee(GranteeKind.SERVICE, "any"), (made,), _direct())
    elif key in _NETWORKS and (read_range(value) if key == "aws:sourceip" else not wild and "$" not in value):
        everybody = (callers.anonymous(), *callers.strangers(world.stranger, world.partition)[:-1])
        yield Candidate(Grantee(GranteeKind.NETWORK, value), everybody, Manner(everywhere=True, within=(key, value)))
    elif key in _POINTS and not world.access_point and (accounts or "ResourceAccount" in value):
        account = accounts[0] if accounts else world.owner
        everybody = (callers.anonymous(), *callers.strangers(world.stranger, world.partition)[:-1])
        manner = Manner(delegated=(account,))
        yield Candidate(Grantee(GranteeKind.ACCESS_POINT, account), everybody, manner)
