"""What models and tests wrote, on a terminal; and what all commands that speak with models have in common."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.ai.screen import AnswerStream, Progress, shown
from app.domain import commands
from app.domain.analysis import (
    Answer,
    Confidence,
    Conversation,
    ConversationRecord,
    Evidence,
    Exchange,
    ExplainStage,
    Explanation,
    LocalExplanation,
    PromptSection,
    Subject,
)
from tests.cli.ai.conftest import HOSTILE, PREVIEW, ROOT, SHOP, TOTAL, USAGE, is_harmless, pieces

if TYPE_CHECKING:
    from tests.cli.ai.conftest import Desk
    from tests.cli.conftest import CommandLine


@given(st.lists(st.sampled_from(["\x1b", "[31m", "\r", "\n", "a", "\u202e", "\xa0", "\x9b"])))
def test_pieces_show_what_the_whole_would_show(texts: list[str]) -> None:
    """However an answer is cut, no escape sequence gets through, and a line end stays one."""
    out = io.StringIO()
    stream = AnswerStream(out)

    for text in texts:
        stream.write(text)
    stream.end()

    whole = shown("".join(texts))
    assert out.getvalue() == whole + ("" if whole.endswith("\n") or not whole else "\n")
    assert is_harmless(out.getvalue())


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("err", "environ", "text"),
    [
        (Tty(), {"TERM": "xterm"}, "\r\x1b[KAsking\r\x1b[KAsking  2 s\r\x1b[K"),
        (Tty(), {"TERM": "dumb"}, "Asking\n"),
        (io.StringIO(), {"TERM": "xterm"}, ""),
    ],
)
def test_progress_is_calm(err: io.StringIO, environ: dict[str, str], text: str) -> None:
    """A terminal sees one line that changes each second and goes; a dumb one sees it once; a pipe never."""
    progress = Progress(err, {**environ, "WT_SESSION": "1"})

    for seconds in (0.0, 0.4, 2.1, 2.9):
        progress.show("Asking", seconds)
    progress.end()

    assert err.getvalue() == text


def test_nothing_that_a_model_or_a_test_wrote_reaches_the_terminal_as_it_is(cli: CommandLine, desk: Desk) -> None:
    """No text of an explanation, a prompt or a conversation can move the cursor, set a title or turn the writing."""
    place = Evidence(f"s{HOSTILE}", 1, HOSTILE, f"x{HOSTILE}")
    local = LocalExplanation(HOSTILE, place, (place, place), (place,), (HOSTILE,), HOSTILE, 1.0, HOSTILE)
    answer = Answer(
        1.0, HOSTILE, HOSTILE, USAGE, HOSTILE, Confidence.LOW, (place,), HOSTILE, HOSTILE, HOSTILE, text=HOSTILE
    )
    bad = Explanation(SHOP, TOTAL + HOSTILE, "f", ExplainStage.UNANSWERED, local, answer, trouble=HOSTILE, hint=HOSTILE)
    exchange = Exchange(1, 1.0, HOSTILE, HOSTILE, HOSTILE, HOSTILE, USAGE, HOSTILE)
    record = ConversationRecord("3f", Subject(name=HOSTILE, project=HOSTILE), HOSTILE, 1.0, 1.0, 1, found=HOSTILE)
    preview = replace(PREVIEW, provider=HOSTILE, host=HOSTILE, messages=((HOSTILE, HOSTILE),), needs_consent=(HOSTILE,))
    desk.on(commands.Explain, bad, replace(bad, stage=ExplainStage.LOCAL, needs_consent=(HOSTILE,), answer=None))
    desk.on(commands.ReadPrompt, replace(preview, sections=(PromptSection(HOSTILE, 1, 1),)))
    desk.on(commands.ReadReply, replace(pieces(HOSTILE)[0], trouble=HOSTILE, hint=HOSTILE, provider=HOSTILE))
    desk.on(commands.ReadConversations, (record,))
    desk.on(commands.ReadConversation, Conversation(record, (exchange,)))

    rans = [
        cli("explain"),
        cli("explain"),
        cli("explain", "--show-prompt"),
        cli("ask", "why?"),
        cli("conversations"),
        cli("conversations", "show", "3f"),
        cli("conversations", "export", "3f"),
    ]

    assert [each.code for each in rans] == [3, 3, 0, 3, 0, 0, 0]
    # The Markdown leaves escape sequences out whole.
    assert ["owned" in each.out for each in rans] == [True] * 6 + [False]
    assert "gnp." in rans[-1].out
    assert all(is_harmless(each.out + each.err) for each in rans)


@pytest.mark.parametrize("words", [("explain",), ("ask", "why?"), ("conversations",), ("conversations", "show", "3")])
def test_without_an_instance_there_is_nobody_to_ask(cli: CommandLine, words: tuple[str, ...]) -> None:
    """Exit code 3, and how to start one."""
    ran = cli(*words)

    assert ran.code == 3
    assert "No Watchkeeper is running here." in ran.err


def test_they_import_no_more_than_they_need(desk: Desk) -> None:
    """A command that only speaks over the socket needs no asyncio, structlog, pydantic, SQLAlchemy or Qt."""
    code = (
        "import sys; from app.cli import run; codes = [run(words, None) for words in"
        " (['explain'], ['ask', 'why?'], ['conversations', 'show', '3f2'])];"
        "slow = {'asyncio', 'structlog', 'pydantic', 'sqlalchemy', 'PySide6', 'cryptography', 'httpx'};"
        "print(codes, sorted(slow & set(sys.modules)))"
    )

    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.stdout.splitlines()[-1] == "[0, 0, 0] []"
    assert len(desk.was_asked(commands.Ask)) == 1
