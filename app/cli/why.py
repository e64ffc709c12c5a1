"""The command `tests why`: why the running instance ran a test when it did, or did not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.cli.projects import project_root
from app.cli.terminal import plain
from app.domain import commands, words
from app.domain.errors import UsageError
from app.domain.history import Why
from app.domain.verdicts import Cause, CauseKind, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.cli.context import Context

_MATCHES_SHOWN = 20


def why(context: Context) -> int:
    """Tell in which part of the last run a test stood, after which change, why, and on what it depends."""
    said = context.words
    if not said.path:
        raise UsageError("No test is named.", "Name one, or enough of its id: watchkeeper tests why test_login")
    project = str(project_root(said.project, context.cwd)) if said.project is not None else None
    with context.client() as client:
        watched = client.send(commands.ReadStatus())["projects"]
        root, nodeid = _find(said.path, watched, project)
        answer = client.send(commands.ReadWhy(project=root, nodeid=nodeid))
    if context.as_json:
        context.terminal.document(answer)
    else:
        _write(context, _of_document(answer))
    return 0


def _find(test: str, watched: Mapping[str, Any], project: str | None) -> tuple[str, str]:
    """Return the project and the id of the one test that is meant: its id, its own name, or a part of the id.

    Raises:
        UsageError: It is none, or more than one; or the project is not watched.
    """
    if project is not None and project not in watched:
        known = ", ".join(watched) or "none"
        raise UsageError(f"{project} is not watched.", f"The watched projects are: {known}.")
    ids = [(root, each) for root in watched if project in (None, root) for each in watched[root]["tests"]]
    part = test.casefold()
    found = (
        [pair for pair in ids if pair[1] == test]
        or [pair for pair in ids if test in (words.function_name(pair[1]), _without_parameters(pair[1]))]
        or [pair for pair in ids if part in pair[1].casefold()]
    )
    if not found:
        hint = "It must have run at least once. `watchkeeper status --json` lists the known tests."
        raise UsageError(f"No known test has {test!r} in its id.", hint)
    if len(found) > 1:
        several = len({root for root, _ in found}) > 1
        lines = [f"  {nodeid}" + (f"  in {root}" if several else "") for root, nodeid in found[:_MATCHES_SHOWN]]
        if len(found) > _MATCHES_SHOWN:
            lines.append(f"  ... and {len(found) - _MATCHES_SHOWN} more")
        hint = "Name one of them, or its project with --project." if several else "Name one of them."
        raise UsageError("\n".join([f"{test!r} may mean {words.tests(len(found))}:", *lines]), hint)
    return found[0]


def _without_parameters(nodeid: str) -> str:
    return words.function_name(nodeid).partition("[")[0]


def _of_document(told: Mapping[str, Any]) -> Why:
    cause = told["cause"]
    return Why(
        project=told["project"],
        nodeid=told["nodeid"],
        stage=Stage(told["stage"]) if told["stage"] is not None else None,
        ran=told["ran"],
        cause=Cause(CauseKind(cause["kind"]), tuple(cause["paths"])) if cause is not None else None,
        reasons=tuple(told["reasons"]),
        depends_on=tuple(told["depends_on"]),
        functions=told["functions"],
    )


def _write(context: Context, why: Why) -> None:
    terminal = context.terminal
    terminal.say(f"{terminal.paint(plain(why.nodeid), 'bold')}  {terminal.paint(plain(why.project), 'dim')}")
    terminal.say(f"  {plain(words.place_in_run(why))}")
    for reason in why.reasons:
        terminal.say(f"  - {plain(words.one_line(reason))}")
    behind = " (--json lists the files)" if why.depends_on else ""
    terminal.say(f"  {terminal.paint(f'{words.depends(why)}{behind}', 'dim')}")
