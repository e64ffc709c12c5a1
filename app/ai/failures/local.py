"""What can be said of a failure without a model."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from app.ai.failures.relevance import SUSPECT, own_frames, weigh
from app.domain import words
from app.domain.analysis import Evidence, LocalExplanation
from app.domain.failures import read_failure
from app.domain.verdicts import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.ai.failures.facts import FailureFacts
    from app.ai.failures.relevance import Weighed
    from app.ai.failures.sources import Sources
    from app.domain.failures import FailureText, FrameAt
    from app.domain.history import TestMoment

FRAMES_TOLD = 12
SUSPECTS_TOLD = 8
LINES_OF_A_HUNK = 3
"""Suspects of one hunk: a rewritten function shall not push the others out."""
MESSAGE_LINES = 30
DIFF_LINES = 200
SOURCE_LENGTH = 200
"""Characters of a line of source that are shown."""
MOMENTS_LOOKED_AT = 50

_GREEN = frozenset({Outcome.PASSED, Outcome.XFAILED, Outcome.XPASSED})


def explain_locally(facts: FailureFacts, sources: Sources) -> LocalExplanation:
    """Say what can be said of a failure without a model. Blocks, as it reads files: to be called in a thread.

    Args:
        facts: What is known of it.
        sources: The project's files.

    Returns:
        The explanation; not redacted, so it is for the person's own eyes.
    """
    failure = read_failure(facts.output, nodeid=facts.nodeid)
    frames = own_frames(failure, facts, sources)
    weighed = weigh(facts, failure, frames, sources)
    guilty = [each for each in weighed if each.weight >= SUSPECT] or (weighed if len(weighed) == 1 else [])
    told = tuple(_evidence(frame, sources) for frame in frames[-FRAMES_TOLD:])
    return LocalExplanation(
        failure=_failure(facts, failure),
        place=told[-1] if told else _of_test(facts, sources),
        frames=told,
        suspects=tuple(_suspects(guilty, sources))[:SUSPECTS_TOLD],
        changed=tuple(dict.fromkeys(each.hunk.path for each in weighed)),
        diff=_diff(guilty),
        last_green=_last_green(facts),
        doubt=_doubt(facts),
    )


def _failure(facts: FailureFacts, failure: FailureText) -> str:
    lines = failure.message.split("\n")
    if len(lines) > MESSAGE_LINES:
        lines = [*lines[:MESSAGE_LINES], f"... {words.plural(len(lines) - MESSAGE_LINES, 'line')} left out"]
    message = "\n".join(words.clip(line, 4 * SOURCE_LENGTH) for line in lines).strip()
    named = ": ".join(part for part in (failure.exception, message) if part)
    if facts.outcome in (Outcome.CRASHED, Outcome.HUNG):
        ended = "The interpreter died in this test" if facts.outcome is Outcome.CRASHED else "The test hung"
        return f"{ended}: {named}" if named else f"{ended}."
    return named or "The test failed, and its runner says no more."


def _evidence(frame: FrameAt, sources: Sources) -> Evidence:
    name = frame.function
    why = f"in {name}()" if name.isidentifier() else (f"in {name}" if name else "")
    return Evidence(frame.path, frame.line, why, words.clip(sources.line(frame.path, frame.line), SOURCE_LENGTH))


def _of_test(facts: FailureFacts, sources: Sources) -> Evidence | None:
    """Return the test itself, where the failure names no place."""
    passage = sources.test(facts.nodeid)
    if passage is None:
        return None
    return Evidence(passage.path, passage.first, "the test", words.clip(passage.lines[0].strip(), SOURCE_LENGTH))


def _suspects(guilty: Sequence[Weighed], sources: Sources) -> list[Evidence]:
    found: dict[tuple[str, int], Evidence] = {}
    for each in guilty:
        for line in each.lines[:LINES_OF_A_HUNK]:
            source = "" if each.hunk.is_deleted else words.clip(sources.line(each.hunk.path, line), SOURCE_LENGTH)
            why = each.why or "the only change"
            found.setdefault((each.hunk.path, line), Evidence(each.hunk.path, max(line, 1), why, source))
    return list(found.values())


def _diff(guilty: Sequence[Weighed]) -> str:
    lines: list[str] = []
    path = ""
    for each in guilty:
        lines += [*(each.hunk.head if each.hunk.path != path else ()), *each.hunk.lines]
        path = each.hunk.path
    if len(lines) > DIFF_LINES:
        lines = [*lines[:DIFF_LINES], f"... {words.plural(len(lines) - DIFF_LINES, 'line')} left out"]
    return "\n".join(lines)


def _last_green(facts: FailureFacts) -> float | None:
    greens = [moment.at for moment in facts.moments if moment.outcome in _GREEN]
    if "green" in facts.diff.base and facts.diff.base_at is not None:
        greens.append(facts.diff.base_at)
    return max(greens, default=None)


def _doubt(facts: FailureFacts) -> str:
    """Return what speaks against the change as the cause, as sentences."""
    said: list[str] = []
    if words.doubt(facts.check):
        check = words.check(facts.check)
        said.append(f"{check[:1].upper()}{check[1:]}.")
    flips = _flips(facts.moments[:MOMENTS_LOOKED_AT])
    if flips:
        seen = min(len(facts.moments), MOMENTS_LOOKED_AT)
        times = "once" if flips == 1 else words.plural(flips, "time")
        said.append(
            f"In its last {words.plural(seen, 'run')} it changed between red and green {times}"
            " without a change of a file, so it may be flaky."
        )
    if facts.diff.base and not facts.diff.text and not facts.diff.is_cut:
        said.append(f"No source differs from {facts.diff.base}, so the cause may lie outside the project's files.")
    return " ".join(said)


def _flips(moments: Sequence[TestMoment]) -> int:
    """Return how often a test changed between red and green in a run that no change of a file had caused."""
    known = [moment for moment in moments if moment.outcome is not Outcome.SKIPPED]
    return sum(
        newer.outcome.is_red != older.outcome.is_red and not newer.cause.paths for newer, older in pairwise(known)
    )
