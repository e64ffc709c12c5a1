"""Models' explanations and conversations are kept, found and forgotten: the same on SQLite and on PostgreSQL."""

# ruff: noqa: RUF001 - Cyrillic is what they search

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.domain.analysis import (
    Answer,
    Confidence,
    ConversationRecord,
    Evidence,
    Exchange,
    Subject,
    SubjectKind,
    Usage,
)
from app.domain.events import ConversationDeleted, ExchangeEnded, FailureAnswered, ProjectWatched
from app.domain.verdicts import Outcome
from app.store import doctor
from app.store.backlog import Backlog
from app.store.database import Database
from app.store.history import History
from app.store.location import Opening, sqlite_url
from app.store.opening import open_history
from app.store.queries import PASSAGE, Queries, passage
from app.store.recording import Recorder
from app.store.retention import KEPT_ANALYSES, forget_one
from app.store.schema import analyses, conversations, exchanges
from app.store.talks import MOST_DELETED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.store.conftest import Story

PROJECT = "/home/ada/project"
USAGE = Usage(1200, 300, 0.0015, 4.5, is_estimate=True)
ANSWER = Answer(
    at=100.0,
    provider="deepseek",
    model="deepseek-chat",
    usage=USAGE,
    cause="`total` starts at 1.",
    confidence=Confidence.HIGH,
    evidence=(Evidence("src/shop.py", 12, "It is set here.", "total = 1"), Evidence("tests/test_shop.py", 3)),
    next_step="Start at 0.",
    patch="--- a/src/shop.py\n",
    patch_note="It changes a test.",
)


def answered(answer: Answer = ANSWER, fingerprint: str = "f1", project: str = PROJECT) -> FailureAnswered:
    return FailureAnswered(at=answer.at, project=project, nodeid="t::a", fingerprint=fingerprint, answer=answer)


def ended(
    conversation: str,
    seq: int,
    question: str,
    answer: str = "",
    *,
    at: float = 0.0,
    subject: Subject | None = None,
    usage: Usage = USAGE,
) -> ExchangeEnded:
    exchange = Exchange(seq, at or float(seq), question, answer, "deepseek", "deepseek-chat", usage, "")
    return ExchangeEnded(
        at=exchange.at,
        conversation=conversation,
        subject=subject or Subject(),
        title=f"About {conversation}",
        exchange=exchange,
    )


def ids(found: tuple[ConversationRecord, ...]) -> list[str]:
    return [record.id for record in found]


async def test_an_answer_comes_back_whole(database_url: str, new_history: Callable[..., History]) -> None:
    """What a model said is there after a restart, field by field, also the answer that is text alone."""
    plain = Answer(at=5.0, provider="p", model="m", usage=Usage(), text="No idea.")
    async with new_history(database_url) as history:
        history.record(answered())
        history.record(answered(plain, "f2"))

    async with new_history(database_url) as history:
        first = await history.answered(PROJECT, "f1")
        second = await history.answered(PROJECT, "f2")

    assert first == ANSWER
    assert second == plain


async def test_the_newest_answer_counts(database_url: str, new_history: Callable[..., History]) -> None:
    """Of several answers to a failure the last one is told; other failures and other projects have their own."""
    newer = replace(ANSWER, cause="Something else.")
    async with new_history(database_url) as history:
        for event in (answered(), answered(newer), answered(ANSWER, "f2"), answered(ANSWER, project="/other")):
            history.record(event)

        found = [await history.answered(PROJECT, name) for name in ("f1", "f2", "f3")]
        other = await history.answered("/other", "f1")
        nowhere = await history.answered("/nowhere", "f1")

    assert found == [newer, ANSWER, None]
    assert (other, nowhere) == (ANSWER, None)


async def test_any_text_of_a_model_is_stored(database_url: str, new_history: Callable[..., History]) -> None:
    """NUL, lone surrogates and numbers that are none do not keep an answer or an exchange out."""
    odd = "nul \0 half \ud800"
    broken = replace(
        ANSWER,
        cause=odd,
        evidence=(Evidence(odd, 1, odd, odd),),
        usage=Usage(1, 2, float("nan"), float("inf")),
    )
    async with new_history(database_url) as history:
        history.record(answered(broken, odd))
        history.record(ended(odd, 1, odd, odd, subject=Subject(SubjectKind.FAILURE, odd, odd), usage=broken.usage))

        answer = await history.answered(PROJECT, odd)
        (found,) = await history.conversations(odd)
        counters = history.counters

    assert answer is not None
    assert (answer.cause, answer.usage.latency_s) == ("nul \\x00 half \\ud800", 0.0)
    assert (found.id, found.subject.name, found.cost) == ("nul \\x00 half \\ud800", "nul \\x00 half \\ud800", 0.0)
    assert counters.dropped_events == 0


