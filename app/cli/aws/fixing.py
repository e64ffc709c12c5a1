"""The command `audit fix`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from app.cli.exits import EXIT_GOOD
from app.cli.launchers import RepairOptions, Step
from app.cli.terminal import plain
from app.domain.errors import CannotError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from app.cli.context import Context
    from app.cli.terminal import Terminal

PROGRAM = "watchkeeper audit fix"
LARGEST_PLAN = 4 << 20
_HEAD = 3
"""Lines of a unified diff that name files and numbers, of which there are none."""


def audit_fix(context: Context) -> int:
    """Show a repair's plan, apply it, or take it back."""
    from app.cli.aws.secrets import secret_of

    asked = context.words
    step = Step.APPLY if asked.apply else Step.ROLL_BACK if asked.rollback else Step.PLAN
    _check(context, step)
    options = RepairOptions(
        asked.finding,
        step,
        asked.account,
        asked.logs_to,
        asked.kms_key,
        keep_named=asked.keep_named,
        force=asked.force,
        plan=_read(context.cwd / asked.plan) if asked.plan else "",
        is_quiet=context.as_json,
        confirm=lambda: asked.yes or _agrees(step),
        show=lambda told: None if context.as_json else show(told, context.terminal),
    )
    with context.logging(), secret_of(context, PROGRAM) as secret:
        told = context.launchers.repair(options, secret)
    if context.as_json:
        context.terminal.document(told)
    else:
        _tell(told, step, context.terminal)
    return EXIT_GOOD


def _check(context: Context, step: Step) -> None:
    asked = context.words
    if asked.plan and step is not Step.APPLY:
        raise UsageError("--plan names what is to be applied.", "Say so: --apply --plan FILE")
    if asked.force and step is not Step.ROLL_BACK:
        raise UsageError("--force is for taking back.", "Say so: --rollback --force")
    if step is not Step.PLAN and not asked.yes and (context.as_json or not sys.stdin.isatty()):
        raise UsageError(
            "Nobody can be asked here whether to go on. Nothing was changed.",
            "Look at the plan without --apply, then add --yes.",
        )


def _agrees(step: Step) -> bool:
    question = "Apply this plan?" if step is Step.APPLY else "Put back what was before?"
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def show(told: Mapping[str, Any], terminal: Terminal) -> None:
    """Write a plan for a person: what it does, before and after, the calls, and what else it touches."""
    if "plan" not in told:
        terminal.say(plain(f"The state before is in {told['state']}."))
        return
    plan = told["plan"]
    terminal.say(terminal.paint(plain(f"{plan['title']}: {told['place']} in {plan['place']['region']}"), "bold"))
    if told["is_empty"]:
        terminal.say("Nothing to do: all is as it should be.")
        return
    for each in told["diff"]:
        terminal.say()
        terminal.say(terminal.paint(plain(each["setting"]), "bold"))
        for line in each["lines"][_HEAD:]:
            terminal.say(f"  {_line(line, terminal)}")
    terminal.say()
    terminal.say(terminal.paint("Calls", "bold"))
    for call in plan["calls"]:
        terminal.say(plain(f"  {call['service']} {call['operation']}"))
        for line in json.dumps(call["parameters"], indent=2, ensure_ascii=True).splitlines():
            terminal.say(f"    {line}")
    if plan["touches"]:
        terminal.say()
        terminal.say(terminal.paint("What else it means", "bold"))
        for each in plan["touches"]:
            terminal.say(plain(f"  {each}"))


def _line(line: str, terminal: Terminal) -> str:
    style = {"+": ("green",), "-": ("red",)}.get(line[:1], ())
    line = f"{line[0]}(nothing is set)" if line[1:] == "null" else line
    return terminal.paint(plain(line), *style)


def _tell(told: Mapping[str, Any], step: Step, terminal: Terminal) -> None:
    if step is Step.PLAN:
        show(told, terminal)
        if not told["is_empty"]:
            terminal.note(f"\nNothing was changed. Do it: {PROGRAM} {told['finding'][:12]} --apply")
    elif step is Step.APPLY:
        if told["state"]:
            terminal.say(plain(f"Done, and read again. The state before is in {told['state']}."))
            terminal.note(f"Take it back: {PROGRAM} {told['finding'][:12]} --rollback")
        elif told["is_applied"] or told["is_empty"]:
            terminal.say("Nothing was to be done: all is as it should be.")
        else:
            terminal.say("Nothing was changed.")
    elif told["restored"]:
        terminal.say(plain(f"As before again: {', '.join(told['restored'])}."))
    else:
        terminal.say("Nothing was changed." if not told["journal"] else "Nothing was to be done: all is as before.")


def _read(path: Path) -> str:
    from app.engine.regular import read_regular

    try:
        return read_regular(path, LARGEST_PLAN).decode("utf-8", "replace")
    except OSError as error:
        raise CannotError(f"{path} cannot be read: {error.strerror or error}.", "Name the plan's file.") from error
