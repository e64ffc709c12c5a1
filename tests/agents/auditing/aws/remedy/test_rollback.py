"""What was applied is taken back from its file: once, whoever was killed meanwhile, and not over others' changes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.aws.clients.account import Account
from app.agents.auditing.aws.clients.context import AuditContext
from app.agents.auditing.aws.clients.credentials import GivenKeys, Keys
from app.agents.auditing.aws.remedy.apply import apply
from app.agents.auditing.aws.remedy.errors import ChangedSince, NotPossible, NotReadable, NotTakenBack
from app.agents.auditing.aws.remedy.keeping import TlsOnly
from app.agents.auditing.aws.remedy.kept import Status, read_kept
from app.agents.auditing.aws.remedy.rollback import roll_back
from tests.agents.auditing.aws.remedy.cases import (
    CASES,
    NOW,
    REGION,
    S3,
    Case,
    QuickClock,
    as_before,
    every_case,
    files_of,
)
from tests.agents.auditing.aws.remedy.failing import Failing, Failure, Request

if TYPE_CHECKING:
    from app.agents.auditing.aws.remedy.plan import Plan, Remedy
    from app.agents.auditing.aws.remedy.settings import Place

CHILD = Path(__file__).with_name("child.py")
ROOT = Path(__file__).parents[5]


async def applied(case: Case, s3: S3, folder: Path, clock: QuickClock) -> tuple[Path, dict[str, Any]]:
    """Apply a remedy; return its state file and the state before."""
    remedy, place = await case.set_up(s3, "shop")
    plan = await remedy.plan(s3.context, place, now=NOW)
    before = await s3.snapshot("shop")
    done = await apply(plan, s3.context, shown=plan.digest, folder=folder, clock=clock)
    assert done.path is not None
    assert await s3.snapshot("shop") != before
    return done.path, before


@every_case
async def test_everything_is_put_back_and_only_once(
    case: Case, context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """From the file all is as before; another time no call is made."""
    path, before = await applied(case, s3, tmp_path, clock)

    done = await roll_back(path, context, clock=clock)
    now = await s3.snapshot("shop")
    proxy.clear()
    again = await roll_back(path, context, clock=clock)

    assert as_before(before, now)
    assert done.written
    assert again.written == ()
    assert proxy.seen == []
    assert read_kept(path).status is Status.TAKEN_BACK


async def test_a_policy_is_put_back_to_the_letter(
    context: AuditContext, s3: S3, tmp_path: Path, clock: QuickClock
) -> None:
    """White space, order of names and escapes of the policy before are those of before."""
    text = (
        '{ "Statement" : {"Resource":"arn:aws:s3:::shop/*","Effect":"Deny",\n "Action":["s3:DeleteObject"],'
        '"Principal":"*", "Sid":"caf\\u00e9"},"Version":"2012-10-17" }'
    )
    place = await s3.bucket("shop")
    await s3("PutBucketPolicy", "shop", Policy=text)
    plan = await TlsOnly().plan(context, place, now=NOW)
    done = await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock)
    assert done.path is not None

    await roll_back(done.path, context, clock=clock)

    assert (await s3("GetBucketPolicy", "shop"))["Policy"] == text


async def test_what_somebody_changed_since_is_left_alone_unless_forced(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """Another's change is refused and told; forced, it is overwritten and kept in the file."""
    path, before = await applied(CASES[7], s3, tmp_path, clock)
    await s3.policy("shop", {"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket"})
    proxy.clear()

    with pytest.raises(ChangedSince, match="Theirs") as caught:
        await roll_back(path, context, clock=clock)
    writes = list(proxy.writes)
    status = read_kept(path).status
    await roll_back(path, context, clock=clock, force=True)

    assert len(caught.value.differs) == 1
    assert writes == []
    assert status is Status.APPLIED
    assert await s3.snapshot("shop") == before
    assert "Theirs" in read_kept(path).overwritten["policy"]


