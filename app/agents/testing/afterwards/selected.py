"""A few chosen tests, run apart from the project's runs: in a process of their own, there or in a copy of the project.

Everything that is the project's holds, its configuration, arguments and plugins, but `apart.py` goes first: it leaves
the chosen tests alone, and in a copy it leads all imports there.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from app.agents.testing.running.environment import child_environment
from app.agents.testing.running.journal import Journal, readable
from app.agents.testing.running.launch import worker_argv
from app.domain.errors import CannotError, ProjectError
from app.domain.verdicts import Outcome, TestResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from app.agents.testing.afterwards.lastgreen import Copy
    from app.engine.processes import GuardedProcess, ProcessRunner


_log = structlog.get_logger(__name__)

APART = Path(__file__).parent / "apart.py"

_ENTER = """\
import sys
import importlib.util
spec = importlib.util.spec_from_file_location("watchkeeper_apart", sys.argv[1])
sys.modules["watchkeeper_apart"] = apart = importlib.util.module_from_spec(spec)
spec.loader.exec_module(apart)
apart.enter()"""

_CAME_TO_ITS_END = frozenset({0, 1, 5})
"""pytest's exit codes when tests passed, failed, or there were none: a chosen file without an error was imported."""


@dataclass(frozen=True, slots=True)
class Project:
    """How a project's tests are run.

    Attributes:
        root: The project's folder, where pytest is started.
        interpreter: The Python that runs them.
        args: Arguments for pytest.
        environ: The user's environment.
        runner: Starts the interpreter.
    """

    root: Path
    interpreter: str
    args: Sequence[str]
    environ: Mapping[str, str]
    runner: ProcessRunner


@dataclass(frozen=True, slots=True)
class Selected:
    """What chosen tests came to.

    Attributes:
        results: Those that ended, by node id. A chosen file has passed when it could be imported.
        is_apart: In a copy, True when nothing of the original was seen to take part.
        is_opaque: Whether another program was started, whose doings are not seen.
    """

    results: Mapping[str, TestResult] = field(default_factory=dict)
    is_apart: bool = False
    is_opaque: bool = False


async def run_selected(
    project: Project,
    nodeids: Collection[str],
    *,
    limit_s: float,
    copy: Copy | None = None,
    journal: Journal | None = None,
) -> Selected:
    """Run these tests and no others, at low priority, in one process.

    Args:
        project: The project.
        nodeids: Their node ids, as a run told them; a file that could not be collected is named by its path.
        limit_s: After so many seconds everything is ended, and the test that ran then is `HUNG`.
        copy: Where to run them; None for the project itself.
        journal: Takes what is told, for one who wants to know while it goes on.
    """
    journal = Journal() if journal is None else journal
    folder = project.root if copy is None else copy.root
    try:
        async with scratch_folder(nodeids, copy) as scratch:
            try:
                async with asyncio.timeout(limit_s), starting(project, scratch, folder=folder) as process:
                    async for line in process.lines():
                        journal.take(line)
                    ended = await process.wait()
            except TimeoutError:
                journal.close(Outcome.HUNG, "")
            else:
                if journal.finish is None:
                    journal.close(Outcome.CRASHED, readable(ended.output))
            told = await asyncio.to_thread(_read_report, scratch)
            results = await asyncio.to_thread(_results, journal, nodeids)
    except (CannotError, ProjectError, OSError) as error:
        _log.info("chosen tests could not be run", project=str(project.root), why=str(error))
        return Selected()
    is_apart = "moved" in told and "checked" in told and "stranger" not in told
    return Selected(results, is_apart, "started" in told)


@asynccontextmanager
async def scratch_folder(nodeids: Collection[str] | None, copy: Copy | None = None) -> AsyncIterator[Path]:
    """Make a temporary folder with what `apart.py` is told, which is removed on leaving.

    Args:
        nodeids: The tests to run; None for all.
        copy: Where they run; None for the project itself.

    Raises:
        OSError: It cannot be made.
    """
    scratch = await asyncio.to_thread(_prepare, nodeids, copy)
    try:
        yield scratch
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True))


def starting(
    project: Project, scratch: Path, *, folder: Path, orders: Sequence[Mapping[str, object]] = ()
) -> AbstractAsyncContextManager[GuardedProcess]:
    """Start a worker with `apart.py` ahead of it; leaving the block ends it.

    Args:
        project: The project.
        scratch: As `scratch_folder` made it.
        folder: The working folder.
        orders: What the worker is told to do; with none, it runs all that is collected.

    Raises:
        ProjectError: The folder cannot be entered.
        CannotError: The interpreter cannot be started.
    """
    options = ("-p", "watchkeeper_apart", "-o", f"cache_dir={scratch / 'cache'}")
    interpreter, *rest = worker_argv(project.interpreter, (*options, *project.args))
    argv = [interpreter, "-c", _ENTER, str(APART), str(scratch), *rest]
    env = child_environment(project.environ, interpreter)
    return _told(project.runner.start(argv, cwd=folder, env=env, orders=bool(orders)), orders)


@asynccontextmanager
async def _told(
    start: AbstractAsyncContextManager[GuardedProcess], orders: Sequence[Mapping[str, object]]
) -> AsyncIterator[GuardedProcess]:
    async with start as process:
        for order in orders:
            process.send(json.dumps(order).encode("ascii") + b"\n")
        yield process


def _prepare(nodeids: Collection[str] | None, copy: Copy | None) -> Path:
    only = None if nodeids is None else list(nodeids)
    moved = None if copy is None else [str(copy.original), str(copy.top)]
    scratch = Path(tempfile.mkdtemp(prefix="watchkeeper-"))
    (scratch / "words.json").write_text(json.dumps({"only": only, "moved": moved}), "utf-8")
    return scratch


def _read_report(scratch: Path) -> set[str]:
    """Return which kinds of lines stand in the report."""
    told: set[str] = set()
    with suppress(OSError):
        for line in (scratch / "report.jsonl").read_text("utf-8").splitlines():
            with suppress(ValueError):
                told.update(json.loads(line))
    return told


def _results(journal: Journal, nodeids: Collection[str]) -> dict[str, TestResult]:
    """Return what the chosen tests came to; a file that is there and told no error was imported."""
    found = {nodeid: journal.results[nodeid] for nodeid in nodeids if nodeid in journal.results}
    if journal.finish in _CAME_TO_ITS_END and journal.session is not None:
        rootdir = Path(str(journal.session.get("rootdir", "")))
        for nodeid in nodeids:
            if "::" not in nodeid and nodeid not in found and (rootdir / nodeid).exists():
                found[nodeid] = TestResult(nodeid, Outcome.PASSED)
    return found
