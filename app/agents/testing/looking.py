"""What a folder is, before anybody watches it: what would run its tests, and how many there are.

What a project brings along as settings of its own names no command here either, unless a person has trusted it.
"""

from __future__ import annotations

import asyncio
import functools
import json
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from app.agents.testing.projects import check_folder
from app.agents.testing.runners.choose import choose_runner
from app.agents.testing.runners.steps import Place
from app.agents.testing.runners.unittests import Unittest, discovery
from app.agents.testing.running.environment import child_environment
from app.agents.testing.running.interpreters import find_interpreter
from app.agents.testing.running.journal import Journal
from app.agents.testing.running.launch import worker_argv
from app.agents.testing.running.runs import install_pytest
from app.domain.errors import CannotError, CommandRefused, InterpreterMissing, ProjectError, SettingsError, UsageError
from app.domain.firststart import Counting, Folder, ProjectLook, TestCount
from app.domain.verdicts import Verdict
from app.engine.overrides import OWN_FILE, read_override
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.agents.settings_in_force import SettingsInForce
    from app.agents.testing.runners.choose import OtherRunner
    from app.agents.testing.running.interpreters import Interpreter
    from app.agents.testing.settings import TestSettings
    from app.engine.processes import Ended, ProcessRunner

LOOK_S = 20.0
"""A folder on a cold disk, or a poetry that is asked, takes seconds."""
COUNT_S = 45.0
"""Nobody waits longer for a number that the first run tells anyway."""
FILES_TOLD = 3

_MARK = "WATCHKEEPER-COUNTED "
_COUNT_UNITTESTS = f"""\
import json, sys, unittest
loader = unittest.TestLoader()
count = loader.discover(sys.argv[1], top_level_dir=sys.argv[1]).countTestCases()
broken = [each.partition("\\n")[0].rpartition(" ")[2] for each in loader.errors]
print("\\n{_MARK}" + json.dumps([count - len(broken), broken]))"""
"""For `python -c`, CPython 3.8 and later: unittest counts a module that cannot be imported as one test that fails."""
_TYPED = {"vitest": "npx vitest run", "jest": "npx jest"}
"""How a person would start what is otherwise started by its own script."""


class Looks:
    """Looks at folders, and counts their tests: one folder's at a time. Belongs to the loop's thread.

    Args:
        in_force: Tells the settings that hold for a project.
        runner: Starts programs.
        environ: The environment in which tests are run.
        look_s: How long a folder may take to be looked at, in seconds.
        count_s: How long the counting may take.
    """

    def __init__(
        self,
        in_force: SettingsInForce,
        *,
        runner: ProcessRunner,
        environ: Mapping[str, str],
        look_s: float = LOOK_S,
        count_s: float = COUNT_S,
    ) -> None:
        self._in_force = in_force
        self._runner = runner
        self._environ = environ
        self._look_s = look_s
        self._count_s = count_s
        self._counting: asyncio.Task[TestCount] | None = None

    async def look(self, path: str) -> ProjectLook:
        """Return what is in a folder.

        Raises:
            CannotError: It does not answer in time.
        """
        try:
            async with asyncio.timeout(self._look_s):
                return await asyncio.to_thread(self._looked, path)
        except TimeoutError:
            raise CannotError(
                f"{path} does not answer.", "Look whether its disk or server is there, or choose another folder."
            ) from None

    async def count(self, root: str) -> TestCount:
        """Return how many tests a project has; an earlier counting that goes on is ended.

        Raises:
            CommandRefused: It was ended by another one, or by `stop`.
        """
        self.stop()
        counting = self._counting = spawn(self._counted(root), name="tests are counted")
        try:
            await asyncio.wait({counting})
        finally:
            counting.cancel()
        if counting.cancelled():
            raise CommandRefused("The tests are no longer counted.")
        return counting.result()

    def stop(self) -> None:
        """End a counting that goes on, as when the project's tests are run."""
        counting, self._counting = self._counting, None
        if counting is not None:
            counting.cancel()

    def _looked(self, path: str) -> ProjectLook:
        try:
            root = check_folder(path)
        except ProjectError as error:
            return ProjectLook(_why_not(path), path, detail=error.message, hint=error.hint)
        settings, (trouble, _) = self._in_force.of_project(root)
        own = _own_settings(root) if trouble else ""
        python = self._python_of(root, settings.tests)
        try:
            chosen = choose_runner(root, settings.tests, lambda: python().path)
            interpreter = python() if chosen is None or chosen.interpreter else None
            if chosen is not None:
                self._require(root, chosen)
        except InterpreterMissing as error:
            command = _command(None, settings.tests)
            return ProjectLook(
                Folder.NO_PYTHON, str(root), command=command, own_settings=own, detail=error.message, hint=error.hint
            )
        except (CannotError, UsageError) as error:
            return ProjectLook(Folder.NO_RUNNER, str(root), own_settings=own, detail=error.message, hint=error.hint)
        return ProjectLook(
            Folder.GOOD,
            str(root),
            interpreter=interpreter.path if interpreter is not None else "",
            source=interpreter.source if interpreter is not None else "",
            command=_command(chosen, settings.tests),
            own_settings=own,
        )

    def _python_of(self, root: Path, tests: TestSettings) -> Callable[[], Interpreter]:
        @functools.cache
        def python() -> Interpreter:
            return find_interpreter(root, configured=tests.python, environ=self._environ)

        return python

    def _require(self, root: Path, chosen: OtherRunner) -> None:
        """See that what runs the tests is there, by asking it for its commands; none of them is run."""
        env = child_environment(self._environ, chosen.interpreter or str(root))
        with tempfile.TemporaryDirectory(prefix="watchkeeper-", ignore_cleanup_errors=True) as scratch:
            chosen.tool.steps(Place(root, (), Path(scratch), env))

    async def _counted(self, named: str) -> TestCount:
        def prepared() -> tuple[Path, TestSettings, OtherRunner | None, str]:
            root = check_folder(named)
            settings, _ = self._in_force.of_project(root)
            python = self._python_of(root, settings.tests)
            chosen = choose_runner(root, settings.tests, lambda: python().path)
            return root, settings.tests, chosen, python().path if chosen is None else chosen.interpreter or ""

        try:
            async with asyncio.timeout(self._count_s):
                root, tests, chosen, python = await asyncio.to_thread(prepared)
                if chosen is None:
                    return await self._count_pytest(root, tests, python)
                if isinstance(chosen.tool, Unittest) and not tests.args:
                    return await self._count_unittest(root, python)
                return TestCount(Counting.LATER)
        except TimeoutError:
            return TestCount(Counting.SLOW)
        except (CannotError, UsageError) as error:
            return TestCount(Counting.FAILED, detail=str(error))

    async def _count_pytest(self, root: Path, tests: TestSettings, python: str) -> TestCount:
        journal = Journal()
        argv, env = worker_argv(python, (*tests.args, "--collect-only")), child_environment(self._environ, python)
        async with self._runner.start(argv, cwd=root, env=env) as process:
            async for line in process.lines():
                journal.take(line)
            ended = await process.wait()
        return _told_by_pytest(root, python, journal, ended)

    async def _count_unittest(self, root: Path, python: str) -> TestCount:
        folder = next(iter(discovery(root)[2:3]), ".")
        argv = [python, "-c", _COUNT_UNITTESTS, folder]
        async with self._runner.start(argv, cwd=root, env=child_environment(self._environ, python)) as process:
            ended = await process.wait()
        return _told_by_unittest(ended)


