"""The face of the history: asynchronous, never blocking, cheap to import.

One thread owns the database. It imports SQLAlchemy, opens, migrates and mends, writes in batches and answers; so the
loop is never held, and a start does not wait for it.
"""

from __future__ import annotations

import asyncio
import threading
import traceback
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TypeVar, cast

import structlog

from app.domain.errors import StoreError
from app.engine.clock import SystemClock
from app.store.backlog import CAPACITY_BYTES, CLOSED_HINT, Backlog
from app.store.counters import HistoryCounters, Tally
from app.store.location import RELEASED, Opening, Revisions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from app.domain.analysis import Answer, ConversationRecord
    from app.domain.events import Event
    from app.domain.findings import FindingHistory, Past
    from app.domain.history import RunRecord, TestDetail, TestTrait
    from app.domain.verdicts import TestState
    from app.engine.clock import Clock
    from app.store.opening import Opened
    from app.store.queries import Queries

T = TypeVar("T")

_log = structlog.get_logger(__name__)

CLOSE_S = 5.0
"""Seconds that closing takes at most, unless it is told otherwise."""


class History:
    """What was run and how it ended, kept in SQLite or PostgreSQL. An async context manager.

    Entering starts the thread and returns at once. What goes wrong at opening is told through `on_trouble`, and each
    question then raises it.

    Args:
        url: From `app.store.location.history_url`; may carry a password, and is never shown.
        backup_folder: Where a copy of an SQLite history goes once a day; None for none.
        clock: Tells the wall-clock time for the names of backups.
        on_trouble: Called on the loop with what is wrong and what to do, and with two empty texts when it is over.
        keep_runs: Runs of each project that are kept with their results.
        capacity_bytes: Memory for what waits to be written.
        close_s: Seconds that closing takes at most: what still waits is written, then the database is closed. A thread
            that hangs in the file system is left behind.
        revisions: The schema versions that are known.
        open_database: Opens the history, on its thread; None for the real thing. Tests count with it.
        read_only: See `reader`.
        beside: See `writer_beside`.
    """

    def __init__(
        self,
        url: str,
        *,
        backup_folder: Path | None,
        clock: Clock,
        on_trouble: Callable[[str, str], None] | None = None,
        keep_runs: int = 200,
        capacity_bytes: int = CAPACITY_BYTES,
        close_s: float = CLOSE_S,
        revisions: Revisions = RELEASED,
        open_database: Callable[[Opening], Opened] | None = None,
        read_only: bool = False,
        beside: bool = False,
    ) -> None:
        self._opening = Opening(url, backup_folder, clock.wall, revisions, read_only, beside=beside)
        self._on_trouble = on_trouble
        self._keep_runs = keep_runs
        self._close_s = close_s
        self._open_database = open_database
        self._backlog = Backlog(capacity_bytes)
        self._tally = Tally()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: Future[None] = Future()

    @classmethod
    def reader(cls, url: str, *, clock: Clock | None = None) -> Self:
        """Return a history that only reads: it never creates, migrates, mends or writes.

        For a second process, beside the one that records. Where there is nothing to read, each question raises.
        """
        return cls(url, backup_folder=None, clock=clock or SystemClock(), read_only=True)

    @classmethod
    def writer_beside(
        cls, url: str, *, clock: Clock, on_trouble: Callable[[str, str], None] | None = None, close_s: float = CLOSE_S
    ) -> Self:
        """Return a history for a command that records something while an instance may be recording too.

        It creates and migrates where that is needed. The instance's runs stay open, and tidying up is left to it.
        """
        return cls(url, backup_folder=None, clock=clock, on_trouble=on_trouble, close_s=close_s, beside=True)

    def __repr__(self) -> str:
        """Return the kind of database, and nothing of its address."""
        return f"<History on {self._opening.url.partition(':')[0].partition('+')[0]}>"

    async def __aenter__(self) -> Self:
        """Start the thread."""
        self._loop = asyncio.get_running_loop()
        # A daemon: a hung file system must not keep the program from ending. What waits is written in __aexit__.
        threading.Thread(target=self._run, name="watchkeeper-history", daemon=True).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits, close the database, end the thread; give up after `close_s`."""
        self._backlog.close()
        try:
            async with asyncio.timeout(self._close_s):
                await asyncio.shield(asyncio.wrap_future(self._ended))
        except TimeoutError:
            _log.error("the history's thread does not end and is left behind", pending=self._backlog.pending)

    def record(self, event: Event) -> None:
        """Keep an event, if it is of a kind that history keeps. Returns at once; any thread may call it.

        A history that only reads keeps nothing: there this does nothing, a deletion included.
        """
        if not self._opening.read_only:
            self._backlog.put(event)

    async def known_tests(self, project: str) -> tuple[TestState, ...]:
        """Return the last known state of each test of a project, by node id.

        Raises:
            StoreError: The history cannot be read. So does each question here.
        """
        return await self._answer(lambda queries: queries.known_tests(project))

    async def runs(self, project: str | None = None, limit: int = 50) -> tuple[RunRecord, ...]:
        """Return the last runs of a project, or of all, newest first."""
        return await self._answer(lambda queries: queries.runs(project, limit))

    async def test(self, project: str, nodeid: str) -> TestDetail:
        """Return all that is known of one test: its last red output, and its last 100 moments, newest first."""
        return await self._answer(lambda queries: queries.test(project, nodeid))

    async def traits(self, project: str | None = None, *, runs: int = 20) -> tuple[TestTrait, ...]:
        """Return how the tests did in the last `runs` runs of each project: the most flips first, then the slowest."""
        return await self._answer(lambda queries: queries.traits(project, last=runs))

    async def answered(self, project: str, fingerprint: str) -> Answer | None:
        """Return what a model said last of a failure of a project; None when it was never explained."""
        return await self._answer(lambda queries: queries.answered(project, fingerprint))

    async def conversations(
        self, query: str = "", project: str = "", limit: int = 50
    ) -> tuple[ConversationRecord, ...]:
        """Return conversations, the newest first; see Queries.conversations for how words are looked for."""
        return await self._answer(lambda queries: queries.conversations(query, project, limit))

    async def audits(self, project: str, limit: int = 50) -> tuple[Past, ...]:
        """Return the last audits of a project in figures, the oldest first."""
        return await self._answer(lambda queries: queries.audits(project, limit))

    async def finding(self, project: str, fingerprint: str) -> FindingHistory | None:
        """Return what the audits of a project say of a finding; None when none that is kept has found it."""
        return await self._answer(lambda queries: queries.finding(project, fingerprint))

    async def flush(self) -> None:
        """Wait until all that was recorded before is committed, however long that takes.

        Raises:
            StoreError: It never will be: the history is closed, or is refused.
        """
        future: Future[object] = Future()
        self._backlog.ask(future, None)
        await asyncio.wrap_future(future)

    def ask(self, query: Callable[[Queries], T]) -> Future[T]:
        """Have a question answered on the history's thread; any thread may ask.

        Raises:
            StoreError: The history is closed.
        """
        future: Future[object] = Future()
        self._backlog.ask(future, query)
        return cast("Future[T]", future)

    @property
    def counters(self) -> HistoryCounters:
        """What was done so far."""
        losses, tally = self._backlog.losses, self._tally
        return HistoryCounters(
            self._backlog.recorded,
            tally.written,
            self._backlog.pending,
            self._backlog.cost_bytes,
            tally.batches,
            tally.failures,
            tally.recoveries,
            losses.outputs,
            losses.results,
            losses.events,
        )

    def _run(self) -> None:
        try:
            # SQLAlchemy takes hundreds of milliseconds to import: here, where nobody waits for it.
            from app.store.writer import Writer  # noqa: PLC0415 - see above

            writer = Writer(
                self._opening,
                self._backlog,
                self._tell,
                self._tally,
                keep_runs=self._keep_runs,
                close_s=self._close_s,
                open_database=self._open_database,
            )
            writer.run()
        except Exception as error:  # noqa: BLE001 - the thread's end must reach those who wait for it
            self._tell("The history has a fault and records nothing more.", "See the log, and start again.")
            # Only the kind and the place: the text of an error may quote the address.
            place = traceback.extract_tb(error.__traceback__)[-1]
            _log.error("the history's thread failed", error=type(error).__name__, at=f"{place.filename}:{place.lineno}")
        finally:
            self._backlog.close()
            self._backlog.abandon()
            for job in self._backlog.take_jobs():
                if job.future.set_running_or_notify_cancel():
                    job.future.set_exception(StoreError("The history is closed.", CLOSED_HINT))
            self._ended.set_result(None)

    def _tell(self, text: str, hint: str) -> None:
        if self._on_trouble is not None and self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody is there to be told
                self._loop.call_soon_threadsafe(self._on_trouble, text, hint)

    async def _answer(self, query: Callable[[Queries], T]) -> T:
        return await asyncio.wrap_future(self.ask(query))
