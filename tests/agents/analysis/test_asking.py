"""Questions to a model end, whatever comes in between: a run, a stop, a withdrawn word, a key, a service that fails."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.analysis.automatic import MOST_TRIES, RETRY_S, SETTLE_S, Owed
from app.agents.analysis.settings import ProviderSettings
from app.agents.analysis.subjects import Subjects
from app.agents.analysis.talking import Talking
from app.agents.analysis.work import Work
from app.ai.conversations.conversations import Conversations
from app.ai.conversations.recent import NoCache
from app.ai.conversations.transcripts import Transcripts
from app.ai.messages import Message, Role
from app.domain import commands, modelwords
from app.domain.analysis import BreakerState, ExplainStage, Subject, SubjectKind
from app.domain.errors import CommandRefused, ModelError, ModelNotSetUp, UsageError
from app.domain.events import ConversationDeleted, ExchangeEnded, ExplanationChanged, VaultChanged
from app.domain.keys import SecretView, VaultState, VaultView
from app.domain.modelwords import STOPPED
from app.engine.clock import SystemClock
from app.engine.resilience.breaker import BreakerLimits
from app.engine.workers import WorkerPool
from tests.agents.analysis import conftest
from tests.agents.analysis.conftest import ANSWER, OUTPUT, Desk, at_work, desk_at, green, red
from tests.ai.modelserver import ModelServer, answers, busy, failing, refused, stalls, stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator
    from pathlib import Path

    from app.domain.analysis import Conversation

NODE = "test_shop.py::test_total"
OTHER = OUTPUT.replace("2 == 3", "5 == 8").replace("AssertionError", "ArithmeticError")
REFUSED = refused(400, "no such model")


class Held:
    """What somebody waits for until the test lets it come; knows when they do."""

    def __init__(self, value: object) -> None:
        self._value = value
        self._is_let_go = asyncio.Event()
        self.is_waited_for = asyncio.Event()

    def __await__(self) -> Generator[Any, Any, object]:
        """Wait for it."""
        return self._come().__await__()

    async def _come(self) -> object:
        self.is_waited_for.set()
        await self._is_let_go.wait()
        return self._value

    def let_go(self) -> None:
        self._is_let_go.set()


def held(released: threading.Event, reply: Callable[[Any], None]) -> Callable[[Any], None]:
    """Reply when the test says so."""

    def replies(wire: Any) -> None:
        released.wait(20)
        reply(wire)

    return replies


def stage(desk: Desk) -> ExplainStage | None:
    """Return what faces are told of the failure."""
    explained = desk.bus.snapshot.projects[desk.project].explained.get(NODE)
    return explained.stage if explained is not None else None


async def ended(desk: Desk) -> None:
    """Wait until no model is asked about a failure any more: nothing need be told when that comes about."""
    async with asyncio.timeout(20):
        while desk.explaining.questions:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


async def begun(desk: Desk) -> None:
    """Have the failure explained, and wait until the service has the question."""
    asked = len(desk.server.asked)
    explanation = await desk.send(commands.Explain(project=desk.project, nodeid=NODE))
    assert explanation.stage is ExplainStage.ASKING
    await asyncio.to_thread(desk.server.wait_for, asked + 1)


async def growing(desk: Desk, **subject: str) -> str:
    """Ask a question, and return its conversation when the first words of the answer are there."""
    talk: str = await desk.send(commands.Ask(text="Why?", **subject))
    async with asyncio.timeout(20):
        while not (await desk.send(commands.ReadReply(conversation=talk, wait_s=10))).text:
            pass
    return talk


async def settled(desk: Desk, talk: str) -> Any:
    """Return the reply of a conversation when it is done."""
    async with asyncio.timeout(20):
        while not (reply := await desk.send(commands.ReadReply(conversation=talk, after=10**6, wait_s=10))).is_done:
            pass
    return reply


@pytest.mark.parametrize("is_looked_at", [True, False])
async def test_a_run_during_a_question_gets_its_answer(desk: Desk, *, is_looked_at: bool) -> None:
    """The same test red again, looked at meanwhile or not, is explained by the question that is under way."""
    answered = threading.Event()
    desk.server.always(held(answered, answers(ANSWER)))
    desk.run(red())
    await desk.agree()
    await begun(desk)

    desk.run(red())
    if is_looked_at:
        meanwhile = await desk.send(commands.ReadExplanation(project=desk.project, nodeid=NODE))
        assert meanwhile.stage is ExplainStage.ASKING
    answered.set()
    await desk.until(lambda: stage(desk) is not ExplainStage.ASKING)

    explanation = await desk.send(commands.Explain(project=desk.project, nodeid=NODE))
    assert stage(desk) is explanation.stage is ExplainStage.EXPLAINED
    assert desk.explaining.questions == 0
    assert len(desk.server.asked) == 1


@pytest.mark.parametrize("reply", [answers(ANSWER), REFUSED], ids=["answered", "refused"])
async def test_a_test_that_fails_otherwise_meanwhile_is_not_shown_as_asked_about(
    desk: Desk, reply: Callable[[Any], None]
) -> None:
    """The question about the old failure ends by itself, and says nothing of the new one."""
    answered = threading.Event()
    desk.server.then(held(answered, reply))
    desk.run(red())
    await desk.agree()
    await begun(desk)

    desk.run(red(output=OTHER))
    meanwhile = await desk.send(commands.ReadExplanation(project=desk.project, nodeid=NODE))
    told_meanwhile = stage(desk)
    answered.set()
    await ended(desk)
    told_after = stage(desk)

    explanation = await desk.send(commands.ReadExplanation(project=desk.project, nodeid=NODE))
    assert meanwhile.stage is told_meanwhile is ExplainStage.LOCAL
    assert explanation.stage is told_after is ExplainStage.LOCAL
    assert (explanation.answer, explanation.trouble) == (None, "")


async def test_a_test_that_was_green_meanwhile_is_not_shown_as_asked_about(desk: Desk) -> None:
    """Mended and broken in the same way again while its question is under way, it is told how that ended."""
    answered = threading.Event()
    desk.server.then(held(answered, REFUSED))
    desk.run(red())
    await desk.agree()
    await begun(desk)

    desk.run(green())
    desk.run(red())
    meanwhile = await desk.send(commands.Explain(project=desk.project, nodeid=NODE))
    answered.set()
    await ended(desk)

    explanation = await desk.send(commands.ReadExplanation(project=desk.project, nodeid=NODE))
    assert meanwhile.stage is ExplainStage.ASKING
    assert explanation.stage is stage(desk) is ExplainStage.UNANSWERED
    assert len(desk.server.asked) == 1


async def test_a_question_that_ends_before_it_begins_is_not_shown_for_ever(desk: Desk) -> None:
    """Cancelled in the turn in which it was asked, nothing was sent, what is known locally stays, and one may ask."""
    desk.server.always(answers(ANSWER))
    desk.run(red())
    await desk.agree()

    asking = await desk.send(commands.Explain(project=desk.project, nodeid=NODE))
    await desk.explaining.taken_back(desk.project)
    told = stage(desk)
    known = await desk.send(commands.ReadExplanation(project=desk.project, nodeid=NODE))
    asked = len(desk.server.asked)
    again = await desk.explained()

    assert asking.stage is ExplainStage.ASKING
    assert told is known.stage is ExplainStage.LOCAL
    assert asked == 0
    assert again.stage is ExplainStage.EXPLAINED


async def test_a_second_question_that_is_ended_leaves_the_first_answer(desk: Desk) -> None:
    """Asked again and stopped, the explanation of before is shown."""
    desk.server.then(answers(ANSWER), stalls(""))
    desk.run(red())
    await desk.agree()
    await desk.explained()

    await desk.send(commands.Explain(project=desk.project, nodeid=NODE, again=True))
    await asyncio.to_thread(desk.server.wait_for, 2)
    await desk.explaining.taken_back(desk.project)

    explanation = await desk.send(commands.ReadExplanation(project=desk.project, nodeid=NODE))
    assert explanation.stage is stage(desk) is ExplainStage.EXPLAINED
    assert explanation.answer is not None
    assert explanation.answer.cause == ANSWER["cause"]


async def test_a_service_that_fails_during_a_look_is_told(desk: Desk) -> None:
    """What came of the question is in what the look returns, and in what faces are told after it."""
    answered = threading.Event()
    desk.server.then(held(answered, REFUSED))
    desk.run(red())
    await desk.agree()
    await begun(desk)
    desk.run(red())
    diff: Any = Held(desk.diff)
    desk.diff = diff

    looking = asyncio.create_task(desk.send(commands.ReadExplanation(project=desk.project, nodeid=NODE)))
    await diff.is_waited_for.wait()
    answered.set()
    await desk.until(lambda: stage(desk) is ExplainStage.UNANSWERED)
    diff.let_go()
    explanation = await looking

    assert explanation.stage is stage(desk) is ExplainStage.UNANSWERED
    assert "no such model" in explanation.trouble
    assert desk.explaining.questions == 0


async def test_stopping_an_answer_twice_is_calm(desk: Desk) -> None:
    """In whichever turn of the loop the second stop comes, what came is kept once, and told once."""
    desk.server.always(stalls("The sum is"))
    talk = await growing(desk)

    for _ in range(30):
        await desk.send(commands.StopReply(conversation=talk))
        await asyncio.sleep(0)
    reply = await settled(desk, talk)
    await desk.send(commands.StopReply(conversation=talk))

    kept = await desk.send(commands.ReadConversation(conversation=talk))
    assert (reply.trouble, reply.length) == (STOPPED, len("The sum is"))
    assert [(each.answer, each.trouble) for each in kept.exchanges] == [("The sum is", STOPPED)]
    assert len(desk.of(ExchangeEnded)) == 1


async def test_stopping_what_is_not_answering_is_calm(desk: Desk) -> None:
    """An answer that has ended, or a conversation that never was, is not harmed by a stop."""
    talk = await desk.send(commands.Ask(text="Why?"))
    before = await settled(desk, talk)

    await desk.send(commands.StopReply(conversation=talk))
    await desk.send(commands.StopReply(conversation="20260101-0123456789ab"))

    assert await settled(desk, talk) == before
    assert before.trouble == ""


class SlowDisk(Conversations):
    """Conversations on a disk that takes its time, for as long as a test says so."""

    def __init__(self, desk: Desk, pool: WorkerPool) -> None:
        super().__init__(Transcripts(desk.data / "conversations", pool=pool), NoCache(), clock=SystemClock())
        self.starting = Held(None)
        self.reading = Held(None)

    async def start(self, subject: Subject, title: str) -> str:
        """Begin one."""
        await self.starting
        return await super().start(subject, title)

    async def whole(self, conversation: str) -> Conversation | None:
        """Return one, as it was before it took its time."""
        found = await super().whole(conversation)
        await self.reading
        return found


@pytest.fixture
def disk(desk: Desk) -> Iterator[SlowDisk]:
    pool = WorkerPool(1, name="transcripts")
    yield SlowDisk(desk, pool)
    pool.shutdown(wait=True)


@pytest.fixture
async def talking(desk: Desk, disk: SlowDisk) -> AsyncIterator[Talking]:
    """Conversations on the slow disk."""
    work = Work()
    subjects = Subjects(desk.explaining, desk.asking, work, send=desk.bus.send)
    made = Talking(disk, desk.asking, subjects, publish=desk.bus.publish, clock=SystemClock())
    yield made
    disk.starting.let_go()
    disk.reading.let_go()
    await made.close()
    work.close()


async def test_a_question_to_a_conversation_that_was_deleted_meanwhile_is_not_sent(
    desk: Desk, disk: SlowDisk, talking: Talking
) -> None:
    """What was read of the conversation before its deletion does not make it one that can be gone on with."""
    talk = await Conversations.start(disk, Subject(), "Why?")

    asking = asyncio.create_task(talking.ask(commands.Ask(text="And now?", conversation=talk)))
    await disk.reading.is_waited_for.wait()
    await talking.delete(talk)
    disk.reading.let_go()
    with pytest.raises(UsageError, match="no conversation"):
        await asking

    assert talking.questions == 0
    assert desk.server.asked == []


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("is_asked_first", [True, False])
async def test_a_question_to_a_conversation_that_is_being_deleted_leaves_nothing(
    desk: Desk, turns: int, *, is_asked_first: bool
) -> None:
    """Whichever comes first, by however few turns of the loop: nothing is kept, and who asked is told."""
    desk.server.always(stream("cnry-first"))
    talk = await desk.send(commands.Ask(text="Why?"))
    await settled(desk, talk)
    await desk.until(lambda: len(desk.of(ExchangeEnded)) == 1)
    desk.server.always(stalls("cnry-second"))
    both = [
        desk.send(commands.Ask(text="cnry-question", conversation=talk)),
        desk.send(commands.DeleteConversation(conversation=talk)),
    ]

    first = asyncio.create_task(both.pop(0 if is_asked_first else 1))
    for _ in range(turns):
        await asyncio.sleep(0)
    second = asyncio.create_task(both.pop())
    await asyncio.wait({first, second})
    asking, deleting = (first, second) if is_asked_first else (second, first)

    assert deleting.exception() is None
    refusal = asking.exception()
    assert refusal is None or (isinstance(refusal, UsageError) and "no conversation" in refusal.message)
    with pytest.raises(UsageError, match="no conversation"):
        await desk.send(commands.ReadReply(conversation=talk))
    assert await desk.send(commands.ReadConversations()) == ()
    assert list((desk.data / "conversations").glob("*")) == []
    assert len(desk.of(ExchangeEnded)) == 1
    assert len(desk.of(ConversationDeleted)) == 1


async def test_no_longer_agreeing_ends_what_is_being_asked(desk: Desk) -> None:
    """When the word is taken back its questions have ended, what came of an answer is kept, and others go on."""
    desk.server.then(stalls(""), stalls("It may be"), stalls("In general"))
    desk.run(red())
    await desk.agree()
    await begun(desk)
    about = await growing(desk, project=desk.project, nodeid=NODE)
    free = await growing(desk)

    await desk.send(commands.SetConsent(project=desk.project, given=False))

    assert desk.explaining.questions == 0
    assert stage(desk) is ExplainStage.LOCAL
    reply = await settled(desk, about)
    assert "no longer agree" in reply.trouble
    kept = await desk.send(commands.ReadConversation(conversation=about))
    assert kept.record.subject.kind is SubjectKind.FAILURE
    assert [(each.answer, each.trouble) for each in kept.exchanges] == [("It may be", reply.trouble)]
    assert not (await desk.send(commands.ReadReply(conversation=free))).is_done


async def test_a_question_that_waits_for_another_attempt_is_not_sent_when_the_word_is_taken_back(desk: Desk) -> None:
    """The service that asked to wait is not asked again."""
    desk.server.then(busy(1), answers(ANSWER))
    desk.run(red())
    await desk.agree()
    await begun(desk)

    await desk.send(commands.SetConsent(project=desk.project, given=False))

    assert desk.explaining.questions == 0
    assert stage(desk) is ExplainStage.LOCAL
    explanation = await desk.send(commands.Explain(project=desk.project, nodeid=NODE))
    assert explanation.needs_consent == (desk.server.host,)
    assert len(desk.server.asked) == 1


async def test_the_word_taken_back_during_a_look_holds_for_its_question(desk: Desk) -> None:
    """Who no longer agrees while the failure is still being looked at has nothing of it sent."""
    desk.server.always(answers(ANSWER))
    diff: Any = Held(desk.diff)
    desk.diff = diff
    desk.run(red())
    await desk.agree()

    explaining = asyncio.create_task(desk.send(commands.Explain(project=desk.project, nodeid=NODE)))
    await diff.is_waited_for.wait()
    await desk.send(commands.SetConsent(project=desk.project, given=False))
    diff.let_go()
    explanation = await explaining
    await ended(desk)

    assert desk.server.asked == []
    assert explanation.needs_consent == (desk.server.host,)


async def test_the_word_taken_back_while_a_conversation_begins_holds_for_it(
    desk: Desk, disk: SlowDisk, talking: Talking
) -> None:
    """Who no longer agrees while the disk takes its time has nothing sent, and whoever reads the answer is told why."""
    desk.run(red())
    await desk.agree()

    asking = asyncio.create_task(talking.ask(commands.Ask(text="Why?", project=desk.project, nodeid=NODE)))
    await disk.starting.is_waited_for.wait()
    await desk.send(commands.SetConsent(project=desk.project, given=False))
    await talking.taken_back(desk.project)
    disk.starting.let_go()
    talk = await asking
    reply = await talking.read(commands.ReadReply(conversation=talk, wait_s=20))

    assert desk.server.asked == []
    assert reply.is_done
    assert "no longer agree" in reply.trouble


async def test_a_word_is_not_taken_for_other_hosts_than_were_shown(desk: Desk) -> None:
    """Settings that changed meanwhile are said, and nobody has agreed to anything."""
    desk.run(red())
    shown = (await desk.send(commands.Explain(project=desk.project, nodeid=NODE))).needs_consent
    with ModelServer() as other:
        desk.set(custom=desk.changes["custom"].model_copy(update={"base_url": other.url}))

        with pytest.raises(CommandRefused, match=other.host) as error:
            await desk.send(commands.SetConsent(project=desk.project, hosts=",".join(shown)))

        explanation = await desk.send(commands.Explain(project=desk.project, nodeid=NODE))
        assert desk.server.host in error.value.message
        assert explanation.needs_consent == (other.host,)
        assert desk.server.asked == other.asked == []
    assert not (desk.data / "consent.json").exists()


async def test_a_word_is_taken_for_all_hosts_that_were_shown(desk: Desk) -> None:
    """Two providers were shown, in whatever order: both may be asked."""
    with ModelServer() as other:
        desk.set(providers=("custom", "ollama"), ollama=ProviderSettings(base_url=other.url, model="stand-in-2"))
        desk.run(red())
        shown = (await desk.send(commands.Explain(project=desk.project, nodeid=NODE))).needs_consent

        hosts = await desk.send(commands.SetConsent(project=desk.project, hosts=",".join(reversed(shown))))

        assert shown == hosts == (desk.server.host, other.host)
        kept = json.loads((desk.data / "consent.json").read_text())
        assert kept["projects"] == {desk.project: sorted(hosts)}


async def test_the_preview_names_who_is_asked(desk: Desk) -> None:
    """Where the person agreed to the second provider alone, it is the one that is named, and the one that is asked."""
    desk.run(red())
    await desk.agree()
    with ModelServer() as other:
        desk.set(providers=("ollama", "custom"), ollama=ProviderSettings(base_url=other.url, model="stand-in-2"))

        preview = await desk.send(commands.ReadPrompt(project=desk.project, nodeid=NODE))
        await desk.explained()

        assert (preview.provider, preview.host, preview.model) == ("custom", desk.server.host, "stand-in-1")
        assert preview.needs_consent == ()
        assert (len(desk.server.asked), len(other.asked)) == (1, 0)


async def test_the_preview_names_the_first_before_anything_was_agreed_to(desk: Desk) -> None:
    """Who would be asked first is named, and all whom it might be sent to."""
    desk.run(red())
    with ModelServer() as other:
        desk.set(providers=("ollama", "custom"), ollama=ProviderSettings(base_url=other.url, model="stand-in-2"))

        preview = await desk.send(commands.ReadPrompt(project=desk.project, nodeid=NODE))

        assert (preview.provider, preview.host, preview.model) == ("ollama", other.host, "stand-in-2")
        assert preview.needs_consent == (other.host, desk.server.host)


class Keys:
    """A vault with one key."""

    def __init__(self, value: str) -> None:
        self.value = value

    async def secret(self, name: str, *, why: str) -> str:  # noqa: ARG002 - as the manager has it
        return self.value

    async def group(self, name: str) -> tuple[str, ...]:
        return (name,)


def opened(**changes: Any) -> VaultChanged:
    """Return the telling of an open vault with the key."""
    secret = SecretView(**{"name": "SHOP_KEY", "created": 1, "renewed": 1, **changes})
    return VaultChanged(at=1.0, vault=VaultView(VaultState.OPEN, secrets=(secret,)))


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ([opened(read_at=9.0, read_by="watchkeeper: ask a language model")], 1),
        ([opened(notes="of the shop"), opened(due=99)], 1),
        ([opened(renewed=2)], 2),
        ([opened(group="SHOP")], 2),
        ([VaultChanged(at=1.0, vault=VaultView(VaultState.LOCKED)), opened()], 2),
        ([VaultChanged(at=1.0, vault=VaultView(VaultState.LOCKED))], 1),
    ],
    ids=["read", "described", "renewed", "grouped", "locked and opened", "locked"],
)
async def test_a_refused_key_is_tried_again_when_the_secrets_have_changed(
    tmp_path: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch, told: list[VaultChanged], asked: int
) -> None:
    """That a key was read, by the question itself perhaps, makes none of them valid; that it was set anew may."""
    server.keys = {"sk-of-another"}
    monkeypatch.setattr(conftest, "NoKeys", lambda: Keys("sk-of-the-shop"))
    async with desk_at(tmp_path, server) as desk:
        desk.set(custom=ProviderSettings(base_url=server.url, model="stand-in-1", key="SHOP_KEY"))
        desk.bus.publish(opened())
        desk.run(red())
        await desk.agree()
        first = await desk.explained()
        before = await desk.explained(again=True)
        asked_before = len(server.asked)

        for event in told:
            desk.bus.publish(event)
        after = await desk.explained(again=True)

    assert asked_before == 1
    assert {each.stage for each in (first, before, after)} == {ExplainStage.UNANSWERED}
    assert "SHOP_KEY" in after.trouble
    assert len(server.asked) == asked


async def test_a_key_that_was_set_anew_is_used(
    tmp_path: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next question after a key was renewed is asked with it, and answered."""
    server.keys = {"sk-of-the-shop"}
    server.always(answers(ANSWER))
    keys = Keys("sk-out-of-date")
    monkeypatch.setattr(conftest, "NoKeys", lambda: keys)
    async with desk_at(tmp_path, server) as desk:
        desk.set(custom=ProviderSettings(base_url=server.url, model="stand-in-1", key="SHOP_KEY"))
        desk.bus.publish(opened())
        desk.run(red())
        await desk.agree()
        await desk.explained()

        keys.value = "sk-of-the-shop"
        desk.bus.publish(opened(renewed=2))
        explanation = await desk.explained()

    assert explanation.stage is ExplainStage.EXPLAINED
    assert [each.key for each in server.asked] == ["sk-out-of-date", "sk-of-the-shop"]


