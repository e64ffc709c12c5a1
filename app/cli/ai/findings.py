"""What an audit found, explained: which finding is meant, and a conversation with a model about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from app.cli.ai.asking import answer_of, hear, tell_end
from app.cli.ai.consenting import ask_consent, show_prompt
from app.cli.ai.conversing import write_conversation
from app.cli.ai.documents import of_document
from app.cli.ai.screen import indented, line
from app.cli.exits import EXIT_CANNOT
from app.cli.projects import project_root
from app.domain import commands, modelwords, words
from app.domain.analysis import (
    LOOKED_THROUGH,
    AnalysisView,
    Conversation,
    ConversationRecord,
    Subject,
    SubjectKind,
    conversation_about,
)
from app.domain.errors import ConsentMissing, ProjectError, UsageError
from app.domain.findings import Standings
from app.domain.fingerprints import is_like_one

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.cli.context import Context
    from app.control.client import ControlClient
    from app.domain.analysis import Exchange


def find_finding(
    context: Context, client: ControlClient, said: str, watched: Mapping[str, Any], project: str | None
) -> tuple[str, Standings] | None:
    """Return the project and the finding of its last audit that is meant; None when it is none.

    Args:
        context: The command line: without a project the folder that it is typed in is one too.
        client: Asks the instance.
        said: A finding's fingerprint, or the beginning of it.
        watched: The snapshot's projects, as the socket tells them.
        project: The only project whose audit is looked at; None for all that are watched.

    Raises:
        UsageError: It may be several.
    """
    if not is_like_one(said):
        return None
    roots = [project] if project is not None else [*watched, *_here(context)]
    found = []
    for root in dict.fromkeys(roots):
        told = client.send(commands.ReadFinding(project=root, fingerprint=said))
        if told is not None:
            found.append((root, of_document(Standings, told)))
    if len(found) > 1:
        lines = [f"  {line(each.finding.title)}  in {line(root)}" for root, each in found]
        message = "\n".join([f"{said!r} may mean {words.plural(len(found), 'finding')}:", *lines])
        raise UsageError(message, "Name its project with --project, or more of its digits.")
    return found[0] if found else None


def named_finding(
    context: Context, client: ControlClient, said: str, watched: Mapping[str, Any], project: str | None
) -> tuple[str, Standings]:
    """Return as `find_finding` the finding that is meant.

    Raises:
        UsageError: It is none, or may be several.
    """
    found = find_finding(context, client, said, watched, project)
    if found is None:
        raise UsageError(
            f"No last audit knows a finding {said!r}.", "See them, with their ids: watchkeeper audit --format json"
        )
    return found


def explain_finding(
    context: Context, client: ControlClient, root: str, found: Standings, analysis: AnalysisView
) -> int:
    """Have a finding explained, or show what was said of it before. Exit 3 when the answer does not come, or not whole.

    Args:
        context: The command line.
        client: Asks the instance.
        root: The project's root folder.
        found: The finding.
        analysis: Who would be asked, and in which language.
    """
    which = found.finding.fingerprint
    if context.words.show_prompt:
        return show_prompt(context, client, commands.ReadPrompt(project=root, finding=which))
    if not context.as_json:
        _write_finding(context, found)
    question = modelwords.finding_question(analysis.language)
    title = modelwords.talk_title(found.finding.title, question)
    known = None if context.words.again else _known(client, Subject(SubjectKind.FINDING, root, which), title)
    answered = _answered(known) if known is not None else None
    if known is not None and answered is not None:
        return _repeat(context, found, known, answered)
    command = commands.Ask(text=question, project=root, finding=which)
    if known is not None:  # nothing came of it before
        command = commands.Ask(text=question, conversation=known.record.id)
    return _ask(context, client, command, found, root=root, analysis=analysis)


def _ask(
    context: Context,
    client: ControlClient,
    command: commands.Ask,
    found: Standings,
    *,
    root: str,
    analysis: AnalysisView,
) -> int:
    try:
        conversation = str(client.send(command))
    except ConsentMissing as error:
        hosts = tuple(dict.fromkeys(each.host for each in analysis.providers))
        look = commands.ReadPrompt(project=root, finding=found.finding.fingerprint)
        if not ask_consent(context, client, look, hosts):
            if context.as_json:
                _document(context, found, {"conversation": "", "trouble": error.message, "hint": error.hint})
            return EXIT_CANNOT
        conversation = str(client.send(command))
    if context.words.no_wait:
        if context.as_json:
            _document(context, found, {"conversation": conversation})
        context.terminal.note("A model is being asked. The same command tells its answer.")
        return 0
    heard = hear(context, client, conversation)
    if context.as_json:
        _document(context, found, {"is_repeat": False, **answer_of(command.text, heard)})
    tell_end(context, heard)
    return EXIT_CANNOT if heard.trouble else 0


def _repeat(context: Context, found: Standings, known: Conversation, answered: Exchange) -> int:
    """Show a conversation that was before."""
    if context.as_json:
        told = {
            "conversation": known.record.id,
            "question": answered.question,
            "answer": answered.answer,
            "provider": answered.provider,
            "model": answered.model,
            "usage": answered.usage,
            "trouble": answered.trouble,
            "hint": "",
        }
        _document(context, found, {"is_repeat": True, **told})
        return 0
    write_conversation(context, known, time.time())
    note = context.terminal.note
    context.terminal.flush()
    note("It was asked before, and costs nothing now. Ask anew with --again.")
    note(f'Go on with: watchkeeper ask --in {line(known.record.id)} "..."')
    return 0


def _known(client: ControlClient, subject: Subject, title: str) -> Conversation | None:
    """Return the newest conversation of this title about a subject; None when there is none."""
    told = client.send(commands.ReadConversations(project=subject.project, limit=LOOKED_THROUGH))
    which = conversation_about([of_document(ConversationRecord, each) for each in told], subject, title)
    if not which:
        return None
    return of_document(Conversation, client.send(commands.ReadConversation(conversation=which)))


def _answered(known: Conversation) -> Exchange | None:
    """Return the first whole answer to the first question, else one that is half of it; None for none."""
    answers = [each for each in known.exchanges if each.answer and each.question == known.exchanges[0].question]
    return next((each for each in answers if not each.trouble), answers[0] if answers else None)


def _write_finding(context: Context, found: Standings) -> None:
    """Write what the audit itself says."""
    finding, say, paint = found.finding, context.terminal.say, context.terminal.paint
    place = f"{finding.path}:{finding.line}" if finding.path and finding.line > 0 else finding.path
    say(paint(line(finding.title), "bold"))
    rule = f"{finding.check} {finding.rule}".strip()
    say(line(", ".join(filter(None, (place, finding.severity.value, found.standing.value, rule)))))
    for text in (finding.evidence, finding.detail, finding.remedy):
        if text.strip():
            say(indented(text))
    say()
    context.terminal.flush()


def _document(context: Context, found: Standings, more: Mapping[str, object]) -> None:
    context.terminal.document({"finding": found.finding, "standing": found.standing, **more})


def _here(context: Context) -> list[str]:
    """Return the folder that the command is typed in; a folder that is gone is none."""
    try:
        return [str(project_root(".", context.cwd))]
    except ProjectError:
        return []
