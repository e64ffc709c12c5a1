"""One run of a project's tests: pytest in the project's own interpreter, told as it goes, judged at its end."""

from __future__ import annotations

import asyncio
import glob
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from app.agents.testing.journal import Finding, Journal, readable
from app.domain.errors import CannotError, ProjectError
from app.domain.verdicts import Outcome, TestResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from app.engine.clock import Clock
    from app.engine.processes import Ended, GuardedProcess, ProcessRunner

    OnResults = Callable[[tuple[TestResult, ...], str], None]

_log = structlog.get_logger(__name__)

BATCH_S = 0.05
"""Results are handed on at most this often."""
LOOK_EVERY_S = 1.0
"""How often a silent run is looked at, at most; a short `hang_s` is looked at more often."""
FIRST_CAP = 64 * 1024
"""Bytes of the list of files that run first: one environment variable holds 128 KiB on Linux."""

WORKER = Path(__file__).parent / "worker" / "stream.py"

_INSTALLERS = (
    ("uv.lock", "uv add --dev pytest"),
    ("poetry.lock", "poetry add --group dev pytest"),
    ("pdm.lock", "pdm add --dev pytest"),
    ("Pipfile", "pipenv install --dev pytest"),
)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What a run came to.

    Attributes:
        verdict: What it says; never `CANCELLED`, as a cancelled run raises.
        message: For trouble, what happened, where, and what to do next; else empty.
        output: For trouble, the last part of what pytest printed; else empty.
        duration_s: Seconds from start to end.
        nodeids: The tests that were collected.
        complete: True when every test that the arguments select was collected and gave a result.
    """

    verdict: Verdict
    message: str
    output: str
    duration_s: float
    nodeids: frozenset[str]
    complete: bool


class TestRun:
    """One run of one project's tests; it can be run once.

    Args:
        root: The project's root folder, where pytest is started.
        interpreter: The Python that runs the tests.
        args: Arguments for pytest; the project's own configuration and PYTEST_ADDOPTS hold as well.
        first: Test files that run first, in this order, relative to `root`.
        hang_s: A run that gives no sign of life for so many seconds, no result and no output, is ended.
        runner: Starts the interpreter.
        clock: Tells how long it takes.
        environ: The user's environment, as it was before Watchkeeper changed anything; None for the process's.
    """

    __test__ = False  # pytest must not take the name for a test class

    def __init__(
        self,
        *,
        root: Path,
        interpreter: str,
        args: Sequence[str],
        first: Sequence[str],
        hang_s: float,
        runner: ProcessRunner,
        clock: Clock,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._root = root
        self._interpreter = interpreter
        self._args = tuple(args)
        self._first = tuple(first)
        self._hang_s = hang_s
        self._runner = runner
        self._clock = clock
        self._environ = os.environ if environ is None else environ
        self._journal = Journal()

    @property
    def wrote(self) -> Mapping[str, tuple[int, int] | None]:
        """The files below the root that the tests opened for writing so far, relative and with forward slashes.

        With each, how the tests left it: modification time in nanoseconds and size, (0, -1) when it is gone, and None
        when the test that writes it goes on or was ended.
        """
        return self._journal.wrote

    async def run(self, on_collected: Callable[[int], None], on_results: OnResults) -> RunOutcome:
        """Run the tests to their end. A cancelled run ends the interpreter and all that it started, and then raises.

        Args:
            on_collected: Called once with the number of tests that will run.
            on_results: Called with the tests that ended since the last call, in order, and the test that runs now.
        """
        began = self._clock.monotonic()
        journal = self._journal
        batches = _Batches(journal, on_collected, on_results)
        env = child_environment(self._environ, self._interpreter)
        env["WATCHKEEPER_FIRST"] = _shortened(self._first)
        argv = [self._interpreter, str(WORKER), *self._args]
        try:
            async with self._runner.start(argv, cwd=self._root, env=env) as process:
                ended, hung = await self._follow(process, journal, batches)
        except ProjectError as error:
            finding, output = Finding(Verdict.ERROR, str(error)), ""
        except CannotError as error:
            finding, output = Finding(Verdict.NO_INTERPRETER, str(error)), ""
        else:
            output = readable(ended.output)
            finding = self._judge(journal, ended, output, hung=hung)
        finally:
            batches.aclose()
        batches.flush()
        return RunOutcome(
            finding.verdict,
            finding.message if finding.verdict.is_trouble else "",
            output if finding.verdict.is_trouble else "",
            self._clock.monotonic() - began,
            frozenset(journal.collected),
            finding.verdict in (Verdict.GREEN, Verdict.RED, Verdict.NO_TESTS) and journal.is_complete,
        )

    async def _follow(self, process: GuardedProcess, journal: Journal, batches: _Batches) -> tuple[Ended, bool]:
        """Read until the process has ended. Returns its end, and whether it had to be ended because it hung."""
        pulse = _Pulse(self._clock.monotonic())
        watch = asyncio.create_task(self._end_when_silent(process, pulse), name="hang guard")
        try:
            async for line in process.lines():
                pulse.last_line_at = self._clock.monotonic()
                journal.take(line)
                batches.touch()
            return await process.wait(), pulse.is_hung
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    async def _end_when_silent(self, process: GuardedProcess, pulse: _Pulse) -> None:
        """End the process when it has been silent for `hang_s` seconds of our own waking time.

        Silence is added up look by look, and a look that comes late counts as one that came in time: after the
        machine, or Watchkeeper itself, was stopped, the lines that came meanwhile have yet to be read.
        """
        every = min(LOOK_EVERY_S, self._hang_s / 4)
        silent, before = 0.0, self._clock.monotonic()
        seen = -1.0
        while silent < self._hang_s:
            await self._clock.sleep(every)
            now = self._clock.monotonic()
            last = max(pulse.last_line_at, process.last_output_at)
            silent = silent + min(now - before, 2 * every) if last == seen else 0.0
            seen, before = last, now
        pulse.is_hung = True
        _log.warning("a run gave no sign of life and is ended", project=str(self._root), seconds=self._hang_s)
        await process.kill()

    def _judge(self, journal: Journal, ended: Ended, output: str, *, hung: bool) -> Finding:
        if hung:
            where = journal.now
            journal.close(Outcome.HUNG, output)
            return Finding(Verdict.HUNG, self._hung_message(journal, where))
        crashed = journal.finish is None and journal.missing is None
        if crashed:
            journal.close(Outcome.CRASHED, output)
        finding = journal.conclude(ended)
        if finding.verdict is Verdict.NO_PYTEST:
            return Finding(finding.verdict, self._no_pytest_message(journal, finding.message))
        return finding

    def _hung_message(self, journal: Journal, where: str) -> str:
        seconds = f"{self._hang_s:g} s"
        what_next = "Look there for an endless loop or a wait without a deadline, or allow more time in the settings."
        if where:
            return f"{where} gave no sign of life for {seconds}, and the run was ended. {what_next}"
        if journal.finish is not None:
            return (
                f"All tests ended, but the interpreter did not within {seconds}, and was ended. "
                "Look for a thread that is no daemon, or an atexit function that waits."
            )
        if journal.session is not None and not journal.is_collected:
            return f"pytest gave no sign of life for {seconds} while it collected the tests. {what_next}"
        return f"pytest gave no sign of life for {seconds}, and the run was ended. {what_next}"

    def _no_pytest_message(self, journal: Journal, reason: str) -> str:
        install = next(
            (command for name, command in _INSTALLERS if (self._root / name).exists()), self._plain_install()
        )
        name = str(journal.missing.get("name", "")) if journal.missing is not None else ""
        if name in ("pytest", ""):
            return f"{self._interpreter} has no pytest ({reason}). Install it with: {install}"
        return f"pytest in {self._interpreter} cannot be imported ({reason}). Install it anew with: {install}"

    def _plain_install(self) -> str:
        """Return how pip installs pytest; a system's own Python refuses that (PEP 668), so there in a new `.venv`."""
        folder = Path(self._interpreter).parent
        prefix = folder.parent if folder.name in ("bin", "Scripts") else folder
        if (prefix / "pyvenv.cfg").is_file() or (prefix / "conda-meta").is_dir():
            return f'"{self._interpreter}" -m pip install pytest'
        venv = self._root / ".venv"
        python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        return f'"{self._interpreter}" -m venv "{venv}" && "{python}" -m pip install pytest'


