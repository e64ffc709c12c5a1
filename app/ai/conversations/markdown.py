"""A conversation as Markdown, to be kept or passed on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.ai.answers.plain import plain
from app.domain.words import one_line

if TYPE_CHECKING:
    from app.domain.analysis import Conversation, Exchange, Subject

_RUN = re.compile("`+")
_SIGNS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:@/])")


def to_markdown(conversation: Conversation) -> str:
    """Return a conversation as Markdown (CommonMark), with title, subject, dates, who answered, and costs.

    Questions and answers stand in fences that are longer than any within, so that nothing of them is taken for
    Markdown or HTML; whatever else comes from people and models is escaped.
    """
    record = conversation.record
    about = "not known, because its file is damaged" if record.is_damaged else _about(record.subject)
    facts = [f"- About: {about}"] if about else []
    facts += [
        f"- Begun: {_moment(record.started_at)}",
        f"- Last question: {_moment(record.last_at)}",
        f"- Exchanges: {len(conversation.exchanges)}",
        f"- Cost: {_cost(sum(each.usage.cost or 0.0 for each in conversation.exchanges))}",
    ]
    parts = [f"# {_escaped(record.title) or 'Conversation'}", "\n".join(facts)]
    parts += [_exchange(each) for each in conversation.exchanges]
    return "\n\n".join(parts) + "\n"


def _exchange(exchange: Exchange) -> str:
    parts = [f"## {exchange.seq}. {_moment(exchange.at)}", "**Question**", _fenced(exchange.question)]
    who = " · ".join(_escaped(name) for name in (exchange.provider, exchange.model) if name)
    parts.append(f"**Answer** ({who})" if who else "**Answer**")
    if exchange.answer:
        parts.append(_fenced(exchange.answer))
    if exchange.trouble:
        parts.append(f"Not whole: {_escaped(exchange.trouble)}" if exchange.answer else _escaped(exchange.trouble))
    usage = exchange.usage
    if usage.tokens:
        about = "about " if usage.is_estimate else ""
        cost = "cost not known" if usage.cost is None else _cost(usage.cost)
        parts.append(f"{about}{usage.tokens:,} tokens, {cost}, {usage.latency_s:.1f} s")
    return "\n\n".join(parts)


def _about(subject: Subject) -> str:
    named = " in ".join(_code(each) for each in (subject.name, subject.project) if each)
    return f"{subject.kind.value} {named}" if named else ""


def _fenced(text: str) -> str:
    text = plain(text).strip("\n")
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}text\n{text}\n{fence}"


def _code(text: str) -> str:
    text = one_line(plain(text))
    tick = "`" * (_longest_run(text) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{tick}{space}{text}{space}{tick}" if text else ""


def _longest_run(text: str) -> int:
    return max((len(run) for run in _RUN.findall(text)), default=0)


def _escaped(text: str) -> str:
    return _SIGNS.sub(r"\\\1", one_line(plain(text)))


def _moment(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return "at a time that is not known"


def _cost(dollars: float) -> str:
    return f"${dollars:.4f}"