async def test_an_answer_that_cannot_be_read_is_none(database_url: str, new_history: Callable[..., History]) -> None:
    """What another version wrote counts as not answered."""
    async with new_history(database_url) as history:
        history.record(answered())
        await history.flush()
    with closing(Database(database_url)) as database, database.writing() as connection:
        connection.execute(analyses.update().values(answer={"at": 1.0, "confidence": "certain"}))

    async with new_history(database_url) as history:
        answer = await history.answered(PROJECT, "f1")

    assert answer is None


async def test_a_conversation_is_listed_with_what_it_is(database_url: str, new_history: Callable[..., History]) -> None:
    """Its subject, title, times, cost and exchanges; the project need not be one that is watched."""
    subject = Subject(SubjectKind.FAILURE, "/never/watched", "t::a")
    free = replace(USAGE, cost=None)
    async with new_history(database_url) as history:
        history.record(ended("c1", 2, "And now?", "Then.", at=200.0, subject=subject, usage=free))
        history.record(ended("c1", 1, "Why?", "Because.", at=100.0, subject=subject))

    async with new_history(database_url) as history:
        listed = await history.conversations()

    assert listed == (ConversationRecord("c1", subject, "About c1", 100.0, 200.0, 2, 0.0015),)


async def test_an_exchange_that_is_there_is_replaced(database_url: str, new_history: Callable[..., History]) -> None:
    """The same number of the same conversation counts once, with what came last, and is found by that alone."""
    async with new_history(database_url) as history:
        history.record(ended("c1", 1, "Why?", "Half an ans"))
        history.record(ended("c1", 1, "Why?", "A whole one."))

        half = await history.conversations("half")
        (whole,) = await history.conversations("whole")

    assert half == ()
    assert (whole.id, whole.exchanges) == ("c1", 1)


async def test_a_deleted_conversation_is_gone(database_url: str, new_history: Callable[..., History]) -> None:
    """Neither it nor any of its exchanges is left in the database; the others stay."""
    async with new_history(database_url) as history:
        for event in (ended("c1", 1, "one"), ended("c1", 2, "two"), ended("c2", 1, "one")):
            history.record(event)
        history.record(ConversationDeleted(at=9.0, conversation="c1"))
        history.record(ConversationDeleted(at=9.0, conversation="never was"))

        listed = await history.conversations()

    with closing(Database(database_url)) as database, database.reading() as connection:
        left = connection.execute(select(func.count()).select_from(exchanges)).scalar_one()
    assert ids(listed) == ["c2"]
    assert left == 1


async def test_an_answer_that_ends_after_a_deletion_brings_nothing_back(
    database_url: str, new_history: Callable[..., History]
) -> None:
    """What was deleted while its answer was on the way stays deleted; another conversation is not hindered."""
    async with new_history(database_url) as history:
        history.record(ended("c1", 1, "one"))
        history.record(ConversationDeleted(at=9.0, conversation="c1"))
        await history.flush()
        history.record(ended("c1", 2, "two"))
        history.record(ConversationDeleted(at=9.0, conversation="never written"))
        history.record(ended("never written", 1, "one"))
        history.record(ended("c2", 1, "one"))

        listed = await history.conversations()

    assert ids(listed) == ["c2"]


def test_a_deletion_is_remembered_through_a_rollback(database_url: str) -> None:
    """When keys are looked up again, what was deleted is still known; the memory of it has a bound."""
    opened = open_history(Opening(database_url, None, lambda: 1.0)).database
    recorder = Recorder()
    deletions = [ConversationDeleted(at=1.0, conversation=f"c{index}") for index in range(MOST_DELETED + 1)]
    with closing(opened) as database:
        with database.writing() as connection:
            recorder.write(connection, deletions)
        recorder.forget()
        with database.writing() as connection:
            recorder.write(connection, [ended("c0", 1, "q"), ended("c1", 1, "q"), ended(f"c{MOST_DELETED}", 1, "q")])
        with database.reading() as connection:
            listed = Queries(connection).conversations()

    assert ids(listed) == ["c0"]


