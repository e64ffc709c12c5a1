"""Whether the tests are green, as the last runs left them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from app.agents.auditing.checks.change import last_change
from app.agents.auditing.plugin import NotKnown, Severity, SyncCheck
from app.domain.verdicts import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.agents.auditing.context import Context
    from app.agents.auditing.plugin import Told

FLOOR = "coverage_floor"
"""The option: a percentage below which coverage is a finding."""
NOBODY_WATCHES = "the project's tests were not run; start Watchkeeper on this project, so that it watches them"
_RED = frozenset(each.value for each in Outcome if each.is_red)


class Tested(SyncCheck):
    """Tells of red tests, of tests that did not run since the last change, and of too little coverage.

    Option `coverage_floor`: a percentage; none by default.
    """

    id: ClassVar[str] = "tests"
    title: ClassVar[str] = "Tests are green"
    severity: ClassVar[Severity] = Severity.HIGH
    deadline_s: ClassVar[float] = 60.0

    def look(self, context: Context) -> Iterable[Told]:
        """Yield a finding for each red test; nothing is run."""
        tests = tests_of(context.facts)
        if tests is None:
            yield NotKnown(NOBODY_WATCHES)
        else:
            yield from self._tests(context, tests)
        yield from self._coverage(context)

    def _tests(self, context: Context, tests: list[Mapping[str, Any]]) -> Iterator[Told]:
        for test in sorted((each for each in tests if is_red(each)), key=lambda each: str(each["nodeid"])):
            nodeid, outcome = str(test["nodeid"]), str(test["outcome"])
            path = nodeid.partition("::")[0]
            is_there = (context.root / path).is_file() if "\0" not in path else False
            yield self.finding(
                "red-test",
                f"{nodeid} is red ({outcome})",
                path if is_there else "",
                evidence=f"{nodeid} {outcome}",
                remedy="Make the test green, or find out why it is red.",
            )
        verdict = context.facts.get("verdict")
        if verdict in set(Verdict) and Verdict(verdict).is_trouble:
            yield NotKnown(f"the last run of the tests ended with `{verdict}`, so that its tests alone tell too little")
        elif not tests:
            yield NotKnown(NOBODY_WATCHES)
        if tests and (late := stale(context)):
            yield NotKnown(late)

    def _coverage(self, context: Context) -> Iterator[Told]:
        floor = number(context.options.get(FLOOR))
        if floor is None:
            if context.options.get(FLOOR) is not None:
                yield NotKnown(f"the option `{FLOOR}` is no number")
            return
        percent = coverage_of(context.facts)
        if percent is None:
            yield NotKnown(f"coverage was not measured, and is to be at least {floor:g} %")
        elif percent < floor:
            yield self.finding(
                "low-coverage",
                f"Coverage is {percent:.1f} %, below {floor:g} %",
                severity=Severity.MEDIUM,
                evidence=f"coverage {percent:.1f} %",
                remedy="Test what was added, or lower the floor knowingly.",
            )


def tests_of(facts: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return the tests that are known, those without a name left out; None when nobody watched."""
    tests = facts.get("tests")
    if not isinstance(tests, list):
        return None
    return [each for each in tests if isinstance(each, dict) and each.get("nodeid") and each.get("outcome")]


def is_red(test: Mapping[str, Any]) -> bool:
    """Return whether a person must look at a test."""
    return test["outcome"] in _RED


def coverage_of(facts: Mapping[str, Any]) -> float | None:
    """Return the measured coverage as a percentage, if it was measured."""
    coverage = facts.get("coverage")
    return number(coverage.get("percent")) if isinstance(coverage, dict) else None


def stale(context: Context) -> str:
    """Return why the outcomes say nothing of the source as it is now, in words for people; empty when they do."""
    ended = number(context.facts.get("verdict_at"))
    if ended is None:
        tests = tests_of(context.facts) or []
        ended = max((number(each.get("at")) or 0.0 for each in tests), default=0.0)
    if ended < last_change(context):
        return "the tests were not run since the last change of the source"
    return ""


def number(value: object) -> float | None:
    """Return a value as a finite number, or None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
