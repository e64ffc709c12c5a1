"""Notices that stand for as long as something holds: raised once, cleared once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.events import NoticeCleared, NoticeRaised

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.events import Event
    from app.engine.clock import Clock


class Notices:
    """Publishes a notice when it begins to hold, or to say something else, and when it no longer holds.

    Args:
        publish: Takes the events, on the loop's thread.
        clock: Time.
    """

    def __init__(self, publish: Callable[[Event], None], clock: Clock) -> None:
        self._publish = publish
        self._clock = clock
        self._standing: dict[str, tuple[str, str]] = {}

    def stands(self, key: str) -> bool:
        """Return whether the notice of this key holds."""
        return key in self._standing

    def show(self, key: str, text: str, hint: str = "") -> None:
        """Let the notice of this key say `text` and what to do; an empty text clears it."""
        if (text, hint) == self._standing.get(key, ("", hint)):
            return
        now = self._clock.wall()
        if text:
            self._standing[key] = (text, hint)
            self._publish(NoticeRaised(at=now, key=key, text=text, hint=hint))
        else:
            del self._standing[key]
            self._publish(NoticeCleared(at=now, key=key))
