"""vitest and jest: the project's own installation, never a download.

Both write their machine-readable reports at the end only (measured with vitest 4: json, junit and tap-flat print
nothing before the last test has ended). So a small reporter of ours (`reporters/`) is added, which tells of each test
as it ends, and the runner's own JSON report is what the verdict rests on.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from app.agents.testing.runners.steps import Relayed, Step, relayed
from app.agents.testing.runners.story import CRASH_HINT, Names, Story, clean, judge, named, no_tests_message, relative
from app.agents.testing.running.journal import Finding
from app.domain.errors import CannotError
from app.domain.verdicts import Outcome, Stage, Verdict
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.agents.testing.runners.steps import Place, Wrote
    from app.engine.processes import Ended

REPORTERS = Path(__file__).parent / "reporters"
MARK = "^\x1e"
REPORT_CAP = 256 << 20
"""Bytes of the JSON report; a larger one is not read."""

_SOURCES = frozenset((".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts", ".vue", ".svelte", ".json"))
"""Files that tests can import, so that the runner can say which tests belong to them."""
_RECONFIGURES = ("package.json", "package-lock.json", "tsconfig", "vitest.", "vite.", "jest.", "babel.")
_OUTCOMES = {
    "passed": Outcome.PASSED,
    "failed": Outcome.FAILED,
    "skipped": Outcome.SKIPPED,
    "pending": Outcome.SKIPPED,
    "todo": Outcome.SKIPPED,
    "disabled": Outcome.SKIPPED,
}
_LARGEST_PACKAGE = 1 << 20
_INSTALLERS = (
    ("pnpm-lock.yaml", "pnpm install"),
    ("yarn.lock", "yarn install"),
    ("bun.lock", "bun install"),
    ("bun.lockb", "bun install"),
    ("deno.lock", "deno install"),
)


@dataclass(frozen=True, slots=True)
class JavaScript:
    """A project whose tests vitest or jest runs.

    Attributes:
        name: `vitest` or `jest`.
    """

    name: str

    def steps(self, place: Place) -> tuple[Step, ...]:
        """Return the commands: the tests that belong to the changed files, then everything.

        Raises:
            CannotError: There is no node, or the runner is not installed in the project.
        """
        node = place.program("node", "Install Node.js (https://nodejs.org), or start Watchkeeper where it is on PATH.")
        package, script = self._installed(place.root)
        paths = tuple(str(folder / "node_modules" / ".bin") for folder in dict.fromkeys((place.root, package)))
        related = [path for path in place.changed if _can_be_imported(path) and (place.root / path).is_file()]
        stages = [(Stage.IMPACTED, related)] if related else []
        steps = []
        for stage, files in (*stages, (Stage.REST, [])):
            report = place.scratch / f"{stage.value}.json"
            options = self._vitest(files, report) if self.name == "vitest" else self._jest(files, report)
            argv = relayed((node, str(script), *options), mark=MARK, hidden=MARK)
            listener = Reported(self.name, place.root, report, is_whole=stage is Stage.REST)
            steps.append(Step(stage, argv, listener, paths))
        return tuple(steps)

    def _vitest(self, related: list[str], report: Path) -> tuple[str, ...]:
        options = (
            "--reporter=json",
            f"--outputFile.json={report}",
            f"--reporter={REPORTERS / 'vitest.mjs'}",
            "--reporter=default",
            "--no-color",
        )
        return ("related", "--run", "--passWithNoTests", *options, *related) if related else ("run", *options)

    def _jest(self, related: list[str], report: Path) -> tuple[str, ...]:
        options = (
            "--json",
            f"--outputFile={report}",
            "--reporters=default",
            f"--reporters={REPORTERS / 'jest.cjs'}",
            "--no-watchman",
            "--watchAll=false",
        )
        return ("--passWithNoTests", *options, "--findRelatedTests", *related) if related else options

    def _installed(self, root: Path) -> tuple[Path, Path]:
        """Return the folder whose node_modules holds the runner (a workspace's may lie above), and its script.

        Raises:
            CannotError: It is not installed.
        """
        for folder in (root, *root.parents):
            package = folder / "node_modules" / self.name
            try:
                described = json.loads(read_regular(package / "package.json", _LARGEST_PACKAGE).decode("utf-8"))
            except (OSError, ValueError):
                continue
            scripts = described.get("bin") if isinstance(described, dict) else None
            script = scripts.get(self.name) if isinstance(scripts, dict) else scripts
            if isinstance(script, str) and (package / script).is_file():
                return folder, package / script
        install = next((command for name, command in _INSTALLERS if (root / name).exists()), "npm install")
        if (root / ".pnp.cjs").exists():
            hint = f'Set `runner` to command under [tests], and `command` to "yarn {self.name}".'
        else:
            hint = f"Install what it names: cd {root} && {install}"
        raise CannotError(f"{self.name} is named in {root / 'package.json'}, but it is not installed there.", hint)


def _can_be_imported(path: str) -> bool:
    name = path.rpartition("/")[2]
    return os.path.splitext(name)[1] in _SOURCES and not name.startswith(_RECONFIGURES)  # noqa: PTH122 - a text


class Reported:
    """Reads what the reporter tells, and in the end the JSON report, whose format both runners share."""

    def __init__(self, name: str, root: Path, report: Path, *, is_whole: bool) -> None:
        self.story = Story()
        self.lacking = ""
        self._name = name
        self._root = root
        self._report = report
        self._is_whole = is_whole
        self._errors: list[str] = []
        self._relayed = Relayed(self._take_text)

    def take(self, line: bytes) -> None:
        """Take what was printed."""
        self._relayed.take(line)

    def wrote(self) -> Wrote:
        """Return nothing: what another program writes cannot be seen."""
        return {}

    def _take_text(self, text: str) -> None:
        if not text.startswith("\x1e"):
            return
        try:
            said = json.loads(text[1:])
            match said["kind"]:
                case "start":
                    nodeid = self._told_of(said)
                    if nodeid not in self.story.results:
                        self.story.begin(nodeid)
                case "end":
                    nodeid = self._told_of(said)
                    # A second one of this name, or a second try: which is which, the report says.
                    if nodeid not in self.story.results:
                        self.story.end(nodeid, _OUTCOMES[said["state"]], float(said["seconds"]), str(said["text"]))
                case "error":
                    self._errors.append(str(said["text"]))
        except (ValueError, KeyError, TypeError):
            return

    def _told_of(self, said: Mapping[str, object]) -> str:
        names = [str(each) for each in cast("list[object]", said["names"])]
        return Names().unique(_nodeid(str(said["file"]), names, self._root))

    def conclude(self, ended: Ended) -> Finding:
        """Read the report and judge."""
        if self._relayed.refusal:
            return Finding(Verdict.NO_INTERPRETER, f"{self._relayed.refusal}.")
        report = self._read()
        if report is None:
            return self._without_report(ended)
        if not report["testResults"] and not self.story.running and _says_no_tests(ended):
            return Finding(Verdict.NO_TESTS, no_tests_message(self._name))
        told = {**self.story.results, **self.story.running}
        nodeids = self._take_report(report)
        self.story.collect(nodeids)
        unconfirmed = tuple(each for each in told if each not in self.story.results or each not in nodeids)
        if unconfirmed:
            self.lacking = f"its report says nothing of tests that began{named(unconfirmed)}"
        elif self._errors:
            self.lacking = f"met an error outside of any test: {_first_line(self._errors[0])}"
        elif report.get("success") is False and not self.story.red and not self.story.refused:
            self.lacking = "its report says that it did not succeed"
        if self._errors and self.story.missed and not self.story.refused:
            return Finding(
                Verdict.CRASHED,
                f"{self._name} could not run {len(self.story.missed)} tests to their end{named(self.story.missed)}: "
                f"{_first_line(next((each for each in self._errors if 'Worker' in each), self._errors[0]))}. "
                f"{CRASH_HINT}",
            )
        finding = judge(self.story, ended, name=self._name, lacking=self.lacking)
        if not self._is_whole and finding.verdict is Verdict.NO_TESTS:
            return Finding(Verdict.GREEN)
        return finding

    def _read(self) -> Mapping[str, object] | None:
        try:
            if self._report.stat().st_size > REPORT_CAP:
                return None
            report = json.loads(self._report.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        is_one = isinstance(report, dict) and isinstance(report.get("testResults"), list)
        return cast("Mapping[str, object]", report) if is_one else None

    def _take_report(self, report: Mapping[str, object]) -> tuple[str, ...]:
        """Take in the tests of a report; returns their names."""
        names, nodeids = Names(), []
        for file in cast("list[Mapping[str, object]]", report["testResults"]):
            path = str(file.get("name", ""))
            tests = cast("list[Mapping[str, object]]", file.get("assertionResults") or [])
            for test in tests:
                titles = [*cast("list[str]", test.get("ancestorTitles") or []), str(test.get("title", ""))]
                nodeid = names.unique(_nodeid(path, [str(each) for each in titles], self._root))
                nodeids.append(nodeid)
                outcome = _OUTCOMES.get(str(test.get("status")), Outcome.ERROR)
                if self._name == "vitest" and test.get("status") == "pending":
                    continue  # it did not run; one that was to be skipped is called so
                text = "\n\n".join(str(each) for each in cast("list[object]", test.get("failureMessages") or []))
                before = self.story.results.get(nodeid)
                if before is not None and before.outcome is outcome and before.output:
                    text = before.output  # told already, in the reporter's words
                self.story.end(nodeid, outcome, _seconds(test.get("duration")), text)
            if file.get("status") == "failed" and all(test.get("status") != "failed" for test in tests):
                message, where = str(file.get("message") or "The file failed to run."), relative(path, self._root)
                if "jest worker process" in message.lower():
                    self.lacking = f"the process that ran {where} died"
                    nodeids.append(f"{where}::(file)")
                    self.story.end(nodeids[-1], Outcome.CRASHED, 0.0, message)
                elif not tests:
                    self.story.refuse(where, message)
                else:  # what is set up or taken down around them failed
                    nodeids.append(f"{where}::(file)")
                    self.story.end(nodeids[-1], Outcome.ERROR, 0.0, message)
        return tuple(nodeids)

    def _without_report(self, ended: Ended) -> Finding:
        if ended.signal is not None or self.story.running or self.story.results:
            where = f" while {self.story.now} ran" if self.story.now else ""
            self.lacking = "it wrote no report"
            finding = judge(self.story, ended, name=self._name, lacking=self.lacking)
            if finding.verdict is Verdict.CRASHED:
                return finding
            return Finding(
                Verdict.CRASHED,
                f"{self._name} ended with exit code {ended.code} before its report was written{where}. "
                "Look for process.exit() or a crash in what the tests run: the output shows what led to it.",
            )
        if _says_no_tests(ended):
            return Finding(Verdict.NO_TESTS, no_tests_message(self._name))
        return Finding(
            Verdict.USAGE_ERROR,
            f"{self._name} ended with exit code {ended.code} before a test began. "
            "Its output says why: look at its configuration file and at package.json.",
        )


def _nodeid(file: str, names: list[str], root: Path) -> str:
    # vitest 1 begins the report's titles with an empty one, which is the file's.
    outer = [name for name in names[:-1] if name]
    return f"{relative(file, root)}::{' > '.join([*outer, *names[-1:]])}"


def _says_no_tests(ended: Ended) -> bool:
    """Return whether the runner says that it found no tests: its exit code is that of a failure then."""
    said = ended.output.decode("utf-8", "replace")
    return ended.code == 1 and ("No test files found" in said or "No tests found" in said)


def _first_line(text: str) -> str:
    return clean(text).strip().partition("\n")[0][:200]


def _seconds(milliseconds: object) -> float:
    return milliseconds / 1000 if isinstance(milliseconds, int | float) else 0.0
