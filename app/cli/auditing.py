"""The `audit` command."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.auditfolder import audited_folder
from app.cli.exits import EXIT_GOOD, EXIT_RED
from app.cli.launchers import AuditOptions
from app.cli.terminal import plain
from app.domain.errors import CannotError, UsageError
from app.domain.findings import AuditVerdict, Severity, Standing
from app.domain.words import plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from app.agents.auditing.memory import Memories
    from app.cli.context import Context
    from app.cli.terminal import Terminal
    from app.domain.findings import AuditReport, Past

    class Done(Protocol):
        """An audit that was asked for; see app.house.auditing."""

        @property
        def report(self) -> AuditReport:
            """Return what it came to."""

        @property
        def past(self) -> tuple[Past, ...]:
            """Return the audits before."""

        @property
        def notes(self) -> tuple[str, ...]:
            """Return what else a person should know."""


_FORMS_BY_END = {".json": "json", ".sarif": "sarif", ".html": "html", ".htm": "html", ".md": "md"}


def audit(context: Context) -> int:
    """Audit a project, or change what is silent."""
    asked = context.words
    if asked.checks:
        return _list_checks(context)
    root = audited_folder(context, asked.path)
    if asked.mutes or asked.mute or asked.unmute:
        return _mutes(context, root)
    if asked.reason or asked.days is not None:
        raise UsageError("--reason and --days say more about --mute.", "Name the finding: --mute FINDING --reason TEXT")
    form = "json" if context.as_json else asked.format or form_of(asked.output)
    with context.logging():
        options = AuditOptions(
            only=tuple(asked.only),
            form=form,
            output=context.cwd / asked.output if asked.output else None,
            fail_on="" if asked.fail_on == "never" else asked.fail_on,
            baseline=asked.baseline,
            marker=_marker(context.cwd / asked.marker, root) if asked.marker else "",
        )
        return context.launchers.audit(root, options)


def audited(done: Done, options: AuditOptions, terminal: Terminal) -> int:
    """Tell of an audit, and return the exit code: 1 for a finding of the severity asked for or above."""
    from app.agents.auditing.reports.forms import FORMS

    for note in done.notes:
        if note:
            terminal.note(plain(note))
    report = done.report
    if options.output is not None:
        write_report(options.output, FORMS[options.form](report, done.past))
        terminal.say(plain(f"{_last_line(report)} The report: {options.output}"))
    elif options.form == "text":
        from app.agents.auditing.reports.text import to_text

        paint = terminal.paint if terminal.colour else None
        terminal.say(to_text(report, done.past, paint=paint).rstrip("\n"))
    else:
        terminal.say(FORMS[options.form](report, done.past).rstrip("\n"))
    terminal.flush()
    if options.baseline:
        _accept(report, terminal)
        return EXIT_GOOD
    code = exit_code(report, options.fail_on)
    if report.verdict is AuditVerdict.FAIL and code == EXIT_GOOD:
        least = f"nothing that counts is {options.fail_on} or above" if options.fail_on else "as you asked"
        terminal.note(f"The exit code is 0: {least} (--fail-on {options.fail_on or 'never'}).")
    return code


def form_of(output: str | None) -> str:
    """Return the form that a file's name asks for; text for all others, and for none."""
    return _FORMS_BY_END.get(Path(output).suffix.lower(), "text") if output else "text"


def exit_code(report: AuditReport, fail_on: str) -> int:
    """Return 1 for a finding of the severity asked for or above, 3 when nothing could be looked at, else 0.

    Args:
        report: The audit.
        fail_on: The severity; empty for none.
    """
    least = Severity(fail_on).rank if fail_on else len(Severity)
    heard = (each.finding for each in report.findings if each.standing is not Standing.MUTED)
    if any(finding.severity.rank >= least for finding in heard):
        return EXIT_RED
    if report.checks and all(each.verdict is AuditVerdict.UNKNOWN for each in report.checks):
        return CannotError.exit_code
    return EXIT_GOOD


def _last_line(report: AuditReport) -> str:
    from app.agents.auditing.reports.outline import summary

    return f"{summary(report).rstrip('.')}."


