"""Runs pytest as `python -m pytest ARGUMENTS` would."""

# What not every run needs is imported when it is (PLC0415); pathlib behaves differently over Python's versions.
# ruff: noqa: ANN401, PLC0415, PTH109, PTH118, PTH120
from __future__ import annotations

import os
import sys

from .audit import Audit
from .process import end_at_once
from .project import Project
from .results import Orders, Results

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

RESULTS = "WATCHKEEPER_RESULTS_FD"
ORDERS = "WATCHKEEPER_ORDERS_FD"
NO_PYTEST_EXIT = 4


def main(arguments: Sequence[str]) -> int:
    """Run pytest; returns the exit code."""
    results = Results(int(os.environ.pop(RESULTS)))
    channel = os.environ.pop(ORDERS, "")
    orders = Orders(int(channel)) if channel else None
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.getcwd()
    try:
        import pytest

        _behave_as_module(pytest, arguments)
        plugins = _Plugins(pytest, results, orders)
    except (ImportError, AttributeError) as error:
        results.tell("no-pytest", name=getattr(error, "name", None) or "", text=str(error))
        return NO_PYTEST_EXIT
    code = int(pytest.main(list(arguments), plugins=plugins.all))
    plugins.finish(code)
    if plugins.stages.is_early_word:
        end_at_once(code)
    return code


class _Plugins:
    """Everything that takes part, put together."""

    def __init__(self, pytest: Any, results: Results, orders: Orders | None) -> None:
        import _pytest

        from .gate import Gate
        from .imports import Imports
        from .measure import Measure
        from .stages import Stages
        from .stream import Stream
        from .touches import Touches
        from .tracing import Tracing
        from .writes import Writes

        audit, project = Audit(), Project(os.getcwd())
        pytest_folder = os.path.dirname(str(_pytest.__file__))
        self._results = results
        self._writes = Writes(results, project.root, audit)
        self._imports = Imports(project, audit, pytest_folder)
        self._measure = Measure(project, results)
        touches = Touches(project, audit, pytest_folder)
        stream = Stream(pytest, results, self._writes)
        self._tracing = Tracing(pytest, results, project, audit, touches)
        self.stages = Stages(pytest, results, stream, project, self._tracing)
        gate = Gate(
            pytest,
            results,
            orders,
            stages=self.stages,
            imports=self._imports,
            touches=touches,
            measure=self._measure,
            tracing=self._tracing,
        )
        self.all = [gate, stream, self._imports, self.stages]
        sys.addaudithook(audit)

    def finish(self, code: int) -> None:
        """Tell what is known only in the end."""
        self._writes.settle()
        self._tracing.finish()
        self._measure.tell()
        self._results.hold("modules", **self._imports.told())
        self._results.tell("finish", exit=code)


def _behave_as_module(pytest: Any, arguments: Sequence[str]) -> None:
    """Look as `python -m pytest` does; so multiprocessing's spawn does not run this again in its children."""
    import importlib.util

    main: Any = sys.modules["__main__"]
    for name in [name for name in vars(main) if not name.startswith("__")]:
        delattr(main, name)
    main.__file__ = os.path.join(os.path.dirname(pytest.__file__), "__main__.py")
    main.__spec__ = importlib.util.find_spec("pytest.__main__")
    main.__package__ = "pytest"
    sys.argv = [main.__file__, *arguments]
