"""The run itself: what was ordered first, and then the rest."""

# What pytest hands over has other classes in each of its versions (ANN401).
# ruff: noqa: ANN401
from __future__ import annotations

import gc

from .arranging import Wanted, counts_on_the_order, needs_the_whole, takes_part
from .process import Priority

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .chunks import Chunks
    from .project import Project
    from .results import Results
    from .stream import Stream
    from .tracing import Tracing

LOW = 10
"""The nice value of the rest."""


class Stages:
    """The plugin that runs the tests in the order that was given.

    It only sorts a collection that pytest makes as a whole, or hands the run over to `Chunks`.
    """

    def __init__(self, pytest: Any, results: Results, stream: Stream, project: Project, tracing: Tracing) -> None:
        pytest.hookimpl(tryfirst=True)(Stages.pytest_collection)
        pytest.hookimpl(hookwrapper=True, tryfirst=True)(Stages.pytest_collection_modifyitems)
        pytest.hookimpl(tryfirst=True)(Stages.pytest_runtest_protocol)
        self._pytest = pytest
        self._results = results
        self._stream = stream
        self._project = project
        self._tracing = tracing
        self._priority = Priority()
        self._wanted = Wanted({}, (project.root,))
        self._chunks: Chunks | None = None
        self._is_ordering = False
        self._is_traced = False
        self.is_early_word = False
        """True for a run of some tests, of which another process runs all once more."""
        self._has_stages = False
        self._chosen = 0
        self._items: list[Any] = []
        self._first: Any = None
        self._first_of_rest: Any = None

    def collect_ahead(self, session: Any, order: dict[str, Any]) -> None:
        """Collect a file that will most likely be the first one to run; nothing is done without a `chunk`."""
        chunk = order.get("chunk")
        if chunk is not None and self._may_stream(session.config):
            self._trace(session.config, order)
            self._in_parts(session).collect_ahead(session, Wanted({"chunks": [chunk]}, self._roots(session.config)))

    def take(self, session: Any, order: dict[str, Any]) -> None:
        """Take the order in, before anything else is collected."""
        config = session.config
        self._trace(config, order)
        if _runs_elsewhere(config):
            return
        self._priority.lower(int(order.get("nice", 0)))
        wanted = self._wanted = Wanted(order, self._roots(config))
        self.is_early_word = bool(wanted.chunks) and not wanted.rest
        if not self.is_early_word:
            gc.unfreeze()  # what tests find by way of gc is then what it is without us
        if counts_on_the_order(config.pluginmanager.get_plugins()):
            return
        if self._chunks is not None or (wanted.chunks and wanted.is_streamed and self._may_stream(config)):
            self._in_parts(session).take(wanted)
        else:
            self._is_ordering = True

    def _trace(self, config: Any, order: dict[str, Any]) -> None:
        if not self._is_traced:
            self._is_traced = True
            self._tracing.begin(config, "none" if _runs_elsewhere(config) else order.get("trace", "none"))

    def _roots(self, config: Any) -> tuple[str, str]:
        return self._project.root, str(config.rootpath)

    def _may_stream(self, config: Any) -> bool:
        return not (
            _runs_elsewhere(config)
            or counts_on_the_order(config.pluginmanager.get_plugins())
            or takes_part(config.hook)
            or needs_the_whole(config)
        )

    def _in_parts(self, session: Any) -> Chunks:
        from .chunks import Chunks  # noqa: PLC0415 - not each run needs it

        if self._chunks is None:
            self._chunks = Chunks(self._pytest, session, stream=self._stream, tracing=self._tracing, tell=self._tell)
            session.config.pluginmanager.register(self._chunks, "watchkeeper-chunks")
        return self._chunks

    def pytest_collection(self) -> bool | None:
        """Collect nothing when pytest would, if files are collected as the run goes on, through this same hook."""
        return True if self._chunks is not None and not self._chunks.is_collecting else None

    def order(self, items: list[Any]) -> None:
        """Put a whole collection into the order that is wanted; what is not wanted leaves it."""
        wanted = self._wanted
        self._has_stages = bool(wanted.chunks)
        chosen = wanted.of_chunks(wanted.chunks, items)
        rest = wanted.of_rest(items) if wanted.rest else []
        items[:] = chosen + rest
        self._chosen, self._items = len(chosen), items[:]
        self._first = chosen[0] if chosen else None
        self._first_of_rest = rest[0] if rest else None

    def pytest_collection_modifyitems(self, items: list[Any]) -> Iterator[None]:
        """Sort, after all others."""
        yield
        if self._is_ordering:
            self.order(items)

    def pytest_runtest_protocol(self, item: Any) -> None:
        """Tell where a stage begins."""
        if self._has_stages:
            if item is self._first:
                self._tell("impacted", self._chosen)
            if item is self._first_of_rest:
                self._tell("rest", len(self._items) - self._chosen)

    def _tell(self, stage: str, tests: int | None) -> None:
        if stage == "rest":
            self._priority.lower(LOW)
        self._results.tell("stage", stage=stage, tests=tests)


def _runs_elsewhere(config: Any) -> bool:
    """Return whether pytest-xdist runs the tests, in other processes and in its own order."""
    return bool(config.pluginmanager.hasplugin("dsession"))
