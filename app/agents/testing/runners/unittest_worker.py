"""Runs unittest as `python -m unittest ARGUMENTS` would, and tells each start and result as it comes.

Started in the user's own interpreter, CPython 3.8 and later (`unittests.py` says how), with what pytest's worker has
for channels and files at hand as the package `watchkeeper_worker`: standard library only, no thread, nothing written
to the project. One JSON document a line goes into the descriptor (on Windows: the handle) that
WATCHKEEPER_RESULTS_FD names; WATCHKEEPER_FIRST may hold a JSON list of test files, relative to the working folder, that
run first. Neither variable, nor the descriptor, reaches a program that a test starts. The lines, by their `kind`:

    items     ids                       tests in the order in which they will run, in parts
    collected count                     the last part came
    refused   id, text                  a file that cannot be imported
    start     id
    end       id, outcome, seconds, text
    wrote     path                      a file below the working folder that this process is about to write
    left      files                     how such files were left so far: path to [mtime_ns, size], or [0, -1]
    stopped   why                       the run stopped early
    finish    exit                      what `python -m unittest` would exit with

A test is named as pytest does: `tests/test_a.py::TestA::test_x`.
"""

# What unittest hands over is typed loosely (ANN401); pathlib costs time at each path (PTH); it chose its names (N802);
# what not every run or system needs is imported when it is (PLC0415); 3.8 has no removeprefix (FURB188); some of
# what is needed of unittest has no public name (SLF001).
# ruff: noqa: ANN401, FURB188, N802, PLC0415, PTH100, PTH109, PTH110, PTH118, PTH120, SLF001
from __future__ import annotations

import json
import os
import sys
import time
import traceback
import unittest

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from app.agents.testing.worker.audit import Audit
    from app.agents.testing.worker.results import Results
    from app.agents.testing.worker.texts import capped
    from app.agents.testing.worker.writes import Writes
else:
    from watchkeeper_worker.audit import Audit
    from watchkeeper_worker.results import Results
    from watchkeeper_worker.texts import capped
    from watchkeeper_worker.writes import Writes

IDS_IN_A_LINE = 200
NO_TESTS_EXIT = 5
"""What unittest itself exits with from Python 3.12 on."""
RANK = ("passed", "skipped", "xfailed", "xpassed", "error", "failed")


class Names:
    """Names of tests: unique, and the same in each run."""

    def __init__(self, root: str) -> None:
        self._inside = os.path.join(root, "")
        self._count: dict[str, int] = {}
        self._of: dict[int, str] = {}

    def add(self, test: Any) -> str:
        """Give a test its name; the second of one name gets a number."""
        name = self._plain(test)
        self._count[name] = count = self._count.get(name, 0) + 1
        self._of[id(test)] = name = name if count == 1 else f"{name} ({count})"
        return name

    def of(self, test: Any) -> str:
        """Return a test's name."""
        return self._of.get(id(test)) or self._plain(test)

    def _plain(self, test: Any) -> str:
        method = getattr(test, "_testMethodName", "")
        kind = type(test)
        if method and hasattr(test, method):
            return f"{self.file(kind.__module__)}::{kind.__qualname__}::{method}"
        return f"{self.file(kind.__module__)}::{test.id()}"

    def file(self, module: str) -> str:
        """Return a module's file relative to the working folder; of one that cannot be imported, where it should be."""
        path = getattr(sys.modules.get(module), "__file__", None)
        if not path:
            path = next((each for each in _places(module) if os.path.exists(each)), module)
        path = os.path.abspath(path) if os.path.exists(path) else path
        return (path[len(self._inside) :] if path.startswith(self._inside) else path).replace(os.sep, "/")


def _places(module: str) -> Iterator[str]:
    """Yield where a module may lie, that could not be imported."""
    relative = module.replace(".", os.sep)
    for folder in sys.path:
        yield os.path.join(folder or os.getcwd(), relative + ".py")
        yield os.path.join(folder or os.getcwd(), relative, "__init__.py")


def is_refusal(test: Any) -> bool:
    """Return whether this stands for a module that cannot be imported."""
    return type(test).__module__ == "unittest.loader" and type(test).__name__ == "_FailedTest"


