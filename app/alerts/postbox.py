"""Where notifications wait for a slow service: the newest of each cause, shown by the first notifier that can."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

import structlog

from app.alerts.wording import TITLE_LENGTH
from app.domain.words import clip
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from app.system.notifications import Notification, Notifier

_log = structlog.get_logger(__name__)

WAITING: Final = 100
"""Notifications that may wait; there is at most one of each cause."""

_STOP_S: Final = 0.25


class Postbox:
    """Shows notifications one after another; an async context manager that does not close the notifiers.

    Args:
        notifiers: Ways to show a notification, asked in order until one has shown it.
        redact: Takes secrets out of a text: a desktop keeps what it has shown.
    """

    def __init__(self, notifiers: Sequence[Notifier], redact: Callable[[str], str] = str) -> None:
        self._notifiers = tuple(notifiers)
        self._redact = redact
        self._outbox: dict[str, Notification] = {}
        self._posted = asyncio.Event()
        self._postman: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to show what is posted."""
        self._postman = spawn(self._deliver(), name="postbox")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it; what was not shown yet is dropped."""
        if self._postman is not None:
            self._postman.cancel()
            await asyncio.wait([self._postman], timeout=_STOP_S)

    def post(self, notification: Notification) -> None:
        """Have a notification shown, in place of an older one of the same cause that still waits."""
        self._outbox.pop(notification.key, None)  # an older one that still waits is overtaken
        # A test's name or a library's message may hold a secret.
        title, body = clip(self._redact(notification.title), TITLE_LENGTH), self._redact(notification.body)
        self._outbox[notification.key] = replace(notification, title=title, body=body)
        while len(self._outbox) > WAITING:
            _log.warning("a notification was dropped", key=next(iter(self._outbox)))
            del self._outbox[next(iter(self._outbox))]
        self._posted.set()

    async def _deliver(self) -> None:
        while True:
            await self._posted.wait()
            self._posted.clear()
            while self._outbox:
                await self.show(self._outbox.pop(next(iter(self._outbox))))

    async def show(self, notification: Notification) -> bool:
        """Have a notification shown past those that wait, as it is, and return whether one could."""
        for notifier in self._notifiers:
            try:
                if await notifier.send(notification):
                    return True
            except Exception:  # noqa: BLE001 - one way that fails must not silence the next
                _log.exception("a notifier failed", notifier=type(notifier).__name__)
        _log.warning("a notification could not be shown", title=notification.title)
        return False
