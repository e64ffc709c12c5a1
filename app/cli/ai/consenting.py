"""What would be sent to a model, and the person's word on it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from app.cli.ai.documents import of_document
from app.cli.ai.screen import line, shown
from app.cli.ai.words import who
from app.domain import commands, words
from app.domain.analysis import PromptPreview
from app.domain.errors import ModelError

if TYPE_CHECKING:
    from app.cli.context import Context
    from app.control.client import ControlClient


def set_consent(
    context: Context, client: ControlClient, project: str, *, given: bool, shown_hosts: tuple[str, ...] = ()
) -> None:
    """Have the instance keep the person's word, for the hosts that they were shown, and say so."""
    hosts = client.send(commands.SetConsent(project=project, given=given, hosts=",".join(shown_hosts)))
    to = ", ".join(line(str(host)) for host in hosts)
    if given:
        where = f"to {to}" if to else "to nobody: no provider is set up"
        context.terminal.note(f"You agree that parts of the source of {line(project)} are sent {where}.")
        back = f"watchkeeper explain --forget-consent --project {shlex.quote(project)}"
        context.terminal.note(f"Take it back with: {shown(back)}")
    else:
        context.terminal.note(f"Nothing of the source of {line(project)} is sent to a model any more.")


def ask_consent(context: Context, client: ControlClient, look: commands.ReadPrompt, to: tuple[str, ...]) -> bool:
    """Tell what would be sent to whom. At a terminal ask whether it may, else say how to agree.

    Args:
        context: The command line.
        client: Asks the instance.
        look: Asks what would be sent of a test, or of a finding.
        to: The hosts to which it would be sent.

    Returns:
        Whether the person agrees, which is kept then.
    """
    from app.cli.keys.prompts import ask_yes, has_person

    note = context.terminal.note
    project, which = look.project, look.nodeid or look.finding
    hosts = ", ".join(line(each) for each in to)
    note(f"No model is asked yet: parts of the source of {line(project)} would be sent to {hosts}.")
    try:
        preview = of_document(PromptPreview, client.send(look))
        _tell_size(context, preview)
    except ModelError as error:  # nobody can be asked any more, so there is nothing to agree to
        note(line(error.message))
        if error.hint:
            note(line(error.hint))
        return False
    line_of_this = f"watchkeeper explain {shlex.quote(which)} --project {shlex.quote(project)}"
    note(f"See all of it:  {shown(line_of_this)} --show-prompt")
    if context.as_json or not has_person():
        note(f"Agree to it:    {shown(line_of_this)} --allow")
        return False
    if not ask_yes(f"May it be sent to {hosts}?", instead="Say it with --allow."):
        note("Nothing was sent.")
        return False
    set_consent(context, client, project, given=True, shown_hosts=to)
    return True


def show_prompt(context: Context, client: ControlClient, look: commands.ReadPrompt) -> int:
    """Show exactly what would be sent, message by message; nothing is sent."""
    told = client.send(look)
    preview = of_document(PromptPreview, told)
    if context.as_json:
        context.terminal.document({"prompt": told})
        return 0
    for role, content in preview.messages:
        context.terminal.say(context.terminal.paint(f"--- {line(role)} ---", "bold"))
        context.terminal.say(shown(content))
    context.terminal.flush()
    _tell_size(context, preview)
    if preview.needs_consent:
        hosts = ", ".join(line(each) for each in preview.needs_consent)
        context.terminal.note(f"You have not agreed that it is sent to {hosts}.")
    context.terminal.note("Nothing was sent.")
    return 0


def _tell_size(context: Context, preview: PromptPreview) -> None:
    """Say on standard error how much it is, of what, and to whom."""
    note = context.terminal.note
    whom = line(who(preview.provider, preview.model))
    note(f"About {preview.tokens:,} of {preview.budget:,} tokens, to {line(preview.host)} ({whom}):")
    for section in preview.sections:
        of = "" if section.kept == section.tokens else f" of {section.tokens:,}"
        note(f"  {line(section.title)}: {section.kept:,}{of}")
    count = preview.redacted
    note(f"{words.plural(count, 'secret or personal detail', 'secrets and personal details')} taken out.")
