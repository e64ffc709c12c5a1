"""Notices: raised once, changed when they say something else, cleared once."""

from __future__ import annotations

from typing import Any

from app.domain.events import Event, NoticeCleared, NoticeRaised
from app.engine.notices import Notices


def test_a_notice_is_published_only_when_it_changes(fake_clock: Any) -> None:
    """Saying the same again, or clearing what does not stand, publishes nothing."""
    published: list[Event] = []
    notices = Notices(published.append, fake_clock)

    notices.show("a", "")
    notices.show("a", "disk full", "make room")
    notices.show("a", "disk full", "make room")
    notices.show("a", "disk broken")
    notices.show("a", "")
    notices.show("a", "")

    assert [type(event) for event in published] == [NoticeRaised, NoticeRaised, NoticeCleared]
    assert [event.text for event in published[:2]] == ["disk full", "disk broken"]
