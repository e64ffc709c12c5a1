"""`ask`: the answer as it comes, and what happens when it does not."""

from __future__ import annotations

import io
import json
import signal
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.cli.ai.documents import of_document
from app.domain import commands
from app.domain.analysis import (
    Usage,
)
from app.domain.errors import ConsentMissing
from tests.cli.ai.conftest import HOSTILE, TOTAL, USAGE, is_harmless, pieces, red, snapshot, started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.ai.conftest import Desk
    from tests.cli.conftest import CommandLine


def test_ask_prints_the_answer_and_says_how_to_go_on(cli: CommandLine, desk: Desk) -> None:
    """The answer alone is on stdout; each look asks for what comes behind what is known."""
    desk.on(commands.ReadReply, *pieces("Because ", "", "of the\n", "minus."))

    ran = cli("ask", "Why", "does it fail?")

    assert (ran.code, ran.out) == (0, "Because of the\nminus.\n")
    assert "deepseek-chat of deepseek: 1,240 tokens, 0.4 cents, 3.20 s" in ran.err
    assert 'watchkeeper ask --in 3f2a99 "..."' in ran.err
    assert desk.was_asked(commands.Ask) == [commands.Ask(text="Why does it fail?")]
    assert [each.after for each in desk.was_asked(commands.ReadReply)] == [0, 8, 8, 15]
    assert all(0 < each.wait_s <= 20 for each in desk.was_asked(commands.ReadReply))


def test_a_piece_is_seen_before_the_next_one_comes(desk: Desk) -> None:
    """An answer grows while it is read, also in a pipe."""
    first, last = pieces("Because ", "of it.")
    was_read = threading.Event()
    desk.on(commands.ReadReply, first, lambda _: was_read.wait(20) and last)

    with started("ask", "why?") as process:
        assert process.stdout is not None
        seen = process.stdout.read(8)
        was_read.set()
        out, _ = process.communicate(timeout=30)

    assert seen + out == b"Because of it.\n"


def test_what_came_before_a_trouble_stays(cli: CommandLine, desk: Desk) -> None:
    """The reason is on stderr, and the exit code is 3."""
    first, last = pieces("Because ", "of")
    desk.on(commands.ReadReply, first, replace(last, trouble="It was cut off.", hint="Ask again."))

    ran = cli("ask", "why?")

    assert (ran.code, ran.out) == (3, "Because of\n")
    assert ran.err.startswith("watchkeeper: It was cut off.\nAsk again.\n")


def test_an_instance_that_goes_takes_nothing_back(cli: CommandLine, desk: Desk) -> None:
    """What came stays, in words and in the document, and what happened is told."""

    def gone(_: object) -> object:
        desk.stop()
        threading.Event().wait(2)
        return None

    desk.on(commands.ReadReply, pieces("Because ", "")[0], gone)

    ran = cli("ask", "why?", "--json")

    told = json.loads(ran.out)
    assert (ran.code, told["answer"]) == (3, "Because ")
    assert "hung up" in told["trouble"]
    assert "hung up" in ran.err


def test_an_empty_answer_is_a_trouble(cli: CommandLine, desk: Desk) -> None:
    """Silence must not look like success."""
    desk.on(commands.ReadReply, *pieces(""))

    ran = cli("ask", "why?")

    assert (ran.code, ran.out) == (3, "")
    assert "The answer is empty" in ran.err


