"""Rust: `cargo test`. Its build speaks JSON; the tests speak libtest's text, the only stable format that they have.

Both streams are read as one, since cargo says on stderr which binary's tests follow on stdout. A test is named as
nextest does: `package::test` in a library, `package::target::test` in the others.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.agents.testing.runners.steps import Relayed, Step, relayed
from app.agents.testing.runners.story import TEXT_CAP, Names, Story, judge
from app.agents.testing.running.journal import Finding
from app.domain.verdicts import Outcome, Stage, Verdict
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from app.agents.testing.runners.steps import Place, Wrote
    from app.engine.processes import Ended

HIDDEN = r'^\{"reason":'
MARK = (
    rf"{HIDDEN}|test .* \.\.\. |^test result: |^running \d+ tests?$|^ +(?:Running|Doc-tests) |^---- |^failures:$|^error"
)
NAME = "cargo test"

_RUNNING = re.compile(r"^ +Running (?:unittests )?(.+?) \((.+)\)$")
_DOC_TESTS = re.compile(r"^ +Doc-tests (\S+)$")
_COUNT = re.compile(r"^running (\d+) tests?$")
_TEST = re.compile(r"test (\S+)(?: - should panic)? \.\.\. (.*)$")
_DOC_TEST = re.compile(r"test (\S+ - .*?)(?: - (?:should panic|compile|compile fail))? \.\.\. (.*)$")
_LINE_OF_DOC = re.compile(r" \(line \d+\)$")
_STATUS = re.compile(r"(ok|FAILED|ignored)(?:, .*)?(?: <[^>]*>)?$")
_LATE_STATUS = re.compile(r"(ok|FAILED)$")
_STDOUT_OF = re.compile(r"^---- (.+?) stdout ----$")
_RESULT = re.compile(r"(?:^|.*)test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")
_FAILED = re.compile(r"^error: (?:doc)?test failed\b")
_OUTCOMES = {"ok": Outcome.PASSED, "FAILED": Outcome.FAILED, "ignored": Outcome.SKIPPED}


@dataclass(frozen=True, slots=True)
class Cargo:
    """A Rust package or workspace."""

    name: str = NAME

    def steps(self, place: Place) -> tuple[Step, ...]:
        """Return the one command: compiling takes most of the time, so choosing tests would gain little.

        Raises:
            CannotError: There is no cargo.
        """
        cargo = place.program("cargo", "Install Rust (https://rustup.rs), or start Watchkeeper where it is on PATH.")
        scope = ("--workspace",) if _is_whole_workspace(place.root / "Cargo.toml") else ()
        argv = (cargo, "test", "--no-fail-fast", "--message-format=json", "--color=never", *scope)
        return (Step(Stage.REST, relayed(argv, mark=MARK, hidden=HIDDEN, merge=True), Told()),)


_LARGEST_MANIFEST = 1 << 20


def _is_whole_workspace(manifest: Path) -> bool:
    """Return whether all members are to be tested: unless the workspace says which ones are by default."""
    try:
        workspace = tomllib.loads(read_regular(manifest, _LARGEST_MANIFEST).decode("utf-8")).get("workspace")
    except (OSError, ValueError):
        return False
    return isinstance(workspace, dict) and "default-members" not in workspace


@dataclass(slots=True)
class _Binary:
    """One test binary, or the documentation's tests of one library, while it runs.

    Attributes:
        prefix: What its tests' names begin with.
        is_doc: Whether these are the documentation's tests.
        count: How many tests it said that it will run; None for one that has a harness of its own, and says nothing.
        tests: The tests that it told of: libtest's name to ours.
        pending: A test whose line was broken off by what it prints.
        said: What it printed, of late.
        is_over: Whether it told its result.
        has_failed: Whether cargo said that it failed.
    """

    prefix: str
    is_doc: bool = False
    count: int | None = None
    tests: dict[str, str] = field(default_factory=dict)
    pending: str = ""
    said: list[str] = field(default_factory=list)
    is_over: bool = False
    has_failed: bool = False


class Told:
    """Reads what cargo and the test binaries print."""

    def __init__(self) -> None:
        self.story = Story()
        self.lacking = ""
        self._relayed = Relayed(self._take_text)
        self._names = Names()
        self._prefixes: dict[str, str] = {}
        self._packages: dict[str, str] = {}
        self._binary: _Binary | None = None
        self._failing = ""
        self._text: list[str] = []
        self._is_built: bool | None = None

    def take(self, line: bytes) -> None:
        """Take what was printed."""
        self._relayed.take(line)

    def wrote(self) -> Wrote:
        """Return nothing: what another program writes cannot be seen."""
        return {}

    def _take_text(self, text: str) -> None:
        if text.startswith('{"reason":'):
            try:
                self._take_build(json.loads(text))
            except (ValueError, KeyError, TypeError, AttributeError):
                self.lacking = "a line of its build is not understood"
        elif running := _RUNNING.match(text):
            executable = running[2].replace("\\", "/").rpartition("/")[2]
            self._next_binary(_Binary(self._prefixes.get(executable, running[1].replace("\\", "/"))))
        elif documentation := _DOC_TESTS.match(text):
            package = self._packages.get(documentation[1], documentation[1])
            self._next_binary(_Binary(f"{package}::doc", is_doc=True))
        elif self._binary is not None:
            self._take_of_binary(text, self._binary)

    def _take_build(self, said: Mapping[str, object]) -> None:
        match said:
            case {"reason": "build-finished", "success": bool(success)}:
                self._is_built = success
            case {"reason": "compiler-artifact", "package_id": str(package_id), "target": dict(target)}:
                package, name = _package(package_id), str(target["name"])
                kind = str(target["kind"][0])
                if kind not in ("bin", "test", "example", "bench", "custom-build"):
                    self._packages.setdefault(name, package)
                    prefix = package
                else:
                    prefix = f"{package}::{name}" if kind == "test" else f"{package}::{kind}/{name}"
                executable = said.get("executable")
                if isinstance(executable, str):
                    self._prefixes[executable.replace("\\", "/").rpartition("/")[2]] = prefix
            case {"reason": "compiler-message", "message": {"level": "error", "spans": list(spans), **message}}:
                file = next((str(span["file_name"]) for span in spans if span["is_primary"]), "")
                if file:
                    before = self.story.refused.get(file.replace("\\", "/"))
                    text = str(message.get("rendered") or message.get("message"))
                    self.story.refuse(file.replace("\\", "/"), f"{before.output}\n{text}" if before else text)

    def _take_of_binary(self, text: str, binary: _Binary) -> None:
        if _FAILED.match(text):
            self._close_text()
            binary.has_failed = True
        elif count := _COUNT.match(text):
            binary.count = int(count[1])
        elif result := _RESULT.match(text):
            self._close_text()
            binary.is_over = True
            self._check(binary, [int(each) for each in result.groups()])
        elif printed := _STDOUT_OF.match(text):
            self._close_text()
            self._failing = printed[1]
        elif text == "failures:":
            self._close_text()
        elif self._failing:
            self._text.append(text)
        elif not (binary.count is not None and self._take_test(text, binary)):
            binary.said = [*binary.said[-200:], text[:TEXT_CAP]]

    def _take_test(self, text: str, binary: _Binary) -> bool:
        """Take a line that tells how a test ended; returns whether this is one."""
        pattern = _DOC_TEST if binary.is_doc else _TEST
        if test := pattern.search(text):
            status = _STATUS.match(test[2])
            if status is None:
                binary.pending = test[1]
                return False
            self._end(binary, test[1], _OUTCOMES[status[1]])
            return True
        late = _LATE_STATUS.search(text) if binary.pending else None
        if late is not None:
            self._end(binary, binary.pending, _OUTCOMES[late[1]])
            binary.pending = ""
        return late is not None

    def _end(self, binary: _Binary, name: str, outcome: Outcome) -> None:
        # The line in which a documentation's test stands changes with each edit above it.
        known_as = _LINE_OF_DOC.sub("", name) if binary.is_doc else name
        nodeid = self._names.unique(f"{binary.prefix}::{known_as}")
        binary.tests[name] = nodeid
        self.story.end(nodeid, outcome)

    def _close_text(self) -> None:
        """Give a failed test what it printed; that comes at its binary's end."""
        name, self._failing = self._failing, ""
        text, self._text = "\n".join(self._text).strip("\n"), []
        nodeid = self._binary.tests.get(name) if self._binary is not None else None
        if nodeid is not None:
            self.story.end(nodeid, self.story.results[nodeid].outcome, 0.0, text)

    def _check(self, binary: _Binary, counts: list[int]) -> None:
        """Compare what a binary says of itself with the tests that it told of."""
        outcomes = [self.story.results[nodeid].outcome for nodeid in binary.tests.values()]
        found = [outcomes.count(each) for each in (Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED)]
        if found != counts and not self.lacking:
            self.lacking = (
                f"{binary.prefix} counts {sum(counts)} tests, of which {sum(found)} could be read: "
                "a test writes to stdout past libtest"
            )

    def _next_binary(self, binary: _Binary | None) -> None:
        self._close_text()
        before, self._binary = self._binary, binary
        if before is None or before.is_over:
            return
        text = "\n".join(before.said)
        nodeid = self._names.unique(f"{before.prefix}::(binary)")
        if before.count is not None:
            self.lacking = f"{before.prefix} ended before its tests did"
            self.story.end(nodeid, Outcome.CRASHED, 0.0, text)
        else:
            self.story.end(nodeid, Outcome.FAILED if before.has_failed else Outcome.PASSED, 0.0, text)

    def conclude(self, ended: Ended) -> Finding:
        """Judge."""
        if self._relayed.refusal:
            return Finding(Verdict.NO_INTERPRETER, f"{self._relayed.refusal}.")
        self._next_binary(None)
        if self._is_built is False and not self.story.refused:
            self.story.refuse("Cargo.toml", "The build failed: the output says why.")
        if self._is_built is None and ended.code:
            return Finding(
                Verdict.USAGE_ERROR,
                f"cargo ended with exit code {ended.code} before it built anything. "
                "Its output says why: look at Cargo.toml, and whether all dependencies are there.",
            )
        self.story.collect(tuple(self.story.results))
        return judge(self.story, ended, name=NAME, lacking=self.lacking)


def _package(package_id: str) -> str:
    """Return a package's name from its id (https://doc.rust-lang.org/cargo/reference/pkgid-spec.html).

    `path+file:///a/b#name@1.0.0`, `path+file:///a/name#1.0.0`, and before cargo 1.77 `name 1.0.0 (path+file:///a/b)`.
    """
    if " " in package_id and "#" not in package_id.partition(" ")[0]:
        return package_id.partition(" ")[0]
    where, _, version = package_id.partition("#")
    return version.partition("@")[0] if "@" in version else where.rstrip("/").rpartition("/")[2]
