"""Reviews that commands ask for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.host.known import REVIEW_PLACE
from app.agents.auditing.review.desk import KEPT, ReviewDesk
from app.agents.auditing.settings import AuditSettings, ReviewSettings
from app.domain.commands import ReadReview
from app.domain.findings import AuditVerdict
from tests.ai.modelreplies import answers, slow

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ai.modelserver import ModelServer


async def test_who_comes_back_gets_the_one_review(reviewing_at: Callable[..., Any], server: ModelServer) -> None:
    """The first request begins it, the others wait for the same one; fetched, it is over, and the next is a new one."""
    server.always(slow('{"findings": []}', 0.1))
    async with reviewing_at() as reviewing:
        await reviewing.agree()
        reviewing.repository.write("shop.py", "def total(prices):\n    return 0\n")
        desk = ReviewDesk(reviewing.reviewer, REVIEW_PLACE)
        ask = ReadReview(project=reviewing.project)
        first = await desk.read(ask)
        while (told := await desk.read(ReadReview(project=reviewing.project, wait_s=5.0))) is None:
            pass
        again = await desk.read(ReadReview(project=reviewing.project, wait_s=5.0))

    assert first is None
    assert told.outcome.verdict is AuditVerdict.PASS
    assert again is not None
    assert len(server.asked) == 1


async def test_closing_ends_what_is_on_its_way(reviewing_at: Callable[..., Any], server: ModelServer) -> None:
    """No review outlives the program, and what nobody came back for is not kept for ever."""
    server.always(answers({"findings": []}, delay_s=30.0))
    async with reviewing_at() as reviewing:
        await reviewing.agree()
        reviewing.repository.write("shop.py", "def total(prices):\n    return 0\n")
        desk = ReviewDesk(reviewing.reviewer, REVIEW_PLACE)
        for number in range(KEPT + 3):
            await desk.read(ReadReview(project=reviewing.project, since="0" * number))
        await asyncio.to_thread(server.wait_for, 1)
        async with asyncio.timeout(5):
            await desk.close()


@pytest.mark.parametrize(("enabled", "left_out"), [(False, ("secrets", "review")), (True, ("secrets",))])
def test_no_model_is_asked_unless_the_settings_say_so(enabled: bool, left_out: tuple[str, ...]) -> None:  # noqa: FBT001 - a parameter
    """The review is left out by default."""
    settings = AuditSettings(off=("secrets",), review=ReviewSettings(enabled=enabled))

    assert settings.left_out == left_out
