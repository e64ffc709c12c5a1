"""Brings together what is known of a failure: what it said, how it went before, and what changed since it was green."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from app.ai.failures.facts import FailureFacts
from app.domain.analysis import SourceDiff
from app.domain.commands import ReadDiff
from app.domain.errors import UsageError, WatchkeeperError
from app.domain.history import TestDetail
from app.domain.verdicts import Outcome
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.agents.analysis.redtests import RedTests
    from app.domain.analysis import Answer
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
        self._diffs: dict[str, asyncio.Task[SourceDiff]] = {}

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

    async def _detail(self, project: str, nodeid: str) -> TestDetail:
        try:
            async with asyncio.timeout(HISTORY_S):
                return await self._journal.test(project, nodeid)
        except (WatchkeeperError, TimeoutError) as error:
            _log.info("a failure is explained without the history", reason=str(error))
            return TestDetail(project, nodeid, "", ())

    async def _diff(self, project: str) -> SourceDiff:
        """Return what changed; questions that come together share one answer, since each costs a few processes."""
        asked = self._diffs.get(project)
        if asked is None:
            asked = self._diffs[project] = spawn(self._asked_diff(project), name="what changed is asked for")
            asked.add_done_callback(lambda _done: self._diffs.pop(project, None))
        return await asyncio.shield(asked)

    async def _asked_diff(self, project: str) -> SourceDiff:
        try:
            async with asyncio.timeout(DIFF_S):
                found = await self._send(ReadDiff(project=project))
        except (WatchkeeperError, TimeoutError) as error:
            _log.info("a failure is explained without what changed", reason=str(error))
            return SourceDiff()
        return found if isinstance(found, SourceDiff) else SourceDiff()
