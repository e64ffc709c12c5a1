"""The test watcher on real projects: real files, a real file watch, a real pytest in a process of its own."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.ownfiles import OWN_FILES
from app.agents.settings import Settings
from app.agents.testing.agent import Remembered, TestWatcher
from app.agents.testing.projects import Projects, check_folder
from app.domain.analysis import SourceDiff
from app.domain.commands import CancelRun, Pause, ReadDiff, Resume, RunTests, WatchProject
from app.domain.errors import ProjectError, UsageError
from app.domain.events import RunFinished, RunStarted, VerdictChanged
from app.domain.verdicts import CauseKind, Outcome, Verdict
from app.engine.bridge import SafeAsyncBridge
from app.engine.bus import Bus
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner
from app.engine.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from app.domain.events import Event
    from app.domain.snapshot import ProjectView, Snapshot

CALC = "def add(a, b):\n    return a + b\n"
BROKEN = "def add(a, b):\n    return a - b\n"
TESTS = """
    from calc import add

    def test_add():
        assert add(1, 2) == 3

    def test_zero():
        assert add(0, 0) == 0
"""


class Watched:
    """A watched project, and everything that was published."""

    def __init__(self, root: Path, bus: Bus) -> None:
        self.root = root
        self.bus = bus
        self.events: list[Event] = []
        self._moved = asyncio.Event()
        bus.subscribe(self._hear)

    def _hear(self, event: Event, _snapshot: Snapshot) -> None:
        self.events.append(event)
        self._moved.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, looked at after each event."""
        async with asyncio.timeout(30):
            while not holds():
                self._moved.clear()
                await self._moved.wait()

    @property
    def view(self) -> ProjectView:
        return self.bus.snapshot.projects[str(self.root)]

    def all(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def verdicts(self) -> list[Verdict]:
        return [event.verdict for event in self.all(RunFinished)]

    async def ran(self, count: int) -> None:
        await self.until(lambda: len([each for each in self.verdicts if each is not Verdict.CANCELLED]) >= count)

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(textwrap.dedent(text), encoding="utf-8")


def written(path: Path) -> str:
    """Return what a test has written by now."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


async def nothing_known(_project: str) -> Remembered:
    return Remembered()


@asynccontextmanager
async def watching(root: Path, settings: Callable[[], Settings] | None = None) -> AsyncIterator[Watched]:
    clock = SystemClock()
    bus = Bus(clock)
    ids = itertools.count(1)
    runner = ProcessRunner(clock=clock)
    own = Settings.model_validate({"tests": {"python": sys.executable}})
    now = settings or (lambda: own)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_CURRENT", "COV"))}
    async with SafeAsyncBridge(asyncio.get_running_loop()) as bridge, Supervisor(bus, clock) as supervisor:

        def make(folder: Path, title: str) -> TestWatcher:
            return TestWatcher(
                folder,
                title=title,
                settings=lambda: (now(), ("", "")),
                remember=nothing_known,
                publish=bus.publish,
                bridge=bridge,
                clock=clock,
                runner=runner,
                environ=environ,
                new_id=lambda: str(next(ids)),
                cache=root.parent / f"{root.name}-cache",
                on_battery=lambda: False,
                no_source=OWN_FILES,
            )

        with Projects(bus, supervisor, make) as projects:
            watched = Watched(root, bus)
            projects.watch(root)
            yield watched


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = (tmp_path / "proj").resolve()
    root.mkdir()
    (root / "calc.py").write_text(CALC, encoding="utf-8")
    (root / "test_calc.py").write_text(textwrap.dedent(TESTS), encoding="utf-8")
    return root


async def test_what_a_save_breaks_is_told_and_what_it_mends_too(project: Path) -> None:
    """The first run is no news; the save that breaks a test names it, its cause too; the one that mends it as well."""
    async with watching(project) as watched:
        await watched.ran(1)
        watched.write("calc.py", BROKEN)
        await watched.ran(2)
        red = watched.bus.snapshot.red_count
        watched.write("calc.py", CALC)
        await watched.ran(3)

    broke, fixed = watched.all(VerdictChanged)
    assert watched.verdicts == [Verdict.GREEN, Verdict.RED, Verdict.GREEN]
    assert red == 1
    assert (broke.broke, broke.cause.paths) == (("test_calc.py::test_add",), ("calc.py",))
    assert (fixed.fixed, fixed.still_red) == (("test_calc.py::test_add",), 0)


async def test_a_newer_save_ends_a_run_that_it_makes_pointless(project: Path) -> None:
    """The run is cancelled within moments, and its cause is part of the next one's."""
    (project / "test_slow.py").write_text("import time\n\ndef test_slow():\n    time.sleep(60)\n", encoding="utf-8")

    async with watching(project) as watched:
        await watched.until(lambda: bool(watched.events) and "test_slow" in _running(watched))
        watched.write("calc.py", CALC + "# one\n")
        await watched.until(lambda: len(watched.all(RunStarted)) == 2 and "test_slow" in _running(watched))
        watched.write("test_slow.py", "def test_slow():\n    pass\n")
        await watched.ran(1)

    assert watched.verdicts == [Verdict.CANCELLED, Verdict.CANCELLED, Verdict.GREEN]
    assert set(watched.all(RunStarted)[-1].cause.paths) == {"calc.py", "test_slow.py"}


async def test_tests_that_write_into_the_project_do_not_start_themselves(project: Path) -> None:
    """A file that the tests write anew each time causes no run, neither during the run nor after it."""
    watched_writes = "import time\n\ndef test_writes():\n    open('stamp.txt', 'w').write(str(time.time()))\n"
    (project / "test_writes.py").write_text(watched_writes, encoding="utf-8")

    async with watching(project) as watched:
        await watched.ran(1)
        watched.write("calc.py", CALC + "# a save\n")
        await watched.ran(2)
        # A change that counts is the fence: had the stamps caused a run, it would stand before this one.
        watched.write("calc.py", CALC + "# another save\n")
        await watched.ran(3)

    causes = [event.cause for event in watched.all(RunStarted)]
    assert [cause.kind for cause in causes] == [CauseKind.START, CauseKind.SAVE, CauseKind.SAVE]
    assert {path for cause in causes for path in cause.paths} == {"calc.py"}


async def test_tests_that_write_through_another_program_still_come_to_a_verdict(project: Path) -> None:
    """What the watch cannot know to be the tests' own does not keep a red test from being shown."""
    code = """
        import subprocess, sys, time

        def test_writes():
            subprocess.run([sys.executable, "-c", "import time; open('out.txt', 'w').write(str(time.time()))"])
            time.sleep(1)

        def test_red():
            assert False
    """
    (project / "test_writes.py").write_text(textwrap.dedent(code), encoding="utf-8")

    async with watching(project) as watched:
        await watched.ran(1)
        red = {state.nodeid for state in watched.view.red}

    assert Verdict.RED in watched.verdicts
    assert red == {"test_writes.py::test_red"}


async def test_a_save_of_a_file_that_a_test_opens_is_not_taken_for_the_tests_own(project: Path) -> None:
    """A test opens the file for reading and writing; a person's change to it, right after a run, counts."""
    (project / "conf.txt").write_text("ok", encoding="utf-8")
    code = "def test_conf():\n    with open('conf.txt', 'r+') as file:\n        assert file.read() == 'ok'\n"
    (project / "test_conf.py").write_text(code, encoding="utf-8")

    async with watching(project) as watched:
        await watched.ran(1)
        watched.write("conf.txt", "not ok")
        await watched.ran(2)

    assert watched.verdicts[-1] is Verdict.RED
    assert watched.all(VerdictChanged)[-1].broke == ("test_conf.py::test_conf",)


async def test_a_folder_that_comes_back_with_less_is_run(project: Path) -> None:
    """Files that vanished while the folder was away are a change like any other."""

    def move_away_and_back() -> None:
        away = project.with_name("away")
        project.rename(away)
        (away / "calc.py").unlink()
        away.rename(project)

    async with watching(project) as watched:
        await watched.ran(1)
        move_away_and_back()
        await watched.ran(2)

    assert watched.verdicts[-1] is Verdict.COLLECTION_ERROR


async def test_a_save_is_not_lost_with_the_life_that_held_it(project: Path) -> None:
    """When the agent fails while it takes up a save, no run is left open, and the next life runs the tests."""
    own = Settings.model_validate({"tests": {"python": sys.executable}})
    trouble: list[Exception] = []

    def settings() -> Settings:
        if trouble:
            raise trouble.pop()
        return own

    async with watching(project, settings) as watched:
        await watched.ran(1)
        trouble.append(PermissionError("the settings' folder"))
        watched.write("calc.py", BROKEN)
        await watched.ran(2)

        assert watched.view.current is None

    assert watched.verdicts[-1] is Verdict.RED
    assert watched.bus.snapshot.agents["tests:proj"].restarts == 1


async def test_a_paused_watcher_runs_nothing_and_catches_up(project: Path) -> None:
    """What is saved during a pause is run when it is over."""
    async with watching(project) as watched:
        await watched.ran(1)
        await watched.bus.send(Pause())
        watched.write("calc.py", BROKEN)
        await watched.bus.send(RunTests())
        paused = len(watched.all(RunStarted))
        await watched.bus.send(Resume())
        await watched.ran(2)

    assert paused == 1
    assert watched.verdicts[-1] is Verdict.RED


async def test_a_person_can_end_a_run(project: Path) -> None:
    """A cancelled run leaves the last verdict alone and starts no other."""
    (project / "test_slow.py").write_text("import time\n\ndef test_slow():\n    time.sleep(60)\n", encoding="utf-8")

    async with watching(project) as watched:
        await watched.until(lambda: bool(watched.events) and "test_slow" in _running(watched))
        await watched.bus.send(CancelRun())
        await watched.until(lambda: bool(watched.verdicts))

        assert watched.view.current is None
        assert watched.view.last is None
        assert watched.verdicts == [Verdict.CANCELLED]


async def test_a_collection_error_names_the_file_and_its_mending_is_told(project: Path) -> None:
    """A file that cannot be imported is red by its own name."""
    async with watching(project) as watched:
        await watched.ran(1)
        watched.write("calc.py", "def add(a, b:\n")
        await watched.ran(2)
        watched.write("calc.py", CALC)
        await watched.ran(3)

    broke, fixed = watched.all(VerdictChanged)
    assert watched.verdicts == [Verdict.GREEN, Verdict.COLLECTION_ERROR, Verdict.GREEN]
    assert (broke.broke, broke.trouble) == (("test_calc.py",), Verdict.COLLECTION_ERROR)
    assert (fixed.fixed, fixed.recovered) == (("test_calc.py",), Verdict.COLLECTION_ERROR)


async def test_a_missing_interpreter_is_a_verdict_and_ends_when_one_is_there(project: Path) -> None:
    """A configured Python that is not there is told with what to do; the watch goes on."""
    settings = Settings.model_validate({"tests": {"python": str(project / "no-such-python")}})

    async with watching(project, lambda: settings) as watched:
        await watched.ran(1)
        last = watched.view.last

    assert watched.verdicts == [Verdict.NO_INTERPRETER]
    assert last is not None
    assert "no-such-python" in last.message


async def test_a_deleted_test_is_forgotten(project: Path) -> None:
    """A red test that is deleted is told as gone, and the project is green."""
    async with watching(project) as watched:
        await watched.ran(1)
        watched.write("test_calc.py", TESTS + "\n    def test_red():\n        assert False\n")
        await watched.ran(2)
        watched.write("test_calc.py", TESTS)
        await watched.ran(3)

    assert watched.all(VerdictChanged)[-1].gone == ("test_calc.py::test_red",)
    assert {state.outcome for state in watched.view.tests.values()} == {Outcome.PASSED}


async def test_stopping_ends_a_run_and_its_process(project: Path) -> None:
    """Leaving the watch during a run leaves no process behind."""
    code = "import os, time\n\ndef test_slow():\n    open('pid', 'w').write(str(os.getpid()))\n    time.sleep(60)\n"
    (project / "test_slow.py").write_text(code, encoding="utf-8")

    async with watching(project) as watched:
        await watched.until(lambda: bool(watched.events) and written(project / "pid"))
        pid = int(written(project / "pid"))

    assert watched.verdicts == [Verdict.CANCELLED]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_changed_ignore_holds_without_a_restart(project: Path) -> None:
    """The next run looks at the settings, and what they ignore then starts no other."""
    current = {"settings": Settings.model_validate({"tests": {"python": sys.executable}})}
    ignoring = {"tests": {"python": sys.executable}, "watch": {"ignore": ["notes.txt"]}}

    async with watching(project, lambda: current["settings"]) as watched:
        await watched.ran(1)
        current["settings"] = Settings.model_validate_json(json.dumps(ignoring))
        watched.write("calc.py", CALC + "# the settings changed\n")
        await watched.ran(2)
        watched.write("notes.txt", "ignored now")
        # A change that counts is the fence: had the notes caused a run, it would stand before this one.
        watched.write("calc.py", CALC + "# a save\n")
        await watched.ran(3)

    assert {path for event in watched.all(RunStarted) for path in event.cause.paths} == {"calc.py"}


async def test_what_audits_write_starts_no_run(project: Path) -> None:
    """The answers beside markers and the baseline are no source; the user may want them watched all the same."""
    current = {"tests": {"python": sys.executable}, "watch": {"ignore": ["!notes.audit.json"]}}

    async with watching(project, lambda: Settings.model_validate_json(json.dumps(current))) as watched:
        await watched.ran(1)
        watched.write("A_COMPLETE.audit.md", "# Audit")
        watched.write("A_COMPLETE.audit.json", "{}")
        watched.write(".watchkeeper-baseline.json", "{}")
        # A change that counts is the fence: had the answers caused a run, it would stand before or within this one.
        watched.write("calc.py", CALC + "# a save\n")
        await watched.ran(2)
        watched.write("notes.audit.json", "{}")
        await watched.ran(3)

    assert [event.cause.paths for event in watched.all(RunStarted)[1:]] == [("calc.py",), ("notes.audit.json",)]


async def test_unknown_and_wrong_projects_are_refused_with_words(project: Path) -> None:
    """A person who names a wrong folder is told which ones there are, or what is wrong with it."""
    async with watching(project) as watched:
        await watched.ran(1)

        with pytest.raises(UsageError, match="is not watched"):
            await watched.bus.send(RunTests(project="/nowhere"))
        with pytest.raises(ProjectError, match="does not exist"):
            await watched.bus.send(WatchProject(path=str(project / "missing")))
        assert await watched.bus.send(WatchProject(path=str(project))) == str(project)


def test_folders_that_cannot_be_watched_are_refused(tmp_path: Path) -> None:
    """A file, a home folder and the root of the file system are mistakes, and each is told as what it is."""
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(ProjectError, match="is a file"):
        check_folder(file)
    with pytest.raises(ProjectError, match="more than one project"):
        check_folder(tmp_path, home=tmp_path)
    with pytest.raises(ProjectError, match="more than one project"):
        check_folder(tmp_path.anchor)
    assert check_folder(tmp_path) == tmp_path.resolve()


def _running(watched: Watched) -> str:
    view = watched.bus.snapshot.projects.get(str(watched.root))
    return view.current.running if view is not None and view.current is not None else ""


async def test_a_person_can_read_what_changed(project: Path) -> None:
    """The difference from what was there before is answered for a watched project, and for no other."""
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
        await asyncio.to_thread(subprocess.run, git, cwd=project, check=True)

    async with watching(project) as watched:
        await watched.ran(1)
        watched.write("calc.py", BROKEN)
        diff = await watched.bus.send(ReadDiff(project=str(project)))
        with pytest.raises(UsageError, match="is not watched"):
            await watched.bus.send(ReadDiff(project=str(project.parent)))

    assert isinstance(diff, SourceDiff)
    assert diff.base
    assert "+++ b/calc.py" in diff.text
