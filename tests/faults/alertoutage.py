"""What rows about alerts need: a service that fails by chance and remembers what it took, and an outbox to be killed.

Run as a program, it is an outbox that posts to the service at the address it is given:

    python -m tests.faults.alertoutage FOLDER URL FIRST COUNT

It prints `kept N` when alert N lies on disk or was sent, and ends when nothing waits.
"""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx  # noqa: F401 - the first import takes longer than the deadline of a message here
import structlog

from app.agents.settings import WebhookSettings
from app.alerts.channels.post import Poster
from app.alerts.channels.webhook import Webhook
from app.alerts.outbox import Outbox
from app.domain.alerts import Alert, Urgency
from app.engine.clock import SystemClock
from app.system.trust import system_trust
from tests.alerts.channels.farends import Hook, answer, cut, drop, hang

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.alerts.channels.farends import Asked, Line

EVERY_S = 0.004
"""How often the program posts an alert."""


@dataclass
class Service(Hook):
    """A webhook that takes messages, and fails by chance.

    Attributes:
        chance: Decides; without it, all is well.
        share: How many of the attempts fail.
        taken: What it took, in order: the message's id, and the numbers of the alerts in it.
    """

    chance: random.Random | None = None
    share: float = 0.6
    taken: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    def reply_to(self, asked: Asked) -> Callable[[Line], None]:
        """Take a message, or not, and answer, or not."""
        wrong = self._wrong()
        if wrong is None or wrong[0]:
            self._take(asked.json)
        return answer(200) if wrong is None else wrong[1]

    def _wrong(self) -> tuple[bool, Callable[[Line], None]] | None:
        """Return whether the message is taken all the same, and what is answered; None when all is well."""
        if self.chance is None or self.chance.random() >= self.share:
            return None
        wait = str(self.chance.choice((1, 60, 1200)))
        return self.chance.choice(
            (
                (False, answer(500, b"oops")),
                (False, answer(503, b"", Retry_After=wait)),
                (False, answer(429, b"", Retry_After=wait)),
                (False, drop),
                (True, drop),
                (True, answer(504)),
                (False, lambda line: line.say("220 this is no HTTP")),
                (True, cut(200, b"half")),
                (False, hang),
                (True, hang),
            )
        )

    def _take(self, message: dict[str, Any]) -> None:
        assert "more" not in message["body"], "so many in one message that not all can be told apart"
        numbers = tuple(map(int, re.findall(r"alert (\d+)", message["body"] or message["title"])))
        self.taken.append((message["id"], numbers))

    def require_each_once_in_order(self, count: int) -> None:
        """Hold that each alert came, in order, and twice only as the very same message."""
        messages: dict[str, tuple[int, ...]] = {}
        for name, numbers in self.taken:
            assert messages.setdefault(name, numbers) == numbers, "the same id on another message"
        assert [number for numbers in messages.values() for number in numbers] == list(range(count))


def alert(number: int, at: float) -> Alert:
    """Return the alert of this number."""
    return Alert(f"cause {number}", Urgency.WARNING, f"alert {number}", "", at)


def channel(url: str, *, wall: Callable[[], float], deadline_s: float = 0.2) -> Webhook:
    """Return the channel to the service."""

    async def secret(_name: str) -> str:
        return url

    return Webhook(WebhookSettings(form="json"), secret, Poster(system_trust, wall=wall, deadline_s=deadline_s))


async def _main(folder: Path, url: str, first: int, count: int) -> None:
    clock = SystemClock()
    box = Outbox(
        channel(url, wall=clock.wall, deadline_s=5.0),
        folder,
        publish=lambda _event: None,
        clock=clock,
        new_id=lambda: uuid4().hex,
        chance=lambda _low, _high: 0.01,
    )
    async with box:
        for number in range(first, first + count):
            box.post(alert(number, clock.wall()))
            await _kept(box)
            sys.stdout.write(f"kept {number}\n")
            sys.stdout.flush()
            await clock.sleep(EVERY_S)
        while not box._is_loaded or box._parcels:  # noqa: ASYNC110 - the end of a test's program
            await asyncio.sleep(EVERY_S)


async def _kept(box: Outbox) -> None:
    while not box._is_loaded or not all(parcel.is_kept for parcel in box._parcels):  # noqa: ASYNC110 - likewise
        await asyncio.sleep(0)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
