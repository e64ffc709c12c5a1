"""Any command as a runner: judged by the JUnit XML that it writes, by the TAP that it prints, or by its exit code."""

from __future__ import annotations

import glob
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.agents.testing.runners.junit import BadReportError, JUnitReport
from app.agents.testing.runners.steps import Relayed, Step, relayed
from app.agents.testing.runners.story import Story, judge
from app.agents.testing.runners.tap import MARK, Tap
from app.agents.testing.running.journal import Finding, readable
from app.domain.errors import CannotError, UsageError
from app.domain.verdicts import Outcome, Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.agents.testing.runners.steps import Place, Wrote
    from app.engine.processes import Ended

OUTPUT_OF_RED = 4000
"""Characters of the command's output that a red test gets whose report says nothing of why."""
REPORTS_CAP = 10_000

_BAILS = frozenset({"-x", "--exitfirst", "--bail", "--fail-fast", "--failfast", "--stop-on-failure"})
"""Options by which well-known runners stop at the first failure: what is missing then may still exist."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that runs the tests.

    Attributes:
        command: The command line, split as a shell (on Windows: the system) does, but run by none: no pipes, no `&&`.
        report: The JUnit XML that it writes, relative to the project: a file, a folder, or a pattern for several
            (`build/**/TEST-*.xml`). Empty: it prints TAP, or its exit code is all there is.
    """

    command: str
    report: str = ""

    @property
    def name(self) -> str:
        """What people call it: the command line."""
        return self.command

    def steps(self, place: Place) -> tuple[Step, ...]:
        """Return the one command to run.

        Raises:
            CannotError: There is no such program.
            UsageError: The command is empty, or its quotes do not close.
        """
        try:
            argv = split(self.command)
        except ValueError as error:
            raise UsageError(f"`command` under [tests] cannot be read: {error}.", "Look at its quotes.") from error
        if not argv:
            hint = "Name the command that runs the tests, or set `runner` to auto."
            raise UsageError("`runner` under [tests] is command, but `command` is empty.", hint)
        program = _find(argv[0], place)
        told = (program, *argv[1:])
        if self.report:
            listener = _Reports(self.command, place.root, self.report, may_bail=_may_bail(argv))
            return (Step(Stage.REST, told, listener),)
        return (Step(Stage.REST, relayed(told, mark=MARK), _Printed(self.command, may_bail=_may_bail(argv))),)


def split(command: str) -> list[str]:
    """Split a command line as the system's own shell does.

    Raises:
        ValueError: A quote does not close.
    """
    if sys.platform == "win32":
        return _split_on_windows(command)
    return shlex.split(command)


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    def _split_on_windows(command: str) -> list[str]:
        if not command.strip():
            return []  # the system would give its own program's path
        split_line = ctypes.WinDLL("shell32").CommandLineToArgvW
        split_line.argtypes = (wintypes.LPCWSTR, ctypes.POINTER(ctypes.c_int))
        split_line.restype = ctypes.POINTER(wintypes.LPWSTR)
        count = ctypes.c_int()
        words = split_line(command, ctypes.byref(count))
        return [words[place] or "" for place in range(count.value)]


def _find(name: str, place: Place) -> str:
    """Return the program's path: relative to the project when it has a folder in its name, else on PATH."""
    if os.path.dirname(name):  # noqa: PTH120 - a word as it was written
        path = place.root / name
        found = shutil.which(str(path))
    else:
        found = shutil.which(name, path=place.env.get("PATH"))
    if found is None:
        raise CannotError(
            f"There is no program {name} to run the tests of {place.root} with.",
            "Install it, or mend `command` under [tests].",
        )
    return found


def _may_bail(argv: Sequence[str]) -> bool:
    return any(word.partition("=")[0] in _BAILS or word.startswith("--maxfail") for word in argv)


