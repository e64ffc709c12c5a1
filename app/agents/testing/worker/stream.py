"""Runs pytest as `python -m pytest ARGUMENTS` would, and tells each start and result as it comes.

Started by path in the user's own interpreter, CPython 3.8 and later with pytest 7 and later: standard library only, no
thread, nothing written to the project. One JSON document a line goes into the descriptor (on Windows: the handle) that
WATCHKEEPER_RESULTS_FD names; WATCHKEEPER_FIRST may hold a JSON list of test files, relative to the working folder, that
run first. Neither variable, nor the descriptor, reaches a program that a test starts. The lines, by their `kind`:

    no-pytest      name, text          pytest cannot be imported; nothing follows
    session        python, pytest, rootdir
    items          ids                 node ids in the order in which they will run, in parts
    collected      count               the last part came
    collect-error  id, text            a file that cannot be imported
    start          id
    end            id, outcome, seconds, text; outcome as in app.domain.verdicts.Outcome
    internal-error text                pytest or a plugin broke
    interrupted    text
    stopped        why, partial        the session ends; why is empty unless it stops early, partial says that options
                                       like --lf left out tests
    wrote          path                a file below the working folder that this process is about to write, move or
                                       remove, relative to it and with forward slashes; once for each
    left           files               how such files were left by the tests so far: path to [mtime_ns, size], or
                                       [0, -1] for one that is gone
    finish         exit                what pytest.main returned
"""

# What pytest hands over has other classes in each of its versions (ANN401); pathlib behaves differently over Python's
# versions and costs time at each path (PTH); what not every run or system needs is imported when it is (PLC0415).
# ruff: noqa: ANN401, PLC0415, PTH100, PTH109, PTH118, PTH119, PTH120
from __future__ import annotations

import json
import os
import sys
import threading

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

TEXT_CAP = 64 * 1024
"""Characters of a failure's text and of what the test printed, together."""
HEAD = 16 * 1024
IDS_IN_A_LINE = 200
WRITES_CAP = 10_000
HIGH_DESCRIPTOR = 100
"""Tests that close "all" descriptors rarely go as far as this."""
NO_PYTEST_EXIT = 4

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_BYTECODE = os.sep + "__pycache__" + os.sep


class Results:
    """The results channel. Only the process that opened it writes: a forked test must not tell its parent's story.

    What it needs of `os` it keeps, for tests put fakes in its place, some for a whole session.
    """

    def __init__(self, channel: int) -> None:
        self._write, self._fstat, self._getpid = os.write, os.fstat, os.getpid
        self._descriptor = _own(channel)
        self._pid = os.getpid()
        stat = os.fstat(self._descriptor)
        self._is_channel = (stat.st_dev, stat.st_ino)
        self._held = b""
        # The tests' own threads come here by the audit hook. Reentrant, since a signal handler may open a file.
        self._turn = threading.RLock()

    def hold(self, kind: str, **values: object) -> None:
        """Keep one line until the next is told, which follows at once: so one write does for both."""
        with self._turn:
            self._held += _line(kind, values)

    def tell(self, kind: str, **values: object) -> None:
        """Write one line, behind those that are held."""
        if self._descriptor < 0 or self._getpid() != self._pid:
            return
        with self._turn:
            content, self._held = self._held + _line(kind, values), b""
            try:
                # A test may have closed our descriptor, and another file may have been given its number.
                stat = self._fstat(self._descriptor)
                is_ours = (stat.st_dev, stat.st_ino) == self._is_channel
                while content and is_ours:
                    content = content[self._write(self._descriptor, content) :]
            except OSError:
                is_ours = False
            if not is_ours:
                self._descriptor = -1


def _line(kind: str, values: dict[str, object]) -> bytes:
    """Return one line. ASCII only, so lone surrogates in names and texts pass."""
    return json.dumps(dict(values, kind=kind)).encode("ascii") + b"\n"


def _own(channel: int) -> int:
    """Return the channel as a descriptor that no program started from here inherits."""
    if sys.platform == "win32":
        import msvcrt

        os.set_handle_inheritable(channel, False)  # noqa: FBT003 - its only argument
        own = msvcrt.open_osfhandle(channel, os.O_WRONLY | os.O_BINARY | os.O_NOINHERIT)
    else:
        import fcntl

        try:
            own = fcntl.fcntl(channel, fcntl.F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR)
        except OSError:
            own = os.dup(channel)
        os.close(channel)
    return own


