"""Watches for runs of tests that end, and has the file of each one written; `reportfile` says what is in it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import structlog

from app.agents.analysis.reportfile import Files, Report, Run
from app.domain import events
from app.domain.analysis import ExplainStage
from app.domain.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from app.domain.analysis import Answer, Explained
    from app.domain.coverage import Coverage
    from app.domain.snapshot import Snapshot

_log = structlog.get_logger(__name__)

MOST_ANSWERS = 500
"""Answers of a project that are remembered for its files."""
MOST_WAITING = 8
"""Files that wait while the disk does not answer; of more, the oldest are left out."""
STUCK_S = 5.0
"""A disk that takes longer for one file does not answer."""
SETTLE_S = 1.0
"""A file is written again so long after there is news of it: explanations come in swarms."""
CLOSE_S = 2.0
_TELLING = frozenset({ExplainStage.LOCAL, ExplainStage.EXPLAINED, ExplainStage.UNANSWERED})


@dataclass(slots=True)
class _Project:
    going: Run | None = None
    done: Run | None = None
    coverage: tuple[float, Coverage] | None = None
    answers: OrderedDict[str, Answer] = field(default_factory=OrderedDict)


class ReportFiles:
    """Writes such files. An async context manager; `see` is for `Bus.subscribe`.

    They are written by one thread, which is left behind when the disk hangs. What goes wrong is logged and told once,
    until a file can be written again.

    Args:
        folder_of: Gives the folder for a project's files, made when it is missing; None to write none. Called on the
            loop, and must return at once. The newest files of each folder are kept, so give each project its own.
        keep: How many files are kept in a folder. Called on the loop.
        redacting: Returns for a project's folder what takes secrets out of a text. Both are called in a thread.
        on_trouble: Called on the loop with what is wrong and what to do, and with two empty texts when it is over.
        settle_s: See SETTLE_S.
        stuck_s: See STUCK_S.
        close_s: Seconds that leaving waits at most for what is still to be written.
    """

    def __init__(
        self,
        folder_of: Callable[[str], Path | None],
        keep: Callable[[], int],
        *,
        redacting: Callable[[str], Callable[[str], str]],
        on_trouble: Callable[[str, str], None],
        settle_s: float = SETTLE_S,
        stuck_s: float = STUCK_S,
        close_s: float = CLOSE_S,
    ) -> None:
        self._folder_of = folder_of
        self._keep = keep
        self._on_trouble = on_trouble
        self._settle_s = settle_s
        self._stuck_s = stuck_s
        self._close_s = close_s
        self._projects: dict[str, _Project] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._trouble = ("", "")
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, Report] = OrderedDict()
        self._busy_since: float | None = None
        self._is_closing = False
        self._files = Files(redacting)
        self._ended: Future[None] = Future()

    async def __aenter__(self) -> Self:
        """Start the thread."""
        self._loop = asyncio.get_running_loop()
        # A daemon: a hung file system must not keep the program from ending.
        threading.Thread(target=self._work, name="watchkeeper-reports", daemon=True).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits, and end the thread; give up after `close_s`."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        try:
            async with asyncio.timeout(self._close_s):
                await asyncio.shield(asyncio.wrap_future(self._ended))
        except TimeoutError:
            _log.error("the reports' thread does not end and is left behind", waiting=len(self._waiting))

    def see(self, event: events.Event, snapshot: Snapshot) -> None:
        """Take an event in. Returns at once."""
        match event:
            case events.RunStarted():
                project = self._projects.setdefault(event.project, _Project())
                is_on = self._folder_of(event.project) is not None
                project.going = Run(event.project, event.run_id, event.cause, event.at) if is_on else None
            case events.TestsRan():
                run = self._going(event.project, event.run_id)
                if run is not None:
                    run.add(event.results)
            case events.RunFinished():
                self._finish(event, snapshot)
            case events.ChangeCovered():
                self._cover(event, snapshot)
            case events.CoverageMeasured():
                project = self._projects.setdefault(event.project, _Project())
                project.coverage = (event.at, event.coverage)
                self._write(project, snapshot, self._settle_s)
            case events.FailureAnswered():
                self._answered(event.project, event.nodeid, event.answer, snapshot)
            case events.ExplanationChanged():
                self._explained(event, snapshot)

    def _going(self, project: str, run_id: str) -> Run | None:
        known = self._projects.get(project)
        run = known.going if known is not None else None
        return run if run is not None and run.run_id == run_id else None

    def _finish(self, event: events.RunFinished, snapshot: Snapshot) -> None:
        run = self._going(event.project, event.run_id)
        if run is None:
            return
        project = self._projects[event.project]
        project.going = None
        if event.verdict is not Verdict.CANCELLED:
            run.end = event
            project.done = run
            self._write(project, snapshot, 0.0)

    def _cover(self, event: events.ChangeCovered, snapshot: Snapshot) -> None:
        project = self._projects.get(event.project)
        for run in (project.going, project.done) if project is not None else ():
            if project is not None and run is not None and run.run_id == event.run_id:
                run.lines = event.lines
                if run is project.done:
                    self._write(project, snapshot, self._settle_s)

    def _answered(self, root: str, nodeid: str, answer: Answer, snapshot: Snapshot) -> None:
        project = self._projects.get(root)
        if project is None:
            return
        project.answers[nodeid] = answer
        project.answers.move_to_end(nodeid)
        while len(project.answers) > MOST_ANSWERS:
            project.answers.popitem(last=False)
        if project.done is not None and nodeid in project.done.red:
            self._write(project, snapshot, self._settle_s)

    def _explained(self, event: events.ExplanationChanged, snapshot: Snapshot) -> None:
        project, explained = self._projects.get(event.project), event.explained
        if project is None:
            return
        if event.answer is not None:
            self._answered(event.project, explained.nodeid, event.answer, snapshot)
        elif explained.stage is not ExplainStage.EXPLAINED:
            project.answers.pop(explained.nodeid, None)  # it was about an earlier failure
        if project.done is not None and explained.nodeid in project.done.red and explained.stage in _TELLING:
            self._write(project, snapshot, self._settle_s)

    def _write(self, project: _Project, snapshot: Snapshot, after_s: float) -> None:
        """Have the file of the last run written, so many seconds from now."""
        run = project.done
        folder = self._folder_of(run.project) if run is not None else None
        if run is None or run.end is None or folder is None:
            return
        view = snapshot.projects.get(run.project)
        explained: Mapping[str, Explained] = view.explained if view is not None else {}
        report = Report(
            replace(run, red={}, calm={}, counts=run.counts.copy()),
            run.end,
            (*run.red.values(), *run.calm.values()),
            folder,
            max(1, self._keep()),
            project.coverage,
            tuple((each, project.answers.get(nodeid)) for nodeid, each in explained.items() if nodeid in run.red),
            time.monotonic() + after_s,
        )
        with self._changed:
            if self._is_closing:
                return
            for run_id, other in self._waiting.items():
                if other.run.project == run.project and run_id != run.run_id:
                    self._waiting[run_id] = replace(other, due=0.0)  # an earlier run's comes first, or not at all
            waits = self._waiting.get(run.run_id)
            self._waiting[run.run_id] = replace(report, due=min(report.due, waits.due)) if waits else report
            is_stuck = self._busy_since is not None and time.monotonic() - self._busy_since > self._stuck_s
            late = is_stuck and len(self._waiting) > MOST_WAITING
            while is_stuck and len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)
            self._changed.notify()
        if late:
            self._tell("Reports of test runs are not written: the disk does not answer.", f"Look at {folder}.")

    def _work(self) -> None:
        try:
            while (report := self._next()) is not None:
                try:
                    self._files.write(report)
                except OSError as error:
                    why = error.strerror or type(error).__name__
                    hint = "See that there is room and that you may write there, or choose another folder."
                    self._tell_later(f"The report of a test run cannot be written to {report.folder}: {why}.", hint)
                except Exception as error:  # noqa: BLE001 - one report that fails must not end all others
                    _log.error("a report could not be made", error=type(error).__name__, run=report.run.run_id)
                else:
                    self._tell_later("", "")
        finally:
            self._ended.set_result(None)

    def _next(self) -> Report | None:
        """Wait for what is to be written next; None at the end."""
        with self._changed:
            self._busy_since = None
            while True:
                now = time.monotonic()
                first = min(self._waiting.values(), key=lambda each: each.due, default=None)
                if first is not None and (first.due <= now or self._is_closing):
                    self._busy_since = now
                    return self._waiting.pop(first.run.run_id)
                if first is None and self._is_closing:
                    return None
                self._changed.wait(None if first is None else first.due - now)

    def _tell_later(self, text: str, hint: str) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody is there to be told
                self._loop.call_soon_threadsafe(self._tell, text, hint)

    def _tell(self, text: str, hint: str) -> None:
        if (text, hint) != self._trouble:
            self._trouble = (text, hint)
            if text:
                _log.warning("a report is not written", why=text)
            self._on_trouble(text, hint)