def test_silence_is_given_up(cli: CommandLine, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of which nothing comes is stopped, so that nobody pays for it."""
    monkeypatch.setattr("app.cli.ai.asking.PATIENCE_S", 0.0)
    desk.on(commands.ReadReply, pieces("", "")[0])

    ran = cli("ask", "why?")

    assert ran.code == 3
    assert "Nothing came for 0 s" in ran.err
    assert desk.was_asked(commands.StopReply) == [commands.StopReply(conversation="3f2a99")]


def test_another_question_does_not_run_into_the_answer(cli: CommandLine, desk: Desk) -> None:
    """Two faces may ask in one conversation: their answers are not mixed."""
    desk.on(commands.ReadReply, pieces("Because ", "")[0], *pieces("Other words", seq=2))

    ran = cli("ask", "why?")

    assert (ran.code, ran.out) == (3, "Because \n")
    assert "Another question" in ran.err


def test_ask_as_json_is_one_document(cli: CommandLine, desk: Desk) -> None:
    """With all that a script would want to keep."""
    desk.on(commands.ReadReply, *pieces("Because ", f"of it{HOSTILE}"))

    ran = cli("ask", "why?", "--json")

    told = json.loads(ran.out)
    assert of_document(Usage, told.pop("usage")) == USAGE
    assert told == {
        "schema": 1,
        "conversation": "3f2a99",
        "question": "why?",
        "answer": f"Because of it{HOSTILE}",
        "provider": "deepseek",
        "model": "deepseek-chat",
        "trouble": "",
        "hint": "",
    }
    assert is_harmless(ran.out)


def test_a_question_comes_from_standard_input(cli: CommandLine, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads it whole; bytes that are no UTF-8 do no harm."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("Почему?\nWhy \xff?\n".encode() + b"\xff")))

    ran = cli("ask", "-")

    assert ran.code == 0
    assert [each.text for each in desk.was_asked(commands.Ask)] == ["Почему?\nWhy \xff?\n\ufffd"]


@pytest.mark.parametrize("question", ["", "  \n", "x" * 100_001])
def test_a_question_that_is_none_is_wrong_use(cli: CommandLine, desk: Desk, question: str) -> None:
    """Nothing is sent for it."""
    ran = cli("ask", question)

    assert ran.code == 2
    assert desk.seen == []


def test_a_question_can_be_about_a_test_a_project_or_go_on(
    cli: CommandLine, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test by a part of its id, a project by its folder, a conversation by the beginning of its id."""
    root = str(tmp_path)
    monkeypatch.chdir(root)
    desk.on(commands.ReadStatus, snapshot(red(TOTAL, 1.0), root=root))

    rans = [
        cli("ask", "why?", "--about", "total"),
        cli("ask", "why?", "--project", "."),
        cli("ask", "why?", "--in", "3f2"),
        cli("ask", "why?", "--in", "3f2", "--project", "."),
        cli("ask", "why?", "--in", "3f"),
        cli("ask", "why?", "--in", "9"),
    ]

    assert [each.code for each in rans] == [0, 0, 0, 2, 2, 2]
    assert desk.was_asked(commands.Ask) == [
        commands.Ask(text="why?", project=root, nodeid=TOTAL),
        commands.Ask(text="why?", project=root),
        commands.Ask(text="why?", conversation="3f2a99"),
    ]
    assert "may mean 2 conversations" in rans[4].err


def test_a_refusal_to_ask_is_told(cli: CommandLine, desk: Desk) -> None:
    """The instance's own words, and exit code 3."""
    desk.on(commands.Ask, ConsentMissing("You have not agreed.", "Agree with: watchkeeper explain --allow"))

    ran = cli("ask", "why?")

    assert ran.code == 3
    assert ran.err == "watchkeeper: You have not agreed.\nAgree with: watchkeeper explain --allow\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a process there gets no SIGINT of its own")
def test_ctrl_c_stops_the_answer(desk: Desk) -> None:
    """What came stays, the instance hears of it, how to go on is told, and the exit code is that of an interrupt."""
    desk.on(commands.ReadReply, pieces("Because ", "")[0], lambda _: threading.Event().wait(3) and None)
    with started("ask", "why?") as process:
        assert process.stdout is not None
        seen = process.stdout.read(8)

        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, seen + out) == (130, b"Because \n")
    assert desk.was_asked(commands.StopReply) == [commands.StopReply(conversation="3f2a99")]
    assert err.decode().splitlines() == ["Stopped.", 'Go on with: watchkeeper ask --in 3f2a99 "..."']


def test_a_reader_that_leaves_stops_the_answer(desk: Desk) -> None:
    """`ask ... | head -1` does not pay for what nobody reads."""
    first, last = pieces("Because ", "of it.")
    has_left = threading.Event()
    desk.on(commands.ReadReply, first, lambda _: has_left.wait(20) and last)
    with started("ask", "why?") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(8)

        process.stdout.close()
        has_left.set()
        err = process.stderr.read()
        code = process.wait(30)

    assert (code, err) == (141, b"")
    assert desk.was_asked(commands.StopReply) == [commands.StopReply(conversation="3f2a99")]