def _accept(report: AuditReport, terminal: Terminal) -> None:
    from app.agents.auditing.memory import read_baseline, write_baseline

    root = Path(report.project)
    before = read_baseline(root)
    kept = [
        each.finding
        for each in report.findings
        if each.standing is not Standing.MUTED or each.finding.fingerprint in before
    ]
    found = {each.finding.fingerprint for each in report.findings} | {each.fingerprint for each in report.fixed}
    is_whole = not report.only and not any(
        each.reasons or each.left_out or each.verdict is AuditVerdict.UNKNOWN for each in report.checks
    )
    # What was not looked at was accepted before, and stays so.
    besides = {} if is_whole else {print_: told for print_, told in before.items() if print_ not in found}
    try:
        path = write_baseline(root, kept, besides=besides)
    except OSError as error:
        raise CannotError(
            f"The baseline cannot be written: {error.strerror or error}.", "Look at the folder."
        ) from error
    count = len(kept) + len(besides)
    said = f"{plural(count, 'finding')} {'is' if count == 1 else 'are'} accepted in {path}."
    terminal.note(plain(f"{said} Commit it, so that it holds for everybody."))


def write_report(path: Path, text: str) -> None:
    """Write a report into a file.

    Raises:
        CannotError: It cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotError(
            f"The report cannot be written into {path}: {error.strerror or error}.", "Name another file: --output FILE"
        ) from error


def _marker(path: Path, root: Path) -> str:
    resolved = path.resolve()
    if not resolved.is_file():
        raise UsageError(f"There is no file {path}.", "Name the marker: --marker TASK_COMPLETE.md")
    if not resolved.is_relative_to(root):
        raise UsageError(f"{path} is not in {root}.", "A marker lies in the project that it tells of.")
    return resolved.relative_to(root).as_posix()


def _list_checks(context: Context) -> int:
    from app.agents.auditing.host.known import known_checks

    known, troubles = known_checks(context.places.data / "checks")
    for trouble in troubles:
        context.terminal.note(plain(trouble))
    if context.as_json:
        context.terminal.document(
            {"checks": [{"id": each.id, "title": each.title, "ours": not each.entry} for each in known]}
        )
    else:
        context.terminal.table([[each.id, each.title + (" (installed)" if each.entry else "")] for each in known])
        folder = context.places.data / "checks"
        context.terminal.note(plain(f"Others are found once they are installed: pip install --target {folder} NAME"))
    return EXIT_GOOD


def _mutes(context: Context, root: Path) -> int:
    from app.agents.auditing.memory import Memories

    memories = Memories(context.places.data / "audits")
    if context.words.mute or context.words.unmute:
        change_mute(context, memories, root)
    else:
        list_mutes(context, memories, [root])
    return EXIT_GOOD


def check_days(context: Context) -> None:
    """Refuse to mute for less than a day.

    Raises:
        UsageError: That is what was said.
    """
    if context.words.days is not None and context.words.days < 1:
        raise UsageError("--days takes a number from 1 on.", "Leave it out to mute for good.")


def change_mute(context: Context, memories: Memories, root: Path) -> None:
    """Mute the finding that is named, or tell of it again, and say so.

    Raises:
        UsageError: There is no such finding, several are meant, there is no reason, or the days are none.
        CannotError: It cannot be kept.
    """
    from app.agents.auditing.memory import mute, unmute

    asked = context.words
    if asked.mute:
        check_days(context)
    with memories.changing(root) as memory:
        if asked.mute:
            changed = mute(memory, asked.mute, asked.reason or "", days=asked.days or 0, now=time.time())
            told = f"Muted {f'for {asked.days} days' if asked.days else 'for good'}"
        else:
            changed, told = unmute(memory, asked.unmute), "Told of again"
    context.terminal.note(plain(f"{told}: {changed.title}"))


def list_mutes(context: Context, memories: Memories, roots: Sequence[Path]) -> None:
    """List what is muted in some projects or accounts, the oldest first."""
    mutes = sorted((mute for root in roots for mute in memories.read(root).mutes.values()), key=lambda each: each.at)
    if context.as_json:
        context.terminal.document({"mutes": mutes})
        return
    if not mutes:
        context.terminal.say("Nothing is muted.")
    rows = [
        [each.fingerprint[:12], time.strftime("%Y-%m-%d", time.localtime(each.until)) if each.until else "for good",
         plain(each.title), plain(each.reason)]
        for each in mutes
    ]  # fmt: skip
    context.terminal.table(rows)