def test_the_pause_before_what_is_owed_doubles_and_ends() -> None:
    """Each question that came to nothing doubles the pause, and after so many nothing is owed any more."""
    now = 0.0
    owed = Owed(lambda: now)
    waited = []

    owed.add("/p", "t.py::a")
    while owed.due() is not None or now < RETRY_S * 2**MOST_TRIES:
        if owed.due() is None:
            now += 1
            continue
        waited.append(now)
        owed.add("/p", "t.py::a")

    pauses = [later - earlier for earlier, later in pairwise([0.0, *waited])]
    assert pauses == [RETRY_S * 2**number for number in range(MOST_TRIES - 1)]


def test_of_what_is_owed_the_longest_waiting_comes_first_and_the_dropped_never() -> None:
    """One failure that is asked about again and again does not keep the others from their turn."""
    now = 0.0
    owed = Owed(lambda: now)
    for nodeid in ("t.py::a", "t.py::b", "t.py::c"):
        owed.add("/p", nodeid)
        now += 1

    owed.drop("/p", "t.py::b")
    now = RETRY_S + 5
    first = owed.due()
    owed.add("/p", "t.py::a")
    second = owed.due()
    owed.add("/p", "t.py::c")

    assert (first, second, owed.due()) == (("/p", "t.py::a"), ("/p", "t.py::c"), None)


