"""Brings together what is known of a failure: what it said, how it went before, and what changed since it was green."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from app.ai.failures.facts import FailureFacts
from app.domain.analysis import LOOKED_THROUGH, SourceDiff, Subject, SubjectKind, conversation_about
from app.domain.commands import ReadDiff
from app.domain.errors import UsageError, WatchkeeperError
from app.domain.history import TestDetail
from app.domain.verdicts import Outcome
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.agents.analysis.redtests import RedTests
    from app.domain.analysis import Answer, ConversationRecord
    from app.domain.commands import Command
    from app.domain.snapshot import Snapshot
    from app.engine.clock import Clock

_log = structlog.get_logger(__name__)

HISTORY_S = 3.0
"""A history that does not answer by then is done without."""
DIFF_S = 12.0
"""Likewise for what changed: git at low priority, on a large repository."""
OTHERS = 30
"""Tests that went red in the same run and are named beside the one that is explained."""


class Journal(Protocol):
    """What the history knows of failures."""

    async def test(self, project: str, nodeid: str) -> TestDetail:
        """Return all that is known of one test."""

    async def answered(self, project: str, fingerprint: str) -> Answer | None:
        """Return what a model said of this failure before; None when none did."""

    async def conversations(self, query: str, project: str, limit: int) -> tuple[ConversationRecord, ...]:
        """Return conversations, the newest first."""


class Gathering:
    """It.

    Args:
        snapshot: Gives the state of now.
        reds: What the red tests said.
        journal: The history.
        send: Has a command carried out: the source's change is asked for.
        clock: Time.
    """

    def __init__(
        self,
        *,
        snapshot: Callable[[], Snapshot],
        reds: RedTests,
        journal: Journal,
        send: Callable[[Command], Awaitable[object]],
        clock: Clock,
    ) -> None:
        self._snapshot = snapshot
        self._reds = reds
        self._journal = journal
        self._send = send
        self._clock = clock
        self._diffs: dict[str, tuple[str, asyncio.Task[SourceDiff]]] = {}

    def stamp(self, project: str, nodeid: str) -> tuple[object, ...]:
        """Return what, when it changes, makes what was known of a failure out of date."""
        watched = self._snapshot().projects.get(project)
        state = watched.tests.get(nodeid) if watched is not None else None
        return (state.run_id, state.outcome, state.check) if state is not None else ()

    def is_red(self, project: str, nodeid: str) -> bool:
        """Return whether a test is red now."""
        watched = self._snapshot().projects.get(project)
        state = watched.tests.get(nodeid) if watched is not None else None
        return state is not None and state.outcome.is_red

    async def facts(self, project: str, nodeid: str) -> FailureFacts:
        """Return what is known of a test's failure.

        Raises:
            UsageError: The project is not watched, or no failure of the test is known.
        """
        watched = self._snapshot().projects.get(project)
        if watched is None:
            known = ", ".join(self._snapshot().projects) or "none"
            raise UsageError(f"{project} is not watched.", f"The watched projects are: {known}.")
        state = watched.tests.get(nodeid)
        told = self._reds.result(project, nodeid)
        detail, diff = await asyncio.gather(self._detail(project, nodeid), self._diff(project))
        output = told.output if told is not None else detail.output
        if state is None or (told is None and not output and not state.outcome.is_red):
            raise UsageError(
                f"No failure of {nodeid} is known.", "Red tests can be explained: `watchkeeper status` names them."
            )
        outcome = state.outcome if state.outcome.is_red else told.outcome if told is not None else Outcome.FAILED
        others = [each.nodeid for each in watched.red if each.since == state.since and each.nodeid != nodeid]
        return FailureFacts(
            root=Path(project),
            nodeid=nodeid,
            outcome=outcome,
            output=output,
            cause=state.cause,
            diff=diff,
            check=state.check,
            moments=detail.moments,
            since=state.since,
            others=tuple(others[:OTHERS]),
            now=self._clock.wall(),
        )

    async def answered(self, project: str, fingerprint: str) -> Answer | None:
        """Return what a model said of this failure before; None when none did, or nobody knows."""
        try:
            async with asyncio.timeout(HISTORY_S):
                return await self._journal.answered(project, fingerprint)
        except (WatchkeeperError, TimeoutError) as error:
            _log.info("the journal of explanations is out of reach", reason=str(error))
            return None

    async def conversation_about(self, project: str, nodeid: str) -> str:
        """Return the id of the newest conversation about a test; empty when there is none, or nobody knows."""
        try:
            async with asyncio.timeout(HISTORY_S):
                found = await self._journal.conversations("", project, LOOKED_THROUGH)
        except (WatchkeeperError, TimeoutError) as error:
            _log.info("the list of conversations is out of reach", reason=str(error))
            return ""
        return conversation_about(found, Subject(SubjectKind.FAILURE, project, nodeid))

    async def close(self) -> None:
        """End what is on its way."""
        tasks = [task for _run, task in self._diffs.values() if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _detail(self, project: str, nodeid: str) -> TestDetail:
        try:
            async with asyncio.timeout(HISTORY_S):
                return await self._journal.test(project, nodeid)
        except (WatchkeeperError, TimeoutError) as error:
            _log.info("a failure is explained without the history", reason=str(error))
            return TestDetail(project, nodeid, "", ())

    async def _diff(self, project: str) -> SourceDiff:
        """Return what changed as of the newest run: asked for once for all its failures, since it takes processes."""
        run = self._newest_run(project)
        kept = self._diffs.get(project)
        if kept is None or kept[0] != run:
            kept = self._diffs[project] = run, spawn(self._asked_diff(project), name="what changed is asked for")
        await asyncio.wait({kept[1]})
        return SourceDiff() if kept[1].cancelled() else kept[1].result()

    async def _asked_diff(self, project: str) -> SourceDiff:
        try:
            async with asyncio.timeout(DIFF_S):
                found = await self._send(ReadDiff(project=project))
        except (WatchkeeperError, TimeoutError) as error:
            _log.info("a failure is explained without what changed", reason=str(error))
            return SourceDiff()
        return found if isinstance(found, SourceDiff) else SourceDiff()

    def _newest_run(self, project: str) -> str:
        view = self._snapshot().projects.get(project)
        run = (view.current or view.last) if view is not None else None
        return run.run_id if run is not None else ""
