"""What the window says of a project's coverage, as plain values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from app.domain import words

if TYPE_CHECKING:
    from app.domain.coverage import Coverage, FileCoverage


RANGES = 40
"""Ranges of missing lines that are told of one file: a file that no test imports has hundreds."""


class CoverageOrder(StrEnum):
    """Which files stand first."""

    LEAST = "least covered"
    MISSING = "most missing"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file: its path, its share of executed statements (0 to 100) also in words, and what is missing in words."""

    path: str
    share: float
    percent: str
    missing: str


@dataclass(frozen=True, slots=True)
class CoverageView:
    """A project's coverage: the share (0 to 100), the same in words, and its files in the order that was asked for."""

    share: float
    title: str
    detail: str
    rows: tuple[FileRow, ...]


def coverage_view(coverage: Coverage, order: CoverageOrder) -> CoverageView:
    """Return what is said of a project's coverage; files without statements have nothing to tell and are left out."""
    files = sorted((file for file in coverage.files if file.statements), key=lambda file: _place(file, order))
    statements = sum(file.statements for file in files)
    missing = sum(len(file.missing) for file in files)
    return CoverageView(
        coverage.percent,
        words.percent(coverage.percent),
        f"{statements - missing:,} of {words.plural(statements, 'statement')} in {words.plural(len(files), 'file')}",
        tuple(_row(file) for file in files),
    )


def _place(file: FileCoverage, order: CoverageOrder) -> tuple[float, str]:
    match order:
        case CoverageOrder.LEAST:
            return file.percent, file.path
        case CoverageOrder.MISSING:
            return -len(file.missing), file.path
        case _:
            return 0, file.path


def _row(file: FileCoverage) -> FileRow:
    missing = f"not covered: {words.line_ranges(file.missing, RANGES)}" if file.missing else "all covered"
    return FileRow(file.path, file.percent, words.percent(file.percent), missing)