def times_asked(desk: Desk, clock: Any) -> list[float]:
    """Return a list that will tell when faces were told that a model is asked."""
    told: list[float] = []

    def hear(event: object, _snapshot: object) -> None:
        if isinstance(event, ExplanationChanged) and event.explained.stage is ExplainStage.ASKING:
            told.append(clock.monotonic())

    desk.bus.subscribe(hear)
    return told


async def hours_pass(desk: Desk, clock: Any, hours: float) -> None:
    """Let time pass, step by step; a question that begins ends before the next step."""
    step_s = 5.0
    for _ in range(int(hours * 3600 / step_s)):
        await clock.pass_time(step_s)
        await desk.until(lambda: stage(desk) is not ExplainStage.ASKING)


async def test_what_may_pass_is_asked_again_less_and_less_and_not_for_ever(
    tmp_path: Path, server: ModelServer, fake_clock: Any
) -> None:
    """A service that always asks to wait is asked by itself so many times, each pause at least double, then no more."""
    server.always(busy(600))
    async with desk_at(tmp_path, server, clock=fake_clock) as desk, at_work(desk, fake_clock):
        desk.set(when="always", automatic_per_hour=100)
        await desk.agree()
        told = times_asked(desk, fake_clock)
        desk.run(red())
        await fake_clock.pass_time(SETTLE_S)
        await desk.until(lambda: stage(desk) is ExplainStage.UNANSWERED)

        await hours_pass(desk, fake_clock, 1)

        assert len(told) == len(server.asked) == MOST_TRIES
        pauses = [later - earlier for earlier, later in pairwise(told)]
        due = [RETRY_S * 2**number for number in range(MOST_TRIES - 1)]
        assert all(least <= pause <= least + 20 for pause, least in zip(pauses, due, strict=True)), pauses