async def test_conversations_are_listed_newest_first(database_url: str, new_history: Callable[..., History]) -> None:
    """The last question counts; a project and a limit narrow it down."""
    mine = Subject(SubjectKind.FAILURE, PROJECT, "t::a")
    async with new_history(database_url) as history:
        history.record(ended("old", 1, "q", at=1.0, subject=mine))
        history.record(ended("new", 1, "q", at=2.0))
        history.record(ended("old", 2, "q", at=3.0))

        everything = await history.conversations()
        one = await history.conversations(limit=1)
        of_project = await history.conversations(project=PROJECT)

    assert (ids(everything), ids(one), ids(of_project)) == (["old", "new"], ["old"], ["old"])


TEXTS = {
    "russian": ("Почему упал ТЕСТ оплаты?", "Сумма считается дважды, строка 12."),
    "german": ("Wo ist die Straße?", "Nirgends."),
    "percent": ("It is 100% sure", "path/to_file\\name"),
    "english": ("Why did the Test fail?", "The total is 100 times too large."),
}
SEARCHES = [
    ("тест", ["russian"]),
    ("ТЕСТ оплаты", ["russian"]),
    ("СУММА почему", ["russian"]),
    ("strasse", ["german"]),
    ("STRAßE", ["german"]),
    ("100%", ["percent"]),
    ("100", ["english", "percent"]),
    ("%", ["percent"]),
    ("_", ["percent"]),
    ("\\n", ["percent"]),
    ("/", ["percent"]),
    ("t_st", []),
    ("total FAIL", ["english"]),
    ("total nirgends", []),
    ("", ["english", "german", "percent", "russian"]),
    ("  ", ["english", "german", "percent", "russian"]),
]


async def test_all_words_must_stand_in_it_whatever_their_case(
    database_url: str, new_history: Callable[..., History]
) -> None:
    """Question and answer are searched together, in Cyrillic as in Latin, and % and _ stand for themselves."""
    async with new_history(database_url) as history:
        for name, (question, answer) in TEXTS.items():
            history.record(ended(name, 1, question, answer))

        found = [(query, sorted(ids(await history.conversations(query)))) for query, _expected in SEARCHES]

    assert found == SEARCHES


async def test_words_may_stand_in_different_exchanges(database_url: str, new_history: Callable[..., History]) -> None:
    """A conversation is found when it has all words, wherever; the passage is that of the first word's first place."""
    long = "x " * 500
    async with new_history(database_url) as history:
        history.record(ended("c1", 1, "first", "nothing"))
        history.record(ended("c1", 2, f"{long}Second\nQUESTION {long}", "-"))
        history.record(ended("c2", 1, "question", "-"))

        (found,) = await history.conversations("question first")

    assert found.id == "c1"
    assert "Second QUESTION x" in found.found
    assert found.found.startswith("\u2026")
    assert found.found.endswith("\u2026")
    assert len(found.found) <= PASSAGE + 2


@given(st.text(), st.text(min_size=1, max_size=20).filter(lambda word: not any(map(str.isspace, word))), st.text())
def test_a_passage_is_short_and_never_fails(before: str, word: str, after: str) -> None:
    """Whatever the texts are, the passage is on one line and no longer than it should be."""
    shown = passage(f"{before}{word}{after}", word.casefold())

    assert len(shown) <= PASSAGE + 2
    assert "\n" not in shown


def test_a_passage_shows_the_hit_where_folding_moves_it() -> None:
    """Signs that become longer when their case is folded do not lead past the hit."""
    shown = passage("ß" * 1000 + " NEEDLE " + "ß" * 1000, "needle")

    assert "NEEDLE" in shown


def test_only_the_newest_answers_of_a_project_are_kept(database_url: str) -> None:
    """Each project keeps its own newest; conversations are not counted, and stay."""
    opened = open_history(Opening(database_url, None, lambda: 1.0)).database
    recorder = Recorder()
    events = [answered(ANSWER, f"f{index}") for index in range(5)]
    with closing(opened) as database:
        with database.writing() as connection:
            others = [answered(ANSWER, "g1", "/other"), ended("c1", 1, "old")]
            recorder.write(connection, [*others, *events])
        with database.writing() as connection:
            more = forget_one(connection, keep_runs=3, keep_analyses=2)
        with database.reading() as connection:
            queries = Queries(connection)
            kept = [index for index in range(5) if queries.answered(PROJECT, f"f{index}")]
            rest = (queries.answered("/other", "g1"), ids(queries.conversations()))

    assert not more
    assert kept == [3, 4]
    assert rest == (ANSWER, ["c1"])