class _Reports:
    """Reads the JUnit XML that the command wrote. What was there before, and did not change, is of another run."""

    def __init__(self, name: str, root: Path, report: str, *, may_bail: bool) -> None:
        self.story = Story()
        self.lacking = ""
        self._name = name
        self._root = root
        self._report = report
        self._may_bail = may_bail
        self._before = self._marks()
        self._wrote: dict[str, tuple[int, int] | None] = {}
        if not _is_pattern(report):
            self._wrote[report.replace(os.sep, "/")] = None

    def take(self, line: bytes) -> None:
        """Pass over what the command writes into a channel that it does not know."""

    def wrote(self) -> Wrote:
        """Return the reports."""
        return self._wrote

    def conclude(self, ended: Ended) -> Finding:
        """Read the reports and judge."""
        after = self._marks()
        new = [path for path, mark in after.items() if self._before.get(path) != mark]
        report = JUnitReport(self._root)
        for path in sorted(new):
            try:
                with path.open("rb") as source:
                    stat = os.fstat(source.fileno())
                    self._note_written(path, (stat.st_mtime_ns, stat.st_size))
                    report.read(source)
            except (OSError, BadReportError) as error:
                self.lacking = self.lacking or f"its report {path} cannot be read: {error}"
        for result in report.results:
            self.story.end(result.nodeid, result.outcome, result.duration_s, result.output)
        self.story.collect(tuple(self.story.results))
        _explain(self.story, ended)
        self.lacking = self.lacking or report.lacking or ("" if new else self._absent())
        finding = judge(self.story, ended, name=self._name, lacking=self.lacking)
        if not self.lacking and len(new) < len(after):
            # Of a part that the command took for unchanged, or of tests that are gone: their results stay as they were.
            self.lacking = "some of its reports are of an earlier run"
        if finding.verdict is Verdict.RED and self._may_bail:
            self.lacking = "it may have stopped at the first failure"
        return finding

    def _absent(self) -> str:
        if self._before:
            return f"its report {self._report} is of an earlier run: this one wrote none"
        return f"it wrote no report {self._report}"

    def _note_written(self, path: Path, mark: tuple[int, int]) -> None:
        if path.is_relative_to(self._root):
            self._wrote[path.relative_to(self._root).as_posix()] = mark

    def _marks(self) -> dict[Path, tuple[int, ...]]:
        """Return the reports that are there, each with what changes when it is written."""
        whole = self._root / self._report
        if whole.is_dir():
            whole = whole / "**" / "*.xml"
        elif not _is_pattern(self._report):
            whole = self._root / glob.escape(self._report)
        marks: dict[Path, tuple[int, ...]] = {}
        for name in list(glob.iglob(str(whole), recursive=True))[:REPORTS_CAP]:  # noqa: PTH207 - may be absolute
            path = self._root / name
            try:
                stat = path.stat()
            except OSError:
                continue
            marks[path] = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        return marks


def _is_pattern(report: str) -> bool:
    return any(sign in report for sign in "*?[")


class _Printed:
    """Reads what the command prints: TAP if it is that, else nothing but its exit code counts."""

    def __init__(self, name: str, *, may_bail: bool) -> None:
        self.story = Story()
        self.lacking = ""
        self._name = name
        self._may_bail = may_bail
        self._tap = Tap(self.story)
        self._relayed = Relayed(self._tap.take)

    def take(self, line: bytes) -> None:
        """Take what was printed."""
        self._relayed.take(line)

    def wrote(self) -> Wrote:
        """Return nothing: what another program writes cannot be seen."""
        return {}

    def conclude(self, ended: Ended) -> Finding:
        """Judge by the TAP, or by the exit code."""
        if self._relayed.refusal:
            return Finding(Verdict.NO_INTERPRETER, f"{self._relayed.refusal}. Mend `command` under [tests].")
        self._tap.finish()
        if self._tap.is_tap:
            self.lacking = self._tap.lacking
        elif ended.signal is None and ended.code is not None:
            outcome = Outcome.FAILED if ended.code else Outcome.PASSED
            self.story.end(f"command::{self._name}", outcome, 0.0, readable(ended.output))
        if self._tap.bailed is not None:
            self.lacking = f'it said "Bail out! {self._tap.bailed}"'.replace('! "', '!"')
        self.story.collect(tuple(self.story.results))
        _explain(self.story, ended)
        finding = judge(self.story, ended, name=self._name, lacking=self.lacking)
        if finding.verdict is Verdict.RED and self._may_bail:
            self.lacking = "it may have stopped at the first failure"
        return finding


def _explain(story: Story, ended: Ended) -> None:
    """Give the red tests of which the report says nothing the last lines of the output."""
    silent = [nodeid for nodeid in story.red if not story.results[nodeid].output]
    if silent:
        text = readable(ended.output)[-OUTPUT_OF_RED:]
        for nodeid in silent:
            result = story.results[nodeid]
            story.end(nodeid, result.outcome, result.duration_s, f"The command printed last:\n{text}")
