"""A plan tells what would be done, to whom, and why not; and it is made by reading alone."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.aws.remedy.access import ON, BlockPublicAccess, BlockPublicAccessOfAccount, ClosedAcl
from app.agents.auditing.aws.remedy.errors import NotPlanned, NotPossible, NotReadable
from app.agents.auditing.aws.remedy.keeping import AccessLogs, DefaultEncryption, KeptVersions, TlsOnly
from app.agents.auditing.aws.remedy.plan import plan_of
from app.agents.auditing.aws.remedy.policies import SID
from app.agents.auditing.aws.remedy.settings import Place
from tests.agents.auditing.aws.remedy.cases import (
    ACCOUNT,
    ALL_USERS,
    CASES,
    LOGS,
    NOW,
    REGION,
    S3,
    STRANGER,
    Case,
    every_case,
)
from tests.agents.auditing.aws.remedy.failing import Failing, Failure

if TYPE_CHECKING:
    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.remedy.plan import Remedy

PARTNER = "a" * 64
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"


@every_case
async def test_a_plan_is_json_and_comes_back_as_it_was(case: Case, context: AuditContext, s3: S3) -> None:
    """To JSON and back it is equal, and anything that is changed on the way is refused."""
    remedy, place = await case.set_up(s3, "shop")
    plan = await remedy.plan(context, place, now=NOW)

    told = json.loads(json.dumps(plan.to_json()))

    assert plan_of(told) == plan
    assert plan_of(told).digest == plan.digest == told["digest"]
    assert [each["operation"] for each in told["calls"]] == [each.partition(":")[2] for each in case.writes]
    for name in ("remedy", "rule", "title", "place", "expects", "changes", "touches", "made_at", "digest", "schema"):
        with pytest.raises(NotReadable):
            plan_of({**told, name: 7})
    with pytest.raises(NotReadable):
        plan_of({**told, "touches": []})


@every_case
async def test_whichever_read_is_denied_the_plan_says_so(
    case: Case, context: AuditContext, s3: S3, proxy: Failing
) -> None:
    """A read that is denied is named: in the reason why there is no plan, or among what is not known in it."""
    remedy, place = await case.set_up(s3, "shop")
    for number in itertools.count(1):
        proxy.clear()
        proxy.fail("*", number, Failure.DENIED)

        said = await _said(remedy, context, place)

        assert proxy.writes == []
        if not proxy.has_failed:
            break
        assert any("denied" in each for each in said)


async def _said(remedy: Remedy, context: AuditContext, place: Place) -> tuple[str, ...]:
    try:
        plan = await remedy.plan(context, place, now=NOW)
    except NotPlanned as error:
        return (error.message,) if "Nothing was changed" in error.message and error.hint else ()
    return plan.touches


async def test_who_loses_access_by_block_public_access_is_told(context: AuditContext, s3: S3) -> None:
    """Anybody, and the account that a public policy names, lose what they have."""
    place = await s3.bucket("shop")
    await s3.public("shop")

    plan = await BlockPublicAccess().plan(context, place, now=NOW)

    assert "Anybody can read objects now, and cannot any more then." in plan.touches
    assert any(f"account {STRANGER} can" in each and "list what there is" in each for each in plan.touches)
    assert [each.document_after for each in plan.changes] == [ON]
    assert plan.changes[0].document_before is None
    assert [each.operation for each in plan.undoing] == ["DeletePublicAccessBlock"]
    assert '+  "BlockPublicAcls": true,' in plan.changes[0].lines()


async def test_where_nobody_loses_access_none_is_told_to(context: AuditContext, s3: S3) -> None:
    """A bucket that is private loses nobody."""
    plan = await BlockPublicAccess().plan(context, await s3.bucket("shop"), now=NOW)

    assert not any("cannot any more" in each for each in plan.touches)


async def test_a_public_acl_is_cleared_and_acls_disabled_where_nobody_is_named(context: AuditContext, s3: S3) -> None:
    """The ACL is made private first, since S3 refuses to disable one that grants anything to others."""
    remedy, place = await CASES[-1].set_up(s3, "shop")

    plan = await remedy.plan(context, place, now=NOW)

    assert [each.operation for each in plan.calls] == ["PutBucketAcl", "PutBucketOwnershipControls"]
    assert len(plan.changes[0].document_after["Grants"]) == 1
    assert plan.changes[1].document_after == "BucketOwnerEnforced"
    assert any(each.startswith("Anybody can ") and "change or delete objects" in each for each in plan.touches)


@pytest.mark.parametrize("named", [f'id="{PARTNER}"', f'uri="{LOG_DELIVERY}"'])
@pytest.mark.parametrize("keep", [False, True])
async def test_whom_an_acl_names_is_told_and_acls_stay(
    keep: bool,  # noqa: FBT001 - a parameter of the test
    named: str,
    context: AuditContext,
    s3: S3,
) -> None:
    """Where the ACL names somebody, ACLs are not disabled; they lose what they have unless they are to keep it."""
    place = await s3.bucket("shop")
    await s3.acl("shop", READ=f'uri="{ALL_USERS}"', WRITE=named)

    plan = await ClosedAcl(keep_named=keep).plan(context, place, now=NOW)

    (change,) = plan.changes
    who = "canonical user aaaa" if PARTNER in named else "delivery of access logs"
    ends = ", who keeps it." if keep else ", who loses it."
    assert change.setting == "acl"
    assert len(change.document_after["Grants"]) == 1 + keep
    assert any(who in each and each.endswith(ends) for each in plan.touches)


async def _block(s3: S3) -> Remedy:
    await s3("PutPublicAccessBlock", "shop", PublicAccessBlockConfiguration=ON)
    return BlockPublicAccess()


async def _account(s3: S3) -> Remedy:
    await s3.context.execute_async(
        "s3control", "PutPublicAccessBlock", AccountId=ACCOUNT, PublicAccessBlockConfiguration=ON
    )
    return BlockPublicAccessOfAccount()


async def _encrypted(s3: S3) -> Remedy:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    await s3("PutBucketEncryption", "shop", ServerSideEncryptionConfiguration={"Rules": [rule]})
    return DefaultEncryption()


async def _versions(s3: S3) -> Remedy:
    await s3("PutBucketVersioning", "shop", VersioningConfiguration={"Status": "Enabled"})
    return KeptVersions()


async def _tls(s3: S3) -> Remedy:
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    await s3.policy("shop", {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Condition": plain})
    return TlsOnly()


async def _acl(s3: S3) -> Remedy:
    await s3("PutBucketAcl", "shop", ACL="public-read")
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    await s3("PutBucketOwnershipControls", "shop", OwnershipControls=controls)
    return ClosedAcl()


async def _private(s3: S3) -> Remedy:
    await s3.acl("shop", WRITE=f'id="{PARTNER}"')
    return ClosedAcl()


async def _logged(s3: S3) -> Remedy:
    await s3.logs()
    enabled = {"TargetBucket": LOGS, "TargetPrefix": "here/"}
    await s3("PutBucketLogging", "shop", BucketLoggingStatus={"LoggingEnabled": enabled})
    return AccessLogs(LOGS, "here/")


@pytest.mark.parametrize(
    "set_up", [_block, _account, _encrypted, _versions, _tls, _acl, _private, _logged], ids=lambda each: each.__name__
)
async def test_what_is_so_already_needs_nothing(set_up: Any, context: AuditContext, s3: S3) -> None:
    """The plan is empty: no calls, nothing touched."""
    place = await s3.bucket("shop")
    remedy = await set_up(s3)

    plan = await remedy.plan(context, Place(ACCOUNT, REGION) if set_up is _account else place, now=NOW)

    assert plan.is_empty
    assert (plan.calls, plan.touches) == ((), ())


async def test_a_website_goes_dead_by_tls_only(context: AuditContext, s3: S3) -> None:
    """S3 serves websites by plain HTTP alone, and the plan says so."""
    place = await s3.bucket("shop")
    await s3("PutBucketWebsite", "shop", WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})

    plan = await TlsOnly().plan(context, place, now=NOW)

    assert any("website" in each for each in plan.touches)
    assert SID in plan.changes[0].document_after


async def test_what_else_an_encryption_rule_says_stays(context: AuditContext, s3: S3) -> None:
    """With a key that is named, the rule is KMS by that key's ARN, with a bucket key."""
    remedy, place = await CASES[4].set_up(s3, "shop")

    plan = await remedy.plan(context, place, now=NOW)

    (rule,) = plan.changes[0].document_after
    default = rule["ApplyServerSideEncryptionByDefault"]
    assert default["SSEAlgorithm"] == "aws:kms"
    assert default["KMSMasterKeyID"].startswith(f"arn:aws:kms:{REGION}:{ACCOUNT}:key/")
    assert rule["BucketKeyEnabled"] is True
    assert any("kms:Decrypt" in each for each in plan.touches)
    assert remedy.rule == "s3-kms-encryption"


