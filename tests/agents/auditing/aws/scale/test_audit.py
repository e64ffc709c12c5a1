"""An audit of accounts: what is told, what becomes of what cannot be looked at, and its end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.aws.audit import TIME_UP, UNREAD, audit_accounts
from app.agents.auditing.aws.findings import Tally
from app.agents.auditing.aws.s3 import RULES
from app.agents.auditing.aws.scale.inprocess import InProcess
from app.agents.auditing.aws.scale.workplace import Workplace
from app.agents.auditing.aws.shape import Judgement, Rule, Unit
from app.agents.auditing.aws.target import Target
from app.domain.errors import SettingsError
from app.domain.findings import AuditVerdict, Severity
from tests.agents.auditing.aws.denying import DENIED, NOTHING
from tests.agents.auditing.aws.scale.audits import A_FEW, ENDPOINT, MANY, S3_RULES, TARGET, audited
from tests.benchmarks.aws.buckets import ORACLE, Check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from app.agents.auditing.aws.clients.context import AuditContext
    from tests.agents.auditing.aws.denying import Asked, Denying

CHECKED = {
    "s3-default-encryption": Check.ENCRYPTION,
    "s3-versioning": Check.VERSIONING,
    "s3-access-logging": Check.LOGGING,
    "s3-tls-only": Check.TLS_ONLY,
}


@pytest.mark.parametrize(
    "some_buckets", [A_FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["a few", "many"], indirect=True
)
async def test_an_account_is_judged_as_it_is(workplace: Workplace, buckets: tuple[str, ...]) -> None:
    """Each bucket by each rule once, right where the oracle knows it, and the account is wholly done."""
    judgements, progress = await audited(executor=InProcess(workplace), workplace=workplace)

    told = {(each.resource.rpartition(":")[2], each.rule): each.verdict for each in judgements}
    assert len(told) == len(judgements)
    assert {(name, rule): told[name, rule] for name in buckets for rule in CHECKED} == {
        (name, rule): ORACLE[name, check] for name in buckets for rule, check in CHECKED.items()
    }
    last = progress[TARGET.account]
    assert last.listed
    assert last.done == last.total > 1
    assert last.calls > len(buckets)


async def test_an_account_that_is_not_entered_is_unknown_and_the_others_go_on(
    workplace: Workplace, proxy: Denying, buckets: tuple[str, ...]
) -> None:
    """The role is denied: each of its rules is UNKNOWN with the call's name."""
    other = Target("444455556666", role="arn:aws:iam::444455556666:role/audit", endpoint_url=ENDPOINT)
    proxy.answers["sts:AssumeRole"] = DENIED
    proxy.when = lambda asked: "444455556666" in asked.body

    judgements, progress = await audited([other, TARGET], executor=InProcess(workplace), workplace=workplace)

    lost = [each for each in judgements if each.account == other.account]
    assert {each.rule for each in lost} == set(S3_RULES)
    assert {each.verdict for each in lost} == {AuditVerdict.UNKNOWN}
    assert all("sts:AssumeRole denied" in each.why for each in lost)
    assert progress[TARGET.account].total > 1
    assert {each.resource for each in judgements if each.account != other.account} > {f"arn:aws:s3:::{buckets[0]}"}


async def test_a_service_that_cannot_be_listed_is_unknown(
    workplace: Workplace, proxy: Denying, buckets: tuple[str, ...]
) -> None:
    """Without s3:ListAllMyBuckets no rule for buckets passes, and each says why."""
    del buckets
    proxy.answers["s3:ListBuckets"] = DENIED
    tally = Tally({each.id: each for each in RULES}, [TARGET.account])

    async with aclosing(audit_accounts([TARGET], S3_RULES, executor=InProcess(workplace), workplace=workplace)) as told:
        async for each in told:
            tally.take(each)

    outcomes = {each.checked.outcome.check: each.checked.outcome for each in tally.outcomes()}
    assert outcomes["s3-versioning"].verdict is AuditVerdict.UNKNOWN
    assert "s3:ListAllMyBuckets denied" in outcomes["s3-versioning"].reasons[0]
    assert AuditVerdict.PASS not in {each.verdict for each in outcomes.values()}


async def test_the_credentials_of_another_account_are_noticed(workplace: Workplace, proxy: Denying) -> None:
    """What is seen in one account is never told of another."""
    target = Target("999988887777", endpoint_url=ENDPOINT)

    judgements, _ = await audited([target], executor=InProcess(workplace), workplace=workplace)

    assert {each.verdict for each in judgements} == {AuditVerdict.UNKNOWN}
    assert "one is in account 123456789012, not in 999988887777" in judgements[0].why
    assert proxy.count("s3:ListBuckets") == 0


async def test_an_account_by_another_name_is_looked_up(workplace: Workplace, proxy: Denying) -> None:
    """Its judgements have its id, its progress its name."""
    del proxy
    target = Target("playground", endpoint_url=ENDPOINT)

    judgements, progress = await audited([target], executor=InProcess(workplace), workplace=workplace)

    assert {each.account for each in judgements} == {"123456789012"}
    assert progress["playground"].listed


