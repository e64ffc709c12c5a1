"""A plan is applied as it was shown, or nothing of it stays."""

from __future__ import annotations

import asyncio
import itertools
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.aws.remedy.access import BlockPublicAccess
from app.agents.auditing.aws.remedy.apply import apply
from app.agents.auditing.aws.remedy.errors import (
    NotApplied,
    NotPossible,
    NotShown,
    Outdated,
    RemedyError,
)
from app.agents.auditing.aws.remedy.keeping import KeptVersions, TlsOnly
from app.agents.auditing.aws.remedy.kept import Status, read_kept
from app.agents.auditing.aws.remedy.writing import PAUSES_S
from tests.agents.auditing.aws.remedy.cases import (
    ACCOUNT,
    CASES,
    NOW,
    S3,
    SOME,
    Case,
    Made,
    QuickClock,
    as_sent,
    every_case,
    files_of,
    mostly_some_cases,
)
from tests.agents.auditing.aws.remedy.failing import Failing, Failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.agents.auditing.aws.clients.context import AuditContext

MOST_CALLS = 40


@every_case
async def test_the_calls_that_are_made_are_those_that_were_shown(
    case: Case, context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """On the wire they are, to the byte, what botocore makes of the plan's calls; and only the plan's account's."""
    remedy, place = await case.set_up(s3, "shop")
    plan = await remedy.plan(context, place, now=NOW)
    proxy.clear()

    done = await apply(plan, context, shown=plan.digest, folder=tmp_path / "kept", clock=clock)

    assert [(each.method, each.path, each.query, each.body) for each in proxy.writes] == as_sent(plan.calls)
    assert tuple(each.operation for each in proxy.writes) == case.writes
    assert {each.owner or each.account for each in proxy.seen} == {ACCOUNT}
    assert done.path is not None
    assert read_kept(done.path).status is Status.APPLIED
    assert clock.slept == []


@every_case
async def test_a_plan_is_made_by_reading_alone_and_is_empty_afterwards(
    case: Case, context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """A plan writes nothing, and after it is applied the same remedy finds nothing to do."""
    remedy, place = await case.set_up(s3, "shop")
    proxy.clear()

    plan = await remedy.plan(context, place, now=NOW)
    planned = proxy.writes
    await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock)
    again = await remedy.plan(context, place, now=NOW)

    assert planned == []
    assert not plan.is_empty
    assert plan.touches
    assert again.is_empty
    assert again.calls == ()


@mostly_some_cases
async def test_a_second_apply_writes_nothing(
    case: Case, context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """The same plan once more does nothing, and says so."""
    remedy, place = await case.set_up(s3, "shop")
    plan = await remedy.plan(context, place, now=NOW)
    await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock)
    proxy.clear()

    done = await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock)

    assert proxy.writes == []
    assert done.path is None
    assert "nothing to do" in done.journal[0]
    assert len(files_of(tmp_path)) == 1


@pytest.mark.parametrize(
    ("case", "failure"),
    [
        pytest.param(
            case,
            failure,
            id=f"{case.name}, {failure.name}",
            marks=[]
            if failure is Failure.CUT or (case.name in SOME and failure is Failure.DENIED)
            else pytest.mark.slow,
        )
        for case in CASES
        for failure in Failure
    ],
)
async def test_whichever_call_fails_all_is_as_before(
    case: Case, failure: Failure, context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """Each call of an application fails in turn: then all is as before, or the failure was of no weight."""
    failed_writes = 0
    made = Made(case, s3)
    for number in itertools.count(1):
        assert number < MOST_CALLS
        remedy, place, plan = await made.plan()
        proxy.clear()
        proxy.fail("*", number, failure)

        error: RemedyError | None = None
        try:
            await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock)
        except (NotApplied, Outdated) as caught:
            error = caught
        has_failed, hit = proxy.has_failed, proxy.seen[number - 1] if len(proxy.seen) >= number else None
        proxy.clear()

        if not has_failed:
            assert error is None
            break
        assert hit is not None
        failed_writes += hit.is_write
        if hit.is_write:
            assert isinstance(error, NotApplied)
            assert error.left == ()
            assert read_kept(error.path).status is Status.RESTORED
        if error is None:
            assert (await remedy.plan(context, place, now=NOW)).is_empty
        else:
            assert await made.is_as_before(), (hit.operation, error, error.__cause__)
            assert error.hint
    assert failed_writes == len(case.writes)


@mostly_some_cases
async def test_whenever_it_is_cancelled_all_is_as_before(
    case: Case, context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """An application that is cancelled while any of its calls is under way puts back what it did."""
    made = Made(case, s3)
    for number in itertools.count(1):
        assert number < MOST_CALLS
        remedy, place, plan = await made.plan()
        proxy.clear()
        task = asyncio.ensure_future(apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock))

        # reads come several at once, so the count may be past it by the time it is answered
        cancelled = proxy.cancel(
            task, lambda request, at=number: any(each is request for each in proxy.seen[at - 1 : at])
        )
        await asyncio.wait([task])
        calls = len(proxy.seen)
        proxy.clear()

        if calls < number:
            assert await task
            break
        assert cancelled.is_set()
        if task.cancelled():
            assert await made.is_as_before()
        else:
            assert (await remedy.plan(context, place, now=NOW)).is_empty