class Writes:
    """Tells which files of the project the tests write, so that their changes are not taken for a person's.

    An audit hook (PEP 578) sees what Python itself opens; it is called before the deed, so the line comes first. What
    other programs write is not seen.
    """

    def __init__(self, results: Results, root: str) -> None:
        self._results = results
        self._inside = os.path.join(root, "")
        self._told: set[str] = set()
        self._open: set[str] = set()
        self._stat = os.stat
        self._paths: dict[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]] = {
            "open": _opened,
            "os.rename": lambda args: args[:2],
            "os.link": lambda args: args[1:2],
            "os.symlink": lambda args: args[1:2],
            "os.remove": lambda args: args[:1],
            "os.truncate": lambda args: args[:1],
            "os.utime": lambda args: args[:1],
            "sqlite3.connect": lambda args: args[:1],
        }

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Take in one event. Nothing may be raised from here: it would end what the test is doing."""
        paths = self._paths.get(event)
        if paths is None:
            return
        try:
            for path in paths(args):
                self._tell(path)
        except Exception:  # noqa: BLE001, S110 - see above, and there is nobody to tell
            pass

    def _tell(self, path: Any) -> None:
        if not isinstance(path, (str, bytes)) or len(self._told) >= WRITES_CAP:
            return
        full = os.path.abspath(os.fsdecode(path))
        if not full.startswith(self._inside) or _BYTECODE in full:
            return
        self._open.add(full)
        if full not in self._told:
            self._told.add(full)
            self._results.tell("wrote", path=self._name(full))

    def settle(self) -> None:
        """Tell how the files were left that were written since the last time: what differs later is a person's."""
        written, self._open = self._open, set()
        if written:
            self._results.tell("left", files={self._name(full): self._mark(full) for full in written})

    def _name(self, full: str) -> str:
        return full[len(self._inside) :].replace(os.sep, "/")

    def _mark(self, full: str) -> list[int]:
        try:
            stat = self._stat(full)
        except (OSError, ValueError):
            return [0, -1]
        return [stat.st_mtime_ns, stat.st_size]


