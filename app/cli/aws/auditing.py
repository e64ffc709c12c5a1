"""The command `audit aws`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from app.cli.auditing import change_mute, check_days, exit_code, form_of, list_mutes, write_report
from app.cli.exits import EXIT_GOOD
from app.cli.launchers import AccountOptions, AuditOptions
from app.cli.terminal import plain
from app.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.cli.auditing import Done
    from app.cli.context import Context
    from app.cli.terminal import Terminal

PROGRAM = "watchkeeper audit aws"
ENDED = "Ended. What was done is kept for six hours: the same command goes on from there."


def audit_aws(context: Context) -> int:
    """Audit AWS accounts, or change what is silent."""
    from app.cli.aws.secrets import secret_of

    asked = context.words
    if asked.mutes or asked.mute or asked.unmute:
        return _mutes(context)
    if asked.reason or asked.days is not None:
        raise UsageError("--reason and --days say more about --mute.", "Name the finding: --mute FINDING --reason TEXT")
    options = AccountOptions(
        tuple(asked.service),
        tuple(asked.regions),
        asked.endpoint_url,
        asked.scheduler,
        AuditOptions(
            form="json" if context.as_json else asked.format or form_of(asked.output),
            output=context.cwd / asked.output if asked.output else None,
            fail_on="" if asked.fail_on == "never" else asked.fail_on,
        ),
    )
    with context.logging(), secret_of(context, PROGRAM) as secret:
        try:
            return context.launchers.audit_aws(tuple(asked.accounts), options, secret)
        except KeyboardInterrupt:
            context.terminal.note(ENDED)
            raise


def audited_accounts(done: Sequence[Done], options: AuditOptions, terminal: Terminal) -> int:
    """Tell of the audits of accounts, and return the exit code: that of the worst one.

    Raises:
        UsageError: Several do not go into one document of that form.
        CannotError: The report cannot be written.
    """
    from app.agents.auditing.reports.outline import summary

    for note in dict.fromkeys(note for each in done for note in each.notes if note):
        terminal.note(plain(note))
    if options.output is not None:
        write_report(options.output, _told(done, options.form, terminal, is_file=True))
        for each in done:
            terminal.say(plain(f"{each.report.target}: {summary(each.report)}"))
        terminal.say(plain(f"The report: {options.output}"))
    else:
        terminal.say(_told(done, options.form, terminal, is_file=False).rstrip("\n"))
    terminal.flush()
    codes = {exit_code(each.report, options.fail_on) for each in done}
    # what could not be looked at at all is worse than what was found
    return max(codes, default=EXIT_GOOD)


def check_form(form: str, accounts: int) -> None:
    """Refuse a form that holds one account for several.

    Raises:
        UsageError: It is such a one.
    """
    if form == "html" and accounts > 1:
        raise UsageError(
            "A page of HTML holds the report of one account.", "Name one account, or another form: --format md"
        )


def _told(done: Sequence[Done], form: str, terminal: Terminal, *, is_file: bool) -> str:
    from app.agents.auditing.reports.forms import FORMS
    from app.agents.auditing.reports.text import to_text

    if form == "text" and not is_file:
        paint = terminal.paint if terminal.colour else None
        return "\n".join(to_text(each.report, each.past, paint=paint) for each in done)
    told = [FORMS[form](each.report, each.past) for each in done]
    if len(told) == 1 or form in {"text", "md"}:
        return "\n".join(told)
    documents = [json.loads(each) for each in told]
    if form == "json":
        return json.dumps(documents, indent=2) + "\n"
    whole: dict[str, Any] = {**documents[0], "runs": [run for each in documents for run in each["runs"]]}
    return json.dumps(whole, indent=2) + "\n"


def _mutes(context: Context) -> int:
    from app.agents.auditing.memory import Memories
    from app.domain.fingerprints import named

    memories = Memories(context.places.data / "audits")
    asked = context.words
    roots = _roots(context)
    if asked.mutes:
        list_mutes(context, memories, roots)
        return EXIT_GOOD
    said = asked.mute or asked.unmute
    check_days(context)
    where = []
    for root in roots:
        memory = memories.read(root)
        known = memory.mutes if asked.unmute else {print_ for found in memory.findings.values() for print_ in found}
        if named(said, known):
            where.append(root)
    if not where:
        raise UsageError(
            f"There is no finding {said} in the AWS accounts that were audited."
            if asked.mute
            else f"No finding {said} of an AWS account is muted.",
            "See them, with their digits: watchkeeper audit aws",
        )
    if len(where) > 1:
        raise UsageError(f"{said} may be findings of several accounts.", "Give more digits, or name the account.")
    change_mute(context, memories, where[0])
    return EXIT_GOOD


def _roots(context: Context) -> list[Path]:
    from app.agents.auditing.aws.named import remembered_accounts

    wanted = set(context.words.accounts)
    found = list(remembered_accounts(context.places.data / "aws"))
    missing = sorted(wanted - {account.name for _, account in found})
    if missing:
        raise UsageError(f"{missing[0]} was never audited.", f"Audit it first: watchkeeper audit aws {missing[0]}")
    return [root for root, account in found if not wanted or account.name in wanted]
