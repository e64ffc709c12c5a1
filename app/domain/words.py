"""What people read, in one place for all faces: ages, durations, counts, verdicts, agents, node ids. Pure, in English.

Ages and durations are seconds; a clock that was set back gives a negative age, which reads as now.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.domain.agents import AgentState
from app.domain.verdicts import CauseKind, Outcome, Verdict

if TYPE_CHECKING:
    from app.domain.snapshot import AgentView
    from app.domain.verdicts import Cause

ELLIPSIS = "\u2026"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_JUST_NOW_S = 5
_BEAT_FRESH_S = 15
"""A heartbeat younger than this is simply alive: an age that moves each second would redraw a menu for nothing."""


def plural(count: int, one: str, many: str = "") -> str:
    """Return the count with the word that fits it: `1 test`, `1,200 tests`; without `many`, the plural takes an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def tests(count: int) -> str:
    """Return a number of tests in words."""
    return plural(count, "test")


def ago(seconds: float) -> str:
    """Return an age in words, in its largest unit: `just now`, `12 s ago`, `3 h ago`, `yesterday`, `4 days ago`."""
    if seconds < _JUST_NOW_S:
        return "just now"
    if seconds < _MINUTE:
        return f"{int(seconds)} s ago"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min ago"
    if seconds < _DAY:
        return f"{int(seconds // _HOUR)} h ago"
    return "yesterday" if seconds < 2 * _DAY else f"{int(seconds // _DAY):,} days ago"