def _opened(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the path of an open() or os.open() that may change the file."""
    flags = args[2]
    return args[:1] if isinstance(flags, int) and flags & _WRITING else ()


class Stream:
    """The plugin."""

    def __init__(self, pytest: Any, results: Results, writes: Writes, first: Sequence[str]) -> None:
        self._version = pytest.__version__
        self._results = results
        self._writes = writes
        self._first = first
        self._reports: dict[str, list[Any]] = {}
        self._items_told = False

    def pytest_load_initial_conftests(self) -> Iterator[None]:
        """Tell of a conftest.py that cannot be imported: pytest itself calls that a usage error."""
        outcome: Any = yield
        error: Any = outcome.excinfo[1] if outcome.excinfo else None
        if type(error).__name__ == "ConftestImportFailure":
            path = os.path.relpath(str(error.path)).replace(os.sep, "/")
            cause = getattr(error, "cause", None) or error.excinfo[1]
            self._results.tell("collect-error", id=path, text=capped(_traceback(cause)))

    def pytest_sessionstart(self, session: Any) -> None:
        """Tell what runs."""
        config = session.config
        rootdir = str(getattr(config, "rootpath", None) or config.rootdir)
        version = ".".join(str(part) for part in sys.version_info[:3])
        self._results.tell("session", python=version, pytest=self._version, rootdir=rootdir)

    def pytest_collectreport(self, report: Any) -> None:
        """Tell of a file that cannot be imported."""
        if report.failed:
            self._results.tell("collect-error", id=report.nodeid, text=capped(failure_text(report)))

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        """Move the files that are to come first to the front, whole, and leave the order else as it is."""
        if self._first:
            folders = (str(config.rootdir), os.getcwd())
            named = [
                (os.path.join(folder, path), place) for folder in folders for place, path in enumerate(self._first)
            ]
            places = {os.path.normcase(os.path.abspath(path)): place for path, place in named}
            items.sort(key=lambda item: places.get(_file_of(item), len(self._first)))

    def pytest_collection_finish(self, session: Any) -> None:
        """Tell what will run. With xdist, the controller collects nothing itself."""
        if session.items:
            self._tell_items([item.nodeid for item in session.items])

    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Tell what will run, as the first of xdist's workers has it; they all have the same."""
        self._tell_items(ids)

    def _tell_items(self, ids: Sequence[str]) -> None:
        if self._items_told:
            return
        self._items_told = True
        for place in range(0, len(ids), IDS_IN_A_LINE):
            self._results.tell("items", ids=list(ids[place : place + IDS_IN_A_LINE]))
        self._results.tell("collected", count=len(ids))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell that a test starts."""
        self._finish(nodeid)
        self._results.tell("start", id=nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep a phase's report until the test has ended; a rerun forgets what came before it."""
        if report.outcome == "rerun":
            self._reports[report.nodeid] = []
            return
        self._reports.setdefault(report.nodeid, []).append(report)
        if report.when not in ("setup", "call", "teardown"):
            # xdist says so of the test during which one of its workers died; no end of the test follows.
            self._finish(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Tell how the test ended."""
        self._finish(nodeid)
        self._writes.settle()

    def _finish(self, nodeid: str) -> None:
        reports = self._reports.pop(nodeid, None)
        if reports:
            outcome = outcome_of(reports)
            red = [report for report in reports if report.failed]
            seconds = sum(getattr(report, "duration", 0.0) for report in reports if not _is_subtest(report))
            text = capped(red_text(red)) if red else ""
            # The next test's start follows at once, unless xdist's workers report here, each in its own time.
            told = self._results.tell if hasattr(reports[-1], "node") else self._results.hold
            told("end", id=nodeid, outcome=outcome, seconds=seconds, text=text)

    def pytest_internalerror(self, excrepr: object) -> None:
        """Tell that pytest or a plugin broke."""
        self._results.tell("internal-error", text=capped(str(excrepr)))

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        """Tell that the session was interrupted: by a signal, by pytest.exit(), by collection errors."""
        self._results.tell("interrupted", text=capped(str(excinfo.value)))

    def pytest_sessionfinish(self, session: Any) -> None:
        """Tell the rest, and whether the session stopped early."""
        for nodeid in list(self._reports):
            self._finish(nodeid)
        self._writes.settle()
        why = str(getattr(session, "shouldfail", "") or getattr(session, "shouldstop", "") or "")
        option = session.config.option
        partial = any(getattr(option, name, False) for name in ("lf", "stepwise", "collectonly"))
        self._results.tell("stopped", why=why, partial=partial)


def _mark(pytest: Any) -> None:
    """Say how pytest is to call the hooks that are not plain ones."""
    pytest.hookimpl(hookwrapper=True)(Stream.pytest_load_initial_conftests)
    pytest.hookimpl(trylast=True)(Stream.pytest_collection_modifyitems)
    pytest.hookimpl(tryfirst=True)(Stream.pytest_sessionfinish)
    pytest.hookimpl(optionalhook=True)(Stream.pytest_xdist_node_collection_finished)


def outcome_of(reports: Sequence[Any]) -> str:
    """Fold a test's phases, and its subtests, into one outcome: the worst that a person must look at, else what ran."""
    failed = [report.when for report in reports if report.failed]
    if failed:
        if "call" in failed:
            return "failed"
        return "error" if "setup" in failed or "teardown" in failed else "crashed"
    own = [report for report in reports if not _is_subtest(report)]
    for report in own:
        if report.skipped:
            return "xfailed" if hasattr(report, "wasxfail") else "skipped"
    if any(report.when == "call" and hasattr(report, "wasxfail") for report in own):
        return "xpassed"
    return "passed"


def _is_subtest(report: Any) -> bool:
    """Return whether this is a subtest's report: pytest 9 has them itself, before it the plugin pytest-subtests."""
    return hasattr(report, "context") and "sub" in type(report).__name__.lower()


def red_text(red: Sequence[Any]) -> str:
    """Return the texts of the failed phases, and once what the test printed."""
    texts = [failure_text(report) for report in red]
    texts += ["{:-^80}\n{}".format(" " + name + " ", content) for name, content in red[-1].sections if content]
    return "\n".join(text for text in texts if text)


def failure_text(report: Any) -> str:
    """Return what pytest says of a failure, without colours."""
    try:
        return report.longreprtext or str(report.longrepr.reprcrash.message)
    except Exception as error:  # noqa: BLE001 - plugins bring their own representations
        return "The failure cannot be shown: {!r}".format(error)


def capped(text: str) -> str:
    """Return the text, its middle left out when it is too long."""
    if len(text) <= TEXT_CAP:
        return text
    cut = len(text) - TEXT_CAP
    return "{}\n... {} characters left out ...\n{}".format(text[:HEAD], cut, text[HEAD + cut :])


def _traceback(error: BaseException) -> str:
    """Return a traceback from the first frame of the user's on."""
    import traceback

    inner: Any = error.__traceback__
    while inner is not None and ("_pytest" in inner.tb_frame.f_code.co_filename or _is_import(inner)):
        inner = inner.tb_next
    return "".join(traceback.format_exception(type(error), error, inner or error.__traceback__))


def _is_import(frame: Any) -> bool:
    name = frame.tb_frame.f_code.co_filename
    return name.startswith("<frozen importlib") or os.path.basename(os.path.dirname(name)) in ("pluggy", "importlib")


def _file_of(item: Any) -> str:
    return os.path.normcase(str(getattr(item, "path", None) or item.fspath))


def _behave_as_module(pytest: Any, arguments: list[str]) -> None:
    """Look as `python -m pytest` does; so multiprocessing's spawn does not run this file again in its children."""
    import importlib.util

    main: Any = sys.modules["__main__"]
    main.__file__ = os.path.join(os.path.dirname(pytest.__file__), "__main__.py")
    main.__spec__ = importlib.util.find_spec("pytest.__main__")
    main.__package__ = "pytest"
    sys.argv = [main.__file__, *arguments]


def run(arguments: list[str]) -> int:
    """Run pytest; returns the exit code."""
    results = Results(int(os.environ.pop("WATCHKEEPER_RESULTS_FD")))
    first = json.loads(os.environ.pop("WATCHKEEPER_FIRST", "[]"))
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.getcwd()
    try:
        import pytest

        _mark(pytest)
    except (ImportError, AttributeError) as error:
        results.tell("no-pytest", name=getattr(error, "name", None) or "", text=str(error))
        return NO_PYTEST_EXIT
    _behave_as_module(pytest, arguments)
    writes = Writes(results, os.getcwd())
    sys.addaudithook(writes)
    code = int(pytest.main(arguments, plugins=[Stream(pytest, results, writes, first)]))
    writes.settle()
    results.tell("finish", exit=code)
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
