"""Go: `go test -json`, which tells of each test as it starts and ends (`go doc test2json`)."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from app.agents.testing.runners.steps import Relayed, Step, relayed
from app.agents.testing.runners.story import TEXT_CAP, Story, judge
from app.agents.testing.running.journal import Finding
from app.domain.verdicts import Outcome, Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.agents.testing.runners.steps import Place, Wrote
    from app.engine.processes import Ended

MARK = r'^(?:\{(?!.*"Action":"output")|FAIL\t|# )'
HIDDEN = r'^\{"'
NAME = "go test"

_ENDS = {"pass": Outcome.PASSED, "fail": Outcome.FAILED, "skip": Outcome.SKIPPED}
_NOT_BUILT = re.compile(r"FAIL\t(\S+) \[(?:build|setup) failed\]")
_HEADER = re.compile(r"# (\S+)")


@dataclass(frozen=True, slots=True)
class Go:
    """A Go module."""

    name: str = NAME

    def steps(self, place: Place) -> tuple[Step, ...]:
        """Return the commands: the packages that hold changed files, then all. What did not change go has cached.

        Raises:
            CannotError: There is no go.
        """
        go = place.program("go", "Install Go (https://go.dev/dl), or start Watchkeeper where it is on PATH.")
        folders = {PurePosixPath(path).parent for path in place.changed if path.endswith(".go")}
        holding = sorted(
            f"./{folder}"
            for folder in folders
            if any((place.root / folder).glob("*.go")) and "testdata" not in folder.parts
        )
        steps = [_step(Stage.IMPACTED, go, holding)] if holding else []
        return (*steps, _step(Stage.REST, go, ["./..."]))


def _step(stage: Stage, go: str, packages: list[str]) -> Step:
    argv = relayed((go, "test", "-json", *packages), mark=MARK, hidden=HIDDEN, merge=True)
    return Step(stage, argv, Events())


class Events:
    """Reads the events of one `go test -json`, and what go says beside them of packages that it cannot build."""

    def __init__(self) -> None:
        self.story = Story()
        self.lacking = ""
        self._relayed = Relayed(self._take_text)
        self._said: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._build: dict[str, list[str]] = defaultdict(list)
        self._building = ""
        self._reds: set[str] = set()
        self._heard = False

    def take(self, line: bytes) -> None:
        """Take what was printed."""
        self._relayed.take(line)

    def wrote(self) -> Wrote:
        """Return nothing: what another program writes cannot be seen."""
        return {}

    def _take_text(self, text: str) -> None:
        if not text.startswith("{"):
            self._take_plain(text)
            return
        try:
            said = json.loads(text)
            self._take_event(said["Action"], str(said.get("Package", "")), str(said.get("Test", "")), said)
        except (ValueError, KeyError, TypeError, AttributeError):
            self._take_plain(text)

    def _take_plain(self, text: str) -> None:
        """Take a line beside the events: of go before 1.24, what the compiler says."""
        if failed := _NOT_BUILT.match(text):
            self._refuse(failed[1])
        elif header := _HEADER.match(text):
            self._building = header[1]
        elif self._building:
            _keep(self._build[self._building], f"{text}\n")

    def _take_event(self, action: str, package: str, test: str, said: Mapping[str, object]) -> None:
        if action in ("build-output", "build-fail"):
            if action == "build-output":
                name = str(said.get("ImportPath", "")).partition(" ")[0]
                _keep(self._build[name], str(said.get("Output", "")))
            return
        self._heard = True
        nodeid = f"{package}::{test}"
        if action == "output":
            _keep(self._said[package, test], str(said.get("Output", "")))
        elif action == "run":
            self.story.begin(nodeid)
        elif action in _ENDS and test:
            outcome = _ENDS[action]
            if outcome.is_red:
                self._reds.add(package)
            elapsed = said.get("Elapsed", 0.0)
            seconds = float(elapsed) if isinstance(elapsed, int | float) else 0.0
            text = "".join(self._said.pop((package, test), ()))
            if outcome.is_red and re.search(r"^panic: ", text, re.MULTILINE):
                self.lacking = f"a panic ended the tests of {package}"
            self.story.end(nodeid, outcome, seconds, text)
        elif action in _ENDS:
            self._end_package(action, package, said)

    def _end_package(self, action: str, package: str, said: Mapping[str, object]) -> None:
        text = "".join(self._said.pop((package, ""), ()))
        running = [nodeid for nodeid in self.story.running if nodeid.partition("::")[0] == package]
        if action != "fail":
            return
        if "FailedBuild" in said or _NOT_BUILT.search(text):
            built = str(said.get("FailedBuild", "")).partition(" ")[0]
            if built in self._build and built != package:
                self._build[package] = self._build[built]
            self._refuse(package)
            return
        for nodeid in running:
            own = "".join(self._said.pop((package, nodeid.partition("::")[2]), ()))
            self.story.end(nodeid, Outcome.CRASHED, 0.0, own + text)
        if running:
            self.lacking = f"the tests of {package} were not run to their end"
        elif package not in self._reds:
            self.story.end(f"{package}::(package)", Outcome.ERROR, 0.0, text)

    def _refuse(self, package: str) -> None:
        self._building = ""
        self._heard = True
        self.story.refuse(package, "".join(self._build.get(package, ())) or "The package could not be built.")

    def conclude(self, ended: Ended) -> Finding:
        """Judge."""
        if self._relayed.refusal:
            return Finding(Verdict.NO_INTERPRETER, f"{self._relayed.refusal}.")
        if not self._heard and ended.code:
            return Finding(
                Verdict.USAGE_ERROR,
                f"go ended with exit code {ended.code} before it tested anything. Its output says why: look at go.mod.",
            )
        self.story.collect((*self.story.results, *self.story.running))
        return judge(self.story, ended, name=NAME, lacking=self.lacking)


def _keep(texts: list[str], text: str) -> None:
    """Add a text to those that are kept, while they are not too many."""
    if len(texts) < TEXT_CAP // 16:
        texts.append(text[:TEXT_CAP])
