"""The writer thread's work: open, write in batches, answer, tidy up, close. Imported by that thread only."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from app.domain.errors import StoreError
from app.domain.events import RunFinished, TestsRan
from app.store import recovery
from app.store.backlog import CLOSED_HINT
from app.store.database import BUSY_S
from app.store.faults import SEE_LOG, Fault, Remedy
from app.store.opening import Opened, open_history
from app.store.queries import Queries
from app.store.recording import Recorder, cut_off, open_runs
from app.store.retention import forget_one, release_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.domain.events import Event
    from app.store.backlog import Backlog, Job
    from app.store.counters import Tally
    from app.store.database import Database
    from app.store.location import Opening

_log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
LOCKED_PAUSE_S = 0.5
"""Between attempts at a lock; each attempt waits for it in SQLite already."""
LOCKED_FOR_S = 5.0
"""A lock held for so long is told to the person; shorter ones are everyday."""


class Writer:
    """Does all that is done with the database, on the thread that calls `run`.

    Args:
        opening: What to open.
        backlog: Where events and questions come from.
        tell: Called with text and hint of a trouble, and with two empty texts when it is over.
        tally: Where it counts.
        keep_runs: Runs of each project that are kept with their results.
        close_s: Seconds to write what still waits and to close when the end comes.
        open_database: Opens the history; handed in so that a test can count.
    """

    def __init__(
        self,
        opening: Opening,
        backlog: Backlog,
        tell: Callable[[str, str], None],
        tally: Tally,
        *,
        keep_runs: int,
        close_s: float,
        open_database: Callable[[Opening], Opened] | None = None,
    ) -> None:
        self._opening = opening
        self._backlog = backlog
        self._tell = tell
        self._tally = tally
        self._keep_runs = keep_runs
        self._close_s = close_s
        self._open_database = open_database or open_history
        self._recorder = Recorder()
        self._database: Database | None = None
        self._identity: tuple[int, int] | None = None
        self._refusal: Fault | None = None
        self._last_fault: Fault | None = None
        self._failing_since: float | None = None
        self._told = ("", "")
        self._standing = ("", "")
        self._pause = FIRST_PAUSE_S
        self._retry_at = 0.0
        self._flushes: list[Job] = []
        self._is_tidy_left = opening.read_only or opening.beside
        self._untidy = not self._is_tidy_left
        self._left_open = not opening.beside

    def run(self) -> None:
        """Work until the backlog is closed and written, or given up."""
        deadline = None
        closing = False
        while not closing or self._goes_on(deadline):
            closing = self._backlog.wait(self._wait_s(closing=closing), held=self._failing_since is not None)
            if closing and deadline is None:
                # The last attempt may wait for a lock itself.
                deadline = time.monotonic() + max(0.0, self._close_s - BUSY_S)
            jobs = self._backlog.take_jobs()
            if closing and self._database is None and not jobs and not self._backlog.pending:
                break  # ended before it was opened, and nothing to write
            if closing or self._failing_since is None or time.monotonic() >= self._retry_at:
                self._ready()
                self._write_pending()
            self._answer(jobs)
            if not closing and not jobs:
                self._tidy_up()
            if closing and self._failing_since is not None:
                time.sleep(FIRST_PAUSE_S)
        self._finish()

    def _goes_on(self, deadline: float | None) -> bool:
        return bool(
            self._refusal is None and self._backlog.pending and (deadline is None or time.monotonic() < deadline)
        )

    def _wait_s(self, *, closing: bool) -> float | None:
        if closing or (self._untidy and self._failing_since is None and self._database is not None):
            return 0.0
        if self._failing_since is not None:
            return max(0.0, self._retry_at - time.monotonic())
        return 0.0 if self._database is None and self._refusal is None else None

    def _ready(self) -> None:
        if self._refusal is not None:
            return
        if self._database is not None and self._database.path is not None:
            if recovery.identity(self._database.path) == self._identity:
                return
            _log.warning("the history's file was replaced or removed while open", path=str(self._database.path))
            self._let_go()
        if self._database is None:
            self._open()

    def _open(self) -> None:
        began = time.monotonic()
        try:
            opened = self._open_database(self._opening)
        except StoreError as error:
            self._fail(error if isinstance(error, Fault) else Fault(error.message, error.hint, remedy=Remedy.GIVE_UP))
            return
        except Exception as error:  # noqa: BLE001 - whatever a migration raises: the history is off, the program goes on
            # Only the kind is told: its text may quote the address.
            _log.error("the history cannot be opened", error=type(error).__name__)
            self._fail(Fault("The history cannot be opened.", "See the log.", remedy=Remedy.GIVE_UP))
            return
        self._database = opened.database
        if opened.database.path is not None:
            self._identity = recovery.identity(opened.database.path)
        if opened.mended is not None:
            self._tally.recoveries += 1
            self._standing = (opened.mended.text, opened.mended.hint)
        if not self._opening.distrust:
            self._well()
        took_ms = round((time.monotonic() - began) * 1000)
        _log.info("the history is open", database=opened.database.name, took_ms=took_ms)

    def _write_pending(self) -> None:
        if self._opening.read_only or self._refusal is not None:
            self._backlog.abandon()
            return
        if self._left_open and not self._end_left_open():
            return
        while self._database is not None and (events := self._backlog.take()):
            try:
                self._write(self._database, events)
            except Fault as fault:
                if fault.remedy is not Remedy.SKIP:
                    self._fail(fault)
                    return
                if not self._write_singly(self._database, events, fault):
                    return
            self._backlog.settle()
            has_ended = not self._is_tidy_left and any(isinstance(event, RunFinished) for event in events)
            self._untidy = self._untidy or has_ended
            self._well()
        if self._database is not None:
            self._backlog.settle()
            self._probe(self._database)

    def _end_left_open(self) -> bool:
        # Before any of our own is there, so all of them are an earlier process's. False: it must be tried again.
        if self._database is None:
            return False
        try:
            with self._database.reading() as connection:
                keys = open_runs(connection)
            if keys:
                with self._database.writing() as connection:
                    cut_off(connection, keys)
        except Fault as fault:
            if fault.remedy is not Remedy.SKIP:
                self._fail(fault)
                return False
            _log.warning("runs that were cut off could not be ended", reason=fault.message)
        self._left_open = False
        return True

    def _probe(self, database: Database) -> None:
        if self._failing_since is None:
            return
        try:
            with database.writing():
                self._well()
        except Fault as fault:
            self._fail(fault)

    def _write(self, database: Database, events: Sequence[Event]) -> None:
        try:
            with database.writing() as connection:
                self._recorder.write(connection, events)
        except Fault:
            self._recorder.forget()
            raise
        except Exception as error:  # noqa: BLE001 - a value that a driver cannot take raises what it likes
            self._recorder.forget()
            raise Fault(f"An event cannot be stored ({type(error).__name__}).", SEE_LOG, remedy=Remedy.SKIP) from None
        self._tally.batches += 1
        self._tally.written += len(events)

    def _write_singly(self, database: Database, events: Sequence[Event], why: Fault) -> bool:
        # One event that the database refuses must not keep all others out. Returns False when it failed otherwise.
        refused = 0
        for event in events:
            try:
                self._write(database, (event,))
            except Fault as fault:
                if fault.remedy is not Remedy.SKIP:
                    self._fail(fault)
                    return False
                refused += 1
                results = len(event.results) if isinstance(event, TestsRan) else 0
                self._backlog.lost(results=results, events=0 if results else 1)
            self._backlog.settle(1)
        if refused:
            _log.warning("events were not recorded", refused=refused, of=len(events), reason=why.message)
        if refused == len(events):
            self._let_go()  # perhaps the schema was changed by another program: opening it looks
        return True

    def _answer(self, jobs: list[Job]) -> None:
        self._flushes += [job for job in jobs if job.query is None]
        for job in jobs:
            if job.query is not None and job.future.set_running_or_notify_cancel():
                self._ask(job)
        waiting = []
        for job in self._flushes:
            if self._refusal is not None:
                _resolve(job, error=self._refusal)
            elif self._backlog.is_settled(job.mark):
                _resolve(job)
            else:
                waiting.append(job)
        self._flushes = waiting

    def _ask(self, job: Job) -> None:
        if self._database is None or job.query is None:
            unopened = StoreError("The history is not open yet.", "Try again in a moment.")
            job.future.set_exception(self._refusal or self._last_fault or unopened)
            return
        try:
            with self._database.reading() as connection:
                answer = job.query(Queries(connection))
        except Fault as fault:
            job.future.set_exception(fault)
            if fault.remedy is Remedy.RECOVER and not self._opening.read_only:
                self._fail(fault)
        except Exception as error:  # noqa: BLE001 - a question's own fault belongs to the one who asks
            job.future.set_exception(error)
        else:
            job.future.set_result(answer)

    def _tidy_up(self) -> None:
        if self._database is None or not self._untidy or self._failing_since is not None:
            return
        try:
            with self._database.writing() as connection:
                more = forget_one(connection, keep_runs=self._keep_runs)
            if not more:
                self._recorder.forget()  # tests may have gone, and their keys with them
            self._untidy = more or release_pages(self._database)
            if not self._untidy:
                self._back_up()
        except Fault as fault:
            self._untidy = False  # again after the next run
            _log.warning("the history was not tidied up", reason=fault.message)
            if fault.remedy is Remedy.RECOVER:
                self._fail(fault)

    def _back_up(self) -> None:
        database, folder = self._database, self._opening.backup_folder
        if database is None or database.path is None or folder is None:
            return
        now = self._opening.wall()
        if recovery.is_backup_due(folder, now):
            recovery.back_up(database.path, folder, now)

    def _fail(self, fault: Fault) -> None:
        self._tally.failures += 1
        self._last_fault = fault
        now = time.monotonic()
        if fault.remedy in {Remedy.GIVE_UP, Remedy.SKIP} or self._opening.read_only:
            self._refusal = fault
            self._let_go()
            self._say(fault.message, fault.hint)
            return
        longest = LOCKED_PAUSE_S if fault.remedy is Remedy.WAIT else LONGEST_PAUSE_S
        self._pause = FIRST_PAUSE_S if self._failing_since is None else min(2 * self._pause, longest)
        self._failing_since = self._failing_since or now
        self._retry_at = now + self._pause
        first_damage = fault.remedy is Remedy.RECOVER and not self._opening.distrust
        if fault.remedy is Remedy.RECOVER:
            # Opening it again looks closer, moves it aside and takes the backup.
            self._opening = replace(self._opening, distrust=True)
            self._let_go()
        locked = fault.remedy is Remedy.WAIT and now - self._failing_since <= LOCKED_FOR_S
        if not first_damage and not locked:
            self._say(fault.message, fault.hint)

    def _well(self) -> None:
        if self._failing_since is not None:
            _log.info("the history can be written again", after_s=round(time.monotonic() - self._failing_since, 1))
        self._failing_since, self._last_fault, self._pause = None, None, FIRST_PAUSE_S
        self._opening = replace(self._opening, distrust=False)
        self._say(*self._standing)

    def _say(self, text: str, hint: str) -> None:
        if (text, hint) != self._told:
            self._told = (text, hint)
            if text:
                _log.warning("the history is in trouble", text=text, hint=hint)
            self._tell(text, hint)

    def _let_go(self) -> None:
        self._recorder.forget()
        if self._database is not None:
            with suppress(Fault), self._database.translated():
                self._database.close()
            self._database = None

    def _finish(self) -> None:
        lost = self._backlog.abandon()
        if lost and self._refusal is None:
            _log.error("events were not recorded: the history could not be written at the end", events=lost)
        error = self._refusal or self._last_fault or StoreError("The history is closed.", CLOSED_HINT)
        jobs = [*self._flushes, *self._backlog.take_jobs()]
        for job in jobs:
            if job.query is None and not lost and self._refusal is None:
                _resolve(job)
            else:
                _resolve(job, error=error)
        self._flushes = []
        database, failing = self._database, self._failing_since is not None
        if database is not None and not failing and not self._opening.read_only:
            with suppress(Fault):
                self._back_up()
        self._let_go()
        if database is not None and database.path is not None and not failing and not self._opening.read_only:
            recovery.note_clean_end(database.path)


def _resolve(job: Job, error: BaseException | None = None) -> None:
    if not job.future.set_running_or_notify_cancel():
        return
    if error is None:
        job.future.set_result(None)
    else:
        job.future.set_exception(error)