async def test_what_fails_half_way_is_told_and_done_the_next_time(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """Where the second of two settings is denied, the first is back; the next attempt writes the second alone."""
    path, before = await applied(CASES[-1], s3, tmp_path, clock)
    proxy.clear()
    proxy.fail("s3:PutBucketAcl", 1, Failure.DENIED)

    with pytest.raises(NotTakenBack) as caught:
        await roll_back(path, context, clock=clock)
    proxy.clear()
    done = await roll_back(path, context, clock=clock)

    assert caught.value.restored == ("object ownership",)
    assert caught.value.left == ("the ACL",)
    assert "s3:PutBucketAcl denied" in caught.value.message
    assert done.written == ("the ACL",)
    assert await s3.snapshot("shop") == before


async def test_what_cannot_be_read_is_not_overwritten(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """Where it cannot be told what is there now, nothing is written, and the call is named."""
    path, _ = await applied(CASES[0], s3, tmp_path, clock)
    proxy.clear()
    proxy.fail("s3:GetPublicAccessBlock", 1, Failure.DENIED)

    with pytest.raises(NotTakenBack, match="s3:GetBucketPublicAccessBlock denied") as caught:
        await roll_back(path, context, clock=clock)

    assert "Nothing was changed" in caught.value.message
    assert proxy.writes == []


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"schema": 1, "status": "applied"}', "\x00" * 100])
async def test_a_file_that_is_no_state_file_is_refused(
    content: str, context: AuditContext, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """Whatever lies there, nothing is called, and it stays as it is."""
    path = tmp_path / "some.json"
    path.write_text(content)

    with pytest.raises(NotReadable):
        await roll_back(path, context, clock=clock)

    assert proxy.seen == []
    assert path.read_text() == content


async def test_a_file_that_somebody_changed_is_refused(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """Another state before than the one that was read is not written."""
    path, _ = await applied(CASES[7], s3, tmp_path, clock)
    told = json.loads(path.read_text())
    told["plan"]["changes"][0]["before"] = "null"
    path.write_text(json.dumps(told))
    proxy.clear()

    with pytest.raises(NotReadable):
        await roll_back(path, context, clock=clock)

    assert proxy.seen == []


async def test_the_keys_of_another_account_take_nothing_back(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """A file is of one account."""
    path, _ = await applied(CASES[0], s3, tmp_path, clock)
    proxy.clear()
    other = AuditContext(Account("999999999999", GivenKeys(Keys("AKIA", "secret"))), REGION, context.clients)

    with pytest.raises(NotPossible):
        await roll_back(path, other, clock=clock)

    assert proxy.seen == []


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("after", 1),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in (("before", 1), ("before", 2), ("after", 2))),
    ],
)
async def test_who_is_killed_half_way_leaves_a_file_that_puts_all_back(
    moment: str, number: int, context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """A process that applies two writes is killed at each of them; its file is whole, and all goes back."""
    remedy: Remedy
    place: Place
    remedy, place = await CASES[-1].set_up(s3, "shop")
    plan: Plan = await remedy.plan(context, place, now=NOW)
    before = await s3.snapshot("shop")
    (tmp_path / "plan").write_text(json.dumps(plan.to_json()))
    proxy.clear()
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CHILD),
        str(tmp_path / "kept"),
        str(tmp_path / "plan"),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.PIPE,
    )

    def kill(request: Request) -> None:
        if request.is_write and len(proxy.writes) == number:
            child.send_signal(signal.SIGKILL)

    setattr(proxy, moment, kill)
    _, told = await child.communicate()
    writes = len(proxy.writes)
    proxy.clear()
    (path,) = files_of(tmp_path / "kept")
    status = read_kept(path).status

    done = await roll_back(path, context, clock=clock)

    assert child.returncode == -signal.SIGKILL, told
    assert writes == number
    assert status is Status.BEGUN
    assert len(done.written) == number
    assert await s3.snapshot("shop") == before
