"""Audits the security groups of an account, region by region."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.agents.auditing.aws.ec2.facts import Uses, read_groups, read_lists, read_uses
from app.agents.auditing.aws.ec2.judging import opinions_of, weighed
from app.agents.auditing.aws.ec2.rules import PREFIX_LISTS, RULES
from app.agents.auditing.aws.errors import AWSError
from app.agents.auditing.aws.opinions import unknown
from app.agents.auditing.aws.shape import Unit
from app.domain.findings import AuditVerdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.ec2.facts import Group
    from app.agents.auditing.aws.opinions import Opinion
    from app.agents.auditing.aws.reading import Listed
    from app.agents.auditing.aws.shape import Judgement, Rule


class EC2Scanner:
    """Judges each security group of each enabled region."""

    @property
    def service(self) -> str:
        """Return `ec2`."""
        return "ec2"

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return all its rules."""
        return RULES

    async def units(
        self, context: AuditContext, rules: Collection[str], regions: Collection[str]
    ) -> AsyncIterator[Unit]:
        """Yield one unit for each region, without resources: that is for all groups there.

        Where the enabled regions cannot be listed, the context's own is yielded before that is raised.

        Args:
            context: The account.
            rules: The ids of the rules that are wanted.
            regions: Where to look, which is not asked back; none for all enabled regions.

        Raises:
            AWSError: The regions cannot be listed.
        """
        wanted = tuple(each.id for each in RULES if each.id in rules)
        if not wanted:
            return
        account = context.account.id
        failure: AWSError | None = None
        if not regions:
            try:
                # without AllRegions, those that the account has not enabled are left out ("DescribeRegions")
                answer = await context.execute_async("ec2", "DescribeRegions")
                regions = [each["RegionName"] for each in answer.get("Regions", ())]
            except AWSError as error:
                failure, regions = error, [context.region]
        for region in sorted(set(regions)):
            yield Unit(f"ec2:{account}:{region}", "ec2", account, region, (), wanted)
        if failure is not None:
            raise failure

    async def judge(self, context: AuditContext, unit: Unit) -> tuple[Judgement, ...]:
        """Return a judgement for each security group of a region and each rule; see Scanner.

        Args:
            context: The account.
            unit: The region; its resources are ids of groups, at most 200, or none for all.
        """
        here = context.within(unit.region)
        rules = [each for each in RULES if each.id in unit.rules]
        groups = await read_groups(here, unit.resources)
        lists = await read_lists(here, _lists_of(groups.items, rules))
        # ranges are computed with: a group may have a thousand of them
        opinions = await asyncio.to_thread(_opinions, rules, groups.items, lists)
        failing = [
            group.id
            for group, of in zip(groups.items, opinions, strict=True)
            if any(each.verdict is AuditVerdict.FAIL for each in of)
        ]
        uses = await read_uses(here, failing) if failing else Uses({})
        judged = [
            weighed(rule, opinion, group, uses).on(_arn(here, unit, group), rule, unit)
            for group, of in zip(groups.items, opinions, strict=True)
            for rule, opinion in zip(rules, of, strict=True)
        ]
        if groups.lost:
            opinion = unknown(f"Not all security groups could be read: {groups.lost}.")
            judged += [opinion.on(_arn(here, unit), rule, unit) for rule in rules]
        return tuple(judged)


def _lists_of(groups: Collection[Group], rules: Collection[Rule]) -> list[str]:
    if not any(PREFIX_LISTS in each.needs for each in rules):
        return []
    return sorted({name for group in groups for permission in group.permissions for name in permission.lists})


def _opinions(
    rules: Collection[Rule], groups: Collection[Group], lists: Mapping[str, Listed[str]]
) -> list[list[Opinion]]:
    return [opinions_of(rules, group, lists) for group in groups]


def _arn(context: AuditContext, unit: Unit, group: Group | None = None) -> str:
    owner, name = ((group.owner or unit.account), group.id) if group else (unit.account, "*")
    return f"arn:{context.partition}:ec2:{unit.region}:{owner}:security-group/{name}"
