"""What people read, in one place for all faces: ages, durations, counts, verdicts, agents, node ids. Pure, in English.

Ages and durations are seconds; a clock that was set back gives a negative age, which reads as now.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.domain.agents import AgentState
from app.domain.keys import VaultState
from app.domain.verdicts import Blame, CauseKind, Outcome, Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.coverage import ChangedLines
    from app.domain.history import Why
    from app.domain.keys import VaultView
    from app.domain.snapshot import AgentView
    from app.domain.verdicts import Cause, Check

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


def vault(view: VaultView) -> str:
    """Return that the vault is not open, as a sentence without its full stop; empty while there is nothing to say."""
    trouble = f": {one_line(view.reason)}" if view.reason else ""
    return {
        VaultState.LOCKED: "The vault is locked",
        VaultState.WAITING: "The vault waits for the system keychain",
        VaultState.TROUBLE: f"The vault is in trouble{trouble}".rstrip("."),
    }.get(view.state, "")


def vault_word(state: VaultState) -> str:
    """Return the same in two words, for where there is little room: `vault locked`; empty likewise."""
    return _VAULTS.get(state, "")


def slot_kind(kind: str) -> str:
    """Return what people call a way to open the vault: `system keychain`, `recovery code`; one not known, as it is."""
    return _SLOTS.get(kind, kind)


def due(seconds: float) -> str:
    """Return when something is due, by what is left until then: `in 12 days`, `within a day`, `overdue for 3 days`.

    Whole days to come are rounded, so that what was just set for 90 days says so.
    """
    if seconds >= _DAY:
        return f"in {plural(int((seconds + _DAY / 2) // _DAY), 'day')}"
    return "within a day" if seconds >= 0 else f"overdue for {lasting(-seconds)}"


_VAULTS = {
    VaultState.LOCKED: "vault locked",
    VaultState.WAITING: "vault waiting",
    VaultState.TROUBLE: "vault in trouble",
}
_SLOTS = {
    "keychain": "system keychain",
    "dpapi": "Windows account",
    "passphrase": "passphrase",
    "recovery": "recovery code",
    "vault-transit": "HashiCorp Vault",
    "vault-kv": "HashiCorp Vault",
    "aws-kms": "AWS KMS",
    "aws-secretsmanager": "AWS Secrets Manager",
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
    Verdict.NO_INTERPRETER: "what runs the tests was not found",
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
    Verdict.NO_INTERPRETER: "What runs the tests is there again",
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


def check(check: Check | None) -> str:
    """Return what a red test's second look says: `flaky: green when run again alone`; empty when it says nothing."""
    if check is None:
        return ""
    if check.blame is not None:
        return _BLAMES[check.blame]
    return "red again when run alone" if check.alone is not None else ""


def doubt(check: Check | None) -> str:
    """Return in a word or two why a red test may not be the change's fault; empty when nothing speaks for that."""
    return _DOUBTS.get(check.blame, "") if check is not None and check.blame is not None else ""


_BLAMES = {
    Blame.FLAKY: "flaky: green when run again alone",
    Blame.CHANGE: "the change did it: green on the last green source",
    Blame.ELSEWHERE: "red on the last green source too, so not this change",
}
_DOUBTS = {Blame.FLAKY: "flaky", Blame.ELSEWHERE: "not this change"}


def of_the_change(count: int | None) -> str:
    """Return what the tests that a change touches are called: `7 tests of the change`, `the tests of the change`."""
    return "the tests of the change" if count is None else f"{tests(count)} of the change"


def so_far(impacted: int | None, expected: int | None) -> tuple[str, str]:
    """Return how things stand while the rest runs after green tests of the change, as two halves of a sentence.

    Args:
        impacted: How many tests the change touches; None when that is not known.
        expected: How many tests the run has in all; None when that is not known.

    Returns:
        `7 tests of the change are green` and `483 more are being confirmed`.
    """
    rest = expected - (impacted or 0) if expected is not None else None
    verb = "is" if rest == 1 else "are"
    if not impacted:
        return "the change touches no test", (
            f"{tests(rest)} {verb} being confirmed" if rest else "all tests are being confirmed"
        )
    first = f"{of_the_change(impacted)} {'is' if impacted == 1 else 'are'} green"
    return first, f"{rest:,} more {verb} being confirmed" if rest and rest > 0 else "the others are being confirmed"


def place_in_run(why: Why) -> str:
    """Return where a test stood in the last run that chose its tests, as a sentence with its full stop."""
    if why.cause is None:
        return "No run has chosen its tests yet."
    if why.stage is None:
        return f"It was no part of the last run that chose its tests, {cause(why.cause)}."
    where = "among the first" if why.stage is Stage.IMPACTED else "with the rest"
    if why.ran:
        return f"It ran {where}, {cause(why.cause)}."
    return f"It was to run {where}, {cause(why.cause)}, and has not ended."


def depends(why: Why) -> str:
    """Return on how much of the project a test depends: `Depends on 5 files, executes 12 functions`."""
    if not why.depends_on and not why.functions:
        return "What it depends on is not known yet"
    return f"Depends on {plural(len(why.depends_on), 'file')}, executes {plural(why.functions, 'function')}"


def percent(share: float) -> str:
    """Return a share of 0 to 100 with one decimal: `87.4 %`. Only all is `100 %`, and only nothing is `0 %`."""
    if share <= 0 or share >= 100:  # noqa: PLR2004 - a share of a hundred
        return "100 %" if share > 0 else "0 %"
    return f"{min(max(share, 0.1), 99.9):.1f} %"


def changed_lines(lines: ChangedLines) -> str:
    """Return how much of a change the tests execute: `5 of 7 changed lines are covered`; empty when no code changed."""
    total = lines.total
    if total <= 1:
        return "" if not total else f"the changed line is {'covered' if lines.covered else 'not covered'}"
    if lines.covered >= total:
        return f"all {total:,} changed lines are covered"
    return (
        f"{lines.covered:,} of {total:,} changed lines are covered"
        if lines.covered
        else (f"none of {total:,} changed lines is covered")
    )


def line_ranges(numbers: Sequence[int], limit: int | None = None) -> str:
    """Return ascending line numbers as ranges: `3, 7-9, 12`; with `limit`, no more ranges than that: `3 and 2 more`."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    shown = [str(low) if low == high else f"{low}-{high}" for low, high in ranges[:limit]]
    more = len(ranges) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def places(uncovered: Sequence[tuple[str, Sequence[int]]], limit: int | None = None) -> str:
    """Return files with their lines: `src/a.py:3, 7-9; b.py:1`; with `limit`, no more files than that."""
    shown = "; ".join(f"{path}:{line_ranges(numbers)}" for path, numbers in uncovered[:limit])
    more = len(uncovered) - limit if limit is not None else 0
    return f"{shown} and {plural(more, 'more file')}" if more > 0 else shown


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
