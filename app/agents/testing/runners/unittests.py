"""unittest in the project's own interpreter, by a worker of ours (`unittest_worker.py`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from app.agents.testing.runners.steps import Step
from app.agents.testing.runners.story import CRASH_HINT, Story, clean, judge
from app.agents.testing.running import launch
from app.agents.testing.running.journal import Finding, signal_name
from app.domain.verdicts import Outcome, Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.agents.testing.runners.steps import Place, Wrote
    from app.engine.processes import Ended

WORKER = Path(__file__).parent / "unittest_worker.py"
LAUNCH = """\
import sys, importlib.util
def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
load("watchkeeper_worker", sys.argv[1] + "/__init__.py")
sys.exit(load("watchkeeper_unittest", sys.argv[2]).run(sys.argv[3:]))"""
"""For `python -c`: sys.path then begins with the working folder, as it does for `python -m unittest`."""
FIRST_CAP = 500
"""How many changed files are named to the worker: an environment variable is not without bounds."""
NAME = "unittest"


@dataclass(frozen=True, slots=True)
class Unittest:
    """A project whose tests `python -m unittest` runs.

    Attributes:
        interpreter: The Python that runs them.
        args: Arguments for unittest; empty: it looks for the tests itself.
    """

    interpreter: str
    args: tuple[str, ...] = ()
    name: str = NAME

    def steps(self, place: Place) -> tuple[Step, ...]:
        """Return the one command; the tests in changed files come first."""
        first = [path for path in place.changed if path.endswith(".py")][:FIRST_CAP]
        argv = (self.interpreter, "-c", LAUNCH, str(launch.WORKER), str(WORKER), *(self.args or discovery(place.root)))
        return (Step(Stage.REST, argv, _Worker(), extra={"WATCHKEEPER_FIRST": json.dumps(first)}),)


def discovery(root: Path) -> Sequence[str]:
    """Return the arguments by which unittest finds the tests: by itself it passes over a folder that is no package."""
    for name in ("tests", "test"):
        folder = root / name
        if folder.is_dir() and not (folder / "__init__.py").exists() and any(folder.rglob("test*.py")):
            return ("discover", "-s", name, "-t", name)
    return ()


class _Worker:
    """Reads the worker's lines."""

    def __init__(self) -> None:
        self.story = Story()
        self.lacking = ""
        self._items: list[str] = []
        self._wrote: dict[str, tuple[int, int] | None] = {}
        self._finish: int | None = None
        self._is_usage = False

    def take(self, line: bytes) -> None:
        """Take one line."""
        try:
            said = json.loads(line)
            self._take(said["kind"], said)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return

    def _take(self, kind: str, said: Mapping[str, object]) -> None:
        match kind:
            case "start":
                self.story.begin(clean(str(said["id"])))
            case "end":
                outcome, seconds = Outcome(str(said["outcome"])), float(cast("float", said["seconds"]))
                self.story.end(clean(str(said["id"])), outcome, seconds, str(said["text"]))
            case "items":
                self._items += [clean(str(each)) for each in cast("list[object]", said["ids"])]
            case "collected":
                self.story.collect(tuple(self._items))
            case "refused":
                self.story.refuse(clean(str(said["id"])), str(said["text"]))
            case _:
                self._take_of_run(kind, said)

    def _take_of_run(self, kind: str, said: Mapping[str, object]) -> None:
        match kind:
            case "wrote":
                self._wrote.setdefault(str(said["path"]))
            case "left":
                for path, (mtime_ns, size) in cast("dict[str, list[int]]", said["files"]).items():
                    self._wrote[path] = (int(mtime_ns), int(size))
            case "stopped":
                self.lacking = f"it stopped early: {said['why']}"
            case "usage":
                self._is_usage = True
            case "finish":
                self._finish = int(cast("int", said["exit"]))

    def wrote(self) -> Wrote:
        """Return the files that the tests wrote, as far as Python itself opened them."""
        return self._wrote

    def conclude(self, ended: Ended) -> Finding:
        """Judge."""
        story = self.story
        if self._finish is None or ended.signal is not None:
            by = f"by {signal_name(ended.signal)}" if ended.signal is not None else f"with exit code {ended.code}"
            where = (
                f" while {story.now} ran" if story.now else "" if story.is_collected else " while it loaded the tests"
            )
            return Finding(Verdict.CRASHED, f"The interpreter was ended{where} {by}. {CRASH_HINT}")
        if self._is_usage and not story.is_collected and not story.refused:
            return Finding(
                Verdict.USAGE_ERROR,
                f"unittest refused its arguments, or a test module ended it, with exit code {self._finish}. "
                "Its output says why: look at `args` under [tests], and for sys.exit() at the top of a module.",
            )
        if ended.code != self._finish and not story.red and not story.refused:
            return Finding(
                Verdict.CRASHED,
                f"unittest ended with exit code {self._finish}, but its process with {ended.code}. "
                "Something ran at exit and failed: the last lines of the output say what.",
            )
        if self._finish == NO_TESTS_EXIT and not story.results:
            ended = type(ended)(0, None, ended.output, ended.killed)
        return judge(story, ended, name=NAME, lacking=self.lacking)


NO_TESTS_EXIT = 5
"""What unittest exits with when it found none (Python 3.12 and later; the worker does so on all)."""
