"""Audits in the history: what was before, and what a command adds to it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from app.domain.errors import StoreError
from app.domain.events import AuditKept
from app.house.history import HISTORY_S
from app.store.history import History
from app.store.location import history_url

if TYPE_CHECKING:
    from types import TracebackType

    from app.agents.auditing.archive import Archive
    from app.domain.findings import AuditReport, Past
    from app.engine.clock import Clock
    from app.engine.places import Places

PAST = 50
"""Audits before that a command's report tells of."""


async def past_audits(history: History, archive: Archive, project: str, limit: int) -> tuple[Past, ...]:
    """Return the last audits of a project in figures, the oldest first.

    Reports that were made while there was no history of audits, or while it could not be written, are taken into it.

    Args:
        history: Where audits are kept.
        archive: Where their reports lie.
        project: The project's root folder.
        limit: At most so many.

    Raises:
        StoreError: The history cannot be read.
    """
    known = await history.audits(project, limit)
    if len(known) >= min(limit, await asyncio.to_thread(archive.count, Path(project))):
        return known

    def take() -> None:
        for report in archive.reports(Path(project)):
            history.record(AuditKept(at=report.started_at, project=project, report=report))

    await asyncio.to_thread(take)
    return await history.audits(project, limit)


class AuditRecord:
    """Has the audit of a command in the history, beside the instance that may run. An async context manager.

    A history that is locked, damaged or away keeps nobody from being told of the audit: `note` says so afterwards.

    Args:
        places: Where Watchkeeper's files lie.
        archive: Where the reports lie.
        clock: Tells the time.
    """

    def __init__(self, places: Places, archive: Archive, *, clock: Clock) -> None:
        self._archive = archive
        self._trouble = ""
        self._unread = ""
        self._history = History.writer_beside(
            history_url(os.environ, places.data), clock=clock, on_trouble=self._hear, close_s=HISTORY_S
        )

    async def __aenter__(self) -> Self:
        """Begin to open the history, while the audit goes on."""
        await self._history.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits, for some seconds at most."""
        await self._history.__aexit__(kind, error, trace)

    async def keep(self, report: AuditReport) -> tuple[Past, ...]:
        """Keep an audit, and return those before it in figures, the oldest first; none when they cannot be read."""
        self._history.record(AuditKept(at=report.started_at + report.duration_s, project=report.project, report=report))
        try:
            async with asyncio.timeout(HISTORY_S):
                past = await past_audits(self._history, self._archive, report.project, PAST + 1)
        except StoreError as error:
            self._unread = f"{error.message} {error.hint}".strip()
            return ()
        except TimeoutError:
            return ()
        return tuple(each for each in past if each.at < report.started_at)[-PAST:]

    @property
    def note(self) -> str:
        """What a person should know of the history, once this was left; empty when all is well."""
        counters = self._history.counters
        if counters.written < counters.recorded:
            why = self._trouble or self._unread or "It could not be written in time."
            return f"This audit is not in the history. {why}"
        return self._trouble

    def _hear(self, text: str, hint: str) -> None:
        self._trouble = f"{text} {hint}".strip() or self._trouble
