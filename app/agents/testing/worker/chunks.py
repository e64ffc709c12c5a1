"""A run that collects one file, runs what is wanted of it, collects the next, and in the end all others.

It takes the place of pytest's own loop (`_pytest.main.pytest_runtestloop`), keeps its rules, and leaves everything
else to the same hooks: each collection is pytest's own, with other arguments.
"""

# What pytest hands over has other classes in each of its versions (ANN401); its session has no other face (SLF001).
# ruff: noqa: ANN401, PTH113, PTH118, PTH120, SLF001 - pathlib behaves differently over Python's versions
from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from .arranging import Wanted, file_of, own_paths, takes_part
from .failures import hasten
from .nodes import Known, Nodes
from .rewriting import Rewriting

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from .stream import Stream
    from .tracing import Tracing


class WholeIsWanted(Exception):
    """A conftest.py that came with a file wants to see the whole collection."""


class Chunks:
    """The plugin of one such run."""

    def __init__(
        self,
        pytest: Any,
        session: Any,
        *,
        stream: Stream,
        tracing: Tracing,
        tell: Callable[[str, int | None], None],
    ) -> None:
        pytest.hookimpl(tryfirst=True)(Chunks.pytest_collectstart)
        pytest.hookimpl(hookwrapper=True, tryfirst=True)(Chunks.pytest_collection_modifyitems)
        pytest.hookimpl(tryfirst=True)(Chunks.pytest_collection_finish)
        pytest.hookimpl(tryfirst=True)(Chunks.pytest_runtestloop)
        self._pytest = pytest
        self._wanted = Wanted({}, ())
        self._ahead: dict[str, Any] = {}
        self._rewriting = Rewriting()
        self._stream = stream
        stream.is_in_parts = True
        self._tracing = tracing
        self._tell = tell
        self._own = own_paths(session.config)
        self._initial = _initial_paths(self._own)
        self._is_in_parts = False
        self.is_collecting = False
        self._pending: dict[Any, Any] = {}
        self._errors = 0
        self._last: Any = None
        self._is_torn_down = True
        self._ran: list[Any] = []
        manager = session.config.pluginmanager
        nodes = Nodes(pytest)
        manager.register(nodes, "watchkeeper-nodes")
        manager.register(Known(pytest, nodes), "watchkeeper-known")
        hasten()

    def collect_ahead(self, session: Any, wanted: Wanted) -> None:
        """Collect the file of a chunk that will be ordered soon; what that comes to counts only then."""
        (chunk,) = wanted.chunks
        path = wanted.path(chunk)
        try:
            self._ahead[path] = self._collect_file(session, path, chunk)
        except (WholeIsWanted, session.Failed, session.Interrupted) as end:
            self._ahead[path] = end

    def take(self, wanted: Wanted) -> None:
        """Take in what is to run."""
        self._wanted = wanted

    def pytest_runtestloop(self, session: Any) -> bool:
        """Run everything."""
        self._run(session)
        return True

    def _run(self, session: Any) -> None:
        wanted = self._wanted
        self._tell("impacted", None)
        ahead = list(wanted.chunks)
        with suppress(WholeIsWanted):
            while ahead:
                items = self._of_file(session, ahead[0])
                chunk = ahead.pop(0)
                self._run_items(session, wanted.of_chunk(chunk, items), more=bool(ahead or wanted.rest))
        if not wanted.rest and not ahead:
            self._end_without_rest(session)
            return
        if not ahead:
            self._tell("rest", None)
        items = self._collect_whole(session)
        chosen = wanted.of_chunks(ahead, items)
        rest = wanted.of_rest(items) if wanted.rest else []
        if not wanted.rest:
            session.items = [*self._ran, *chosen]
            session.testscollected = len(session.items)
        collected = {item.nodeid for item in items}
        ran = [item for item in self._ran if item.nodeid in collected]
        self._stream.tell_items([item.nodeid for item in [*ran, *chosen, *rest]])
        self._stop_for_errors(session)
        self._run_items(session, chosen, more=bool(rest))
        if ahead and wanted.rest:
            self._tell("rest", len(rest))
        self._run_items(session, rest, more=False)
        self._tear_down(session)

    def _end_without_rest(self, session: Any) -> None:
        self._tear_down(session)
        session.items = list(self._ran)
        session.testscollected = len(self._ran)
        self._stream.tell_items([item.nodeid for item in self._ran])
        self._stop_for_errors(session)

    # Running

    def _run_items(self, session: Any, items: Sequence[Any], *, more: bool) -> None:
        """Run these tests. With more to come, the last one leaves the session's own fixtures as they are."""
        for place, item in enumerate(items):
            following = items[place + 1] if place + 1 < len(items) else (session if more else None)
            self._last, self._is_torn_down = item, following is None
            self._ran.append(item)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            _stop_if_told_to(session)
        self._stream.flush()

    def _stop_for_errors(self, session: Any) -> None:
        if self._errors and not session.config.option.continue_on_collection_errors:
            self._tear_down(session)
            text = "{} error{} during collection".format(self._errors, "s" if self._errors != 1 else "")
            raise session.Interrupted(text)

    def _tear_down(self, session: Any) -> None:
        """Tear down the session's fixtures, when the last test did not know that it was; an error is that test's."""
        if self._is_torn_down or self._last is None:
            return
        self._is_torn_down = True
        item, state = self._last, session._setupstate
        with self._tracing.again(item.nodeid), _warnings_as_in(item):
            call = self._pytest.CallInfo.from_call(
                lambda: state.teardown_exact(None), "teardown", (self._pytest.exit.Exception, KeyboardInterrupt)
            )
            if call.excinfo is not None:
                self._stream.reopen(item.nodeid)
                report = item.ihook.pytest_runtest_makereport(item=item, call=call)
                item.ihook.pytest_runtest_logreport(report=report)
                self._stream.pytest_runtest_logfinish(item.nodeid)
        self._stream.flush()

    # Collecting

    def _of_file(self, session: Any, chunk: dict[str, Any]) -> list[Any]:
        """Return the tests of a chunk's file, collected now unless that was done ahead."""
        path = self._wanted.path(chunk)
        items = self._ahead.pop(path, None)
        if isinstance(items, Exception):
            raise items
        return self._collect_file(session, path, chunk) if items is None else items

    def _collect_file(self, session: Any, path: str, chunk: dict[str, Any]) -> list[Any]:
        """Return the tests of one file: none when a whole collection would not take it up."""
        if not os.path.isfile(path) or not self._is_below_own(path) or self._is_ignored(session, path):
            return []
        self._rewriting.leave_out(path, chunk.get("unused", ()), session.config)
        arguments, session.config.args = session.config.args, [path]
        self._is_in_parts = True
        try:
            self._collect(session)
        except self._pytest.UsageError:  # nobody wants the file
            return []
        finally:
            session.config.args = arguments
            self._is_in_parts = False
            _put_back(session, self._pending)
        _stop_if_told_to(session)
        return [item for item in session.items if file_of(item) == os.path.normcase(path)]

    def _collect_whole(self, session: Any) -> list[Any]:
        """Return all tests, as pytest collects them."""
        session.testsfailed -= self._errors  # they come again
        self._errors = 0
        _forget_collected(session)
        self._collect(session)
        _stop_if_told_to(session)
        return list(session.items)

    def _collect(self, session: Any) -> None:
        failed = session.testsfailed
        self.is_collecting = True
        try:
            with self._tracing.collecting():
                session.config.hook.pytest_collection(session=session)
        finally:
            self.is_collecting = False
            self._errors += session.testsfailed - failed

    def pytest_collectstart(self, collector: Any) -> None:
        """Take the session's own arguments for what was named: a file of a chunk enjoys no privilege by its name.

        A named file is collected though python_files does not match it, and though it is ignored.
        """
        if self._is_in_parts and collector is collector.session:
            collector._initialpaths, parents = self._initial
            if hasattr(collector, "_initialpaths_with_parents"):
                collector._initialpaths_with_parents = parents

    def pytest_collection_modifyitems(self, config: Any) -> Iterator[None]:
        """Look whether a conftest.py has come along that must see all."""
        if self._is_in_parts and takes_part(config.hook):
            raise WholeIsWanted
        yield

    def pytest_collection_finish(self, session: Any) -> None:
        """Keep the fixtures of conftests whose folders are still to come; pytest 9.1 and later drops them here."""
        if self._is_in_parts:
            pending = getattr(session._fixturemanager, "_pending_conftests", None)
            self._pending = dict(pending or {})

    def _is_below_own(self, path: str) -> bool:
        path = os.path.normcase(path)
        return any(path == own or path.startswith(os.path.join(own, "")) for own in map(os.path.normcase, self._own))

    def _is_ignored(self, session: Any, path: str) -> bool:
        """Return whether a folder on the way is left out. Pytest 8 and later looks itself, as it goes from the root."""
        recurse = getattr(session, "_recurse", None)
        if recurse is None:
            return False
        folder = os.path.dirname(path)
        while self._is_below_own(folder) and os.path.normcase(folder) not in map(os.path.normcase, self._own):
            if not recurse(_Entry(folder)):
                return True
            folder = os.path.dirname(folder)
        return False


