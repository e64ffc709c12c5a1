"""A second look at tests that went red: once more alone, and on the last source that was green.

What it finds is only ever said when it is certain. A test counts as red before the change only if it fails there with
the same words, and only if nothing of the changed project took part; in doubt nothing is said.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.agents.testing.afterwards.selected import run_selected
from app.agents.testing.running.journal import Journal
from app.domain.failures import failure_words
from app.domain.verdicts import Check, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.agents.testing.afterwards.lastgreen import Copy, LastGreen
    from app.agents.testing.afterwards.selected import Project, Selected
    from app.domain.verdicts import TestResult
    from app.engine.clock import Clock

LOOK_AT_MOST = 10
"""Tests that are looked at again after one run, those first that took the least time."""
DEADLINE_S = 60.0
"""A second look takes no longer, whatever the tests do."""

_GREEN = frozenset({Outcome.PASSED, Outcome.XFAILED, Outcome.XPASSED})
_ENDED_BY_FORCE = frozenset({Outcome.CRASHED, Outcome.HUNG})


class SecondLook:
    """Looks again at the red tests of one run. To be cancelled by the next save: that ends all its processes.

    Args:
        project: How the project's tests are run.
        last_green: What was green last.
        hang_s: No test is waited for longer.
        clock: Time.
    """

    def __init__(self, project: Project, *, last_green: LastGreen, hang_s: float, clock: Clock) -> None:
        self._project = project
        self._last_green = last_green
        self._hang_s = hang_s
        self._clock = clock
        self._journals: list[Journal] = []

    @property
    def wrote(self) -> Mapping[str, tuple[int, int] | None]:
        """The project's files that the tests wrote so far, as in `TestRun.wrote`."""
        return {path: mark for journal in self._journals for path, mark in journal.wrote.items()}

    async def run(self, red: Sequence[TestResult], on_checked: Callable[[str, Check], None]) -> None:
        """Look at tests that went red in the run that just ended.

        Args:
            red: The tests, with how they failed.
            on_checked: Called with a test and what is known of it, as soon as it is known, and again with more.
        """
        until = self._clock.monotonic() + DEADLINE_S
        doubtful: dict[str, tuple[Check, list[TestResult]]] = {}
        for result in chosen(red):
            again = await self._alone(result, until)
            check = Check(alone=None if again is None else again.outcome)
            if again is not None:
                on_checked(result.nodeid, check)
            if check.blame is None:
                doubtful[result.nodeid] = (check, [result] if again is None else [result, again])
        if not doubtful or self._left(until) <= 0:
            return
        async with self._last_green.copy() as copy:
            if copy is None:
                return
            limit_s = max(0.0, min(self._hang_s * len(doubtful), self._left(until)))
            before = await run_selected(self._project, tuple(doubtful), limit_s=limit_s, copy=copy)
            for nodeid, (check, failures) in doubtful.items():
                outcome = outcome_before(before, nodeid, failures, folders=self._folders(copy))
                if outcome is not None:
                    on_checked(nodeid, replace(check, before=outcome))

    async def _alone(self, result: TestResult, until: float) -> TestResult | None:
        """Run one test in a process of its own; None when it gave no result in the time there is."""
        limit_s = min(self._hang_s, self._left(until) / 2)  # what hangs leaves time for the look at the other source
        if limit_s <= 0:
            return None
        self._journals.append(Journal())
        alone = (result.nodeid,)
        selected = await run_selected(self._project, alone, limit_s=limit_s, journal=self._journals[-1])
        again = selected.results.get(result.nodeid)
        is_cut_off = again is not None and again.outcome is Outcome.HUNG and limit_s < self._hang_s
        return None if is_cut_off else again

    def _left(self, until: float) -> float:
        return until - self._clock.monotonic()

    def _folders(self, copy: Copy) -> tuple[str, ...]:
        return str(copy.root), str(copy.top), str(self._project.root), str(copy.original)


def chosen(red: Sequence[TestResult]) -> list[TestResult]:
    """Return the tests that are looked at, those first that took the least time; what crashed or hung comes last."""
    by_cost = sorted(red, key=lambda result: (result.outcome in _ENDED_BY_FORCE, result.duration_s))
    return by_cost[:LOOK_AT_MOST]


def outcome_before(
    before: Selected, nodeid: str, failures: Sequence[TestResult], *, folders: Sequence[str]
) -> Outcome | None:
    """Return how a test ended on the last green source, as far as that can be compared with how it failed since.

    Args:
        before: What the chosen tests came to there.
        nodeid: The test.
        failures: How it failed on today's source.
        folders: Both projects' folders, whose names do not count in messages.

    Returns:
        None when it did not run there or was skipped, when something of today's source took part, or may have, and when
        it failed for another reason: then a file that git ignores may be what is missing there.
    """
    result = before.results.get(nodeid)
    if result is None or not before.is_apart:
        return None
    if result.outcome in _GREEN:
        return result.outcome
    if before.is_opaque or not result.outcome.is_red:
        return None
    reason = _reason(result, folders)
    return result.outcome if any(_reason(failure, folders) == reason for failure in failures) else None


def _reason(result: TestResult, folders: Sequence[str]) -> tuple[Outcome, str]:
    """Return how a test failed, and in which words."""
    if result.outcome in _ENDED_BY_FORCE:
        return result.outcome, ""
    return result.outcome, failure_words(result.output, folders)
