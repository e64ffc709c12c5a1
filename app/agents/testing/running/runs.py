"""One run of a project's tests: pytest in the project's own interpreter, told as it goes, judged at its end."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.agents.testing.running.following import Batches, follow
from app.agents.testing.running.journal import Finding, Journal, readable
from app.domain.errors import CannotError, ProjectError
from app.domain.verdicts import Outcome, TestResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from app.agents.testing.impact.trace import Trace
    from app.agents.testing.running.following import OnResults, OnStage
    from app.agents.testing.running.orders import Order
    from app.agents.testing.spares.spares import Worker
    from app.engine.clock import Clock
    from app.engine.processes import Ended

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
        nodeids: The tests that were collected, in order.
        complete: True when every test that the arguments select was collected and gave a result.
        unseen: True when somebody ended the run from outside, so that what it says is nothing about the tests.
    """

    verdict: Verdict
    message: str
    output: str
    duration_s: float
    nodeids: tuple[str, ...]
    complete: bool
    unseen: bool = False


class TestRun:
    """One run of one project's tests by pytest; it can be run once.

    Args:
        root: The project's root folder, where pytest is started.
        interpreter: The Python that runs the tests, for messages.
        take: Gives a worker, ready or just started.
        plan: Gives what the worker is to do. It is awaited while the worker already loads the project; of a worker that
            turns out not to be fit for it, both are asked once more.
        hang_s: A run that gives no sign of life for so many seconds, no result and no output, is ended.
        clock: Tells how long it takes.
        coverage: Whether coverage.py is to measure it.
        trace: Whether what conftests execute is traced: always, where that costs next to nothing, or not at all.
    """

    __test__ = False  # pytest must not take the name for a test class

    def __init__(
        self,
        *,
        root: Path,
        interpreter: str,
        take: Callable[[], Awaitable[Worker]],
        plan: Callable[[], Awaitable[Order]],
        hang_s: float,
        clock: Clock,
        coverage: bool = False,
        trace: Literal["all", "cheap", "none"] = "cheap",
    ) -> None:
        self._root = root
        self._interpreter = interpreter
        self._take = take
        self._plan = plan
        self._hang_s = hang_s
        self._clock = clock
        self._coverage = coverage
        self._trace_ahead = trace
        self._journal = Journal()

    @property
    def wrote(self) -> Mapping[str, tuple[int, int] | None]:
        """The files below the root that the tests opened for writing so far, relative and with forward slashes.

        With each, how the tests left it: modification time in nanoseconds and size, (0, -1) when it is gone, and None
        when the test that writes it goes on or was ended.
        """
        return self._journal.wrote

    @property
    def trace(self) -> Trace:
        """What the worker told of what the tests executed, read and imported."""
        return self._journal.trace

    @property
    def coverage(self) -> Mapping[str, object] | None:
        """What the worker told of coverage.py, when that was asked for."""
        return self._journal.coverage

    @property
    def results(self) -> Mapping[str, TestResult]:
        """The tests that ended, and how."""
        return self._journal.results

    async def run(
        self, on_collected: Callable[[int], None], on_results: OnResults, on_stage: OnStage | None = None
    ) -> RunOutcome:
        """Run the tests to their end. A cancelled run ends the interpreter and all that it started, and then raises.

        Args:
            on_collected: Called once with the number of tests that will run.
            on_results: Called with the tests that ended since the last call, in order, and the test that runs now.
            on_stage: Called when a stage begins, with the number of its tests as far as known.
        """
        began = self._clock.monotonic()
        journal = self._journal
        unseen = False
        batches = Batches(journal, on_collected, on_results, on_stage)
        try:
            worker, order = await self._ordered()
            try:
                ended, hung = await self._drive(worker, order, batches)
            finally:
                await worker.aclose()
        except ProjectError as error:
            finding, output = Finding(Verdict.ERROR, str(error)), ""
        except CannotError as error:
            finding, output = Finding(Verdict.NO_INTERPRETER, str(error)), ""
        else:
            unseen = ended.unseen
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
            journal.collected,
            finding.verdict in (Verdict.GREEN, Verdict.RED, Verdict.NO_TESTS) and journal.is_complete,
            unseen,
        )

    async def _ordered(self) -> tuple[Worker, Order]:
        """Take a worker, have it load the project and, while it does, find out what to run."""
        while True:
            worker = await self._take()
            try:
                worker.load(coverage=self._coverage, trace=self._trace_ahead)
                order = await self._plan()
            except BaseException:
                await worker.aclose()
                raise
            if order.chunks or not worker.has_collected:
                return worker, order
            await worker.aclose()  # it has imported a test file before its turn, and all are to run in pytest's order

    async def _drive(self, worker: Worker, order: Order, batches: Batches) -> tuple[Ended, bool]:
        worker.run(order.as_line())
        return await follow(
            worker.process,
            worker.lines(),
            self._journal.take,
            batches,
            hang_s=self._hang_s,
            clock=self._clock,
            project=str(self._root),
        )

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
        install = install_pytest(self._root, self._interpreter)
        name = str(journal.missing.get("name", "")) if journal.missing is not None else ""
        if name in ("pytest", ""):
            return f"{self._interpreter} has no pytest ({reason}). Install it with: {install}"
        return f"pytest in {self._interpreter} cannot be imported ({reason}). Install it anew with: {install}"


def install_pytest(root: Path, interpreter: str) -> str:
    """Return what a person types to have pytest in a project, by the tool that the project uses."""
    return next((command for name, command in _INSTALLERS if (root / name).exists()), _plain_install(root, interpreter))


def _plain_install(root: Path, interpreter: str) -> str:
    """Return how pip installs pytest; a system's own Python refuses that (PEP 668), so there in a new `.venv`."""
    folder = Path(interpreter).parent
    prefix = folder.parent if folder.name in ("bin", "Scripts") else folder
    if (prefix / "pyvenv.cfg").is_file() or (prefix / "conda-meta").is_dir():
        return f'"{interpreter}" -m pip install pytest'
    venv = root / ".venv"
    python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    return f'"{interpreter}" -m venv "{venv}" && "{python}" -m pip install pytest'