class _Entry:
    """What pytest 7 takes of an os.DirEntry."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = os.path.basename(path)  # noqa: PTH119 - see above


def _initial_paths(own: Sequence[str]) -> tuple[frozenset[Any], frozenset[Any]]:
    """Return the session's own arguments as pytest keeps them, without and with the folders above them."""
    from pathlib import Path  # noqa: PLC0415 - pytest has imported it

    paths = frozenset(Path(each) for each in own)
    return paths, paths.union(*(path.parents for path in paths))


def _put_back(session: Any, pending: dict[Any, Any]) -> None:
    kept = getattr(session._fixturemanager, "_pending_conftests", None)
    if kept is not None:
        kept.update(pending)


def _stop_if_told_to(session: Any) -> None:
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)


def _forget_collected(session: Any) -> None:
    """Take the collection's reports out of the summary: they come again with the whole."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    for reports in getattr(reporter, "stats", {}).values():
        reports[:] = [report for report in reports if type(report).__name__ != "CollectReport"]
    if hasattr(reporter, "_numcollected"):
        reporter._numcollected = 0


@contextmanager
def _warnings_as_in(item: Any) -> Iterator[None]:
    """Treat warnings as they are in a test."""
    try:
        from _pytest.warnings import catch_warnings_for_item  # noqa: PLC0415 - it may not be there
    except ImportError:
        yield
        return
    with catch_warnings_for_item(config=item.config, ihook=item.ihook, when="runtest", item=item):
        yield