@pytest.mark.parametrize(
    "reply", [REFUSED, refused(401, "no such key"), refused(402, "Insufficient Balance"), stream("")]
)
async def test_what_does_not_pass_by_itself_is_asked_once(
    tmp_path: Path, server: ModelServer, fake_clock: Any, reply: Callable[[Any], None]
) -> None:
    """A question that would be refused again is not asked again by itself, though its test stays red."""
    server.always(reply)
    async with desk_at(tmp_path, server, clock=fake_clock) as desk, at_work(desk, fake_clock):
        desk.set(when="always")
        await desk.agree()
        desk.run(red())
        await fake_clock.pass_time(SETTLE_S)
        await desk.until(lambda: stage(desk) is ExplainStage.UNANSWERED)
        asked, told = len(server.asked), times_asked(desk, fake_clock)

        await hours_pass(desk, fake_clock, 0.25)
        by_itself = len(told)
        await desk.explained(again=True)

        assert by_itself == 0
        assert len(told) == 1
        assert len(server.asked) == 2 * asked


async def test_what_is_green_again_is_owed_no_more(tmp_path: Path, server: ModelServer, fake_clock: Any) -> None:
    """A failure that could not be explained and was mended meanwhile is not asked about when the service is back."""
    server.always(busy(600))
    async with desk_at(tmp_path, server, clock=fake_clock) as desk, at_work(desk, fake_clock):
        desk.set(when="always")
        await desk.agree()
        desk.run(red(), red("test_shop.py::test_other", OTHER))
        await fake_clock.pass_time(SETTLE_S)
        await desk.until(lambda: len(desk.bus.snapshot.projects[desk.project].explained) == 2)
        await ended(desk)
        asked = len(server.asked)

        desk.run(green(), red("test_shop.py::test_other", OTHER), told=False)
        server.always(answers(ANSWER))
        await fake_clock.pass_time(RETRY_S)
        await desk.until(
            lambda: (
                Counter(each.stage for each in desk.bus.snapshot.projects[desk.project].explained.values())
                == {ExplainStage.EXPLAINED: 1}
            )
        )
        await hours_pass(desk, fake_clock, 0.1)
        await desk.explained("test_shop.py::test_other", again=True)
        await ended(desk)

        assert asked == 2
        assert ["5 == 8" in each.said for each in server.asked[asked:]] == [True, True]