def lasting(seconds: float) -> str:
    """Return how long something holds already: `a moment`, `12 s`, `5 min`, `3 h`, `1 day`, `4 days`."""
    if seconds < _JUST_NOW_S:
        return "a moment"
    if seconds < _MINUTE:
        return f"{int(seconds)} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min"
    return f"{int(seconds // _HOUR)} h" if seconds < _DAY else plural(int(seconds // _DAY), "day")


def duration(seconds: float) -> str:
    """Return a duration in three figures at most: `4 ms`, `0.25 s`, `12.4 s`, `1 min 05 s`, `2 h 10 min`."""
    seconds = max(seconds, 0.0)
    if seconds < 0.0005:  # noqa: PLR2004 - less than half a millisecond rounds to none
        return "0 ms"
    if seconds < 0.0995:  # noqa: PLR2004 - from here on two decimals of a second say more than milliseconds
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.995:  # noqa: PLR2004 - two decimals below ten seconds
        return f"{seconds:.2f} s"
    if seconds < 59.95:  # noqa: PLR2004 - one decimal below a minute
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    return f"{whole // _HOUR:,} h {whole % _HOUR // _MINUTE:02} min"


def elapsed(seconds: float) -> str:
    """Return how long something goes on, in whole seconds: `0 s`, `59 s`, `1 min 05 s`."""
    whole = int(max(seconds, 0.0))
    return f"{whole} s" if whole < _MINUTE else duration(float(whole))


def time_left(seconds: float) -> str:
    """Return what is left of a wait, rounded up: `less than a minute`, `24 min`, `2 h 05 min`."""
    if seconds < _MINUTE:
        return "less than a minute"
    minutes = int(-(-seconds // _MINUTE))
    return f"{minutes} min" if minutes < _MINUTE else f"{minutes // 60:,} h {minutes % 60:02} min"


def heartbeat(agent: AgentView, now: float) -> str:
    """Return how long ago an agent last showed that it lives, coarse enough to stand still while it does."""
    if agent.beat_at is None:
        return "no heartbeat yet"
    age = now - agent.beat_at
    if age < _BEAT_FRESH_S:
        return "heartbeat just now"
    return f"last heartbeat {ago(age // 10 * 10)}"


def agent_name(name: str) -> str:
    """Return an agent's name for people: `tests:shop` is `Tests of shop`, `tests` is `Tests`."""
    kind, _, of = name.partition(":")
    return f"{kind.capitalize()} of {of}" if of else kind.capitalize()


def agent_state(agent: AgentView, now: float) -> str:
    """Return an agent's state in words, a pause with what is left of it."""
    if agent.paused and agent.state.is_alive:
        left = "" if agent.paused_until is None else f" for {time_left(agent.paused_until - now)} more"
        return f"paused{left}"
    return state(agent.state)


def state(state: AgentState) -> str:
    """Return where an agent stands: `on watch`, `not answering`, `failed, starting again soon`."""
    return _STATES[state]


_STATES = {
    AgentState.DISABLED: "switched off",
    AgentState.STOPPED: "stopped",
    AgentState.STARTING: "starting",
    AgentState.RUNNING: "on watch",
    AgentState.DEGRADED: "working with limits",
    AgentState.STALE: "not answering",
    AgentState.STOPPING: "stopping",
    AgentState.BACKOFF: "failed, starting again soon",
    AgentState.FAILED: "failed",
    AgentState.ABANDONED: "did not stop",
}


def cause(cause: Cause) -> str:
    """Return why a run was started: `after core.py was saved`, `at the start`, `as you asked`."""
    if cause.kind is CauseKind.SAVE and cause.paths:
        more = len(cause.paths) - 1
        name = file_name(cause.paths[0])
        return f"after {name} was saved" if not more else f"after {name} and {plural(more, 'more file')} were saved"
    return {CauseKind.SAVE: "after a save", CauseKind.START: "at the start", CauseKind.REQUEST: "as you asked"}[
        cause.kind
    ]


def verdict(verdict: Verdict) -> str:
    """Return what a run says, as the end of a sentence about its project: `no tests were found`."""
    return _VERDICTS[verdict]


def verdict_word(verdict: Verdict) -> str:
    """Return what a run says as one loud word or two: `GREEN`, `COLLECTION ERROR`."""
    return verdict.value.replace("-", " ").upper()


def recovery(verdict: Verdict) -> str:
    """Return that a trouble is over, as a sentence without its full stop: `The tests no longer crash`."""
    return _RECOVERED.get(verdict, "The tests run again")


_VERDICTS = {
    Verdict.GREEN: "all green",
    Verdict.RED: "tests are red",
    Verdict.COLLECTION_ERROR: "test files cannot be imported",
    Verdict.NO_TESTS: "no tests were found",
    Verdict.NO_PYTEST: "pytest is not installed",
    Verdict.NO_INTERPRETER: "no Python was found for the tests",
    Verdict.USAGE_ERROR: "pytest refused its settings",
    Verdict.CRASHED: "the test run crashed",
    Verdict.HUNG: "the test run hung",
    Verdict.ERROR: "the test run went wrong",
    Verdict.CANCELLED: "the run was cancelled",
}
_RECOVERED = {
    Verdict.COLLECTION_ERROR: "Tests can be collected again",
    Verdict.NO_TESTS: "There are tests again",
    Verdict.NO_PYTEST: "pytest is there again",
    Verdict.NO_INTERPRETER: "There is a Python for the tests again",
    Verdict.USAGE_ERROR: "pytest takes its settings again",
    Verdict.CRASHED: "The tests no longer crash",
    Verdict.HUNG: "The tests no longer hang",
}


def sentence(words: str) -> str:
    """Return words as the beginning of a sentence; pytest keeps its small letter: `The test run hung`."""
    return words if words.startswith("pytest") else words[:1].upper() + words[1:]


def outcome(outcome: Outcome) -> str:
    """Return how a test ended, as one word or two."""
    return _OUTCOMES[outcome]


_OUTCOMES = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.ERROR: "error",
    Outcome.SKIPPED: "skipped",
    Outcome.XFAILED: "failed as expected",
    Outcome.XPASSED: "passed unexpectedly",
    Outcome.CRASHED: "crashed",
    Outcome.HUNG: "hung",
}


def node_parts(nodeid: str) -> tuple[str, ...]:
    """Return a node id's parts: the file, then classes, then the test with its parameters, which may hold `::`.

    `t/a.py::TestA::test_x[a::b]` is `("t/a.py", "TestA", "test_x[a::b]")`; joined by `::` they are the node id again.
    """
    file, separator, rest = nodeid.partition("::")
    if not separator:
        return (nodeid,)
    names, bracket, parameters = rest.partition("[")
    parts = names.split("::")
    parts[-1] += bracket + parameters
    return (file, *parts)


def test_name(nodeid: str) -> str:
    """Return what a person calls a test: `TestA.test_x[1]`, or the file's name where there is no more."""
    file, *rest = node_parts(nodeid)
    name = ".".join(rest) if rest else file_name(file)
    return name if one_line(name) else "(no name)"


test_name.__test__ = False  # type: ignore[attr-defined] # pytest must not take the name for a test


def function_name(nodeid: str) -> str:
    """Return a test's own name, without its class: `test_x[1]`; of a file, the file's name."""
    file, *rest = node_parts(nodeid)
    return rest[-1] if rest else file_name(file)


def name_and_file(nodeid: str) -> str:
    """Return a node id for people: `TestA::test_x[1] (t/a.py)`; a file stays as it is."""
    file, *rest = node_parts(nodeid)
    name = "::".join(rest)
    return f"{name} ({file})" if name else file


def file_name(path: str) -> str:
    """Return the last part of a path with forward slashes."""
    return path.rstrip("/").rpartition("/")[2] or path


def clip(text: str, limit: int) -> str:
    """Return the text cut to `limit` UTF-16 units, as Windows and Qt count, with an ellipsis where it was cut."""
    if _units(text) <= limit:
        return text
    kept = text[: max(limit - 1, 0)]
    while kept and _units(kept) > limit - 1:
        kept = kept[:-1]
    return (kept.rstrip() + ELLIPSIS) if limit > 0 else ""


def elide_middle(text: str, limit: int) -> str:
    """Return the text with its middle left out when longer than `limit` characters: both ends tell tests apart."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) * 2 // 3
    return text[: limit - 1 - tail] + ELLIPSIS + text[len(text) - tail :]


def one_line(text: str) -> str:
    """Return the text with each run of white space and of what cannot be printed as one space."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def time_of_day(at: float) -> str:
    """Return a wall-clock time as local hours, minutes and seconds: `14:05:09`."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def moment(at: float, now: float) -> str:
    """Return a local wall-clock time: `14:05` for today, `2026-05-04 12:30` for other days."""
    then = time.localtime(at)
    today = time.localtime(now)
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%Y-%m-%d %H:%M", then)


def _units(text: str) -> int:
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)  # noqa: PLR2004 - beyond the basic plane: two units