async def test_the_history_tidies_answers_up_by_itself(
    database_url: str, new_history: Callable[..., History], story: Story
) -> None:
    """After a run the oldest answers go, and nobody has to ask for it."""
    async with new_history(database_url) as history:
        for index in range(KEPT_ANALYSES + 1):
            history.record(answered(ANSWER, f"f{index}"))
        story.record(history, story.run("r1", ("t::a", Outcome.PASSED)))
        await history.flush()
        async with asyncio.timeout(30):
            while await history.answered(PROJECT, "f0"):  # noqa: ASYNC110 - the thread tidies up in its own time
                await asyncio.sleep(0.01)

        oldest = await history.answered(PROJECT, "f1")

    assert oldest == ANSWER


async def test_a_reader_keeps_and_deletes_nothing(database_url: str, new_history: Callable[..., History]) -> None:
    """A second process that reads answers, but what it is told to record or delete changes nothing."""
    async with new_history(database_url) as history:
        history.record(ended("c1", 1, "one"))
        await history.flush()
        async with History.reader(database_url) as reader:
            reader.record(answered())
            reader.record(ConversationDeleted(at=1.0, conversation="c1"))
            listed = await reader.conversations()
            answer = await reader.answered(PROJECT, "f1")

    assert ids(listed) == ["c1"]
    assert answer is None


async def test_a_history_of_before_is_brought_up_and_down(
    database_url: str, new_history: Callable[..., History], story: Story, tmp_path: Path
) -> None:
    """A history without these tables gets them and keeps its runs; going down drops them alone."""
    backups = tmp_path / "b"
    async with new_history(database_url) as history:
        story.record(history, story.run("r1", ("t::a", Outcome.FAILED)))
        history.record(answered())
    down = doctor.downgrade(database_url, "0001", backups=backups, wall=lambda: 1.7e9)

    async with new_history(database_url) as history:
        runs = await history.runs()
        answer = await history.answered(PROJECT, "f1")
        history.record(ended("c1", 1, "one"))
        listed = await history.conversations()

    assert (down.revision, down.position) == ("0001", "behind")
    assert [run.run_id for run in runs] == ["r1"]
    assert answer is None
    assert ids(listed) == ["c1"]


def test_the_new_events_cost_memory() -> None:
    """Long texts of a model count in the backlog, so that they cannot fill the memory unseen."""
    backlog = Backlog(capacity_bytes=100_000)
    text = "x" * 40_000

    for event in (
        answered(replace(ANSWER, text=text)),
        answered(replace(ANSWER, evidence=(Evidence("a", 1, text),))),
        ended("c1", 1, text),
        ended("c1", 2, "", text),
        ConversationDeleted(at=1.0, conversation="c1"),
    ):
        backlog.put(event)

    assert backlog.cost_bytes <= 100_000
    assert backlog.losses.events == 2
    assert len(backlog.take()) == 3


def test_five_thousand_exchanges_are_searched_at_once(tmp_path: Path) -> None:
    """A search with two words that are nowhere, the slowest one, takes a part of a second."""
    opened = open_history(Opening(sqlite_url(tmp_path / "h.sqlite3"), None, lambda: 1.0)).database
    text = "Сумма заказа считается дважды, потому что скидка применяется после налога. " * 50
    events = [ended(f"c{index // 5}", index % 5 + 1, f"Почему {index}?", text) for index in range(5_000)]
    with closing(opened) as database:
        with database.writing() as connection:
            Recorder().write(connection, [ProjectWatched(at=1.0, project=PROJECT, name="p"), *events])
        with database.reading() as connection:
            began = time.process_time()
            none = Queries(connection).conversations("НАЛОГА нигде")
            took_s = time.process_time() - began
            (one,) = Queries(connection).conversations("ПОЧЕМУ 4321")
            rows = connection.execute(select(func.count()).select_from(conversations)).scalar_one()

    assert none == ()
    assert one.id == "c864"
    assert rows == 1_000
    assert took_s < 2.0, took_s
