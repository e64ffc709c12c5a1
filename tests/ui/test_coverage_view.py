"""The coverage of a project, as a view and as a list."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from app.domain.coverage import Coverage, FileCoverage
from app.ui.coverage_model import CoverageModel
from app.ui.coverage_view import RANGES, CoverageOrder, coverage_view

COVERAGE = Coverage(
    (
        FileCoverage("a/__init__.py", 0, ()),
        FileCoverage("a/big.py", 100, tuple(range(1, 21))),
        FileCoverage("a/done.py", 10, ()),
        FileCoverage("a/small.py", 4, (3, 5)),
    )
)


@pytest.mark.parametrize(
    ("order", "paths"),
    [
        (CoverageOrder.LEAST, ["a/small.py", "a/big.py", "a/done.py"]),
        (CoverageOrder.MISSING, ["a/big.py", "a/small.py", "a/done.py"]),
        (CoverageOrder.NAME, ["a/big.py", "a/done.py", "a/small.py"]),
    ],
)
def test_files_come_in_the_order_that_was_asked_for(order: CoverageOrder, paths: list[str]) -> None:
    """A file without statements has nothing to tell, and is left out."""
    assert [row.path for row in coverage_view(COVERAGE, order).rows] == paths


def test_the_whole_is_told_as_a_share_and_in_numbers() -> None:
    """So that a person can tell a large project from a small one."""
    view = coverage_view(COVERAGE, CoverageOrder.NAME)

    assert (view.title, view.detail) == ("80.7 %", "92 of 114 statements in 3 files")
    assert [(row.percent, row.missing) for row in view.rows] == [
        ("80.0 %", "not covered: 1-20"),
        ("100 %", "all covered"),
        ("50.0 %", "not covered: 3, 5"),
    ]


def test_nothing_measured_is_no_fault() -> None:
    """A project without code is covered."""
    view = coverage_view(Coverage(()), CoverageOrder.LEAST)

    assert (view.title, view.detail, view.rows) == ("100 %", "0 of 0 statements in 0 files", ())


def test_a_file_full_of_holes_is_cut() -> None:
    """Hundreds of ranges are no help: the first are shown, and how many there are."""
    holes = Coverage((FileCoverage("a.py", 400, tuple(range(1, 400, 2))),))

    (row,) = coverage_view(holes, CoverageOrder.LEAST).rows

    assert row.missing.endswith(f" and {200 - RANGES} more")


def test_the_list_speaks_to_screen_readers() -> None:
    """A row tells its file, its share and what is missing; the tooltip has room for all of it."""
    model = CoverageModel()
    model.show_rows(coverage_view(COVERAGE, CoverageOrder.LEAST).rows)
    first = model.index(0)

    assert model.rowCount() == 3
    assert model.data(first) == "a/small.py"
    assert model.data(first, Qt.ItemDataRole.AccessibleTextRole) == "a/small.py: 50.0 %, not covered: 3, 5"
    assert model.data(first, Qt.ItemDataRole.ToolTipRole) == "a/small.py\nnot covered: 3, 5"
