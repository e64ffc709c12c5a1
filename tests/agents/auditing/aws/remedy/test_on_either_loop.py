"""What is done to an account goes the same way on each loop that Watchkeeper runs on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.agents.auditing.aws.remedy.apply import apply
from app.agents.auditing.aws.remedy.rollback import roll_back
from tests.agents.auditing.aws.remedy.cases import CASES, Made

if TYPE_CHECKING:
    from pathlib import Path

    from app.agents.auditing.aws.clients.context import AuditContext
    from tests.agents.auditing.aws.remedy.cases import S3, QuickClock
    from tests.agents.auditing.aws.remedy.failing import Failing


async def test_two_settings_are_repaired_and_taken_back(
    context: AuditContext, s3: S3, tmp_path: Path, clock: QuickClock
) -> None:
    """Afterwards all is as before."""
    made = Made(CASES[-1], s3)
    _, _, plan = await made.plan()

    done = await apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock)
    repaired = not await made.is_as_before()
    assert done.path is not None
    await roll_back(done.path, context, clock=clock)

    assert repaired
    assert await made.is_as_before()


async def test_a_repair_that_is_cancelled_puts_back_what_it_did(
    context: AuditContext, s3: S3, proxy: Failing, *, tmp_path: Path, clock: QuickClock
) -> None:
    """Also where the call that was under way had reached the server."""
    made = Made(CASES[-1], s3)
    _, _, plan = await made.plan()
    proxy.clear()
    task = asyncio.ensure_future(apply(plan, context, shown=plan.digest, folder=tmp_path, clock=clock))
    cancelled = proxy.cancel(task, lambda request: request.is_write and len(proxy.writes) == 2)

    await asyncio.wait([task])

    assert cancelled.is_set()
    assert task.cancelled()
    assert await made.is_as_before()
