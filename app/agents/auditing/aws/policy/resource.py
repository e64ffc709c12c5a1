"""Judges the policy of a bucket or of an access point.

Public is what anybody has whom the policy does not name: without credentials or with an account of one's own, from the
internet or from a VPC of one's own, and with whatever a caller can write into a request. Where addresses are limited,
it is public as app.agents.auditing.aws.policy.addresses has it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from app.agents.auditing.aws.policy import callers
from app.agents.auditing.aws.policy.actions import ACTIONS, PUT_OBJECT
from app.agents.auditing.aws.policy.addresses import breadth, joined, read_range, segments
from app.agents.auditing.aws.policy.answers import (
    NO,
    Access,
    Answer,
    Grant,
    GranteeKind,
    ResourceVerdict,
    Ternary,
    unknown,
    yes,
)
from app.agents.auditing.aws.policy.choices import Manner, World
from app.agents.auditing.aws.policy.documents import read_document
from app.agents.auditing.aws.policy.grantees import Candidate, candidates
from app.agents.auditing.aws.policy.patterns import TooMany, plain
from app.agents.auditing.aws.policy.search import MANY, Found, Search, safely

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from app.agents.auditing.aws.policy.answers import Grantee
    from app.agents.auditing.aws.policy.callers import Caller
    from app.agents.auditing.aws.policy.documents import Document, Statement
    from app.agents.auditing.aws.policy.patterns import Pattern

_BUCKET = re.compile(r"arn:([\w-]+):s3:::([^/*?]+)(?:/.*)?", re.DOTALL)
_ACCOUNTS = re.compile(r"(?<!\d)\d{12}(?!\d)")
_SSE = frozenset({
    "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm",
})  # fmt: skip


def judge_resource_policy(
    text: str | None, owner: str, *, resource: str = "", now: datetime | None = None
) -> ResourceVerdict:
    """Return what the policy of a bucket or of an access point comes to. Nothing in it raises.

    Args:
        text: JSON; None or empty when there is no policy.
        owner: The account that owns the bucket or access point. Where it is not of 12 digits it is not known, and all
            that are named count as outsiders.
        resource: The bucket's or access point's ARN. Empty for the bucket that the policy names.
        now: With a zone. What was allowed before does not count; None when each time counts.
    """
    if not text or not text.strip():
        return ResourceVerdict(
            dict.fromkeys(Access, NO), (), Answer(Ternary.NO, ("There is no policy.",)), yes("There is no policy.")
        )
    document = read_document(text)
    if document.faults:
        answer = unknown(*document.faults)
        return ResourceVerdict(dict.fromkeys(Access, answer), (), answer, answer, document.faults)
    return _Judge(document, text, callers.account_or_none(owner), resource, now).verdict()


class _Judge:
    """One policy being judged."""

    def __init__(self, document: Document, text: str, owner: str, resource: str, now: datetime | None) -> None:
        self._statements = document.statements
        bucket = resource or _bucket_of(document.statements)
        point = ":accesspoint/" in bucket
        self._world = World(
            owner=owner,
            stranger=callers.nobody_of(text + owner),
            partition=bucket.split(":")[1],
            access_point=bucket if point else "",
            accounts=tuple(sorted({*_ACCOUNTS.findall(text), *([owner] if owner else [])})),
            now=now.timestamp() if now else None,
        )
        known = bool(resource) or "?" not in bucket
        self._shapes: dict[bool, Pattern] = {
            True: (*plain(bucket, wild=not known), *plain("/object/?*" if point else "/?*")),
            False: plain(bucket, wild=not known),
        }

    def verdict(self) -> ResourceVerdict:
        """Return the answers."""
        public = self._public()
        return ResourceVerdict(
            public=public,
            grants=tuple(self._grants(public)),
            refuses_plain_http=safely(self._refuses_plain_http, unknown(MANY)),
            allows_unencrypted_puts=safely(self._allows_unencrypted_puts, unknown(MANY)),
        )

    def _search(self) -> Search:
        return Search(self._world, self._statements, self._shapes)

    def _strangers(self) -> list[Caller]:
        return [callers.anonymous(), *callers.strangers(self._world.stranger, self._world.partition)]

    def _public(self) -> dict[Access, Answer]:
        reaches: dict[Access, _Reach] = defaultdict(_Reach)
        search = self._search()
        closed = Answer(Ternary.NO, self._limits())
        try:
            for caller in self._strangers():
                for found in search.requests(caller, ACTIONS, Manner()):
                    reaches[found.action.access].add(found, caller)
        except TooMany:
            told = {access: each.answer(closed) for access, each in reaches.items()}
            return {
                access: told[access] if access in told and told[access].value is Ternary.YES else unknown(MANY)
                for access in Access
            }
        return {access: reaches[access].answer(closed) if access in reaches else closed for access in Access}

    def _limits(self) -> tuple[str, ...]:
        return tuple(_limit(each) for each in self._statements if each.allows and each.names and each.names.everyone)

    def _grants(self, public: Mapping[Access, Answer]) -> Iterator[Grant]:
        every = candidates(self._world, self._statements)
        ranges = [each for each in every if each.manner.within and each.manner.within[0] == "aws:sourceip"]
        doubt = dict.fromkeys(Access, unknown(MANY))
        known = safely(lambda: self._accesses_of_ranges(ranges), {each.grantee: doubt for each in ranges})
        for each in every:
            access = known[each.grantee] if each.grantee in known else safely(partial(self._accesses, each), doubt)
            grant = self._grant(each, access, public)
            if grant:
                yield grant

    def _grant(
        self, candidate: Candidate, access: dict[Access, Answer], public: Mapping[Access, Answer]
    ) -> Grant | None:
        if candidate.grantee.kind in {GranteeKind.NETWORK, GranteeKind.ACCESS_POINT}:
            access = {each: answer for each, answer in access.items() if public[each].value is not Ternary.YES}
        if not access:
            return None
        confined = Ternary.YES
        if candidate.grantee.kind is GranteeKind.SERVICE:
            confined = safely(lambda: self._confined(candidate.grantee), Ternary.UNKNOWN)
        return Grant(candidate.grantee, access, confined)

    def _accesses(self, candidate: Candidate) -> dict[Access, Answer]:
        told = _Told()
        search = self._search()
        for caller in candidate.callers:
            for found in search.requests(caller, ACTIONS, candidate.manner):
                told.add(found)
        return told.accesses(candidate.grantee.id)

    def _accesses_of_ranges(self, ranges: list[Candidate]) -> dict[Grantee, dict[Access, Answer]]:
        """Return what anybody gets from each of some address ranges; at once, for they can be many."""
        told = {each.grantee: _Told() for each in ranges}
        limits = [(each.grantee, wanted) for each in ranges if (wanted := read_range(each.grantee.id))]
        search = self._search()
        for caller in self._strangers()[:-1]:
            for found in search.requests(caller, ACTIONS, Manner()):
                part = found.part
                for grantee, (version, first, last) in limits:
                    if part is None or (part[0] == version and first <= part[1] and part[2] <= last):
                        told[grantee].add(found)
        return {grantee: each.accesses(grantee.id) for grantee, each in told.items()}

    def _confined(self, grantee: Grantee) -> Ternary:
        caller = callers.service(grantee.id, acting_for=self._world.stranger, partition=self._world.partition)
        every = [each.surely for each in self._search().requests(caller, ACTIONS, Manner(everywhere=True))]
        return Ternary.NO if True in every else Ternary.UNKNOWN if every else Ternary.YES

    def _everybody(self) -> list[Caller]:
        """Return strangers, the owner's people and whom the policy names, except AWS services, which use TLS."""
        named = dict.fromkeys(name for each in self._statements if each.names for name in each.names.aws)
        return [
            *self._strangers()[:-1],
            *(callers.somebody_of(each, self._world.partition) for each in self._world.accounts),
            *(
                callers.principal(each)
                for each in named
                if callers.account_of(callers.normal(each)) != callers.normal(each)
            ),
        ]

    def _undenied(self, manner: Manner, *, put: bool) -> Answer:
        """Return whether a Deny leaves out some request of somebody whom another policy may allow it."""
        search = self._search()
        reasons: list[str] = []
        actions = (PUT_OBJECT,) if put else ACTIONS
        for caller in self._everybody():
            for found in search.requests(caller, actions, manner, presumed=True):
                if found.surely:
                    return yes(f"No Deny stops {found.action.name} by {caller.label} then.")
                reasons += found.reasons
        return unknown(*dict.fromkeys(reasons)) if reasons else NO

    def _refuses_plain_http(self) -> Answer:
        open_ = self._undenied(Manner(everywhere=True, delegated=None, secure=False), put=False)
        turned = {Ternary.YES: Ternary.NO, Ternary.NO: Ternary.YES, Ternary.UNKNOWN: Ternary.UNKNOWN}
        denies = [each.label for each in self._statements if each.allows is False]
        told = _told(denies, "denies what comes without TLS") if open_.value is Ternary.NO else open_.reasons
        return Answer(turned[open_.value], tuple(told))

    def _allows_unencrypted_puts(self) -> Answer:
        return self._undenied(Manner(everywhere=True, without=_SSE, secure=True), put=True)