async def test_what_was_just_set_holds_for_the_next_question(desk: Desk) -> None:
    """The settings are looked at before it is decided whom to ask: nothing goes to a service that was just removed."""
    desk.run(red())
    await desk.agree()

    with ModelServer() as other:
        other.always(answers(ANSWER))
        desk.set(custom=ProviderSettings(base_url=other.url, model="stand-in-2"))
        explanation = await desk.send(commands.Explain(project=desk.project, nodeid=NODE))
        talk = await desk.send(commands.Ask(text="Why?"))
        await settled(desk, talk)
        hosts = await desk.send(commands.SetConsent(project=desk.project))
        preview = await desk.send(commands.ReadPrompt(project=desk.project, nodeid=NODE))

    assert explanation.needs_consent == hosts == (other.host,)
    assert len(other.asked) == 1
    assert preview.host == other.host
    assert desk.server.asked == []


async def test_who_cannot_be_asked_is_told_with_the_reason(desk: Desk) -> None:
    """An address that is none is named, to whoever wants an explanation and to whoever asks; nothing is to agree to."""
    desk.run(red())
    before = await desk.send(commands.Explain(project=desk.project, nodeid=NODE))
    desk.set(custom=ProviderSettings(base_url="bogus", model="stand-in-1"))

    explanation = await desk.send(commands.Explain(project=desk.project, nodeid=NODE))
    with pytest.raises(ModelNotSetUp, match="The address of the provider custom"):
        await desk.send(commands.Ask(text="Why?"))
    with pytest.raises(ModelNotSetUp, match="The address of the provider custom"):
        await desk.send(commands.ReadPrompt(project=desk.project, nodeid=NODE))

    assert before.needs_consent == (desk.server.host,)
    assert explanation.stage is ExplainStage.UNANSWERED
    assert explanation.trouble.startswith("The address of the provider custom")
    assert "analysis.custom.base_url" in explanation.hint
    assert explanation.needs_consent == ()


