"""How `once` tells its report, and the exit code that goes with it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from app.cli.exits import EXIT_CANNOT, EXIT_GOOD, EXIT_RED
from app.cli.terminal import plain
from app.domain import words
from app.domain.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.agents.testing.once import Report
    from app.cli.terminal import Terminal
    from app.domain.coverage import ChangedLines, Coverage
    from app.domain.verdicts import Counts

_MISSING_SHOWN = 12
"""Ranges of missing lines of one file in the table: a file that no test imports has a hundred."""

_CANNOT = frozenset({Verdict.NO_INTERPRETER, Verdict.NO_PYTEST, Verdict.NO_TESTS, Verdict.USAGE_ERROR})
"""Nothing was found out about the tests: a script must not take it for red, and even less for green."""


def report_once(report: Report, terminal: Terminal, *, as_json: bool) -> int:
    """Write the report, and return the exit code: 0 green, 1 red, 3 when the tests could not be run at all."""
    if as_json:
        terminal.document(_document(report))
    else:
        for line in _lines(report, terminal):
            terminal.say(line)
        _write_coverage(report.coverage, terminal)
    terminal.flush()
    verdict = report.outcome.verdict
    if verdict is Verdict.GREEN:
        return EXIT_GOOD
    return EXIT_CANNOT if verdict in _CANNOT else EXIT_RED


def _document(report: Report) -> dict[str, object]:
    outcome = report.outcome
    return {
        "project": report.project,
        "interpreter": report.interpreter.path,
        "interpreter_source": report.interpreter.source,
        "changed": list(report.changed),
        "verdict": outcome.verdict.value,
        "message": outcome.message,
        "output": outcome.output,
        "duration_s": round(outcome.duration_s, 3),
        "complete": outcome.complete,
        "impacted": _impacted(report.impacted),
        "changed_lines": _changed_lines(report.changed_lines),
        "coverage": _coverage(report.coverage),
        "tests": [
            {
                "nodeid": test.nodeid,
                "outcome": test.outcome.value,
                "duration_s": round(test.duration_s, 6),
                "output": test.output,
            }
            for test in report.tests
        ],
    }


def _impacted(counts: Counts | None) -> dict[str, int] | None:
    if counts is None:
        return None
    each = {field.name: getattr(counts, field.name) for field in fields(counts)}
    return {"total": counts.total, "red": counts.red, **each}


def _changed_lines(lines: ChangedLines | None) -> dict[str, object] | None:
    if lines is None:
        return None
    return {"total": lines.total, "covered": lines.covered, "uncovered": {path: list(n) for path, n in lines.uncovered}}


def _coverage(coverage: Coverage | str | None) -> dict[str, object] | None:
    if coverage is None:
        return None
    if isinstance(coverage, str):
        return {"error": coverage}
    files = [
        {
            "path": file.path,
            "percent": round(file.percent, 2),
            "statements": file.statements,
            "missing": list(file.missing),
        }
        for file in coverage.files
    ]
    return {"percent": round(coverage.percent, 2), "files": files}


def _lines(report: Report, terminal: Terminal) -> Iterator[str]:
    outcome = report.outcome
    reds = [test for test in report.tests if test.outcome.is_red]
    for test in reds:
        yield f"{terminal.paint(test.outcome.value.upper(), 'red')} {plain(test.nodeid)}"
        for line in test.output.splitlines():
            yield f"    {plain(line)}"
    if outcome.verdict.is_trouble and outcome.output and not reds:
        yield f"{plain(outcome.output.rstrip())}\n"
    if outcome.message:
        yield plain(outcome.message)
    word = terminal.paint(words.verdict_word(outcome.verdict), "red" if outcome.verdict.is_bad else "green")
    took = words.duration(outcome.duration_s)
    yield f"{word}  {report.counts} in {took}  ({plain(report.interpreter.path)})"
    if report.impacted is not None and report.impacted.total:
        yield f"{words.of_the_change(report.impacted.total)} ran first: {report.impacted}"
    lines = report.changed_lines
    if lines is not None and lines.total:
        where = f": {plain(words.places(lines.uncovered))}" if lines.uncovered else ""
        yield f"{words.changed_lines(lines)}{', not' if where else ''}{where}"


def _write_coverage(coverage: Coverage | str | None, terminal: Terminal) -> None:
    if isinstance(coverage, str):
        terminal.say(f"coverage was not measured: {plain(coverage)}")
    elif coverage is not None:
        terminal.say(f"\n{terminal.paint(f'coverage {words.percent(coverage.percent)}', 'bold')}")
        rows = [
            (
                words.percent(file.percent).rjust(len("87.4 %")),
                plain(file.path),
                words.line_ranges(file.missing, _MISSING_SHOWN),
            )
            for file in coverage.files
        ]
        terminal.table(rows, indent="  ")
