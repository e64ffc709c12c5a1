"""`conversations`: what was asked and answered."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from app.cli.ai.documents import of_document
from app.domain import commands
from app.domain.analysis import (
    Conversation,
)
from app.domain.errors import UsageError
from tests.cli.ai.conftest import RECORD, SHOP, TALK, TOTAL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.ai.conftest import Desk
    from tests.cli.conftest import CommandLine


def test_conversations_are_listed_and_searched(cli: CommandLine, desk: Desk) -> None:
    """The list is what comes when nothing is said; a search tells the passage that was found."""
    listed = cli("conversations")
    desk.on(commands.ReadConversations, (replace(RECORD, found="of the minus"),))
    found = cli("conversations", "search", "minus", "sign", "-n", "3")

    assert listed.code == found.code == 0
    assert listed.out.splitlines()[0].startswith("3f2a99  ")
    assert f"Why does it fail?  2 questions, $0.25, {TOTAL} in {SHOP}" in listed.out
    assert "    of the minus\n" in found.out
    assert desk.seen == [
        commands.ReadConversations(),
        commands.ReadConversations(query="minus sign", limit=3),
    ]


def test_no_conversation_is_told(cli: CommandLine, desk: Desk) -> None:
    """On stderr, with how to begin one; a script gets an empty list."""
    desk.on(commands.ReadConversations, ())

    ran = cli("conversations", "list")
    as_json = cli("conversations", "list", "--json")
    wrong = cli("conversations", "list", "-n", "0")

    assert (ran.code, ran.out) == (0, "")
    assert "watchkeeper ask" in ran.err
    assert json.loads(as_json.out) == {"schema": 1, "conversations": []}
    assert wrong.code == 2


def test_a_conversation_is_shown_whole(cli: CommandLine, desk: Desk) -> None:
    """Each question with its answer or its trouble, and what it took; as a document it is the domain's value."""
    ran = cli("conversations", "show", "3f2")
    as_json = cli("conversations", "show", "3f2a99", "--json")

    order = ["Why does it fail?\n", "deepseek-chat of deepseek\n  Because of the minus.\n", "And now?\n", "is busy.\n"]
    places = [ran.out.index(each) for each in order]
    assert places == sorted(places)
    assert of_document(Conversation, json.loads(as_json.out)["conversation"]) == TALK
    assert desk.was_asked(commands.ReadConversation) == [commands.ReadConversation(conversation="3f2a99")] * 2


def test_a_conversation_is_exported_as_markdown(cli: CommandLine, desk: Desk, tmp_path: Path) -> None:
    """To stdout or a new file; one that is there is left alone unless `--force` is said."""
    file = tmp_path / "why.md"

    ran = cli("conversations", "export", "3f2")
    first = cli("conversations", "export", "3f2", "--to", str(file))
    written = file.read_text()
    file.write_text("mine")
    second = cli("conversations", "export", "3f2", "--to", str(file))
    kept = file.read_text()
    forced = cli("conversations", "export", "3f2", "--to", str(file), "--force", "--json")

    assert "Because of the minus." in ran.out
    assert [each.code for each in (first, second, forced)] == [0, 3, 0]
    assert written.rstrip("\n") + "\n" == ran.out
    assert kept == "mine"
    assert file.read_text() == written
    assert json.loads(forced.out) == {"schema": 1, "conversation": "3f2a99", "file": str(file)}
    assert cli("conversations", "export", "3f2", "--force").code == 2
    assert desk.was_asked(commands.DeleteConversation) == []


def test_a_conversation_is_deleted_only_when_that_is_said(cli: CommandLine, desk: Desk) -> None:
    """A script must say `--yes`; its refusal is wrong use, and deletes nothing."""
    unsaid = cli("conversations", "rm", "3f2")
    before = desk.was_asked(commands.DeleteConversation)
    said = cli("conversations", "rm", "3f2", "--yes")

    assert (unsaid.code, before) == (2, [])
    assert unsaid.err.splitlines() == [
        "watchkeeper: The conversation 3f2a99 stays: it is deleted for good, and nobody can be asked here.",
        "If that is meant: watchkeeper conversations rm 3f2a99 --yes",
    ]
    assert (said.code, said.out) == (0, "3f2a99 is deleted.\n")
    assert desk.was_asked(commands.DeleteConversation) == [commands.DeleteConversation(conversation="3f2a99")]


def test_a_conversation_that_is_not_listed_may_be_named_whole(cli: CommandLine, desk: Desk) -> None:
    """Beyond the newest thousand the instance decides, and its refusal is told."""
    desk.on(commands.ReadConversations, tuple(replace(RECORD, id=f"a{number}") for number in range(1000)))
    desk.on(commands.ReadConversation, UsageError("There is no conversation 'old'."))

    ran = cli("conversations", "show", "old")
    several = cli("conversations", "show", "a1")

    assert (ran.code, ran.err) == (2, "watchkeeper: There is no conversation 'old'.\n")
    assert several.code == 0 or "There is no conversation" in several.err
    assert [each.conversation for each in desk.was_asked(commands.ReadConversation)] == ["old", "a1"]