class _Told:
    """What has been told of an outsider."""

    def __init__(self) -> None:
        self._surely: dict[Access, dict[str, None]] = {}
        self._perhaps: dict[Access, dict[str, None]] = {}

    def add(self, found: Found) -> None:
        into, told = (self._surely, found.because) if found.surely else (self._perhaps, found.reasons)
        into.setdefault(found.action.access, {}).update(dict.fromkeys(told))

    def accesses(self, who: str) -> dict[Access, Answer]:
        return {
            access: yes(*_told(self._surely[access], f"lets {who[:80]} {access.value}"))
            if access in self._surely
            else unknown(*self._perhaps[access])
            for access in Access
            if access in self._surely or access in self._perhaps
        }


class _Reach:
    """How far strangers reach by one kind of access."""

    def __init__(self) -> None:
        self._surely: dict[str, None] = {}
        self._reasons: dict[str, None] = {}
        self._parts: list[tuple[int, int, int]] = []
        self._perhaps: list[tuple[int, int, int]] = []
        self._everywhere = False
        self._who: dict[str, None] = {}

    def add(self, found: Found, caller: Caller) -> None:
        everything = found.part is None
        if found.surely:
            self._surely.update(dict.fromkeys(found.because))
            self._who[caller.label] = None
            self._everywhere |= everything
        self._reasons.update(dict.fromkeys(found.reasons))
        parts = segments(()) if found.part is None else [found.part]
        (self._parts if found.surely else self._perhaps).extend(parts)

    def answer(self, closed: Answer) -> Answer:
        surely = Ternary.YES if self._everywhere else breadth(self._parts)
        if surely is Ternary.YES:
            return yes(*_told(self._surely, f"lets in {' and '.join(self._who)}"))
        perhaps = breadth([*self._parts, *self._perhaps])
        if perhaps is Ternary.NO:
            return closed
        if self._reasons:
            return unknown(*self._reasons)
        count = len(joined(self._parts))
        return unknown(*_told(self._surely, f"lets in {count} address ranges that are together more than a /8 or /32"))


def _told(labels: Iterable[str], what: str) -> list[str]:
    return [f"{label} {what}" for label in dict.fromkeys(labels)]


def _limit(statement: Statement) -> str:
    keys = sorted({test.key for test in statement.tests})
    how = f"limits them by {' and '.join(keys)}" if keys else "is taken back by a Deny, or covers nothing here"
    return f"{statement.label} names everybody, and {how}"


def _bucket_of(statements: Iterable[Statement]) -> str:
    """Return the ARN of the one bucket that statements name, or a pattern of any bucket's."""
    found = {match.group(1, 2) for each in statements for one in each.resources if (match := _BUCKET.fullmatch(one))}
    buckets = {f"arn:{partition}:s3:::{name}" for partition, name in found if "${" not in name}
    return buckets.pop() if len(buckets) == 1 else "arn:aws:s3:::?*"
