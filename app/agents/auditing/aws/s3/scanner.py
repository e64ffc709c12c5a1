"""The scanner: which buckets there are, in units of one region, and how each stands to the rules."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from app.agents.auditing.aws.errors import AWSError
from app.agents.auditing.aws.opinions import not_known
from app.agents.auditing.aws.policy import Verdicts
from app.agents.auditing.aws.reading import NotRead
from app.agents.auditing.aws.s3.facts import Bucket
from app.agents.auditing.aws.s3.gathering import account_of, gather, locate
from app.agents.auditing.aws.s3.rules import ACCOUNT_RULES, IN_EFFECT, JUDGES, RULES, WHERE_OPEN
from app.agents.auditing.aws.shape import Unit, needs_of
from app.engine.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Sequence

    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.policy import ResourceVerdict
    from app.agents.auditing.aws.shape import Judgement, Rule
    from app.engine.clock import Clock

SERVICE = "s3"
BUCKETS = 20
"""In a unit, at most."""
PAGE = 1_000
"""Buckets in a page of ListBuckets. Only where a number is asked for does the answer tell the regions ("ListBuckets",
Amazon S3 API Reference)."""


class S3Scanner:
    """Audits buckets and the account's S3 settings. Between calls it keeps verdicts on policies alone.

    Args:
        clock: Tells the time at which policies are judged.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._verdicts = Verdicts()

    @property
    def service(self) -> str:
        """Return the service, as units name it."""
        return SERVICE

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return all its rules."""
        return RULES

    async def units(
        self, context: AuditContext, rules: Collection[str], regions: Collection[str]
    ) -> AsyncIterator[Unit]:
        """Yield the account as a unit without resources, then buckets, so many at a time, as their pages come.

        A bucket whose region cannot be had is in a unit without a region, whatever regions are wanted. What was listed
        before listing failed is yielded.

        Args:
            context: The account.
            rules: The ids of the rules that are wanted; those of other services are passed over.
            regions: Where to look; none for everywhere.

        Raises:
            AWSError: The buckets cannot be listed.
        """
        wanted = [each.id for each in RULES if each.id in set(rules)]
        for_account = tuple(each for each in wanted if each in ACCOUNT_RULES)
        for_buckets = tuple(each for each in wanted if each not in ACCOUNT_RULES)
        if for_account:
            yield _unit(context, "", (), for_account)
        if not for_buckets:
            return
        waiting: defaultdict[str, list[str]] = defaultdict(list)
        failure: AWSError | None = None
        try:
            async for page in context.pages_async("s3", "ListBuckets", MaxBuckets=PAGE):
                told = {each["Name"]: each.get("BucketRegion", "") for each in page.get("Buckets", ())}
                for name, region in (await _located(context, told)).items():
                    if regions and region and region not in regions:
                        continue
                    waiting[region].append(name)
                    if len(waiting[region]) == BUCKETS:
                        yield _unit(context, region, tuple(waiting.pop(region)), for_buckets)
        except AWSError as error:
            failure = error
        for region, names in waiting.items():
            yield _unit(context, region, tuple(names), for_buckets)
        if failure is not None:
            raise failure

    async def judge(self, context: AuditContext, unit: Unit) -> tuple[Judgement, ...]:
        """Return a judgement for each resource and each rule of a unit, whatever the service answers.

        All that the unit needs is asked for at once. The account's settings are asked for once in each unit, so that
        a unit needs no other.

        Args:
            context: The account.
            unit: What to judge; rules of other services are passed over.
        """
        wanted = [each for each in RULES if each.id in unit.rules]
        needs = needs_of(wanted)
        surely = needs_of(each for each in wanted if each.id not in IN_EFFECT) | (needs - WHERE_OPEN)
        if not unit.resources:
            account = await account_of(context, needs)
            return _judged(account, [each for each in wanted if each.id in ACCOUNT_RULES], unit)
        rules = [each for each in wanted if each.id not in ACCOUNT_RULES]
        buckets = [Bucket(each, unit.region, context.account.id, context.partition) for each in unit.resources]
        lost: list[Judgement] = []
        if not unit.region:
            buckets, lost = await _found(context, buckets, rules, unit)
        judgements: list[Judgement] = []
        judge = partial(self._verdict, datetime.fromtimestamp(self._clock.wall(), UTC))
        for bucket in await gather(context, buckets, surely, judge, where_open=needs - surely):
            if bucket is not None:
                judgements += _judged(bucket, rules, unit)
                await asyncio.sleep(0)  # other units go on between two buckets
        return (*judgements, *lost)

    async def _verdict(self, now: datetime, text: str, bucket: Bucket) -> ResourceVerdict:
        known = self._verdicts.known(text, bucket.account, bucket.arn)
        if known is not None:
            return known
        # to judge a policy may take a tenth of a second, in which others want to hear their answers
        return await asyncio.to_thread(self._verdicts.judge, text, bucket.account, bucket.arn, now)


async def _located(context: AuditContext, told: dict[str, str]) -> dict[str, str]:
    """Return the region of each bucket, asking for those that were not told; empty where it cannot be had."""
    names = [name for name, region in told.items() if not region]
    asked = dict(zip(names, await locate(context, names), strict=True))
    regions = {name: region or asked[name] for name, region in told.items()}
    return {
        name: "" if isinstance(region, NotRead) else region for name, region in regions.items() if region is not None
    }


async def _found(
    context: AuditContext, buckets: Sequence[Bucket], rules: Sequence[Rule], unit: Unit
) -> tuple[list[Bucket], list[Judgement]]:
    """Return the buckets with their regions, and judgements for those whose region cannot be had."""
    found: list[Bucket] = []
    lost: list[Judgement] = []
    for bucket, region in zip(buckets, await locate(context, [each.name for each in buckets]), strict=True):
        if isinstance(region, NotRead):
            lost += [not_known([region]).on(bucket.arn, rule, unit) for rule in rules]
        elif region is not None:
            found.append(replace(bucket, region=region))
    return found, lost


def _judged(bucket: Bucket, rules: Iterable[Rule], unit: Unit) -> tuple[Judgement, ...]:
    there = replace(unit, region=bucket.region)  # a unit without a region has found it out
    return tuple(JUDGES[rule.id](bucket).on(bucket.arn, rule, there) for rule in rules)


def _unit(context: AuditContext, region: str, names: tuple[str, ...], rules: tuple[str, ...]) -> Unit:
    """Return a unit; its id follows from what is in it, so that it is the same when the audit is done again."""
    account = context.account.id
    content = hashlib.sha256("\n".join([region, *names, "", *rules]).encode()).hexdigest()[:16]
    return Unit(f"{SERVICE}:{account}:{region or '-'}:{content}", SERVICE, account, region, names, rules)
