"""Audits the users, keys and policies of an account. IAM knows no regions: its judgements have none."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.agents.auditing.aws.iam.facts import Holder, Managed
from app.agents.auditing.aws.iam.gathering import (
    list_users,
    read_account,
    read_details,
    read_policies,
    read_users,
)
from app.agents.auditing.aws.iam.judging import (
    DAY_S,
    OLD_DAYS,
    account_opinion,
    administrates,
    attached_opinion,
    inline_opinion,
    managed_opinion,
    user_opinion,
)
from app.agents.auditing.aws.iam.report import filled, is_lost, read_report
from app.agents.auditing.aws.iam.rules import (
    ADMINISTRATOR_POLICY,
    INLINE_ADMINISTRATOR,
    OF_ACCOUNT,
    OF_POLICIES,
    OF_USERS,
    RULES,
    USER_ADMINISTRATOR,
)
from app.agents.auditing.aws.opinions import unknown
from app.agents.auditing.aws.policy import judge_identity_policy
from app.agents.auditing.aws.reading import Fact, NotRead, was_lost
from app.agents.auditing.aws.shape import Unit, needs_of
from app.engine.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping

    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.iam.facts import User
    from app.agents.auditing.aws.policy import Answer
    from app.agents.auditing.aws.reading import Listed
    from app.agents.auditing.aws.shape import Judgement, Rule
    from app.engine.clock import Clock

USERS_IN_A_UNIT = 25

_KINDS = {
    ADMINISTRATOR_POLICY.id: ("LocalManagedPolicy",),
    INLINE_ADMINISTRATOR.id: ("User", "Group", "Role"),
    USER_ADMINISTRATOR.id: ("User", "LocalManagedPolicy"),
}
"""What GetAccountAuthorizationDetails is asked for, by the rule."""
_OF = {ADMINISTRATOR_POLICY.id: "policy/*", INLINE_ADMINISTRATOR.id: "*", USER_ADMINISTRATOR.id: "user/*"}
"""What a rule is about that could not be listed."""


class IAMScanner:
    """Judges the root user, the password policy, users and policies.

    Args:
        clock: Tells how old keys are.
        may_generate_report: Whether a credential report may be made where the plain calls are denied; one that exists
            is read then in any case.
    """

    def __init__(self, clock: Clock | None = None, *, may_generate_report: bool = False) -> None:
        self._clock = clock or SystemClock()
        self._may_generate = may_generate_report

    @property
    def service(self) -> str:
        """Return `iam`."""
        return "iam"

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return all its rules."""
        return RULES

    async def units(
        self,
        context: AuditContext,
        rules: Collection[str],
        regions: Collection[str],  # noqa: ARG002 - IAM knows none
    ) -> AsyncIterator[Unit]:
        """Yield a unit for the account, one for all policies, and one for some users each, by their ARNs.

        Where users cannot be listed, one unit without resources stands for all of them; judging it tries again.

        Args:
            context: The account.
            rules: The ids of the rules that are wanted.
            regions: Of no account here.
        """
        account = context.account.id
        for kind, of in (("account", OF_ACCOUNT), ("policies", OF_POLICIES)):
            wanted = _wanted(of, rules)
            if wanted:
                yield Unit(f"iam:{account}:{kind}", "iam", account, rules=wanted)
        wanted = _wanted(OF_USERS, rules)
        if not wanted:
            return
        users = await list_users(context)
        if users.lost:
            yield Unit(f"iam:{account}:users", "iam", account, rules=wanted)
            return
        for number, at in enumerate(range(0, len(users.items), USERS_IN_A_UNIT), 1):
            some = users.items[at : at + USERS_IN_A_UNIT]
            yield Unit(f"iam:{account}:users:{number}", "iam", account, "", some, wanted)

    async def judge(self, context: AuditContext, unit: Unit) -> tuple[Judgement, ...]:
        """Return a judgement for each resource and each rule of a unit; see Scanner.

        Args:
            context: The account.
            unit: One of `units`.
        """
        rules = [each for each in RULES if each.id in unit.rules]
        return (
            *await self._account(context, unit, [each for each in rules if each in OF_ACCOUNT]),
            *await self._policies(context, unit, [each for each in rules if each in OF_POLICIES]),
            *await self._users(context, unit, [each for each in rules if each in OF_USERS]),
        )

    async def _account(self, context: AuditContext, unit: Unit, rules: list[Rule]) -> list[Judgement]:
        if not rules:
            return []
        account = await read_account(context, needs_of(rules))
        if was_lost(account.root):
            report = await read_report(context, self._clock, may_generate=self._may_generate)
            if report is not None and not isinstance(report.root, NotRead):
                account = replace(account, root=report.root)
        return [account_opinion(rule, account).on(_arn(context, unit, "root"), rule, unit) for rule in rules]

    async def _users(self, context: AuditContext, unit: Unit, rules: list[Rule]) -> list[Judgement]:
        if not rules:
            return []
        now = self._clock.wall()
        arns, lost = unit.resources, ""
        if not arns:
            listing = await list_users(context)
            arns, lost = listing.items, listing.lost
        users = await read_users(context, arns, needs_of(rules), now - OLD_DAYS * DAY_S)
        if lost or any(is_lost(each) for each in users):
            users, lost = await self._by_report(context, users, lost)
        made = [user_opinion(rule, user, now).on(user.arn, rule, unit) for user in users for rule in rules]
        if lost:
            said = unknown(f"Not all users could be listed: {lost}.")
            made += [said.on(_arn(context, unit, "user/*"), rule, unit) for rule in rules]
        return made

    async def _by_report(self, context: AuditContext, users: list[User], lost: str) -> tuple[list[User], str]:
        report = await read_report(context, self._clock, may_generate=self._may_generate)
        if report is None:
            return users, lost
        users = [filled(each, report) for each in users]
        if not lost:
            return users, ""
        read = {each.arn for each in users}
        return [*users, *(each for arn, each in report.users.items() if arn not in read)], ""

    async def _policies(self, context: AuditContext, unit: Unit, rules: list[Rule]) -> list[Judgement]:
        if not rules:
            return []
        kinds = sorted({kind for each in rules for kind in _KINDS[each.id]})
        details = await read_details(context, kinds)
        of_users: dict[str, Fact[str]] = {}
        if USER_ADMINISTRATOR in rules:
            of_users = await _texts_for_users(context, details)
        # policies are reasoned about: that is work for the processor
        made = await asyncio.to_thread(self._judged, unit, rules, details, of_users)
        if details.lost:
            said = unknown(f"Not all of them could be read: {details.lost}.")
            made += [said.on(_arn(context, unit, _OF[rule.id]), rule, unit) for rule in rules]
        return made

    def _judged(
        self, unit: Unit, rules: list[Rule], details: Listed[Holder | Managed], of_users: Mapping[str, Fact[str]]
    ) -> list[Judgement]:
        now = datetime.fromtimestamp(self._clock.wall(), UTC)
        known: dict[str, Answer] = {}

        def answer(text: str) -> Answer:
            if text not in known:
                known[text] = administrates(judge_identity_policy(text, unit.account, now=now))
            return known[text]

        made: list[Judgement] = []
        for each in details.items:
            if isinstance(each, Managed):
                if ADMINISTRATOR_POLICY in rules:
                    made.append(managed_opinion(each, answer(each.text)).on(each.arn, ADMINISTRATOR_POLICY, unit))
                continue
            if INLINE_ADMINISTRATOR in rules:
                said = inline_opinion(each, [answer(text) for _, text in each.inline])
                made.append(said.on(each.arn, INLINE_ADMINISTRATOR, unit))
            if USER_ADMINISTRATOR in rules and each.is_user:
                answers: dict[str, Fact[Answer]] = {
                    arn: text if isinstance(text := of_users[arn], NotRead) else answer(text) for arn in each.attached
                }
                made.append(attached_opinion(each, answers).on(each.arn, USER_ADMINISTRATOR, unit))
        return made


async def _texts_for_users(context: AuditContext, details: Listed[Holder | Managed]) -> dict[str, Fact[str]]:
    """Return the text of each policy that is attached to a user."""
    own: dict[str, Fact[str]] = {
        each.arn: each.text or NotRead("its default version was not told")
        for each in details.items
        if isinstance(each, Managed)
    }
    attached = {arn for each in details.items if isinstance(each, Holder) and each.is_user for arn in each.attached}
    of_others = sorted(attached - own.keys())
    return {**own, **(await read_policies(context, of_others) if of_others else {})}


def _wanted(of: Iterable[Rule], rules: Collection[str]) -> tuple[str, ...]:
    return tuple(each.id for each in of if each.id in rules)


def _arn(context: AuditContext, unit: Unit, what: str) -> str:
    return f"arn:{context.partition}:iam::{unit.account}:{what}"