class Told(unittest.TextTestResult):
    """Tells each test as it starts and ends, and prints what unittest prints."""

    names: Names
    channel: Results
    writes: Writes
    by_class: dict[str, list[str]]
    by_file: dict[str, list[str]]

    def startTest(self, test: Any) -> None:
        """Tell that a test starts."""
        super().startTest(test)
        self._outcome, self._texts, self._began = "", [], time.perf_counter()  # type: ignore[var-annotated]
        if not is_refusal(test):
            self.channel.tell("start", id=self.names.of(test))

    def stopTest(self, test: Any) -> None:
        """Tell how a test ended: its worst outcome, its subtests' among them."""
        seconds = time.perf_counter() - self._began
        super().stopTest(test)
        if not is_refusal(test):
            text = capped("\n".join(self._texts))
            outcome = self._outcome or "error"
            self.channel.tell("end", id=self.names.of(test), outcome=outcome, seconds=seconds, text=text)
        self._outcome = ""
        self.writes.settle()

    def _note(self, outcome: str, text: str = "") -> None:
        if not self._outcome or RANK.index(outcome) > RANK.index(self._outcome):
            self._outcome = outcome
        if text:
            self._texts.append(text)

    def addSuccess(self, test: Any) -> None:
        """Note a test that passed."""
        super().addSuccess(test)
        self._note("passed")

    def addError(self, test: Any, err: Any) -> None:
        """Note a test that raised; or what is around tests, which stops those from being run."""
        super().addError(test, err)
        if is_refusal(test):
            return
        text = self.errors[-1][1]
        if type(test).__name__ == "_ErrorHolder":
            self._around(test.id(), "error", text)
        else:
            self._note("failed", text)

    def addFailure(self, test: Any, err: Any) -> None:
        """Note a test that failed."""
        super().addFailure(test, err)
        self._note("failed", self.failures[-1][1])

    def addSkip(self, test: Any, reason: str) -> None:
        """Note a test that was skipped; or what is around tests."""
        super().addSkip(test, reason)
        if type(test).__name__ == "_ErrorHolder":
            self._around(test.id(), "skipped", "")
        else:
            self._note("skipped")

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        """Note a test that failed as it should."""
        super().addExpectedFailure(test, err)
        self._note("xfailed")

    def addUnexpectedSuccess(self, test: Any) -> None:
        """Note a test that passed and should not: unittest fails the run for it, so it is red here."""
        super().addUnexpectedSuccess(test)
        self._note("failed", "Unexpected success: the test is decorated with @expectedFailure, and passed.")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        """Note a subtest."""
        super().addSubTest(test, subtest, err)
        if err is not None:
            is_failure = issubclass(err[0], test.failureException)
            own = (self.failures if is_failure else self.errors)[-1][1]
            self._note("failed", f"{subtest._subDescription()}\n{own}")

    def _around(self, what: str, outcome: str, text: str) -> None:
        """Tell of `setUpClass (module.Class)` and the like: the tests around which it failed were not run."""
        function, _, rest = what.partition(" (")
        place = rest.rstrip(")")
        tests = self.by_class.get(place, ()) if function.endswith("Class") else self.by_file.get(place, ())
        if function.startswith("setUp") and tests:
            for name in tests:
                self.channel.tell("end", id=name, outcome=outcome, seconds=0.0, text=capped(text))
        elif outcome == "error":
            module = place.rpartition(".")[0] if function.endswith("Class") else place
            name = f"{self.names.file(module)}::{what}"
            self.channel.tell("end", id=name, outcome=outcome, seconds=0.0, text=capped(text))


class Runner(unittest.TextTestRunner):
    """Tells what will run, then runs it."""

    names: Names
    channel: Results
    first: Sequence[str] = ()

    def run(self, test: Any) -> Any:
        """Run."""
        tests = list(_flat(test))
        ids = []
        by_class: dict[str, list[str]] = {}
        by_file: dict[str, list[str]] = {}
        for each in tests:
            if is_refusal(each):
                error = getattr(each, "_exception", None)
                text = "".join(traceback.format_exception_only(type(error), error)) if error else str(each)
                self.channel.tell("refused", id=self.names.file(each._testMethodName), text=capped(text))
                continue
            ids.append(self.names.add(each))
            kind = type(each)
            by_class.setdefault(f"{kind.__module__}.{kind.__qualname__}", []).append(ids[-1])
            by_file.setdefault(kind.__module__, []).append(ids[-1])
        if self.first and _is_plain(test):
            places = {path: place for place, path in enumerate(self.first)}
            tests.sort(key=lambda each: places.get(self.names.file(type(each).__module__), len(places)))
            test = unittest.TestSuite(tests)
        Told.by_class, Told.by_file = by_class, by_file
        for place in range(0, len(ids), IDS_IN_A_LINE):
            self.channel.tell("items", ids=ids[place : place + IDS_IN_A_LINE])
        self.channel.tell("collected", count=len(ids))
        del tests
        result = super().run(test)
        if result.shouldStop:
            self.channel.tell("stopped", why="a test failed, and --failfast says to stop" if self.failfast else "")
        return result


def _flat(suite: Any) -> Iterator[Any]:
    for each in suite:
        if isinstance(each, unittest.BaseTestSuite):
            yield from _flat(each)
        elif each is not None:
            yield each


def _is_plain(suite: Any) -> bool:
    """Return whether only unittest's own suites are here: another may do something around its tests."""
    if not isinstance(suite, unittest.BaseTestSuite):
        return True
    return type(suite) is unittest.TestSuite and all(_is_plain(each) for each in suite)


def _behave_as_module(arguments: list[str]) -> None:
    """Look as `python -m unittest` does; so multiprocessing's spawn does not run this file again in its children."""
    import importlib.util

    main: Any = sys.modules["__main__"]
    for name in [name for name in vars(main) if not name.startswith("__")]:
        delattr(main, name)
    main.__file__ = os.path.join(os.path.dirname(unittest.__file__), "__main__.py")
    main.__spec__ = importlib.util.find_spec("unittest.__main__")
    main.__package__ = "unittest"
    sys.argv = ["python -m unittest", *arguments]


def run(arguments: list[str]) -> int:
    """Run unittest; returns the exit code."""
    channel = Results(int(os.environ.pop("WATCHKEEPER_RESULTS_FD")))
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.getcwd()
    Told.channel = Runner.channel = channel
    Told.names = Runner.names = Names(os.getcwd())
    audit = Audit()
    Told.writes = writes = Writes(channel, os.getcwd(), audit)
    Runner.first = json.loads(os.environ.pop("WATCHKEEPER_FIRST", "[]"))
    Runner.resultclass = Told  # type: ignore[assignment] # a class is what it calls
    _behave_as_module(arguments)
    sys.addaudithook(audit)
    try:
        program = unittest.main(module=None, argv=sys.argv, testRunner=Runner, exit=False)
        code = 0 if program.result.wasSuccessful() else 1
        if not program.result.testsRun and not program.result.skipped and not code:
            code = NO_TESTS_EXIT
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
        channel.tell("usage", exit=code)
    writes.settle()
    channel.tell("finish", exit=code)
    return code
