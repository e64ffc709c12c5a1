"""Where a worker waits: before the conftests, and before the tests are collected."""

# What pytest hands over has other classes in each of its versions (ANN401).
# ruff: noqa: ANN401
from __future__ import annotations

import gc
import os
import sys

from .failures import rehearse
from .imports import preload
from .process import resident
from .texts import capped, traceback_of

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .imports import Imports
    from .measure import Measure
    from .results import Orders, Results
    from .stages import Stages
    from .touches import Touches
    from .tracing import Tracing


class Gate:
    """The plugin that takes the orders, each at its place; without any, it holds nothing up."""

    def __init__(
        self,
        pytest: Any,
        results: Results,
        orders: Orders | None,
        *,
        stages: Stages,
        imports: Imports,
        touches: Touches,
        measure: Measure,
        tracing: Tracing,
    ) -> None:
        pytest.hookimpl(hookwrapper=True, tryfirst=True)(Gate.pytest_load_initial_conftests)
        pytest.hookimpl(hookwrapper=True, tryfirst=True)(Gate.pytest_collection)
        self._results = results
        self._orders = orders
        self._stages = stages
        self._imports = imports
        self._touches = touches
        self._measure = measure
        self._tracing = tracing
        self._is_open = False

    def pytest_load_initial_conftests(self, early_config: Any) -> Iterator[None]:
        """Wait with plugins loaded, and for no project's file yet, unless it is a plugin.

        Not earlier: what is imported before the plugins are loaded, pytest can no longer rewrite the assertions of.
        """
        if self._orders is not None:
            warm = self._orders.next("warm")
            warned = preload(warm.get("preload", ()))
            if warm.get("rehearse"):
                rehearse()
                gc.collect()
                gc.freeze()
            self._results.tell("ready", rss=resident(), modules=len(sys.modules), warned=warned, **self._so_far())
            load = self._orders.next("load")
            if load.get("coverage"):
                self._measure.start(early_config)
            self._tracing.ahead(load.get("trace", "cheap"))
        outcome: Any = yield
        error: Any = outcome.excinfo[1] if outcome.excinfo else None
        if type(error).__name__ == "ConftestImportFailure":
            path = os.path.relpath(str(error.path)).replace(os.sep, "/")
            cause = getattr(error, "cause", None) or error.excinfo[1]
            self._results.tell("collect-error", id=path, text=capped(traceback_of(cause)))

    def pytest_collection(self, session: Any) -> Iterator[None]:
        """Wait with the session begun."""
        if not self._is_open:
            self._is_open = True
            if self._orders is None:
                self._stages.take(session, {"rest": True})
            else:
                self._results.tell("loaded", **self._so_far())
                self._stages.collect_ahead(session, self._orders.next("collect"))
                self._stages.take(session, self._orders.next("run"))
        yield

    def _so_far(self) -> dict[str, object]:
        """Return which of the project's files this process has seen, which must not change then."""
        return {"files": sorted(set(self._imports.files().values())), "read": sorted(self._touches.outside.read)}
