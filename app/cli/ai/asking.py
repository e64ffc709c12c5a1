"""The command `ask`: a question to a model, and its answer as it comes."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.cli.ai.documents import of_document
from app.cli.ai.finding import find_conversation
from app.cli.ai.screen import AnswerStream, Progress, line
from app.cli.ai.words import who
from app.cli.exits import EXIT_CANNOT
from app.cli.nodeids import check_watched, find_test, project_said
from app.domain import commands, modelwords, words
from app.domain.analysis import Reply
from app.domain.errors import InstanceUnreachable, NoInstance, UsageError, WatchkeeperError

if TYPE_CHECKING:
    from app.cli.context import Context
    from app.control.client import ControlClient

LONGEST_QUESTION = 100_000
"""Characters: written as JSON they still fit into one request. The instance may want it shorter."""
WAIT_S = 10.0
"""How long the instance is asked to wait for more of an answer."""
PATIENCE_S = 180.0
"""How long nothing may come before the answer is given up."""
STOP_S = 2.0
"""How long the instance may take to hear that the person has had enough."""
_BREATH_S = 0.05
"""Between two looks at least, should the instance not wait."""


@dataclass
class Heard:
    """What has come of an answer.

    Attributes:
        reply: The last look at it, without its text.
        text: The answer so far.
        trouble: Why it is missing or not whole.
        hint: What to do about that.
    """

    reply: Reply
    text: str = ""
    trouble: str = ""
    hint: str = ""

    def take(self, reply: Reply) -> None:
        """Add a look at it."""
        self.text += reply.text
        self.reply = replace(reply, text="")
        if reply.is_done:
            self.trouble, self.hint = reply.trouble, reply.hint
            if not self.text and not self.trouble:
                self.trouble = "The answer is empty."


def ask(context: Context) -> int:
    """Ask a model. Exit 3 when the answer does not come, or not whole."""
    said = context.words
    question = _question(" ".join(said.question))
    project = project_said(context)
    if project is not None and said.conversation is not None:
        raise UsageError("A conversation knows which project it is about.", "Leave --project out, or --in.")
    with context.client() as client:
        command = _command(context, client, question, project)
        heard = hear(context, client, str(client.send(command)))
    if context.as_json:
        context.terminal.document(answer_of(question, heard))
    tell_end(context, heard)
    return EXIT_CANNOT if heard.trouble else 0


def hear(context: Context, client: ControlClient, conversation: str) -> Heard:
    """Return what comes of the newest answer of a conversation, and write it as it comes, unless JSON is wanted."""
    heard = Heard(Reply(conversation, 0, "", 0, is_done=False))
    stream = None if context.as_json else AnswerStream(sys.stdout)
    try:
        _listen(context, client, heard, stream)
    except (InstanceUnreachable, NoInstance) as error:
        heard.trouble, heard.hint = error.message, error.hint
    except BrokenPipeError:
        # Nobody reads any more, so nobody shall pay for the rest.
        _stop(context, conversation)
        raise
    except KeyboardInterrupt:
        _stop(context, conversation)
        context.terminal.note("Stopped.")
        _tell_how_to_go_on(context, conversation)
        raise
    return heard


def _question(said: str) -> str:
    if said == "-":
        text = sys.stdin.buffer.read(4 * LONGEST_QUESTION + 1).decode("utf-8", "replace")
    else:
        text = said.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    text = text.strip()
    if not text:
        raise UsageError("The question is empty.", 'Write it in quotes: watchkeeper ask "Why is it slow?"')
    if len(text) > LONGEST_QUESTION:
        raise UsageError(f"The question has more than {LONGEST_QUESTION:,} characters.", "Ask in far fewer words.")
    return text


def _command(context: Context, client: ControlClient, question: str, project: str | None) -> commands.Ask:
    said = context.words
    if said.conversation is not None:
        return commands.Ask(text=question, conversation=find_conversation(client, said.conversation))
    if said.about is None and said.finding is None and project is None:
        return commands.Ask(text=question)
    watched = client.send(commands.ReadStatus())["projects"]
    if said.finding is not None:
        from app.cli.ai.findings import named_finding

        root, found = named_finding(context, client, said.finding, watched, project)
        return commands.Ask(text=question, project=root, finding=found.finding.fingerprint)
    if said.about is None:
        check_watched(watched, project)
        return commands.Ask(text=question, project=project or "")
    root, nodeid = find_test(said.about, watched, project, prefer_red=True)
    return commands.Ask(text=question, project=root, nodeid=nodeid)


def _listen(context: Context, client: ControlClient, heard: Heard, stream: AnswerStream | None) -> None:
    """Read the answer until its end, and write what comes."""
    context.terminal.flush()
    progress = Progress(sys.stderr, context.environ)
    asked = last = time.monotonic()
    try:
        while not heard.reply.is_done:
            if not heard.text:
                progress.show("Waiting for the answer" + words.ELLIPSIS, time.monotonic() - asked)
            reply = _look(client, heard)
            heard.take(reply)
            if reply.text:
                last = time.monotonic()
                progress.end()
                if stream is not None:
                    stream.write(reply.text)
            elif not reply.is_done and time.monotonic() - last > PATIENCE_S:
                _stop(context, reply.conversation)
                heard.trouble = f"Nothing came for {PATIENCE_S:g} s."
                return
            elif not reply.is_done:
                time.sleep(_BREATH_S)
    finally:
        progress.end()
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.end()


def _look(client: ControlClient, heard: Heard) -> Reply:
    """Return what has come since the last look; the end, where another question has taken this one's place."""
    before = heard.reply
    look = commands.ReadReply(conversation=before.conversation, after=len(heard.text), wait_s=WAIT_S)
    reply = of_document(Reply, client.send(look))
    if before.seq and reply.seq != before.seq:
        hint = f"See both: watchkeeper conversations show {before.conversation}"
        trouble = "Another question was asked in this conversation meanwhile."
        return replace(before, is_done=True, trouble=trouble, hint=hint)
    return replace(reply, conversation=before.conversation)


def _stop(context: Context, conversation: str) -> None:
    # A connection of its own: on the other one an answer may be half read.
    with suppress(WatchkeeperError), context.client(STOP_S) as client:
        client.send(commands.StopReply(conversation=conversation))


def answer_of(question: str, heard: Heard) -> dict[str, object]:
    """Return a question and what came of it, as `--json` tells it."""
    reply = heard.reply
    return {
        "conversation": reply.conversation,
        "question": question,
        "answer": heard.text,
        "provider": reply.provider,
        "model": reply.model,
        "usage": reply.usage,
        "trouble": heard.trouble,
        "hint": heard.hint,
    }


def tell_end(context: Context, heard: Heard) -> None:
    """Say what went wrong, what the answer took, and how to go on."""
    note, reply = context.terminal.note, heard.reply
    context.terminal.flush()
    if heard.trouble:
        note(f"watchkeeper: {line(heard.trouble)}")
        if heard.hint:
            note(line(heard.hint))
    if reply.provider:
        note(f"{line(who(reply.provider, reply.model))}: {modelwords.usage(reply.usage)}")
    _tell_how_to_go_on(context, reply.conversation)


def _tell_how_to_go_on(context: Context, conversation: str) -> None:
    context.terminal.note(f'Go on with: watchkeeper ask --in {line(conversation)} "..."')