async def test_switched_off_is_said_in_place_of_an_error_of_before(desk: Desk) -> None:
    """With `when` at never an old error is no reason any more, and it does not come back with the setting either."""
    desk.server.always(refused(400, "no such model"))
    desk.run(red())
    await desk.agree()
    failed = await desk.explained()

    desk.set(when="never")
    off = await desk.send(commands.Explain(project=desk.project, nodeid=NODE, again=True))
    kept = await desk.send(commands.ReadExplanation(project=desk.project, nodeid=NODE))

    assert "no such model" in failed.trouble
    assert (off.stage, off.trouble) == (ExplainStage.LOCAL, "Models are switched off by the setting analysis.when.")
    assert "analysis.when ask" in off.hint
    assert (kept.stage, kept.trouble) == (ExplainStage.LOCAL, "")


async def test_an_answer_of_before_is_marked_wherever_it_is_shown_again(desk: Desk) -> None:
    """Asked for once more, after a failure, without consent, switched off: each time it is one of before."""
    desk.server.always(answers(ANSWER))
    desk.run(red())
    await desk.agree()
    new = await desk.explained()

    once_more = await desk.explained()
    desk.server.always(refused(400, "no such model"))
    failed = await desk.explained(again=True)
    await desk.send(commands.SetConsent(project=desk.project, given=False))
    without_consent = await desk.explained(again=True)
    desk.set(when="never")
    off = await desk.explained(again=True)

    assert not new.is_repeat
    told = (once_more, failed, without_consent, off)
    assert [(each.answer, each.is_repeat) for each in told] == [(new.answer, True)] * 4
    assert failed.stage is ExplainStage.UNANSWERED
    assert without_consent.needs_consent == (desk.server.host,)