async def test_what_could_not_be_put_back_is_told(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """Where the way back fails too, the error says what is not as before, and by which file it can be had back."""
    remedy, place = await CASES[-1].set_up(s3, "shop")
    plan = await remedy.plan(context, place, now=NOW)
    proxy.clear()
    proxy.fail("s3:PutBucketOwnershipControls", 1, Failure.DENIED)
    proxy.fail("s3:PutBucketAcl", 2, Failure.DENIED)

    with pytest.raises(NotApplied) as caught:
        await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock)

    error = caught.value
    assert error.restored == ("object ownership",)
    assert error.left == ("the ACL (s3:PutBucketAcl denied)",)
    assert "s3:PutBucketOwnershipControls" in error.message
    assert str(error.path) in error.hint
    assert read_kept(error.path).status is Status.PARTLY
    assert any("was not put back" in line for line in error.journal)


async def test_a_denied_call_is_named_and_what_is_untouched(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """The message says which call of whom was denied, where, and that nothing is changed."""
    remedy, place = await CASES[0].set_up(s3, "shop")
    plan = await remedy.plan(context, place, now=NOW)
    proxy.clear()
    proxy.fail("s3:PutPublicAccessBlock", 1, Failure.DENIED)

    with pytest.raises(NotApplied) as caught:
        await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock)

    assert "bucket shop in eu-central-1" in caught.value.message
    assert "may not do s3:PutBucketPublicAccessBlock" in caught.value.message
    assert "Nothing is changed" in caught.value.message
    assert len(proxy.writes) == 1


async def test_what_shows_only_later_is_looked_at_again(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """A setting that cannot be read at once after it was written is read again after a pause."""
    place = await s3.bucket("shop")
    plan = await KeptVersions().plan(context, place, now=NOW)
    proxy.clear()
    proxy.fail("s3:GetBucketVersioning", 2, Failure.BROKEN)
    proxy.fail("s3:GetBucketVersioning", 3, Failure.CUT)

    done = await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock)

    assert done.path is not None
    assert clock.slept == list(PAUSES_S[:2])


async def test_what_never_shows_is_put_back(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """Where something else sets it back at once, the application fails and says so."""
    place = await s3.bucket("shop")
    plan = await BlockPublicAccess().plan(context, place, now=NOW)
    proxy.clear()
    undoing = _deleting(proxy, "/shop?publicAccessBlock")
    proxy.after = lambda request: undoing() if request.method == "PUT" else None

    with pytest.raises(NotApplied, match="does not show") as caught:
        await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock)

    assert caught.value.left == ()
    assert clock.slept[: len(PAUSES_S)] == list(PAUSES_S)


def _deleting(proxy: Failing, path: str) -> Callable[[], None]:
    """Return what deletes a setting past the proxy."""
    request = urllib.request.Request(f"{proxy.upstream}{path}", method="DELETE")  # noqa: S310 - on loopback

    def delete() -> None:
        urllib.request.urlopen(request).close()  # noqa: S310 - likewise

    return delete


@every_case
async def test_what_changed_since_the_plan_is_refused(
    case: Case, context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """Somebody else sets the same thing between plan and application: nothing is written, and what differs is told."""
    remedy, place = await case.set_up(s3, "shop")
    plan = await remedy.plan(context, place, now=NOW)
    await _disturb(case, context, s3)
    before = await s3.snapshot("shop")
    proxy.clear()

    with pytest.raises(Outdated) as caught:
        await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock)

    assert caught.value.differs
    assert proxy.writes == []
    assert await s3.snapshot("shop") == before
    assert files_of(tmp_path) == []


async def _disturb(case: Case, context: AuditContext, s3: S3) -> None:
    other = {"BlockPublicAcls": False, "IgnorePublicAcls": True}
    match case.name:
        case "account":
            await context.execute_async(
                "s3control", "PutPublicAccessBlock", AccountId=ACCOUNT, PublicAccessBlockConfiguration=other
            )
        case "encryption" | "kms":
            rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "another"}}
            await s3("PutBucketEncryption", "shop", ServerSideEncryptionConfiguration={"Rules": [rule]})
        case "versioning":
            await s3("PutBucketVersioning", "shop", VersioningConfiguration={"Status": "Suspended"})
        case "logging":
            await s3("DeleteBucketPolicy", "shop-logs")
        case "acl":
            await s3("PutBucketAcl", "shop", ACL="public-read")
        case _:
            await s3.policy("shop", {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket"})


async def test_only_the_plan_that_was_shown_is_applied(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """Another digest than the plan's, and nothing is even read."""
    place = await s3.bucket("shop")
    plan = await TlsOnly().plan(context, place, now=NOW)
    other = replace(plan, touches=("Nothing at all.",))
    proxy.clear()

    with pytest.raises(NotShown):
        await apply(other, context, shown=plan.digest, folder=tmp_path, clock=clock)

    assert proxy.seen == []


async def test_a_plan_of_another_account_is_refused(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """A plan is applied with the keys of its own account only."""
    plan = await TlsOnly().plan(context, await s3.bucket("shop"), now=NOW)
    other = replace(plan, place=replace(plan.place, account="999999999999"))
    proxy.clear()

    with pytest.raises(NotPossible, match="999999999999"):
        await apply(other, context, shown=other.digest, folder=tmp_path, clock=clock)

    assert proxy.seen == []
