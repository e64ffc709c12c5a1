"""What a run has told so far, and what to make of it once it has ended.

Pure: fed with the worker's lines (their kinds stand in `worker/__init__.py`), asked for results as they come, and in
the end for the verdict. The rule of the verdict is that nothing is green unless everything says so: pytest's exit code,
the process's, each collected test's result, and the absence of any red one.
"""

from __future__ import annotations

import json
import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from app.agents.testing.impact.trace import Trace
from app.agents.testing.running.told import Told
from app.domain.verdicts import Outcome, Stage, TestResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.engine.processes import Ended

OUTPUT_SHOWN = 64 * 1024
"""Characters of pytest's output that a verdict of trouble carries, the last ones."""
NAMES_SHOWN = 3

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")

# pytest's own exit codes (https://docs.pytest.org/en/stable/reference/exit-codes.html).
_OK, _FAILED, _INTERRUPTED, _INTERNAL, _USAGE, _NO_TESTS = range(6)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a run says: its verdict, and for trouble what happened and what to do, for people."""

    verdict: Verdict
    message: str = ""


class Journal(Told):
    """What one run has told so far."""

    def __init__(self) -> None:
        super().__init__()
        self.collection_errors: dict[str, TestResult] = {}
        self.wrote: dict[str, tuple[int, int] | None] = {}
        self.session: Mapping[str, object] | None = None
        self.missing: Mapping[str, object] | None = None
        self.internal_error = ""
        self.interrupted = ""
        self.stopped_early = ""
        self.is_partial = False
        self.finish: int | None = None
        self.coverage: Mapping[str, object] | None = None
        self.trace = Trace()
        self._items: list[str] = []

    def take(self, line: bytes) -> None:
        """Note one line of the worker's; one that is no line of its, or a broken one, is passed over."""
        try:
            said = json.loads(line)
            kind = said["kind"]
            self._take(kind, said)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return

    def _take(self, kind: str, said: Mapping[str, object]) -> None:
        match kind:
            case "start":
                self.running[_text(said["id"])] = None
            case "end":
                seconds = float(cast("float", said["seconds"]))
                self.end(_text(said["id"]), Outcome(_text(said["outcome"])), seconds, _text(said["text"]))
            case "items":
                self._items += [_text(each) for each in cast("list[object]", said["ids"])]
            case "collected":
                self.collected, self.is_collected = tuple(self._items), True
            case "collect-error":
                nodeid = _text(said["id"]) or "."
                self.collection_errors[nodeid] = TestResult(nodeid, Outcome.ERROR, 0.0, _text(said["text"]))
                self._note(self.collection_errors[nodeid])
            case "wrote":
                self.wrote.setdefault(_text(said["path"]))
            case "left":
                for path, (mtime_ns, size) in cast("dict[str, list[int]]", said["files"]).items():
                    self.wrote[_text(path)] = (int(mtime_ns), int(size))
            case _:
                self._take_of_session(kind, said)

    def _take_of_session(self, kind: str, said: Mapping[str, object]) -> None:
        match kind:
            case "session":
                self.session = said
            case "no-pytest":
                self.missing = said
            case "internal-error":
                self.internal_error = _text(said["text"])
            case "interrupted":
                self.interrupted = _text(said["text"])
            case "stopped":
                self.stopped_early, self.is_partial = _text(said["why"]), bool(said["partial"])
            case "finish":
                self.finish = int(cast("int", said["exit"]))
            case "stage":
                tests = said.get("tests")
                self.stage, self.stage_tests = Stage(_text(said["stage"])), tests if isinstance(tests, int) else None
            case "coverage":
                self.coverage = said
            case _:
                self.trace.take(kind, said)

    def end(self, nodeid: str, outcome: Outcome, seconds: float, text: str) -> None:
        """Note how a test ended; told again, it is news again."""
        self._note(TestResult(nodeid, outcome, max(0.0, seconds), text))

    def _note(self, result: TestResult) -> None:
        self.running.pop(result.nodeid, None)
        self.results[result.nodeid] = result
        self.has_red = self.has_red or result.outcome.is_red
        self._fresh.append(result)

    @property
    def is_complete(self) -> bool:
        """True when each test that the arguments select was collected and has its result."""
        return (
            self.finish in (_OK, _FAILED, _NO_TESTS)
            and not (self.collection_errors or self.stopped_early or self.is_partial or self.missed)
            and (self.is_collected or self.finish == _NO_TESTS)
        )

    def conclude(self, ended: Ended) -> Finding:
        """Return what a run that ended by itself says. Tests that were running then should be closed first."""
        if self.missing is not None:
            return Finding(Verdict.NO_PYTEST, str(self.missing.get("text", "")))
        if ended.signal is not None:
            return Finding(Verdict.CRASHED, f"{self._where()} by {signal_name(ended.signal)}. {_CRASH_HINT}")
        if self.finish is None:
            return self._without_finish(ended)
        if self.collection_errors:
            return Finding(Verdict.COLLECTION_ERROR, self._collection_message())
        if ended.code != self.finish:
            return Finding(
                Verdict.CRASHED,
                f"pytest ended with exit code {self.finish}, but its process with {ended.code}. "
                "Something ran at exit and failed: the last lines of the output say what.",
            )
        return self._by_exit_code(self.finish)

    def _without_finish(self, ended: Ended) -> Finding:
        if self.internal_error:
            return Finding(Verdict.ERROR, _INTERNAL_MESSAGE)
        if self.session is None and self.collection_errors:
            return Finding(Verdict.COLLECTION_ERROR, self._collection_message())
        if self.session is None:
            return Finding(
                Verdict.USAGE_ERROR,
                f"pytest ended with exit code {ended.code} before its session began. "
                "Look at its output, and at the plugins and options in the project's pytest configuration.",
            )
        code = "an unknown exit code" if ended.code is None else f"exit code {ended.code}"
        return Finding(Verdict.CRASHED, f"{self._where()} with {code} (os._exit, or the like). {_CRASH_HINT}")

    def _by_exit_code(self, code: int) -> Finding:
        is_red_code = code in (_OK, _FAILED) or (code == _INTERRUPTED and self.stopped_early) or code > _NO_TESTS
        if self.red and is_red_code:
            return Finding(Verdict.RED)
        if code == _OK:
            return self._green_or_doubt()
        verdict = {_USAGE: Verdict.USAGE_ERROR, _NO_TESTS: Verdict.NO_TESTS}.get(code, Verdict.ERROR)
        return Finding(verdict, self._message_of(code))

    def _green_or_doubt(self) -> Finding:
        if self.is_collected and not self.missed:
            return Finding(Verdict.GREEN)
        return Finding(
            Verdict.ERROR,
            f"pytest ended well, but {len(self.missed)} of {len(self.collected)} collected tests gave no result"
            f"{_named(self.missed)}. Look for --collect-only or pytest.exit() in the project.",
        )

    def _message_of(self, code: int) -> str:
        if code == _FAILED:
            return (
                f"No test failed, but pytest ended with exit code 1{_because(self.stopped_early)}. A plugin made the "
                "run fail (a coverage threshold, say): the last lines of the output say which."
            )
        if code == _INTERRUPTED:
            return (
                f"The run was interrupted{_because(self.interrupted or self.stopped_early)}. "
                "Look for KeyboardInterrupt or pytest.exit() in the project's tests, or run it again."
            )
        return _MESSAGES.get(code) or (
            f"pytest ended with exit code {code}{_because(self.interrupted)}, which is none of its own. "
            "A plugin or pytest.exit() chose it: the last lines of the output may say why."
        )

    def _where(self) -> str:
        if self.running:
            return f"The interpreter was ended while {self.now} ran,"
        crashed = [nodeid for nodeid, result in self.results.items() if result.outcome is Outcome.CRASHED]
        if crashed and self.finish is None:
            return f"The interpreter was ended while {crashed[-1]} ran,"
        if self.finish is not None:
            return "The interpreter was ended after the last test,"
        if self.session is not None and not self.is_collected:
            return "The interpreter was ended while pytest collected the tests,"
        return "The interpreter was ended between tests," if self.session else "The interpreter was ended at its start,"

    def _collection_message(self) -> str:
        names = tuple(self.collection_errors)
        files = "1 file" if len(names) == 1 else f"{len(names)} files"
        return f"{files} could not be imported, so tests in there did not run{_named(names)}. Mend the import first."