async def test_the_view_follows_the_breaker_at_once(tmp_path: Path, server: ModelServer, fake_clock: Any) -> None:
    """Whoever asked: when a service is left alone, and when it is no more, is told without a look by the clock."""

    def breaker() -> BreakerState:
        return desk.bus.snapshot.analysis.providers[0].breaker

    async def asked_until(state: BreakerState) -> None:
        async with asyncio.timeout(20):
            while desk.asking.models.views()[0].breaker is not state:
                with suppress(ModelError):
                    await desk.asking.models.complete(question, answer_tokens=500, hosts=None)

    question = (Message(Role.USER, "Why?"),)
    server.always(failing(500))
    async with desk_at(tmp_path, server, clock=fake_clock) as desk, at_work(desk, fake_clock):
        await desk.until(lambda: bool(desk.bus.snapshot.analysis.providers))
        await asked_until(BreakerState.OPEN)
        await desk.until(lambda: breaker() is BreakerState.OPEN, seconds=5)
        out = modelwords.analysis(desk.bus.snapshot.analysis)

        server.always(stream("Because."))
        fake_clock.advance(BreakerLimits().open_ceiling_s)
        await asked_until(BreakerState.CLOSED)
        await desk.until(lambda: breaker() is BreakerState.CLOSED, seconds=5)

    assert out == "Models: custom is left alone for a while"
    assert modelwords.analysis(desk.bus.snapshot.analysis) == ""


async def test_the_view_follows_the_settings_at_once(tmp_path: Path, server: ModelServer, fake_clock: Any) -> None:
    """Who was just set up is in the snapshot after the first question of any kind, without a look by the clock."""
    async with desk_at(tmp_path, server, clock=fake_clock) as desk, at_work(desk, fake_clock):
        await desk.until(lambda: bool(desk.bus.snapshot.analysis.providers))
        desk.run(red())
        desk.set(custom=ProviderSettings(base_url=server.url, model="stand-in-2"))

        await desk.send(commands.ReadPrompt(project=desk.project, nodeid=NODE))
        await desk.until(lambda: desk.bus.snapshot.analysis.providers[0].model == "stand-in-2", seconds=5)
