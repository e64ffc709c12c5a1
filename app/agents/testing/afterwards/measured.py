"""Coverage of the whole project: one run of all its tests under coverage.py, where the project's environment has it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from app.agents.testing.afterwards.selected import scratch_folder, starting
from app.agents.testing.running.environment import child_environment
from app.agents.testing.running.following import Batches, follow
from app.agents.testing.running.journal import Journal
from app.agents.testing.running.orders import LOW, Order
from app.domain.coverage import Coverage, FileCoverage
from app.domain.errors import CannotError, ProjectError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.agents.testing.afterwards.selected import Project
    from app.engine.clock import Clock

_LOOK = "import importlib.util, sys; sys.exit(importlib.util.find_spec('coverage') is None)"
_LOOK_S = 20.0
_NOT_THERE = "The Python that runs the tests has no coverage.py."
_ENDED_EARLY = "The run that measures coverage did not come to its end."
_NOT_TOLD = "The run that measures coverage ended without a word of it."


class CoverageRun:
    """One measurement, at low priority. Cancelling it ends all its processes.

    The project's own configuration of coverage.py holds, but pytest-cov and pytest-xdist are off: the first would write
    its file, and in the other's processes nothing could be measured. What the tests say is passed over.

    Args:
        project: How the project's tests are run.
        hang_s: A run that gives no sign of life for so many seconds is ended.
        clock: Time.
    """

    def __init__(self, project: Project, *, hang_s: float, clock: Clock) -> None:
        self._project = project
        self._hang_s = hang_s
        self._clock = clock
        self._journal = Journal()

    @property
    def wrote(self) -> Mapping[str, tuple[int, int] | None]:
        """The project's files that the tests wrote so far, as in `TestRun.wrote`."""
        return self._journal.wrote

    async def measure(self) -> Coverage | str:
        """Run all tests once, if coverage.py is there.

        Returns:
            The coverage, or in a sentence for people why there is none.
        """
        try:
            return await self._measure() if await self._can_measure() else _NOT_THERE
        except (CannotError, ProjectError, OSError) as error:
            return str(error)

    async def _can_measure(self) -> bool:
        project = self._project
        argv, env = (project.interpreter, "-c", _LOOK), child_environment(project.environ, project.interpreter)
        try:
            async with asyncio.timeout(_LOOK_S), project.runner.start(argv, cwd=project.root, env=env) as process:
                return (await process.wait()).code == 0
        except TimeoutError:
            return False

    async def _measure(self) -> Coverage | str:
        journal = self._journal
        batches = Batches(journal, lambda _count: None, lambda _results, _running: None)
        orders = (
            {"do": "warm", "preload": []},
            {"do": "load", "coverage": True, "trace": "none"},
            Order(nice=LOW).as_line(),
        )
        root = self._project.root
        try:
            async with (
                scratch_folder(None) as scratch,
                starting(self._project, scratch, folder=root, orders=orders) as process,
            ):
                lines = process.lines()
                _, is_hung = await follow(
                    process, lines, journal.take, batches, hang_s=self._hang_s, clock=self._clock, project=str(root)
                )
        finally:
            batches.aclose()
        if is_hung or journal.finish not in (0, 1) or journal.stopped_early:
            return _ENDED_EARLY
        return _NOT_TOLD if journal.coverage is None else coverage_of(journal.coverage)


def coverage_of(told: Mapping[str, object]) -> Coverage | str:
    """Return what the worker's `coverage` line says: the coverage, or why there is none.

    Args:
        told: `files`, each with `path`, `statements` (how many) and `missing` (lines); or `error`.
    """
    if "error" in told:
        return str(told["error"])
    try:
        files = [_file(each) for each in cast("list[Mapping[str, object]]", told["files"])]
    except (KeyError, TypeError, ValueError):
        return _NOT_TOLD
    return Coverage(tuple(sorted(files, key=lambda file: file.path)))


def _file(told: Mapping[str, object]) -> FileCoverage:
    missing = tuple(sorted({int(line) for line in cast("list[int]", told["missing"])}))
    return FileCoverage(str(told["path"]), max(int(cast("int", told["statements"])), len(missing)), missing)
