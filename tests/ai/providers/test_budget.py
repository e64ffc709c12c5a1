"""The day's budget: it is never exceeded, renewed once a day, and survives a restart and the loss of its file."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from app.ai.providers.budget import SCHEMA, Budget, BudgetLimits, Spent
from app.ai.providers.provider import Price
from app.domain.analysis import Usage
from app.domain.errors import BudgetSpent
from app.engine.statefile import StateFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRICE = Price(1.0, 2.0)
HOUR_S = 3600.0
NOON = 1_700_049_600.0  # 2023-11-15 12:00 UTC


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    assert os.environ.get("TZ") == before
    time.tzset()


@pytest.fixture
def clock(fake_clock: Any) -> Any:
    fake_clock.set_wall(NOON)
    return fake_clock


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    return StateFile(tmp_path / "state" / "budget.json", schema=SCHEMA)


async def use(budget: Budget, tokens: int) -> None:
    reservation = await budget.reserve(tokens, 0, PRICE)
    reservation.settle(Usage(tokens, 0, PRICE.cost(tokens, 0)))


async def test_what_is_settled_counts_and_not_what_was_reserved(file: StateFile, clock: Any) -> None:
    """The true figures take the place of what was held back, once, however often it is settled."""
    budget = Budget(BudgetLimits(1000), file, clock=clock)

    reservation = await budget.reserve(100, 800, PRICE)
    reservation.settle(Usage(90, 10, 0.0002))
    reservation.settle(Usage(90, 10, 0.0002))

    assert budget.spent == Spent(100, 0.0002)
    assert (await budget.reserve(100, 800, PRICE)).tokens == 900


async def test_what_was_not_used_is_given_back(file: StateFile, clock: Any) -> None:
    """A question that came to nothing leaves the budget as it was, and writes nothing."""
    budget = Budget(BudgetLimits(1000), file, clock=clock)

    for usage in (None, Usage(latency_s=3.0)):
        (await budget.reserve(500, 500, PRICE)).settle(usage)
    await budget.aclose()

    assert budget.spent == Spent()
    assert not file.path.exists()


async def test_the_message_says_limit_use_renewal_and_setting(file: StateFile, clock: Any) -> None:
    """Who may not ask learns how much may be used, how much is, when it is renewed, and what to change."""
    budget = Budget(BudgetLimits(300_000), file, clock=clock)
    await use(budget, 299_000)

    with pytest.raises(BudgetSpent) as told:
        await budget.reserve(2_000, 0, None)

    assert "Of the 300,000 for a day, 299,000 are used" in told.value.message
    assert "midnight" in told.value.hint
    assert "analysis.tokens_per_day" in told.value.hint


async def test_money_is_a_limit_of_its_own(file: StateFile, clock: Any) -> None:
    """Dollars are counted where the price is known; a model that costs nothing may be asked when they are spent."""
    budget = Budget(BudgetLimits(dollars_per_day=1.0), file, clock=clock)
    await use(budget, 900_000)

    with pytest.raises(BudgetSpent) as told:
        await budget.reserve(200_000, 0, PRICE)

    assert "$0.9000 are spent" in told.value.message
    assert "analysis.dollars_per_day" in told.value.hint
    assert await budget.reserve(200_000, 0, Price(0, 0))
    assert await budget.reserve(200_000, 0, None)


async def test_no_limits_are_no_limits(file: StateFile, clock: Any) -> None:
    """With 0 for both anything may be used, and it is counted all the same."""
    budget = Budget(BudgetLimits(), file, clock=clock)

    await use(budget, 10**9)

    assert budget.spent.tokens == 10**9


async def test_fifty_at_once_do_not_overshoot(file: StateFile, clock: Any) -> None:
    """Of fifty who ask at one time, as many go through as the budget has room for."""
    budget = Budget(BudgetLimits(1000), file, clock=clock)

    found = await asyncio.gather(*(budget.reserve(90, 10, PRICE) for _ in range(50)), return_exceptions=True)

    assert sum(isinstance(each, BudgetSpent) for each in found) == 40
    assert "1,000 are held back" in str(next(each for each in found if isinstance(each, BudgetSpent)))


async def test_it_survives_a_restart(file: StateFile, clock: Any) -> None:
    """What was spent today is known to the next start, after many settled at once were written in few writes."""
    budget = Budget(BudgetLimits(), file, clock=clock)
    await asyncio.gather(*(use(budget, 10) for _ in range(50)))
    await budget.aclose()

    again = Budget(BudgetLimits(500), file, clock=clock)
    await again.load()

    assert again.spent.tokens == 500
    with pytest.raises(BudgetSpent):
        await again.reserve(1, 0, None)


async def test_a_new_day_renews_it(file: StateFile, clock: Any) -> None:
    """After local midnight nothing is spent, and what is settled then counts for the new day."""
    budget = Budget(BudgetLimits(), file, clock=clock)
    await use(budget, 100)
    late = await budget.reserve(7, 0, None)

    clock.advance(12 * HOUR_S)

    assert budget.spent == Spent()
    late.settle(Usage(7, 0))
    assert budget.spent == Spent(7)


async def test_a_clock_put_back_does_not_renew_it_twice(file: StateFile, clock: Any) -> None:
    """Ten minutes after midnight the clock is put back an hour: the new day goes on, through the second midnight."""
    budget = Budget(BudgetLimits(), file, clock=clock)
    clock.advance(12 * HOUR_S + 600)
    await use(budget, 100)

    clock.set_wall(clock.wall() - HOUR_S)
    before_midnight = budget.spent.tokens
    clock.advance(HOUR_S)
    after_midnight = budget.spent.tokens
    clock.advance(24 * HOUR_S)

    assert (before_midnight, after_midnight, budget.spent.tokens) == (100, 100, 0)


async def test_a_day_far_in_the_future_is_todays(file: StateFile, clock: Any) -> None:
    """What was spent while the clock was years ahead counts for today, and no longer than that."""
    clock.set_wall(NOON + 3 * 365 * 24 * HOUR_S)
    budget = Budget(BudgetLimits(), file, clock=clock)
    await use(budget, 100)
    await budget.aclose()
    clock.set_wall(NOON)

    again = Budget(BudgetLimits(), file, clock=clock)
    await again.load()

    assert again.spent.tokens == 100
    clock.advance(24 * HOUR_S)
    assert again.spent.tokens == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "nonsense",
        '{"schema": 99}',
        '{"schema": 1, "day": "2023-11-15", "tokens": "many", "cost": 0}',
        '{"schema": 1, "day": "2023-11-15", "tokens": -5, "cost": 0}',
        '{"schema": 1, "day": "2023-11-15", "tokens": 5, "cost": NaN}',
        '{"schema": 1, "day": "today", "tokens": 5, "cost": 0}',
    ],
)
async def test_a_broken_file_is_said_and_harmless(file: StateFile, clock: Any, content: str) -> None:
    """A file that is not what was written begins the day anew, tells so, and is written again."""
    file.path.parent.mkdir()
    file.path.write_text(content)
    budget = Budget(BudgetLimits(), file, clock=clock)

    await budget.load()

    assert budget.spent == Spent()
    assert str(file.path) in budget.trouble
    await use(budget, 5)
    await budget.aclose()
    assert file.read()[0]["tokens"] == 5


async def test_a_lost_file_is_harmless(file: StateFile, clock: Any) -> None:
    """No file is no trouble."""
    budget = Budget(BudgetLimits(), file, clock=clock)

    await budget.load()

    assert (budget.spent, budget.trouble) == (Spent(), "")


async def test_a_file_that_cannot_be_written_is_said(tmp_path: Path, clock: Any) -> None:
    """The day goes on in memory, and the trouble ends when writing works again."""
    folder = tmp_path / "state"
    folder.write_text("a file where the folder should be")
    budget = Budget(BudgetLimits(100), StateFile(folder / "budget.json", schema=SCHEMA), clock=clock)

    await use(budget, 60)
    await budget.aclose()

    assert "in memory alone" in budget.trouble
    with pytest.raises(BudgetSpent):
        await budget.reserve(60, 0, None)
    folder.unlink()
    await use(budget, 1)
    await budget.aclose()
    assert budget.trouble == ""