def _told_by_pytest(root: Path, python: str, journal: Journal, ended: Ended) -> TestCount:
    found = len(journal.collected)
    if journal.missing is not None:
        reason = str(journal.missing.get("text", ""))
        return TestCount(Counting.NO_PYTEST, detail=reason, command=install_pytest(root, python))
    if journal.collection_errors:
        return TestCount(Counting.BROKEN, found, tuple(journal.collection_errors)[:FILES_TOLD])
    if found and journal.is_collected and journal.finish == 0:
        return TestCount(Counting.DONE, found)
    finding = journal.conclude(ended)
    if finding.verdict is Verdict.NO_TESTS or (journal.finish == 0 and not found):
        return TestCount(Counting.NO_TESTS)
    return TestCount(Counting.FAILED, detail=finding.message)


def _told_by_unittest(ended: Ended) -> TestCount:
    said = ended.output.decode("utf-8", "replace").rpartition(_MARK)
    try:
        count, broken = json.loads(said[2])
    except ValueError:
        last = said[2].strip().rpartition("\n")[2]
        return TestCount(Counting.FAILED, detail=last)
    if broken:
        return TestCount(Counting.BROKEN, int(count), tuple(map(str, broken))[:FILES_TOLD])
    return TestCount(Counting.DONE if count else Counting.NO_TESTS, int(count))


def _command(chosen: OtherRunner | None, tests: TestSettings) -> str:
    if chosen is None:
        return shlex.join(("python", "-m", "pytest", *tests.args))
    if isinstance(chosen.tool, Unittest):
        return shlex.join(("python", "-m", "unittest", *tests.args))
    return _TYPED.get(chosen.tool.name, chosen.tool.name)


def _own_settings(root: Path) -> str:
    """Return the file that holds a project's own settings, whether it can be read or not."""
    try:
        override = read_override(root)
    except SettingsError:
        override = None
    return str(override.path if override is not None else root / OWN_FILE)


def _why_not(path: str) -> Folder:
    """Return what it is about a path that keeps it from being watched."""
    try:
        folder = Path(path).expanduser().absolute()
        if not folder.exists():
            return Folder.MISSING
        if not folder.is_dir():
            return Folder.FILE
        real = folder.resolve()
        return Folder.TOO_MUCH if real in (real.parent, Path.home()) else Folder.UNREADABLE
    except (OSError, RuntimeError, ValueError):
        return Folder.UNREADABLE
