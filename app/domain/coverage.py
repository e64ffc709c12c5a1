"""How much of a project its tests execute: of the lines that changed, and of all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChangedLines:
    """The changed lines of one run that hold code, and which of them its tests executed.

    Attributes:
        total: Changed lines inside functions.
        covered: Those that a test executes; where only functions are traced, all lines of an executed function count.
        uncovered: The others: file, relative with forward slashes, and line numbers, ascending.
    """

    total: int
    covered: int
    uncovered: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """One file as coverage.py measured it; `missing` are the line numbers that no test executed, ascending."""

    path: str
    statements: int
    missing: tuple[int, ...]

    @property
    def percent(self) -> float:
        """Executed statements of all, 0 to 100; a file without statements is covered."""
        return 100.0 * (self.statements - len(self.missing)) / self.statements if self.statements else 100.0


@dataclass(frozen=True, slots=True)
class Coverage:
    """A whole project as coverage.py measured it; files sorted by path."""

    files: tuple[FileCoverage, ...]

    @property
    def percent(self) -> float:
        """Executed statements of all, 0 to 100."""
        statements = sum(file.statements for file in self.files)
        missing = sum(len(file.missing) for file in self.files)
        return 100.0 * (statements - missing) / statements if statements else 100.0
