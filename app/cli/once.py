"""How `once` tells its report, and the exit code that goes with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TextIO

from app.domain.verdicts import Verdict

if TYPE_CHECKING:
    from app.agents.testing.once import Report

SCHEMA = 1
EXIT_GREEN, EXIT_RED, EXIT_CANNOT = 0, 1, 3

_CANNOT = frozenset({Verdict.NO_INTERPRETER, Verdict.NO_PYTEST, Verdict.NO_TESTS, Verdict.USAGE_ERROR})
"""Nothing was found out about the tests: a script must not take it for red, and even less for green."""


def report_once(report: Report, out: TextIO, *, as_json: bool) -> int:
    """Write the report, and return the exit code: 0 green, 1 red, 3 when the tests could not be run at all."""
    out.write(json.dumps(_document(report), indent=1) + "\n" if as_json else _text(report))
    out.flush()
    verdict = report.outcome.verdict
    if verdict is Verdict.GREEN:
        return EXIT_GREEN
    return EXIT_CANNOT if verdict in _CANNOT else EXIT_RED


def _document(report: Report) -> dict[str, object]:
    outcome = report.outcome
    return {
        "schema": SCHEMA,
        "project": report.project,
        "interpreter": report.interpreter.path,
        "interpreter_source": report.interpreter.source,
        "changed": list(report.changed),
        "verdict": outcome.verdict.value,
        "message": outcome.message,
        "output": outcome.output,
        "duration_s": round(outcome.duration_s, 3),
        "complete": outcome.complete,
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


def _text(report: Report) -> str:
    outcome = report.outcome
    lines: list[str] = []
    for test in report.tests:
        if test.outcome.is_red:
            lines += [
                f"{test.outcome.value.upper()} {test.nodeid}",
                *(f"    {each}" for each in test.output.splitlines()),
            ]
    if outcome.verdict.is_trouble and outcome.output and not lines:
        lines += [outcome.output.rstrip(), ""]
    if outcome.message:
        lines.append(outcome.message)
    word = outcome.verdict.value.replace("-", " ").upper()
    lines.append(f"{word}  {report.counts} in {outcome.duration_s:.1f} s  ({report.interpreter.path})")
    return "\n".join(lines) + "\n"