async def test_what_there_is_no_time_for_is_unknown(
    workplace: Workplace, proxy: Denying, buckets: tuple[str, ...], whole: list[Judgement]
) -> None:
    """A call that is never answered: after the deadline all is told, each bucket by each rule, and none of it PASS."""
    proxy.answers["s3:GetBucketAcl"] = NOTHING

    judgements, _ = await audited(executor=InProcess(workplace), workplace=workplace, deadline_s=3.0)

    assert {(each.rule, each.resource) for each in whole} == {
        (each.rule, each.resource) for each in judgements if not each.resource.endswith("*")
    } | {(each.rule, each.resource) for each in whole if each.rule.startswith("s3-account")}
    late = [each for each in judgements if each.resource.endswith(buckets)]
    assert {each.verdict for each in late} == {AuditVerdict.UNKNOWN}
    assert all(each.why == TIME_UP or "took longer" in each.why for each in late)
    assert (await workplace.context(TARGET.access, TARGET.account)).clients.under_way == 0


async def test_nothing_is_alive_when_an_audit_is_left(
    workplace: Workplace, proxy: Denying, buckets: tuple[str, ...]
) -> None:
    """After the first thing that is told, its reader goes; no task and no call is left."""
    del buckets
    proxy.answers["s3:GetBucketAcl"] = NOTHING
    before = asyncio.all_tasks()
    told = audit_accounts([TARGET], S3_RULES, executor=InProcess(workplace), workplace=workplace)

    async with aclosing(told):
        async for _ in told:
            break

    assert {each for each in asyncio.all_tasks() - before if each.get_name() != "aws-client"} == set()
    assert (await workplace.context(TARGET.access, TARGET.account)).clients.under_way == 0


class Counted:
    """A scanner of five hundred things, which asks nothing and counts what it judged."""

    service = "toy"
    rules = (Rule("toy-good", "It is good", Severity.LOW, "Mend it."),)

    def __init__(self) -> None:
        self.judged = 0

    async def units(
        self, context: AuditContext, rules: Collection[str], regions: Collection[str]
    ) -> AsyncIterator[Unit]:
        del regions
        for number in range(500):
            yield Unit(f"toy/{number}", "toy", context.account.id, "", (f"thing-{number}",), tuple(rules))

    async def judge(self, context: AuditContext, unit: Unit) -> tuple[Judgement, ...]:
        self.judged += 1
        (thing,) = unit.resources
        return (Judgement("toy-good", thing, context.account.id, "", AuditVerdict.PASS, "It is."),)


async def test_the_audit_waits_for_who_reads_slowly(proxy: Denying) -> None:
    """What is found is not heaped up: no more is done than may wait to be read, until it is read."""
    del proxy
    scanner = Counted()
    async with Workplace(found={"toy": scanner}) as workplace:
        told = audit_accounts([TARGET], ["toy-good"], executor=InProcess(workplace), workplace=workplace)
        async with aclosing(told):
            async for each in told:
                if isinstance(each, Judgement):
                    break
            for _ in range(5_000):
                await asyncio.sleep(0)
            waiting = scanner.judged
            rest = [each async for each in told if isinstance(each, Judgement)]

    assert waiting < UNREAD + 10
    assert len(rest) == 499


@pytest.mark.parametrize(
    ("targets", "rules"),
    [
        ([], S3_RULES),
        ([TARGET, TARGET], S3_RULES),
        ([TARGET], ["s3-no-such-rule"]),
        ([TARGET], []),
    ],
    ids=["no account", "one twice", "no such rule", "no rule"],
)
async def test_what_cannot_be_audited_is_refused_at_once(
    targets: list[Target], rules: list[str], workplace: Workplace
) -> None:
    """Before anything is asked of AWS."""
    with pytest.raises(SettingsError):
        audit_accounts(targets, rules, executor=InProcess(workplace), workplace=workplace)


@pytest.mark.parametrize(
    "given",
    [
        {"account": ""},
        {"account": "123456789012", "role": "arn:aws:iam::210987654321:role/audit"},
        {"account": "a", "role": "audit"},
        {"account": "a", "external_id": "x-1"},
        {"account": "a", "regions": ("Frankfurt",)},
        {"account": "a", "endpoint_url": "https://user:word@aws.test"},
    ],
    ids=["no name", "another's role", "no role", "an id for nothing", "no region", "keys in the address"],
)
def test_a_target_is_checked(given: dict[str, object]) -> None:
    """What cannot be meant is refused when it is named."""
    with pytest.raises(SettingsError):
        Target(**given)  # type: ignore[arg-type]


async def test_only_what_the_rules_need_is_asked(
    proxy: Denying, buckets: tuple[str, ...], workplace: Workplace
) -> None:
    """One rule, one fact of each bucket."""
    del buckets

    await audited(rules=["s3-versioning"], executor=InProcess(workplace), workplace=workplace)

    reads: set[str] = {each.operation for each in _reads(proxy.asked)}
    assert reads <= {"s3:ListBuckets", "s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:HEAD"}


def _reads(asked: list[Asked]) -> list[Asked]:
    return [each for each in asked if each.operation.startswith("s3")]
