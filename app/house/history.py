"""The history: what was run, audited, said and explained, kept and asked for."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from app.domain.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.agents.settings import Settings
    from app.agents.testing.agent import Remembered
    from app.engine.notices import Notices
    from app.house.ground import Ground
    from app.store.history import History

_log = structlog.get_logger(__name__)

LAST_RUNS = 50
"""A red test that ended in none of them was told long ago; nothing is lost by telling it once more."""

HISTORY_S = 5.0
"""A history that does not answer by then is not waited for: the watch begins without what it remembers."""


@asynccontextmanager
async def kept_history(ground: Ground, settings: Settings, notices: Notices) -> AsyncIterator[History]:
    """Keep what the bus tells, and answer what is asked of it."""
    from app.agents.auditing.archive import Archive
    from app.domain.commands import ReadAudits, ReadConversations, ReadFindingHistory, ReadRuns, ReadTest
    from app.house.audithistory import past_audits
    from app.store.history import History
    from app.store.location import history_url

    bus, archive = ground.bus, Archive(ground.places.data / "audits")
    async with AsyncExitStack() as stack:
        history = await stack.enter_async_context(
            History(
                history_url(os.environ, ground.places.data),
                backup_folder=ground.places.data / "backups",
                clock=ground.clock,
                on_trouble=lambda text, hint: notices.show("history", text, hint),
                keep_runs=settings.history.keep_runs,
                close_s=ground.limits.history_close_s,
            )
        )
        stack.callback(bus.subscribe(lambda event, _snapshot: history.record(event)))
        stack.callback(bus.handle(ReadTest, lambda asked: history.test(asked.project, asked.nodeid)))
        stack.callback(bus.handle(ReadRuns, lambda asked: history.runs(asked.project, asked.limit)))
        stack.callback(
            bus.handle(ReadConversations, lambda asked: history.conversations(asked.query, asked.project, asked.limit))
        )
        stack.callback(bus.handle(ReadAudits, lambda asked: past_audits(history, archive, asked.project, asked.limit)))
        stack.callback(bus.handle(ReadFindingHistory, lambda asked: history.finding(asked.project, asked.fingerprint)))
        yield history


async def remembered(history: History, project: str) -> Remembered:
    """Return what history remembers. One that is out of reach, or odd, has said so itself, and delays nothing."""
    from app.agents.testing.agent import Remembered

    try:
        async with asyncio.timeout(HISTORY_S):
            tests = await history.known_tests(project)
            runs = await history.runs(project, LAST_RUNS)
    except Exception as error:  # noqa: BLE001 - whatever it is, the watch goes on without memory
        _log.warning("the history is not used for this start", project=project, reason=repr(error))
        return Remembered()
    ended = [run for run in runs if run.verdict is not None and run.verdict is not Verdict.CANCELLED]
    told = {run.run_id for run in ended}
    trouble = ended[0].verdict if ended and ended[0].verdict and ended[0].verdict.is_trouble else None
    return Remembered(tests, frozenset(test.nodeid for test in tests if test.run_id in told), trouble)
