"""Reviews that commands ask for: they come back for the answer, since no connection lives as long as a model thinks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from app.agents.auditing.context import Context
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from app.agents.auditing.auditor import Runs
    from app.agents.auditing.host.heard import CheckPlace
    from app.domain.commands import ReadReview
    from app.domain.findings import Checked

READ_AT_MOST_S = 20.0
"""A reader is answered by then, so that its connection does not look dead."""
KEPT = 8
"""Reviews that nobody has come back for."""


class ReviewDesk:
    """It. Belongs to the loop's thread.

    Args:
        reviewer: Reviews.
        place: The review among the checks.
    """

    def __init__(self, reviewer: Runs, place: CheckPlace) -> None:
        self._reviewer = reviewer
        self._place = place
        self._reviews: dict[tuple[str, str], asyncio.Task[Checked]] = {}

    async def read(self, asked: ReadReview) -> Checked | None:
        """Return what a review came to, or None while it is on its way; the first who asks begins it."""
        key = asked.project, asked.since
        review = self._reviews.get(key)
        if review is None:
            context = Context(Path(asked.project), since=asked.since)
            review = self._reviews[key] = spawn(self._reviewer.run(self._place, context), name="a review")
            self._forget()
        await asyncio.wait({review}, timeout=min(max(asked.wait_s, 0.0), READ_AT_MOST_S))
        if not review.done():
            return None
        self._reviews.pop(key, None)
        return review.result()

    def _forget(self) -> None:
        done = [key for key, review in self._reviews.items() if review.done()]
        for key in done[: max(0, len(self._reviews) - KEPT)]:
            del self._reviews[key]

    async def close(self) -> None:
        """End the reviews that are on their way."""
        for review in self._reviews.values():
            review.cancel()
        if self._reviews:
            await asyncio.wait(self._reviews.values())