_CRASH_HINT = "The output shows what led to it: look for native code, os._exit, or a signal sent by a test."
_INTERNAL_MESSAGE = (
    "pytest itself, or one of its plugins, broke (INTERNALERROR). The output names the plugin: "
    "update it, or turn it off with -p no:NAME."
)
_MESSAGES = {
    _INTERNAL: _INTERNAL_MESSAGE,
    _USAGE: "pytest refused its arguments or its configuration. Its output says which: mend it in the project's pytest "
    "configuration or in Watchkeeper's settings.",
    _NO_TESTS: "pytest found no tests. It looks for files named test_*.py or *_test.py: check the project's testpaths "
    "and python_files, and the options that deselect tests.",
}


def signal_name(number: int) -> str:
    """Return a signal's name: `SIGSEGV (Segmentation fault)`."""
    try:
        known = signal.Signals(number)
    except ValueError:
        return f"signal {number}"
    return f"{known.name} ({signal.strsignal(number)})"


def readable(output: bytes) -> str:
    """Return the last part of what pytest printed as text: no colours, nothing that is not UTF-8."""
    text = _ANSI.sub("", output.decode("utf-8", "replace")).replace("\r\n", "\n").replace("\x00", "\ufffd")
    return text[-OUTPUT_SHOWN:].strip("\n")


def _text(value: object) -> str:
    """Return a string that any store and any face can take: a lone surrogate becomes its escape, and NUL a mark."""
    if not isinstance(value, str):
        raise TypeError
    return value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\ufffd")


def _named(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    more = len(names) - NAMES_SHOWN
    return ": " + ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
