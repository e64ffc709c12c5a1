"""How `once` tells its report, and the exit code that goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.exits import EXIT_CANNOT, EXIT_GOOD, EXIT_RED
from app.cli.terminal import plain
from app.domain import words
from app.domain.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.agents.testing.once import Report
    from app.cli.terminal import Terminal

_CANNOT = frozenset({Verdict.NO_INTERPRETER, Verdict.NO_PYTEST, Verdict.NO_TESTS, Verdict.USAGE_ERROR})
"""Nothing was found out about the tests: a script must not take it for red, and even less for green."""


def report_once(report: Report, terminal: Terminal, *, as_json: bool) -> int:
    """Write the report, and return the exit code: 0 green, 1 red, 3 when the tests could not be run at all."""
    if as_json:
        terminal.document(_document(report))
    else:
        for line in _lines(report, terminal):
            terminal.say(line)
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
