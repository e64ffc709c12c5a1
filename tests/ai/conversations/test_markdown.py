"""A conversation as Markdown: all of it is there, and nothing of it breaks out of its place."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.ai.answers.plain import plain
from app.ai.conversations.markdown import to_markdown
from app.domain.analysis import Conversation, ConversationRecord, Exchange, Subject, SubjectKind, Usage

TAKEN_AS_TEXT = re.compile(r"\\[!-/:-@\[-`{-~]|(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")
"""Escaped signs and code spans, whichever begins first (CommonMark 0.31, 2.4 and 6.1)."""

HOSTILE = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                "`",
                "```",
                "~~~",
                "\n",
                "<script>",
                "![x](http://e)",
                "# ",
                "a",
                "    ",
                "\r\n",
                "-->",
                "\\",
                "````text\n",
            ]
        ),
        max_size=12,
    ).map("".join),
)


def conversation(*exchanges: Exchange, title: str = "Why?", subject: Subject | None = None) -> Conversation:
    record = ConversationRecord("20260101-aa", subject or Subject(), title, 0.0, 60.0, len(exchanges))
    return Conversation(record, exchanges)


def split(markdown: str) -> tuple[list[str], list[str]]:
    """The contents of the fences, and the lines outside, by the rules of CommonMark 0.31 (4.5)."""
    blocks: list[str] = []
    outside: list[str] = []
    fence, inside = "", list[str]()
    for line in markdown.split("\n"):
        if fence:
            end = re.fullmatch(r" {0,3}(`{3,})[ \t]*", line)
            if end and len(end[1]) >= len(fence):
                blocks.append("\n".join(inside))
                fence, inside = "", []
            else:
                inside.append(line)
        elif opening := re.fullmatch(r" {0,3}(`{3,})[^`]*", line):
            fence = opening[1]
        else:
            outside.append(line)
    assert not fence
    return blocks, outside


def test_everything_is_told() -> None:
    """Title, subject, dates, who answered, each question and answer, and what it cost."""
    first = Exchange(1, 0.0, "Why?", "Because.", "deepseek", "deepseek-chat", Usage(1000, 200, 0.0012, 2.5))
    second = Exchange(2, 60.0, "And?", trouble="Nobody answers.", usage=Usage(10, is_estimate=True))
    subject = Subject(SubjectKind.FAILURE, "/src/my project", "t/test_a.py::test_x")

    text = to_markdown(conversation(first, second, title="Why is *it* <red>?", subject=subject))

    assert text == (
        "# Why is \\*it\\* \\<red\\>?\n\n"
        "- About: failure `t/test_a.py::test_x` in `/src/my project`\n"
        "- Begun: 1970-01-01 00:00 UTC\n"
        "- Last question: 1970-01-01 00:01 UTC\n"
        "- Exchanges: 2\n"
        "- Cost: $0.0012\n\n"
        "## 1. 1970-01-01 00:00 UTC\n\n"
        "**Question**\n\n```text\nWhy?\n```\n\n"
        "**Answer** (deepseek · deepseek\\-chat)\n\n```text\nBecause.\n```\n\n"
        "1,200 tokens, $0.0012, 2.5 s\n\n"
        "## 2. 1970-01-01 00:01 UTC\n\n"
        "**Question**\n\n```text\nAnd?\n```\n\n"
        "**Answer**\n\nNobody answers\\.\n\n"
        "about 10 tokens, cost not known, 0.0 s\n"
    )


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.builds(
            Exchange, st.integers(1, 9), st.floats(), HOSTILE, HOSTILE.filter(bool), HOSTILE, HOSTILE, trouble=HOSTILE
        ),
        max_size=3,
    ),
    HOSTILE,
    HOSTILE,
)
def test_nothing_breaks_out(exchanges: list[Exchange], title: str, name: str) -> None:
    """Questions and answers are what the fences hold, and outside of them no HTML and no picture begins."""
    subject = Subject(SubjectKind.FINDING, name, name)

    blocks, outside = split(to_markdown(conversation(*exchanges, title=title, subject=subject)))

    said: list[Any] = [text for each in exchanges for text in (each.question, each.answer)]
    assert blocks == [plain(text).strip("\n") for text in said]
    for line in outside:
        bare = TAKEN_AS_TEXT.sub("", line)
        assert "<" not in bare
        assert "[" not in bare


def test_a_damaged_conversation_says_so() -> None:
    """Where the file does not say what it is about, the reader learns that instead of nothing."""
    told = conversation(Exchange(1, 60.0, "Why?"))

    damaged = to_markdown(replace(told, record=replace(told.record, is_damaged=True)))

    assert "- About: not known, because its file is damaged\n" in damaged
    assert "damaged" not in to_markdown(told)
