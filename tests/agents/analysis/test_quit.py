"""The program ends while a model still speaks: what came is kept, and nobody waits for the rest."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from app.domain import commands
from app.domain.analysis import ConversationRecord, SubjectKind
from app.domain.events import ExchangeEnded
from app.engine.clock import SystemClock
from app.engine.limits import Limits
from app.store.history import History
from app.store.location import FILE_NAME, sqlite_url
from tests.ai.modelserver import ModelServer, silent, stalls
from tests.faults.modelfaults import NODE, Shop, shop

if TYPE_CHECKING:
    from pathlib import Path

HALF = "The sum is"
ENDED = "Watchkeeper was stopped."

PATIENT_S = 300.0
"""The service is waited for so long: an end that waited, too, would be seen."""


async def half_of_an_answer(made: Shop, **subject: str) -> str:
    """Ask, and return the conversation when half of its answer is there."""
    talk: str = await made.send(commands.Ask(text="Why is the sum one short?", **subject))
    came = ""
    async with asyncio.timeout(20):
        while came != HALF:
            reply = await made.send(commands.ReadReply(conversation=talk, after=len(came), wait_s=10))
            assert not reply.is_done, reply.trouble
            came += reply.text
    return talk


def transcribed(folder: Path, talk: str) -> list[dict[str, Any]]:
    """Return the exchanges that a transcript holds."""
    (file,) = folder.rglob(f"{talk}.jsonl")
    _header, *exchanges = map(json.loads, file.read_text().splitlines())
    return exchanges


async def listed(folder: Path) -> list[ConversationRecord]:
    """Return what the history that was left behind knows of conversations, as the next start would."""
    (file,) = await asyncio.to_thread(lambda: list(folder.rglob(FILE_NAME)))
    async with History(sqlite_url(file), backup_folder=None, clock=SystemClock()) as history:
        return list(await history.conversations())


@pytest.mark.parametrize("kind", [SubjectKind.FREE, SubjectKind.FAILURE])
async def test_half_of_an_answer_outlives_the_end_of_the_program(tmp_path: Path, kind: SubjectKind) -> None:
    """The transcript has the half and why it ends, the history has the exchange, and the end came within its limit."""
    with ModelServer() as server:
        server.always(stalls(HALF))
        async with shop(tmp_path, server.url, deadline_s=PATIENT_S) as made:
            subject = {}
            if kind is SubjectKind.FAILURE:
                await made.goes_red()
                subject = {"project": made.project, "nodeid": NODE}
            talk = await half_of_an_answer(made, **subject)
            await made.watched.quiet()
            assert made.watched.all(ExchangeEnded) == []
            began = time.monotonic()

        took = time.monotonic() - began

    (exchange,) = transcribed(tmp_path, talk)
    assert (exchange["answer"], exchange["trouble"]) == (HALF, ENDED)
    (record,) = await listed(tmp_path)
    assert (record.id, record.exchanges, record.subject.kind) == (talk, 1, kind)
    assert took < Limits().stop_s


async def test_the_end_of_the_program_waits_for_no_model(tmp_path: Path) -> None:
    """A service that is silent to an explanation and a question delays no end, and the question is kept."""
    with ModelServer() as server:
        server.always(silent())
        async with shop(tmp_path, server.url, deadline_s=PATIENT_S) as made:
            await made.goes_red()
            await made.watched.quiet()
            await made.send(commands.Explain(project=made.project, nodeid=NODE))
            talk = await made.send(commands.Ask(text="Why?"))
            await asyncio.to_thread(server.wait_for, 2)
            began = time.monotonic()

        took = time.monotonic() - began

    (exchange,) = transcribed(tmp_path, talk)
    assert (exchange["question"], exchange["answer"], exchange["trouble"]) == ("Why?", "", ENDED)
    assert took < Limits().stop_s
    assert len(server.asked) == 2