@dataclass(slots=True)
class _Pulse:
    """The last sign of life in the results, and whether the hang guard had to act."""

    last_line_at: float
    is_hung: bool = False


class _Batches:
    """Hands results on at once when it has been quiet, and else at most every `BATCH_S` seconds."""

    def __init__(self, journal: Journal, on_collected: Callable[[int], None], on_results: OnResults) -> None:
        self._journal = journal
        self._on_collected = on_collected
        self._on_results = on_results
        self._loop = asyncio.get_running_loop()
        self._last = -BATCH_S
        self._timer: asyncio.TimerHandle | None = None
        self._told_collected = False
        self._told_running = ""

    def touch(self) -> None:
        """Note that a line came."""
        if self._timer is not None:
            return
        due = self._last + BATCH_S - self._loop.time()
        if due <= 0:
            self.flush()
        else:
            self._timer = self._loop.call_later(due, self._on_timer)

    def flush(self) -> None:
        """Hand on what there is now."""
        if self._journal.is_collected and not self._told_collected:
            self._told_collected = True
            self._on_collected(len(self._journal.collected))
        results, running = self._journal.fresh(), self._journal.now
        if results or running != self._told_running:
            self._last = self._loop.time()
            self._told_running = running
            self._on_results(results, running)

    def aclose(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        self.flush()


def child_environment(environ: Mapping[str, str], interpreter: str, *, own_prefix: str = sys.prefix) -> dict[str, str]:
    """Return the environment that the user's tests get: the user's own, as if the project's environment were active.

    Watchkeeper's own virtual environment leaves it. A virtual or conda environment that the interpreter belongs to
    comes to the front of PATH and is named in VIRTUAL_ENV (or CONDA_PREFIX), as `activate` does (venv, the library's
    documentation), so that tests find its console scripts.

    Args:
        environ: The user's environment.
        interpreter: The Python that runs the tests.
        own_prefix: The prefix of Watchkeeper's own environment.
    """
    env = {
        name: value for name, value in environ.items() if name not in ("WATCHKEEPER_RESULTS_FD", "PYTEST_CURRENT_TEST")
    }
    path = [each for each in env.get("PATH", os.defpath).split(os.pathsep) if each]
    own = Path(own_prefix)
    if "VIRTUAL_ENV" in env and Path(env["VIRTUAL_ENV"]) == own:
        del env["VIRTUAL_ENV"]
        path = [each for each in path if Path(each).parent != own]
    folder = Path(interpreter).parent
    prefix = folder.parent if folder.name in ("bin", "Scripts") else folder
    if (prefix / "pyvenv.cfg").is_file():
        env["VIRTUAL_ENV"] = str(prefix)
        env.pop("PYTHONHOME", None)
        path = [str(folder), *(each for each in path if each != str(folder))]
    elif (prefix / "conda-meta").is_dir():
        env["CONDA_PREFIX"] = str(prefix)
        path = [str(folder), *(each for each in path if each != str(folder))]
    env["PATH"] = os.pathsep.join(path)
    return env


def drop_bytecode(root: Path, paths: Iterable[str]) -> int:
    """Remove the cached bytecode of changed source files. Blocks on the file system: call it in a thread.

    Python trusts a .pyc whose source has the same size and the same time in whole seconds (PEP 552), so an edit of the
    same length within a second would run as the old code; measured: 12 wrong verdicts of 12.

    Args:
        root: The project's root.
        paths: The changed files, relative to it, with forward slashes; those that are no Python source are passed over.

    Returns:
        How many files were removed.
    """
    removed = 0
    for relative in paths:
        source = root / relative
        if source.suffix == ".py":
            for cached in (source.parent / "__pycache__").glob(f"{glob.escape(source.stem)}.*.pyc"):
                with suppress(OSError):
                    cached.unlink()
                    removed += 1
    return removed


def _shortened(first: Sequence[str]) -> str:
    """Return as much of the list as one environment variable safely holds, as JSON."""
    kept, size = [], 2
    for path in first:
        size += len(json.dumps(path)) + 2
        if size > FIRST_CAP:
            break
        kept.append(path)
    return json.dumps(kept)
