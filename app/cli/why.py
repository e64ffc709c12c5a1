"""The command `tests why`: why the running instance ran a test when it did, or did not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.cli.nodeids import find_test, project_said
from app.cli.terminal import plain
from app.domain import commands, words
from app.domain.errors import UsageError
from app.domain.history import Why
from app.domain.verdicts import Cause, CauseKind, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.cli.context import Context


def why(context: Context) -> int:
    """Tell in which part of the last run a test stood, after which change, why, and on what it depends."""
    said = context.words
    if not said.path:
        raise UsageError("No test is named.", "Name one, or enough of its id: watchkeeper tests why test_login")
    project = project_said(context)
    with context.client() as client:
        watched = client.send(commands.ReadStatus())["projects"]
        root, nodeid = find_test(said.path, watched, project)
        answer = client.send(commands.ReadWhy(project=root, nodeid=nodeid))
    if context.as_json:
        context.terminal.document(answer)
    else:
        _write(context, _of_document(answer))
    return 0


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
