"""The command `conversations`: what was asked and answered."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.ai.documents import of_document
from app.cli.ai.finding import find_conversation
from app.cli.ai.screen import indented, line, shown
from app.cli.ai.words import who
from app.cli.nodeids import project_said
from app.domain import commands, modelwords, words
from app.domain.analysis import Conversation, ConversationRecord, SubjectKind
from app.domain.errors import CannotError, UsageError
from app.domain.fingerprints import SHOWN_DIGITS

if TYPE_CHECKING:
    from app.cli.context import Context
    from app.domain.analysis import Exchange, Subject

_MOST = 1_000
_TITLE_SHOWN = 80


def conversations(context: Context) -> int:
    """Carry out one of its commands."""
    return {"list": _list, "search": _list, "show": _show, "export": _export, "rm": _remove}[context.words.what](
        context
    )


def _list(context: Context) -> int:
    said = context.words
    if not 0 < said.limit <= _MOST:
        raise UsageError(f"{said.limit} is no number of conversations.", f"Write 1 to {_MOST} behind --limit.")
    query = " ".join(getattr(said, "query", ()))
    look = commands.ReadConversations(query=query, project=project_said(context) or "", limit=said.limit)
    with context.client() as client:
        told = client.send(look)
    if context.as_json:
        context.terminal.document({"conversations": told})
        return 0
    records = [of_document(ConversationRecord, each) for each in told]
    if not records:
        none = "No conversation has these words." if query else 'There is none yet. Begin: watchkeeper ask "..."'
        context.terminal.note(none)
    now = time.time()
    for record in records:
        context.terminal.say(_row(context, record, now))
        if record.found:
            context.terminal.say(indented(line(record.found), "    "))
    return 0


def _show(context: Context) -> int:
    told, conversation = _read(context)
    if context.as_json:
        context.terminal.document({"conversation": told})
        return 0
    write_conversation(context, conversation, time.time())
    return 0


def write_conversation(context: Context, conversation: Conversation, now: float) -> None:
    """Write a whole conversation, at the wall-clock time `now`."""
    terminal = context.terminal
    terminal.say(_row(context, conversation.record, now))
    for exchange in conversation.exchanges:
        terminal.say()
        for text in _exchange(context, exchange, now):
            terminal.say(text)


def _export(context: Context) -> int:
    from app.ai.conversations.markdown import to_markdown

    said = context.words
    if said.force and said.to is None:
        raise UsageError("--force is for a file.", "Name it with --to FILE.")
    _, conversation = _read(context)
    markdown = shown(to_markdown(conversation))
    if said.to is not None:
        path = Path(context.cwd, said.to)
        _write(path, markdown.encode("utf-8", "backslashreplace"), force=said.force)
        if context.as_json:
            context.terminal.document({"conversation": conversation.record.id, "file": str(path)})
        else:
            context.terminal.say(f"Written to {line(str(path))}.")
    elif context.as_json:
        context.terminal.document({"conversation": conversation.record.id, "markdown": markdown})
    else:
        context.terminal.say(markdown.rstrip("\n"))
    return 0


def _remove(context: Context) -> int:
    with context.client() as client:
        which = find_conversation(client, context.words.conversation)
    if not context.words.yes:
        from app.cli.keys.prompts import ask_yes, has_person

        if not has_person():
            raise UsageError(
                f"The conversation {line(which)} stays: it is deleted for good, and nobody can be asked here.",
                f"If that is meant: watchkeeper conversations rm {line(which)} --yes",
            )
        if not ask_yes(f"Delete the conversation {line(which)} for good?", instead="Say it with --yes."):
            context.terminal.note("It stays.")
            return 0
    with context.client() as client:
        client.send(commands.DeleteConversation(conversation=which))
    if context.as_json:
        context.terminal.document({"deleted": which})
    else:
        context.terminal.say(f"{line(which)} is deleted.")
    return 0


def _read(context: Context) -> tuple[object, Conversation]:
    with context.client() as client:
        which = find_conversation(client, context.words.conversation)
        told = client.send(commands.ReadConversation(conversation=which))
    return told, of_document(Conversation, told)


def _write(path: Path, content: bytes, *, force: bool) -> None:
    if not force:
        from app.cli.keys.newfile import write_new

        write_new(path, content)
        return
    from app.engine.files import write_atomic

    try:
        write_atomic(path, content)
    except OSError as error:
        raise CannotError(f"{path} cannot be written: {error.strerror or error}.", "Name another file.") from error


def _row(context: Context, record: ConversationRecord, now: float) -> str:
    paint = context.terminal.paint
    behind = [words.plural(record.exchanges, "question")]
    if record.cost:
        behind.append(modelwords.cost(record.cost))
    if about := _about(record.subject):
        behind.append(about)
    title = paint(line(record.title, _TITLE_SHOWN), "bold")
    return f"{line(record.id)}  {words.moment(record.last_at, now)}  {title}  {paint(', '.join(behind), 'dim')}"


def _about(subject: Subject) -> str:
    name = line(subject.name)
    if subject.kind is SubjectKind.FINDING:
        name = f"finding {name[:SHOWN_DIGITS]}"
    project = line(subject.project)
    return f"{name} in {project}" if name and project else name or project


def _exchange(context: Context, exchange: Exchange, now: float) -> list[str]:
    paint = context.terminal.paint
    lines = [paint(f"you, {words.moment(exchange.at, now)}", "bold"), indented(exchange.question)]
    if exchange.answer:
        lines += [paint(line(who(exchange.provider, exchange.model)) or "a model", "bold"), indented(exchange.answer)]
    if exchange.trouble:
        lines.append(f"  {paint(line(exchange.trouble), 'yellow')}")
    if exchange.provider:
        lines.append(f"  {paint(modelwords.usage(exchange.usage), 'dim')}")
    return lines