@pytest.mark.parametrize(
    ("parameters", "disable", "why"),
    [
        ({"KeyUsage": "ENCRYPT_DECRYPT"}, True, "not enabled"),
        ({"KeyUsage": "SIGN_VERIFY", "KeySpec": "RSA_2048"}, False, "not symmetric"),
        ({"KeyUsage": "GENERATE_VERIFY_MAC", "KeySpec": "SYMMETRIC_DEFAULT"}, False, "not for encryption"),
    ],
)
async def test_a_key_that_cannot_encrypt_is_refused(
    parameters: dict[str, str],
    disable: bool,  # noqa: FBT001 - a parameter of the test
    why: str,
    context: AuditContext,
    s3: S3,
) -> None:
    """A key of the wrong kind, or one that is off, would make each upload fail."""
    place = await s3.bucket("shop")
    key = (await context.execute_async("kms", "CreateKey", **parameters))["KeyMetadata"]["KeyId"]
    if disable:
        await context.execute_async("kms", "DisableKey", KeyId=key)

    with pytest.raises(NotPossible, match=why):
        await DefaultEncryption(key).plan(context, place, now=NOW)


async def test_a_key_that_does_not_exist_is_told(context: AuditContext, s3: S3) -> None:
    """The call that did not find it is named."""
    place = await s3.bucket("shop")

    with pytest.raises(NotPlanned, match="kms:DescribeKey not found"):
        await DefaultEncryption("alias/none").plan(context, place, now=NOW)


