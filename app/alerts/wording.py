"""The words of a notification: pure functions from what happened to a title and a body."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from app.domain.verdicts import CauseKind, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.events import VerdictChanged
    from app.domain.verdicts import Cause

TITLE_LENGTH: Final = 80
"""Characters of a title: GNOME, KDE and dunst all cut longer ones."""

_NAME_LENGTH: Final = 44
"""Characters of a test's name in a title, which leaves room for what happened to it and the tests still red."""

_LINE_LENGTH: Final = 120
_MESSAGE_LENGTH: Final = 300
_TESTS_NAMED: Final = 5
_PATHS_NAMED: Final = 3

_TROUBLE: Final = {
    Verdict.COLLECTION_ERROR: "Tests cannot be collected",
    Verdict.NO_TESTS: "No tests were found",
    Verdict.NO_PYTEST: "pytest is missing",
    Verdict.NO_INTERPRETER: "No Python was found for the tests",
    Verdict.USAGE_ERROR: "pytest refuses its settings",
    Verdict.CRASHED: "The tests crashed",
    Verdict.HUNG: "The tests hang",
}
_RECOVERED: Final = {
    Verdict.COLLECTION_ERROR: "Tests can be collected again",
    Verdict.NO_TESTS: "There are tests again",
    Verdict.NO_PYTEST: "pytest is there again",
    Verdict.NO_INTERPRETER: "There is a Python for the tests again",
    Verdict.USAGE_ERROR: "pytest takes its settings again",
    Verdict.CRASHED: "The tests no longer crash",
    Verdict.HUNG: "The tests no longer hang",
}


def title_of(event: VerdictChanged) -> str:
    """Say in one line of at most 80 characters what matters first: trouble, then red, then green."""
    if event.trouble is not None:
        return _TROUBLE.get(event.trouble, "The tests could not be run")
    if event.broke:
        return _counted(event.broke, "went red", "went red")
    if event.complete and not event.still_red:
        return "All green again"
    return _relief(event) + (f", {event.still_red} still red" if event.still_red else "")


def body_of(event: VerdictChanged, project: str) -> str:
    """Say the rest: the project and the change that did it, the tests by name, and what else happened.

    Args:
        event: What changed.
        project: The project's name for people.

    Returns:
        A few lines of plain text.
    """
    named = event.broke or event.fixed or event.gone
    lines = [f"{_line(project)}: {_because(event.cause)}"]
    if event.trouble is not None and event.message:
        lines.append(_cut(event.message.strip(), _MESSAGE_LENGTH))
    lines += [readable(nodeid) for nodeid in named[:_TESTS_NAMED]]
    if len(named) > _TESTS_NAMED:
        lines.append(f"and {len(named) - _TESTS_NAMED} more")
    if not event.complete:
        lines.append("The other tests still run.")
    if event.recovered is not None:
        lines.append(f"{_RECOVERED.get(event.recovered, 'The tests run again')}.")
    if event.fixed and named is not event.fixed:
        lines.append(f"{_counted(event.fixed, 'is green again', 'are green again')}.")
    if event.gone and named is not event.gone:
        lines.append(f"{_counted(event.gone, 'is gone', 'are gone')}.")
    if event.trouble is not None and event.still_red > len(event.broke):
        lines.append(f"Red tests in all: {event.still_red}.")
    return "\n".join(lines)


def readable(nodeid: str) -> str:
    """Return a node id for people: `test_login[admin] (tests/test_auth.py)`, with its class; a file stays as it is."""
    path, _, name = nodeid.partition("::")
    return _line(f"{name} ({path})" if name else path)


def _relief(event: VerdictChanged) -> str:
    if event.fixed:
        return _counted(event.fixed, "is green again", "are green again")
    if event.recovered is not None:
        return _RECOVERED.get(event.recovered, "The tests run again")
    if event.gone:
        return _counted(event.gone, "is gone", "are gone")
    return "Nothing new"


def _short(nodeid: str) -> str:
    """Return the test's own name with its parameters: `test_login[admin]`; of a file, the file's name."""
    path, _, name = nodeid.partition("::")
    if not name:
        return posixpath.basename(path) or path
    function, bracket, parameters = name.partition("[")  # parameters may hold colons of their own
    return function.rpartition("::")[2] + bracket + parameters


def _counted(nodeids: Sequence[str], one: str, many: str) -> str:
    if len(nodeids) != 1:
        return f"{len(nodeids)} tests {many}"
    name = _one_line(_short(nodeids[0])) or "A test"
    return f"{_cut(name, _NAME_LENGTH)} {one}"


def _because(cause: Cause) -> str:
    paths = [_cut(_one_line(path), _LINE_LENGTH // 2) for path in cause.paths]
    more = len(paths) - _PATHS_NAMED
    if paths:
        return f"changed {', '.join(paths[:_PATHS_NAMED])}" + (f" and {more} more" if more > 0 else "")
    return {
        CauseKind.START: "found at the start",
        CauseKind.SAVE: "after a save",
        CauseKind.REQUEST: "run by request",
    }[cause.kind]


def _one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _line(text: str) -> str:
    return _cut(_one_line(text), _LINE_LENGTH)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"
