"""What shows how a bucket stands to a rule, as text that does not grow without end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from app.agents.auditing.aws.policy import read_document
from app.agents.auditing.aws.s3.facts import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.agents.auditing.aws.policy import Answer
    from app.agents.auditing.aws.s3.facts import Bucket

_MOST_CHARACTERS = 2_000


def statements(bucket: Bucket, answer: Answer) -> str:
    """Return the statements of a bucket's policy that an answer's reasons name, as JSON, one in a line.

    Args:
        bucket: With its policy.
        answer: Of the evaluator.
    """
    if not isinstance(bucket.policy, Policy):
        return ""
    document = read_document(bucket.policy.text)
    raw = json.loads(bucket.policy.text)["Statement"] if document.statements else []
    every = raw if isinstance(raw, list) else [raw]
    shown = (
        json.dumps(text, ensure_ascii=False)
        for statement, text in zip(document.statements, every, strict=True)
        if any(reason.startswith(f"{statement.label} ") for reason in answer.reasons)
    )
    return lines(shown)


def lines(texts: Iterable[str]) -> str:
    """Return texts one in a line, cut where they become too many.

    Args:
        texts: Each without a line break.
    """
    whole = "\n".join(texts)
    return whole if len(whole) <= _MOST_CHARACTERS else f"{whole[:_MOST_CHARACTERS]} ..."