async def _itself(s3: S3) -> str:
    del s3
    return "shop"


async def _elsewhere(s3: S3) -> str:
    await s3.logs(LOGS, "us-east-1")
    return LOGS


async def _nobodys(s3: S3) -> str:
    await s3.logs("logs-of-all-and-more")
    return LOGS


async def _closed(s3: S3) -> str:
    await s3.bucket(LOGS)
    return LOGS


async def _by_kms(s3: S3) -> str:
    await s3.logs()
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    await s3("PutBucketEncryption", LOGS, ServerSideEncryptionConfiguration={"Rules": [rule]})
    return LOGS


async def _locked(s3: S3) -> str:
    where = {"LocationConstraint": REGION}
    await s3("CreateBucket", LOGS, CreateBucketConfiguration=where, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    await s3("PutObjectLockConfiguration", LOGS, ObjectLockConfiguration=lock)
    return LOGS


@pytest.mark.parametrize(
    ("set_up", "why"),
    [
        (_itself, "the bucket itself"),
        (_elsewhere, "in us-east-1"),
        (_nobodys, "has no such bucket"),
        (_closed, "does not surely let logs in"),
        (_by_kms, "by KMS"),
        (_locked, "default retention"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
async def test_logs_that_would_not_arrive_are_refused(set_up: Any, why: str, context: AuditContext, s3: S3) -> None:
    """Each reason why S3 would deliver none is told, with what to do."""
    place = await s3.bucket("shop")
    target = await set_up(s3)

    with pytest.raises(NotPossible, match=why) as caught:
        await AccessLogs(target).plan(context, place, now=NOW)

    assert caught.value.hint


async def test_the_statement_that_lets_logs_in_is_given_and_does(context: AuditContext, s3: S3) -> None:
    """What the refusal says to add to the target's policy is enough."""
    place = await s3.bucket("shop")
    await s3.bucket(LOGS)
    with pytest.raises(NotPossible) as caught:
        await AccessLogs(LOGS).plan(context, place, now=NOW)
    await s3.policy(LOGS, json.loads(caught.value.hint.removeprefix("Add to its policy: ")))

    plan = await AccessLogs(LOGS).plan(context, place, now=NOW)

    assert plan.changes[0].document_after == {"TargetBucket": LOGS, "TargetPrefix": "shop/"}


async def test_logs_that_go_elsewhere_are_told_to_end_there(context: AuditContext, s3: S3) -> None:
    """Where requests are logged already, another target takes the old one's place, which is told."""
    place = await s3.bucket("shop")
    await _logged(s3)
    await s3.logs("logs-anew")

    plan = await AccessLogs("logs-anew").plan(context, place, now=NOW)

    assert f"No more logs are delivered to {LOGS}/here/." in plan.touches


@pytest.mark.parametrize("remedy", [BlockPublicAccess(), ClosedAcl(), DefaultEncryption(), KeptVersions(), TlsOnly()])
async def test_a_remedy_is_for_a_bucket_of_the_account(remedy: Remedy, context: AuditContext, proxy: Failing) -> None:
    """Without a bucket, or for another account, nothing is read."""
    place = Place(ACCOUNT, REGION, "shop")
    proxy.clear()

    for wrong in (replace(place, bucket=""), replace(place, account=STRANGER), replace(place, account="mine")):
        with pytest.raises(NotPossible):
            await remedy.plan(context, wrong, now=NOW)

    assert proxy.seen == []


async def test_the_account_is_no_bucket(context: AuditContext) -> None:
    """What is for the account is refused for a bucket."""
    with pytest.raises(NotPossible):
        await BlockPublicAccessOfAccount().plan(context, Place(ACCOUNT, REGION, "shop"), now=NOW)
