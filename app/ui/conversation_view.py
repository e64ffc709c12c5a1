"""What the Conversation page says, as plain values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain import modelwords, words
from app.domain.analysis import SubjectKind, When
from app.domain.commands import Ask
from app.domain.fingerprints import SHOWN_DIGITS
from app.ui.explain_view import SWITCH_ON, SWITCHED_OFF, visible_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.analysis import AnalysisView, ConversationRecord, Exchange, Reply, Subject, Usage

EMPTY = "Ask about a red test from its page, or anything about your code."
NOTHING_FOUND = "No conversation has these words."
NO_CONVERSATIONS = "No conversations yet."
SET_UP = "Set a key with: watchkeeper keys set DEEPSEEK_API_KEY"
SHOWN_CHARACTERS = 150_000
"""Setting so many takes 0.15 s when they are full of marks, and ten times as many would be felt."""
_FILE_NAME = 60


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation in the list.

    Attributes:
        id: Which.
        title: How it began.
        below: What it is about, its age and its cost; for a search, what it was found by.
    """

    id: str
    title: str
    below: str


def conversation_row(record: ConversationRecord, now: float) -> ConversationRow:
    """Return what the list says of a conversation at the wall-clock time `now`."""
    about = subject(record.subject)
    spent = modelwords.cost(record.cost) if record.cost > 0 else ""
    figures = " \u00b7 ".join(filter(None, (about, words.ago(now - record.last_at), spent)))
    return ConversationRow(record.id, visible_line(record.title) or "(no words)", visible_line(record.found) or figures)


def subject(subject: Subject) -> str:
    """Return what a conversation is about: a test's name, `a finding`, the project; empty for nothing of its own."""
    if subject.kind is SubjectKind.FAILURE and subject.name:
        return visible_line(words.test_name(subject.name))
    if subject.kind is SubjectKind.FINDING:
        return f"finding {visible_line(subject.name)[:SHOWN_DIGITS]}".rstrip()
    return visible_line(words.file_name(subject.project))


def empty_text(about: Subject) -> str:
    """Return what stands where nothing was said yet."""
    name = subject(about)
    if about.kind is SubjectKind.FINDING:
        return f"Ask about {name}: what was found and the lines around it go with your question."
    return f"Ask about {name}: what failed and what changed go with your question." if name else EMPTY


def question_about(text: str, about: Subject) -> Ask:
    """Return the command that begins a conversation.

    Args:
        text: The question.
        about: What it is about.
    """
    return Ask(
        text=text,
        project=about.project,
        nodeid=about.name if about.kind is SubjectKind.FAILURE else "",
        finding=about.name if about.kind is SubjectKind.FINDING else "",
    )


def set_up(analysis: AnalysisView) -> tuple[str, str]:
    """Return why no model can be asked, and what to do about that; both empty when one can, as far as is known."""
    if analysis.when is When.NEVER:
        return SWITCHED_OFF, SWITCH_ON
    if not analysis.providers:
        return "No model is set up.", SET_UP
    reasons = [visible_line(each.reason) for each in analysis.providers if each.reason]
    if len(reasons) < len(analysis.providers):
        return "", ""
    return reasons[0], SET_UP if any("key" in reason.casefold() for reason in reasons) else ""


def took(provider: str, model: str, usage: Usage) -> str:
    """Return who gave an answer and what it took: `deepseek-chat, 1,240 tokens, 0.4 cents, 3.20 s`; empty for nobody.

    Args:
        provider: Who was asked.
        model: Which model, where that is known.
        usage: What it took; where nothing is known of that, it is left out.
    """
    by = visible_line(model or provider)
    figures = modelwords.usage(usage) if usage.tokens or usage.latency_s else ""
    return ", ".join(filter(None, (by, figures)))


def answering(reply: Reply | None) -> str:
    """Return that an answer comes, and from whom."""
    by = visible_line(reply.model or reply.provider) if reply is not None else ""
    return f"{by} answers{words.ELLIPSIS}" if by else f"Asking{words.ELLIPSIS}"


def newest(exchanges: Sequence[Exchange], limit: int = SHOWN_CHARACTERS) -> tuple[Sequence[Exchange], int]:
    """Return the newest exchanges, as many as have `limit` characters but the last one in any case.

    Returns:
        Them, and how many older ones are left out.
    """
    kept, length = 0, 0
    for each in reversed(exchanges):
        length += len(each.question) + len(each.answer)
        if kept and length > limit:
            break
        kept += 1
    return exchanges[len(exchanges) - kept :], len(exchanges) - kept


def file_name(title: str) -> str:
    """Return a name for the file that a conversation is exported to, which every file system takes."""
    kept = "".join(sign if sign.isalnum() else " " for sign in title)
    return f"{'-'.join(kept.split())[:_FILE_NAME].strip('-') or 'conversation'}.md"
