"""Conversations: an answer grows while it is read, is kept, and can be stopped, gone on with, and deleted."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from app.domain import commands
from app.domain.analysis import Reply, SubjectKind
from app.domain.errors import CommandRefused, ConsentMissing, UsageError
from app.domain.events import ConversationDeleted, ExchangeEnded
from app.domain.modelwords import STOPPED
from tests.agents.analysis.conftest import Desk, desk_at, green, red
from tests.ai.modelserver import ModelServer, cut, failing, slow, stalls, stream

if TYPE_CHECKING:
    from pathlib import Path

NODE = "test_shop.py::test_total"


async def whole(desk: Desk, conversation: str) -> Reply:
    """Read an answer to its end, as a face does: piece by piece."""
    text, after = "", 0
    async with asyncio.timeout(30):
        while True:
            reply: Reply = await desk.send(commands.ReadReply(conversation=conversation, after=after, wait_s=10))
            text, after = text + reply.text, reply.length
            if reply.is_done:
                assert reply.length == len(text)
                return reply


async def test_an_answer_is_read_while_it_grows(desk: Desk) -> None:
    """Pieces come in order while the service still speaks, and the end tells who answered and what it took."""
    desk.server.always(slow("The sum is one short because of the minus.", 0.02))

    talk = await desk.send(commands.Ask(text="Why is the sum one short?"))
    first = await desk.send(commands.ReadReply(conversation=talk, wait_s=10))
    last = await whole(desk, talk)

    assert first.text
    assert not first.is_done
    assert last.length == len("The sum is one short because of the minus.")
    assert (last.provider, last.model, last.trouble) == ("custom", "stand-in-1", "")
    assert last.usage.tokens > 0


async def test_a_question_goes_on_with_what_was_said(desk: Desk) -> None:
    """The exchanges before are sent along, and the history lists the conversation and finds it by its words."""
    desk.server.then(stream("Because of the minus."), stream("Take it out."))
    talk = await desk.send(commands.Ask(text="Why is the sum one short?"))
    await whole(desk, talk)

    again = await desk.send(commands.Ask(text="Что делать?", conversation=talk))
    await whole(desk, talk)
    await desk.until(lambda: len(desk.of(ExchangeEnded)) == 2)

    sent = [(m["role"], m["content"]) for m in desk.server.asked[1].json["messages"]]
    assert again == talk
    assert sent[1:] == [
        ("user", "Why is the sum one short?"),
        ("assistant", "Because of the minus."),
        ("user", "Что делать?"),
    ]
    found = await desk.send(commands.ReadConversations(query="ЧТО minus"))
    assert [(each.id, each.exchanges, each.title) for each in found] == [(talk, 2, "Why is the sum one short?")]
    kept = await desk.send(commands.ReadConversation(conversation=talk))
    assert [(each.question, each.answer) for each in kept.exchanges] == [
        ("Why is the sum one short?", "Because of the minus."),
        ("Что делать?", "Take it out."),
    ]


async def test_a_conversation_about_a_failure_knows_it(desk: Desk) -> None:
    """The failure is sent along once the person agreed; without that the question is refused with what to do."""
    desk.run(red())
    with pytest.raises(ConsentMissing) as refused:
        await desk.send(commands.Ask(text="Why?", project=desk.project, nodeid=NODE))
    await desk.agree()

    talk = await desk.send(commands.Ask(text="Why?", project=desk.project, nodeid=NODE))
    await whole(desk, talk)

    explanation = await desk.send(commands.ReadExplanation(project=desk.project, nodeid=NODE))
    (asked,) = desk.server.asked
    assert "--allow" in refused.value.hint
    assert "assert total([1, 2]) == 3" in asked.said
    assert "return sum(prices) - 1" in asked.said
    assert explanation.conversation == talk
    kept = await desk.send(commands.ReadConversation(conversation=talk))
    assert (kept.record.subject.kind, kept.record.subject.name) == (SubjectKind.FAILURE, NODE)


async def test_it_goes_on_when_the_test_is_green_again(desk: Desk) -> None:
    """A failure that is mended can still be talked about."""
    desk.run(red())
    await desk.agree()
    talk = await desk.send(commands.Ask(text="Why?", project=desk.project, nodeid=NODE))
    await whole(desk, talk)
    desk.run(green())

    await desk.send(commands.Ask(text="And what was it?", conversation=talk))
    reply = await whole(desk, talk)

    assert reply.trouble == ""
    assert "And what was it?" in desk.server.asked[1].said


async def test_stopping_keeps_what_came(desk: Desk) -> None:
    """The answer ends at once, the reader is told, and the conversation can go on."""
    desk.server.then(stalls("The sum is"))
    talk = await desk.send(commands.Ask(text="Why?"))
    while not (await desk.send(commands.ReadReply(conversation=talk, wait_s=10))).text:
        pass

    await desk.send(commands.StopReply(conversation=talk))
    stopped = await whole(desk, talk)
    await desk.send(commands.Ask(text="Go on", conversation=talk))
    await whole(desk, talk)

    kept = await desk.send(commands.ReadConversation(conversation=talk))
    assert stopped.trouble == STOPPED
    assert [(each.answer, each.trouble) for each in kept.exchanges] == [
        ("The sum is", STOPPED),
        ("All is well.", ""),
    ]


@pytest.mark.parametrize("reply", [failing(500), cut("The sum")], ids=["out of order", "cut off"])
async def test_an_answer_that_fails_is_told_and_kept_as_far_as_it_came(desk: Desk, reply: Any) -> None:
    """The reader learns why, the transcript has the question, and asking again works."""
    desk.set(deadline_seconds=5.0)
    desk.server.always(reply)

    talk = await desk.send(commands.Ask(text="Why?"))
    failed = await whole(desk, talk)
    desk.server.always(stream("Because."))
    await desk.send(commands.Ask(text="Why?", conversation=talk))
    again = await whole(desk, talk)

    kept = await desk.send(commands.ReadConversation(conversation=talk))
    assert failed.trouble
    assert [each.question for each in kept.exchanges] == ["Why?", "Why?"]
    assert kept.exchanges[0].trouble == failed.trouble
    assert again.trouble == ""


async def test_a_conversation_outlives_the_program(tmp_path: Path, server: ModelServer) -> None:
    """After a restart it is listed, read, searched and gone on with."""
    async with desk_at(tmp_path, server) as before:
        talk = await before.send(commands.Ask(text="Why?"))
        await whole(before, talk)

    async with desk_at(tmp_path, server) as after:
        listed = await after.send(commands.ReadConversations())
        reply = await whole(after, talk)
        await after.send(commands.Ask(text="And now?", conversation=talk))
        await whole(after, talk)

    assert [each.id for each in listed] == [talk]
    assert reply.length == len("All is well.")
    assert [m["content"] for m in server.asked[1].json["messages"]][1:] == ["Why?", "All is well.", "And now?"]


async def test_deleting_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    """Neither transcript nor history has a word of it, also when its answer was still on its way."""
    desk.server.always(stalls("cnry-answer"))
    talk = await desk.send(commands.Ask(text="cnry-question"))
    while not (await desk.send(commands.ReadReply(conversation=talk, wait_s=10))).text:
        pass

    await desk.send(commands.DeleteConversation(conversation=talk))

    assert await desk.send(commands.ReadConversations()) == ()
    with pytest.raises(UsageError):
        await desk.send(commands.ReadConversation(conversation=talk))
    with pytest.raises(UsageError):
        await desk.send(commands.DeleteConversation(conversation=talk))
    assert list((tmp_path / "data" / "conversations").glob("*")) == []
    assert desk.of(ConversationDeleted)
    assert desk.of(ExchangeEnded) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (commands.Ask(text="  \n "), "empty"),
        (commands.Ask(text="x" * 20_001), "20,001"),
        (commands.Ask(text="Why?", conversation="20260101-0123456789ab"), "no conversation"),
        (commands.Ask(text="Why?", conversation="../../etc/passwd"), "conversation"),
        (commands.Ask(text="Why?", project="/nowhere", nodeid="t.py::t"), "not watched"),
        (commands.Ask(text="Why?", nodeid="t.py::t"), "without its project"),
    ],
)
async def test_a_question_that_cannot_be_asked_is_refused(desk: Desk, asked: commands.Ask, said: str) -> None:
    """The error says what is wrong, and nothing is begun."""
    with pytest.raises(UsageError, match=said):
        await desk.send(asked)

    assert await desk.send(commands.ReadConversations()) == ()
    assert desk.server.asked == []


async def test_one_question_at_a_time(desk: Desk) -> None:
    """A second question to a conversation that is still answering is refused, and harms nothing."""
    desk.server.then(stalls("One"))
    talk = await desk.send(commands.Ask(text="Why?"))

    with pytest.raises(UsageError, match="still being answered"):
        await desk.send(commands.Ask(text="Why not?", conversation=talk))

    await desk.send(commands.StopReply(conversation=talk))
    await whole(desk, talk)
    assert len((await desk.send(commands.ReadConversation(conversation=talk))).exchanges) == 1


async def test_switched_off_models_are_not_asked(desk: Desk) -> None:
    """With `when` at never a question is refused with the setting's name."""
    desk.set(when="never")

    with pytest.raises(CommandRefused, match=r"analysis\.when"):
        await desk.send(commands.Ask(text="Why?"))


async def test_a_full_disk_is_told_and_the_answer_still_read(desk: Desk, tmp_path: Path) -> None:
    """The answer is shown, with a word that it could not be kept."""
    talk = await desk.send(commands.Ask(text="Why?"))
    await whole(desk, talk)
    transcript = tmp_path / "data" / "conversations" / f"{talk}.jsonl"
    desk.server.always(slow("Because of the minus.", 0.05))

    await desk.send(commands.Ask(text="And why?", conversation=talk))
    await asyncio.to_thread(desk.server.wait_for, 2)
    transcript.unlink()
    transcript.mkdir()
    reply = await whole(desk, talk)

    assert reply.length == len("Because of the minus.")
    assert "could not be kept" in reply.trouble
    assert [json.loads(asked.body)["stream"] for asked in desk.server.asked] == [True, True]
