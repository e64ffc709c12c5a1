"""The state before is kept where it is safe, and what is done is told."""

from __future__ import annotations

import json
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.aws.remedy.apply import apply
from app.agents.auditing.aws.remedy.errors import Busy, NotKept
from app.agents.auditing.aws.remedy.keeping import TlsOnly
from app.agents.auditing.aws.remedy.kept import held, read_kept
from tests.agents.auditing.aws.remedy.cases import NOW, S3, Case, QuickClock, files_of, mostly_some_cases

if TYPE_CHECKING:
    from pathlib import Path

    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.remedy.plan import Plan
    from tests.agents.auditing.aws.remedy.failing import Failing, Request


@mostly_some_cases
async def test_the_state_before_is_kept_before_the_first_write(
    case: Case, context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """When the first writing call arrives the file is there, private to its user, with the state before and no key."""
    remedy, place = await case.set_up(s3, "shop")
    plan = await remedy.plan(context, place, now=NOW)
    proxy.clear()
    found: list[tuple[str, int, int]] = []

    def look(request: Request) -> None:
        if request.is_write and not found:
            (path,) = files_of(tmp_path / "kept")
            found.append(
                (path.read_text(), stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode))
            )

    proxy.before = look

    await apply(plan, context, shown=plan.digest, folder=tmp_path / "kept", clock=clock)

    ((text, mode, folder_mode),) = found
    told = json.loads(text)
    assert told["status"] == "begun"
    assert told["plan"]["changes"] == [
        {"setting": each.setting, "before": each.before, "after": each.after} for each in plan.changes
    ]
    assert "secret" not in text
    assert "AKIA" not in text
    if sys.platform != "win32":
        assert (mode, folder_mode) == (0o600, 0o700)


async def test_without_a_place_for_the_state_nothing_is_written(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """Where the folder cannot be made, nothing is changed."""
    plan = await TlsOnly().plan(context, await s3.bucket("shop"), now=NOW)
    (tmp_path / "kept").write_text("a file")
    proxy.clear()

    with pytest.raises(NotKept):
        await apply(plan, context, shown=plan.digest, folder=tmp_path / "kept", clock=clock)

    assert proxy.writes == []


async def test_two_repairs_of_one_bucket_do_not_mix(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """While somebody is at a bucket, another repair of it is refused; afterwards it is not."""
    place = await s3.bucket("shop")
    plan = await TlsOnly().plan(context, place, now=NOW)
    proxy.clear()

    with held(tmp_path, place), pytest.raises(Busy):
        await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock)
    refused = list(proxy.seen)
    done = await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock)

    assert refused == []
    assert done.path is not None


async def test_the_journal_is_told_as_it_comes(
    context: AuditContext, s3: S3, tmp_path: Path, clock: QuickClock
) -> None:
    """Each line is said when it is added, and the same lines are in the outcome and in the file."""
    plan: Plan = await TlsOnly().plan(context, await s3.bucket("shop"), now=NOW)
    said: list[str] = []

    done = await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock, say=said.append)

    assert tuple(said) == done.journal
    assert done.path is not None
    assert read_kept(done.path).journal == done.journal
    assert [line.split(" ", 1)[1] for line in said[1:]] == [
        "s3:PutBucketPolicy on bucket shop ...",
        "s3:PutBucketPolicy on bucket shop: done",
        "the policy of bucket shop was read again, and is as planned",
    ]
