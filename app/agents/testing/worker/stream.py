"""The plugin that tells each start and each result as it comes."""

# What pytest hands over has other classes in each of its versions (ANN401).
# ruff: noqa: ANN401
from __future__ import annotations

import sys

from .texts import capped, failure_text, is_subtest, outcome_of, red_text

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .results import Results
    from .writes import Writes

IDS_IN_A_LINE = 200


class Stream:
    """The plugin."""

    def __init__(self, pytest: Any, results: Results, writes: Writes) -> None:
        pytest.hookimpl(tryfirst=True)(Stream.pytest_sessionfinish)
        pytest.hookimpl(optionalhook=True)(Stream.pytest_xdist_node_collection_finished)
        self._version = pytest.__version__
        self._results = results
        self._writes = writes
        self._reports: dict[str, list[Any]] = {}
        self._last: tuple[str, list[Any]] = ("", [])
        self._errors: set[tuple[str, str]] = set()
        self._items_told = False
        self.is_in_parts = False
        """True when files are collected one by one: who does it tells of the whole."""

    def pytest_sessionstart(self, session: Any) -> None:
        """Tell what runs."""
        config = session.config
        rootdir = str(config.rootpath)
        version = ".".join(str(part) for part in sys.version_info[:3])
        self._results.tell("session", python=version, pytest=self._version, rootdir=rootdir)

    def pytest_collectreport(self, report: Any) -> None:
        """Tell of a file that cannot be imported, once."""
        if report.failed:
            text = capped(failure_text(report))
            if (report.nodeid, text) not in self._errors:
                self._errors.add((report.nodeid, text))
                self._results.tell("collect-error", id=report.nodeid, text=text)

    def pytest_collection_finish(self, session: Any) -> None:
        """Tell what will run. With xdist, the controller collects nothing itself."""
        if session.items and not self.is_in_parts:
            self.tell_items([item.nodeid for item in session.items])

    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Tell what will run, as the first of xdist's workers has it; they all have the same."""
        self.tell_items(ids)

    def tell_items(self, ids: Sequence[str]) -> None:
        """Tell the whole collection, in the order in which it runs or ran; only the first time counts."""
        if self._items_told:
            return
        self._items_told = True
        for place in range(0, len(ids), IDS_IN_A_LINE):
            self._results.hold("items", ids=list(ids[place : place + IDS_IN_A_LINE]))
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

    def reopen(self, nodeid: str) -> None:
        """Take the last test's reports up again: one more comes, and it is told anew by `pytest_runtest_logfinish`."""
        if self._last[0] == nodeid:
            self._reports[nodeid] = list(self._last[1])

    def flush(self) -> None:
        """Write what is held: nothing follows at once."""
        self._results.flush()

    def _finish(self, nodeid: str) -> None:
        reports = self._reports.pop(nodeid, None)
        if reports:
            self._last = (nodeid, reports)
            outcome = outcome_of(reports)
            red = [report for report in reports if report.failed]
            seconds = sum(getattr(report, "duration", 0.0) for report in reports if not is_subtest(report))
            text = capped(red_text(red)) if red else ""
            # The next test's start follows at once, unless xdist's workers report here, each in its own time. A red
            # one is what people wait for.
            told = self._results.tell if red or hasattr(reports[-1], "node") else self._results.hold
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
