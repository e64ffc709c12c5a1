"""Keeps what was collected, so that a file that is collected again is the same file with the same tests.

Files are collected one by one and in the end all together. Collected anew, a module would be read again, and in pytest
9.1 and later its fixtures, which belong to the very object, would not be found.
"""

# What pytest hands over has other classes in each of its versions (ANN401).
# ruff: noqa: ANN401
from __future__ import annotations

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Nodes:
    """The plugin that keeps files, folders, and what was found in them."""

    def __init__(self, pytest: Any) -> None:
        pytest.hookimpl(hookwrapper=True, optionalhook=True)(Nodes.pytest_collect_directory)
        pytest.hookimpl(hookwrapper=True)(Nodes.pytest_collect_file)
        pytest.hookimpl(hookwrapper=True)(Nodes.pytest_make_collect_report)
        self._made: dict[tuple[Any, Any], Any] = {}
        self.reports: dict[Any, Any] = {}

    def pytest_collect_directory(self, path: Any, parent: Any) -> Iterator[None]:
        """Take the folder that was made before (pytest 8 and later)."""
        outcome: Any = yield
        outcome.force_result(self._made.setdefault((path, parent), outcome.get_result()))

    def pytest_collect_file(self, file_path: Any, parent: Any) -> Iterator[None]:
        """Take the files that were made before."""
        outcome: Any = yield
        made = outcome.get_result()
        if made:
            outcome.force_result(self._made.setdefault((file_path, parent), made))

    def pytest_make_collect_report(self, collector: Any) -> Iterator[None]:
        """Keep what was found."""
        outcome: Any = yield
        if outcome.excinfo is None and collector is not collector.session:
            self.reports[collector] = outcome.get_result()


class Known:
    """The plugin that answers with what was found before."""

    def __init__(self, pytest: Any, nodes: Nodes) -> None:
        pytest.hookimpl(tryfirst=True)(Known.pytest_make_collect_report)
        self._nodes = nodes

    def pytest_make_collect_report(self, collector: Any) -> Any:
        """Return the report of the first time, or None."""
        return self._nodes.reports.get(collector)
