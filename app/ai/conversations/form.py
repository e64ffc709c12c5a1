"""How conversations stand in files and in a cache: JSON, read with doubt."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, TypeVar

from app.domain.analysis import Exchange, Subject, SubjectKind, Usage

VERSION = 1

LONGEST_TEXT = 1_000_000
"""Characters of a question or an answer that are kept: a model's answer comes nowhere near."""

T = TypeVar("T")


def header_line(conversation: str, subject: Subject, title: str, started_at: float) -> bytes:
    """Return a transcript's first line, without its newline."""
    about = {"kind": subject.kind.value, "project": subject.project, "name": subject.name}
    return _line({"v": VERSION, "id": conversation, "subject": about, "title": title, "started_at": started_at})


def exchange_line(exchange: Exchange) -> bytes:
    """Return an exchange as one line, without its newline."""
    usage = exchange.usage
    return _line(
        {
            "v": VERSION,
            "seq": exchange.seq,
            "at": exchange.at,
            "question": exchange.question[:LONGEST_TEXT],
            "answer": exchange.answer[:LONGEST_TEXT],
            "provider": exchange.provider,
            "model": exchange.model,
            "usage": {
                "prompt_tokens": usage.prompt_tokens,
                "answer_tokens": usage.answer_tokens,
                "cost": usage.cost,
                "latency_s": usage.latency_s,
                "is_estimate": usage.is_estimate,
            },
            "trouble": exchange.trouble,
        }
    )


@dataclass(frozen=True, slots=True)
class Header:
    """A transcript's first line, as far as it can be read.

    Attributes:
        subject: What the conversation is about; None when that is not known for sure, and must not be guessed: it
            decides where what was said may be sent.
        title: May be empty.
        started_at: Wall-clock time; 0 when it is not known.
    """

    subject: Subject | None = None
    title: str = ""
    started_at: float = 0.0


def read_header(line: bytes, conversation: str) -> Header | None:
    """Return what the header of a conversation says; None for a line that is no header.

    Args:
        line: A transcript's first line.
        conversation: Whose it should be.
    """
    found = _object(line)
    if found is None or not isinstance(found.get("id"), str) or "seq" in found:
        return None
    is_ours = found.get("v") == VERSION and found["id"] == conversation
    return Header(
        subject=_subject(found.get("subject")) if is_ours else None,
        title=_of(found.get("title"), str, ""),
        started_at=_number(found.get("started_at")) or 0.0,
    )


def _subject(about: Any) -> Subject | None:  # noqa: ANN401 - what JSON holds
    if not isinstance(about, dict):
        return None
    kind, project, name = (about.get(field) for field in ("kind", "project", "name"))
    if not isinstance(kind, str) or not isinstance(project, str) or not isinstance(name, str):
        return None
    if kind not in set(SubjectKind) or (kind != SubjectKind.FREE and not project):
        return None
    return Subject(SubjectKind(kind), project, name)


def read_exchange(line: bytes) -> Exchange | None:
    """Return an exchange; None for a line that is none, or one of another version."""
    found = _object(line)
    if found is None or found.get("v") != VERSION:
        return None
    seq, at, question = _count(found.get("seq")), _number(found.get("at")), found.get("question")
    if not seq or at is None or not isinstance(question, str):
        return None
    used = _of(found.get("usage"), dict, {})
    return Exchange(
        seq=seq,
        at=at,
        question=question,
        answer=_of(found.get("answer"), str, ""),
        provider=_of(found.get("provider"), str, ""),
        model=_of(found.get("model"), str, ""),
        usage=Usage(
            prompt_tokens=_count(used.get("prompt_tokens")),
            answer_tokens=_count(used.get("answer_tokens")),
            cost=_number(used.get("cost")),
            latency_s=_number(used.get("latency_s")) or 0.0,
            is_estimate=_of(used.get("is_estimate"), bool, False),  # noqa: FBT003 - a value like the others
        ),
        trouble=_of(found.get("trouble"), str, ""),
    )


def _line(content: dict[str, Any]) -> bytes:
    # readable for people in any language; halves of a character, which UTF-8 does not know, become question marks
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return _whole(found) if isinstance(found, dict) else None


def _whole(found: dict[str, Any]) -> dict[str, Any]:
    """Return the object with texts that can be encoded again: JSON's escapes may hold halves of a character."""
    return {
        name: value.encode("utf-8", "replace").decode()
        if isinstance(value, str)
        else _whole(value)
        if isinstance(value, dict) and name in {"subject", "usage"}
        else value
        for name, value in found.items()
    }


def _of(value: Any, kind: type[T], otherwise: T) -> T:  # noqa: ANN401 - what JSON holds
    return value if isinstance(value, kind) else otherwise


def _number(value: Any) -> float | None:  # noqa: ANN401 - what JSON holds
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _count(value: Any) -> int:  # noqa: ANN401 - what JSON holds
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 53 else 0
