"""A data folder and connections that hang: questions are answered all the same, and the program ends in time."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.ai.providers.budget import SCHEMA, Budget, BudgetLimits
from app.ai.providers.client import ChatClient
from app.ai.providers.draft import Draft, Question
from app.ai.providers.keys import NO_KEY
from app.domain.analysis import Usage
from app.domain.errors import CannotError, ModelError, ModelOutOfReach
from app.engine.clock import SystemClock
from app.engine.resilience.calls import CallLimits
from app.engine.statefile import StateFile
from tests.ai.modelserver import ModelServer, silent
from tests.ai.providers.conftest import Asking, ask, provider_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

LONG_S = 20.0
IN_TIME_S = 2.0
"""Far above the bounds of a close, and far below what hangs here."""


class HungFile(StateFile):
    """A state file in a folder that hangs when it is read or written, until it is let go."""

    def __init__(self, path: Path, *hangs: str) -> None:
        super().__init__(path, schema=SCHEMA)
        self.asked: list[str] = []
        self.hangs = hangs
        self.freed = threading.Event()

    def read(self) -> tuple[dict[str, Any], str]:
        self._wait("read")
        return super().read()

    def write(self, state: dict[str, Any]) -> None:
        self._wait("write")
        super().write(state)

    def _wait(self, what: str) -> None:
        self.asked.append(what)
        if what in self.hangs:
            self.freed.wait(60)


class Stuck(httpx.AsyncHTTPTransport):
    """The network, with connections that do not close."""

    async def aclose(self) -> None:
        await super().aclose()
        await asyncio.sleep(3600)


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[HungFile]:
    file = HungFile(tmp_path / "budget.json", "read", "write")
    yield file
    file.freed.set()


async def use(budget: Budget, tokens: int) -> None:
    reservation = await budget.reserve(tokens, 0, None)
    reservation.settle(Usage(tokens, 0))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG_S):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in a thread
            await asyncio.sleep(0.01)


async def test_a_folder_that_hangs_keeps_no_question_back(server: ModelServer, asking: Asking, file: HungFile) -> None:
    """After the patience with it, today's budget begins in memory: that is told, and the limit holds."""
    budget = Budget(BudgetLimits(tokens_per_day=600), file, clock=SystemClock(), patience_s=0.1)
    models = asking.models(provider_at(server, key=""), budget=budget)

    answer = await ask(models)

    assert answer.text == "All is well."
    assert "in memory" in budget.trouble
    assert str(file.path) in budget.trouble
    assert budget.spent.tokens == 120
    with pytest.raises(ModelError, match="120 are used"):
        await ask(models)


async def test_the_wait_for_the_folder_is_within_the_deadline(
    server: ModelServer, asking: Asking, file: HungFile
) -> None:
    """With less time than the patience, the deadline ends the question, which was not sent."""
    budget = Budget(BudgetLimits(), file, clock=SystemClock(), patience_s=60.0)
    models = asking.models(provider_at(server, key=""), budget=budget, limits=CallLimits(deadline_s=0.3))
    begun = time.monotonic()

    with pytest.raises(ModelOutOfReach, match="in time"):
        await ask(models)

    assert time.monotonic() - begun < LONG_S
    assert server.asked == []


async def test_a_folder_that_hangs_holds_one_thread_for_each_way(file: HungFile) -> None:
    """However often is asked and settled, one thread reads and one writes: the others are for the rest of the house."""
    budget = Budget(BudgetLimits(), file, clock=SystemClock(), patience_s=0.05)

    for _ in range(20):
        await asyncio.gather(*(use(budget, 10) for _ in range(5)))
    while_reading = list(file.asked)
    file.hangs = ("write",)
    file.freed.set()
    file.freed.clear()
    await until(lambda: "write" in file.asked)
    for _ in range(20):
        await use(budget, 10)

    assert while_reading == ["read"]
    assert file.asked == ["read", "write"]
    assert budget.spent.tokens == 1200


async def test_what_the_folder_held_is_added_when_it_comes(file: HungFile) -> None:
    """When the folder wakes, what was spent before the start counts, and nothing of it is overwritten."""
    earlier = Budget(BudgetLimits(), StateFile(file.path, schema=SCHEMA), clock=SystemClock())
    await use(earlier, 500)
    await earlier.aclose()
    budget = Budget(BudgetLimits(), file, clock=SystemClock(), patience_s=0.05)
    await use(budget, 30)
    before = budget.spent.tokens

    file.freed.set()
    await until(lambda: budget.spent.tokens != before)
    await budget.aclose()

    assert (before, budget.spent.tokens, budget.trouble) == (30, 530, "")
    assert StateFile(file.path, schema=SCHEMA).read()[0]["tokens"] == 530


@pytest.mark.parametrize("hangs", ["read", "write"])
async def test_the_end_does_not_wait_for_a_folder_that_hangs(file: HungFile, hangs: str) -> None:
    """Reading or writing that hangs is left behind, and no task with it."""
    before = len(asyncio.all_tasks())
    file.hangs = (hangs,)
    budget = Budget(BudgetLimits(), file, clock=SystemClock(), patience_s=0.05)
    await use(budget, 10)
    begun = time.monotonic()

    await budget.aclose()

    assert time.monotonic() - begun < IN_TIME_S
    assert len(asyncio.all_tasks()) == before


async def test_the_end_does_not_wait_for_connections(server: ModelServer, asking: Asking, file: HungFile) -> None:
    """Connections that do not close hold up neither the end nor the writing of the budget."""
    file.hangs = ()
    budget = Budget(BudgetLimits(), file, clock=SystemClock())
    models = asking.models(provider_at(server), budget=budget, transport=Stuck)
    await ask(models)
    begun = time.monotonic()

    await models.aclose()

    assert time.monotonic() - begun < IN_TIME_S
    assert file.read()[0]["tokens"] == 120


async def test_after_the_end_no_connection_is_opened(server: ModelServer, asking: Asking) -> None:
    """A question that is on its way when all is closed ends with a word about it, and is not sent once more."""
    server.always(silent())
    made: list[httpx.AsyncHTTPTransport] = []

    def transport() -> httpx.AsyncHTTPTransport:
        made.append(httpx.AsyncHTTPTransport())
        return made[-1]

    models = asking.models(provider_at(server), transport=transport)
    question = asyncio.ensure_future(ask(models))
    await asyncio.to_thread(server.wait_for, 1)

    await models.aclose()
    await asyncio.wait([question], timeout=LONG_S)

    with pytest.raises(CannotError, match="ending") as told:
        await question
    assert not isinstance(told.value, ModelError)
    with pytest.raises(CannotError, match="ending"):
        await ask(models)
    assert (len(server.asked), len(made)) == (1, 1)


async def test_what_is_made_while_all_is_closed_is_closed(server: ModelServer) -> None:
    """A client that is just being made when the end comes is not used any more."""
    is_made, may_go = threading.Event(), threading.Event()

    def transport() -> httpx.AsyncHTTPTransport:
        is_made.set()
        may_go.wait(LONG_S)
        return httpx.AsyncHTTPTransport()

    client = ChatClient(clock=SystemClock(), transport=transport)
    provider = provider_at(server, key="")
    asking = asyncio.ensure_future(client.ask(provider, NO_KEY, Question((), 10), Draft()))
    await asyncio.to_thread(is_made.wait, LONG_S)

    await client.aclose()
    may_go.set()

    with pytest.raises(CannotError, match="ending"):
        await asking
    assert server.asked == []
